"""From options and a classic configuration to the draft of a new one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli import source_spec
from engine.cli.output import absolute
from engine.core.errors import ConfigurationError, UsageError
from engine.operations.initialise import Draft, secret_place

DEFAULT_DIRECTORY = "/var/lib/mentat-dr/store"


@dataclass
class Making:
    """A draft in the making. `remarks` are told to the operator."""

    file: Path
    document: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    remarks: list[str] = field(default_factory=list)

    def keep(self, name: str, secret: str) -> dict[str, str]:
        """Put a secret beside the configuration; what the document says of it."""
        self.secrets[name] = secret
        return secret_place(self.file, name)

    def draft(self, keys: Keys, *, force: bool) -> Draft:
        return Draft(
            file=self.file,
            document=self.document,
            secrets=self.secrets,
            generate=keys.generate,
            passphrase=keys.passphrase,
            import_files=keys.import_files,
            trust_files=keys.trust_files,
            force=force,
        )


@dataclass
class Keys:
    """What to do about keys; passphrase None leaves a generated key open."""

    generate: bool = False
    passphrase: str | None = field(default=None, repr=False)
    import_files: tuple[Path, ...] = ()
    trust_files: tuple[Path, ...] = ()


def take_classic(making: Making, env_file: str) -> None:
    """Take over a backup-config.env; what is not taken over is remarked."""
    from engine.settings_file.classic import read_classic
    from engine.settings_file.classic_draft import draft

    path = absolute(env_file)
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except OSError as problem:
        raise ConfigurationError(
            f"{path} cannot be read: {problem.strerror}", "Check its path, or run as its owner."
        ) from problem
    found = read_classic(text)
    making.document |= draft(found.values, making.keep)
    making.remarks += [f"{path.name}: {key} is not known here" for key in found.unknown]
    making.remarks += [f"{path.name}: {key} left out: {why}" for key, why in found.left_out]


def take_options(making: Making, options: dict[str, Any]) -> None:
    """Take over what the command line says; it goes over the classic file."""
    document = making.document
    document |= {key: options[key] for key in ("host", "environment") if options[key]}
    _store(making, options)
    if options["local"]:
        document["local"] = {"path": str(absolute(options["local"]))}
    if options["source"]:
        document["source"] = [source_spec.parse(spec) for spec in options["source"]]
    urls = ("pushgateway", "prometheus", "alertmanager")
    given = {key: options[key] for key in urls if options[key]}
    if given:
        document["monitoring"] = document.get("monitoring", {}) | given
    _encryption(making, options)


def _store(making: Making, options: dict[str, Any]) -> None:
    directory = options["directory"]
    names = ("provider", "bucket", "prefix", "endpoint", "region")
    given = {name: options[name] for name in names if options[name]}
    if directory and (given.keys() - {"prefix"}):
        raise UsageError("--directory and a bucket exclude each other", "Give one of them.")
    if directory:
        making.document["repository"] = {"provider": "directory", "path": str(absolute(directory))}
    if given:
        making.document["repository"] = making.document.get("repository", {}) | given
    for name in ("access_key", "secret_key"):
        if options[f"{name}_file"]:
            store = making.document.setdefault("repository", {})
            store[name] = {"file": str(absolute(options[f"{name}_file"]))}


def _encryption(making: Making, options: dict[str, Any]) -> None:
    encryption = dict(making.document.get("encryption", {}))
    if options["recipient"]:
        encryption = {"recipients": list(options["recipient"])}
    if options["symmetric_file"]:
        encryption = {"passphrase": {"file": str(absolute(options["symmetric_file"]))}}
    if options["signing_key"]:
        encryption["signing_key"] = options["signing_key"]
    if encryption:
        making.document["encryption"] = encryption


def settle(making: Making) -> None:
    """What must be there and was not given: the host's own name, and a directory store."""
    if not making.document.get("host"):
        making.document["host"] = own_name()
    if not making.document.get("repository"):
        making.document["repository"] = {"provider": "directory", "path": DEFAULT_DIRECTORY}


def own_name() -> str:
    """This machine's name, as names are written here."""
    import socket

    from engine.settings_file.classic_draft import source_name

    return source_name(socket.gethostname().split(".")[0])
