"""The wizard: asks for what options did not say. Every answer may be left at its default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.api import suggest_sources
from engine.cli import source_spec
from engine.cli.init_draft import DEFAULT_DIRECTORY, Keys, Making, own_name
from engine.cli.output import Output, absolute, ask
from engine.cli.passphrases import asked_twice
from engine.core.errors import MentatError
from engine.settings_file.classic_draft import source_name

PROVIDERS = ("s3", "b2", "wasabi", "minio", "custom", "directory")
_CHECKS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "host": (
        "use lower-case letters, digits, dots and dashes",
        lambda v: source_name(v) == v,
    ),
    "provider": (f"one of {', '.join(PROVIDERS)}", lambda v: v in PROVIDERS),
    "endpoint": ("begin with https://", lambda v: v.startswith(("https://", "http://"))),
    "bucket": ("it must not be empty", bool),
}


def question(text: str, default: str = "", check: str = "") -> str:
    """One answer; the question comes again until it passes its check."""
    shown = f" [{default}]" if default else ""
    while True:
        answer = ask(f"{text}{shown}: ") or default
        rule = _CHECKS.get(check)
        if rule is None or rule[1](answer):
            return answer
        ask_again(rule[0])


def ask_again(why: str) -> None:
    import sys

    print(f"  {why}", file=sys.stderr)


def wizard(output: Output, making: Making, keys: Keys) -> None:
    """Ask for host, repository, keys and sources, each only where it is still open."""
    output.note("Setting up mentat-dr. Enter takes the answer in brackets; Ctrl-C writes nothing.")
    document = making.document
    if not document.get("host"):
        document["host"] = question("Name of this host", own_name(), "host")
    if not document.get("environment"):
        document["environment"] = question("Environment", "production")
    if not document.get("repository"):
        document["repository"] = _repository(output, making)
    if not (keys.generate or keys.import_files or document.get("encryption")):
        _keys(output, keys)
    if not document.get("source"):
        document["source"] = _sources(output, making)


def _repository(output: Output, making: Making) -> dict[str, Any]:
    output.note(f"\nWhere do backups go? {', '.join(PROVIDERS)}")
    provider = question("Provider", "directory", "provider")
    if provider == "directory":
        output.note("!! A directory on this machine is lost with it: NOTHING WILL BE OFFSITE.")
        return {"provider": provider, "path": question("Directory", DEFAULT_DIRECTORY)}
    store: dict[str, Any] = {"provider": provider, "bucket": question("Bucket", check="bucket")}
    store["prefix"] = question("Prefix in the bucket", "dr")
    if provider in ("minio", "custom"):
        store["endpoint"] = question("Endpoint (https://...)", check="endpoint")
    store["region"] = question("Region (empty: the provider's own)")
    store["access_key"] = question("Access key id")
    if store["access_key"]:
        store["secret_key"] = making.keep("store-secret-key", _hidden("Secret access key"))
    return {name: value for name, value in store.items() if value}


def _hidden(text: str) -> str:
    from getpass import getpass

    while True:
        answer = getpass(f"{text}: ").strip()
        if answer:
            return answer


def _keys(output: Output, keys: Keys) -> None:
    output.note(
        "\nWho can decrypt? Make a new key here (its private half is yours to carry away), or\n"
        "import one: a file with the public key of somebody who keeps the private one elsewhere."
    )
    answer = question("Key file to import, or empty to make a new key")
    if answer:
        keys.import_files = (absolute(answer),)
        return
    keys.generate = True
    keys.passphrase = asked_twice("Passphrase for the new key (without it nothing can be restored)")


def _sources(output: Output, making: Making) -> list[dict[str, Any]]:
    output.note("\nWhat is to be protected? One a line, an empty line ends:")
    output.note("  database:CONTAINER   volume:NAME   config:/PATH   (or KEY=VALUE,...)")
    found: list[dict[str, Any]] = []
    for suggested in (*suggest_sources(making.document.get("docker", "")), "config:/etc"):
        if question(f"{suggested}? (y/n)", "y").lower().startswith("y"):
            _add(output, making, found, suggested)
    while line := ask("Source: "):
        _add(output, making, found, line)
    return found


def _add(output: Output, making: Making, found: list[dict[str, Any]], line: str) -> None:
    try:
        found.append(source_spec.asked(line, making.keep, _optional_password))
    except MentatError as error:
        output.error(error)


def _optional_password(text: str) -> str:
    from getpass import getpass

    return getpass(f"{text} (empty: none needed): ").strip()
