"""The recovery kit: everything but the bucket's credentials and the private key."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from engine import settings_file
from engine.core.commands import Command
from engine.core.errors import MentatError
from engine.core.kit import (
    ARCHIVE,
    KIT,
    SUMS,
    SUMS_SIGNATURE,
    KitId,
    install_script,
    newest_kits,
)
from engine.operations import durable, kit_wheels
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.streams import pack
from engine.ports import Cipher
from engine.repository.writing import ArtifactWriter
from engine.settings import Secret, Settings, SourceSettings, StoreSettings

LIBRARY = "/opt/mentat-dr"
CONFIG = "/etc/mentat-dr/config.toml"
STATE = "/var/lib/mentat-dr"


def write(settings: Settings, cipher: Cipher, folder: Path) -> None:
    """Write the kit's files below a folder. No secret is among them. UsageError when the product
    is not installed; CipherError when a key is not here."""
    folder.mkdir(parents=True, exist_ok=True)
    kit_wheels.write(folder / "wheels")
    (folder / "config.toml").write_text(configuration(settings))
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    (keys / "public.asc").write_bytes(_public_keys(settings, cipher))
    _copy_runbooks(settings, folder / "runbooks")
    version = (sys.version_info.major, sys.version_info.minor)
    (folder / "install.sh").write_text(install_script(version, STATE, CONFIG, LIBRARY))
    (folder / "RECOVERY.md").write_text(_text(settings))


def _public_keys(settings: Settings, cipher: Cipher) -> bytes:
    wanted = [*cipher.recipients()]
    if settings.encryption.signing_key:
        wanted.append(settings.encryption.signing_key)
    return cipher.export_public(wanted)


def _copy_runbooks(settings: Settings, folder: Path) -> None:
    """The deployment's own ones; the product's are in its wheel."""
    folder.mkdir(exist_ok=True)
    for file in sorted(settings.runbooks.glob("*.toml")) if settings.runbooks.is_dir() else ():
        shutil.copyfile(file, folder / file.name)


def _text(settings: Settings) -> str:
    return f"""# The recovery kit of {settings.host}

`sh install.sh` installs mentat-dr from here, without a network; then
`mentat-dr restore --host {settings.host}` rebuilds the host. The bucket's credentials come from the
environment (see config.toml), the private key from your safe place.
Without mentat-dr: RECOVERY.md at the top of the bucket says how with gpg, zstd and tar.
"""


def configuration(settings: Settings) -> str:
    """The configuration as TOML without secrets: each names the variable or the file to put it
    in again."""
    return settings_file.render(
        replace(
            settings,
            repository=_store(settings.repository, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            replicas=tuple(
                _store(store, f"REPLICA_{number}_ACCESS_KEY", f"REPLICA_{number}_SECRET_KEY")
                for number, store in enumerate(settings.replicas, 1)
            ),
            encryption=replace(
                settings.encryption,
                gnupg_home="",
                passphrase=Secret(env="MENTAT_DR_PASSPHRASE")
                if settings.encryption.passphrase
                else None,
            ),
            sources=tuple(_source(source) for source in settings.sources),
            notify=(),
            state=Path(STATE),
        )
    )


def _store(store: StoreSettings, access: str, secret: str) -> StoreSettings:
    if store.provider == "directory" or not store.access_key:
        return store
    return replace(store, access_key=Secret(env=access), secret_key=Secret(env=secret))


def _source(source: SourceSettings) -> SourceSettings:
    if source.password is None:
        return source
    return replace(source, password=Secret(file=f"/etc/mentat-dr/secrets/{source.name}-password"))


def fingerprint(settings: Settings, cipher: Cipher) -> str:
    """16 hex digits that change with the product's version, its dependencies, the configuration,
    the keys and the deployment's runbooks."""
    digest = hashlib.sha256()
    for distribution in kit_wheels.distributions():
        digest.update(f"{distribution.metadata['Name']} {distribution.version}\n".encode())
    digest.update(f"{sys.version_info[:2]}\n{configuration(settings)}".encode())
    digest.update(" ".join([*cipher.recipients(), settings.encryption.signing_key]).encode())
    for file in sorted(settings.runbooks.glob("*.toml")) if settings.runbooks.is_dir() else ():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def upload_if_changed(ctx: Context) -> None:
    """Upload the kit when this version or configuration has none in the store. Its failure is a
    warning: the snapshots do not need it."""
    if not ctx.settings.kit:
        return
    try:
        wanted = fingerprint(ctx.settings, ctx.repository.cipher)
        known = newest(ctx).get(ctx.host)
        if known is None or known.fingerprint != wanted:
            upload(ctx, wanted)
    except (MentatError, OSError) as error:
        message = error.message if isinstance(error, MentatError) else str(error)
        ctx.warn("kit", f"the recovery kit was not uploaded: {message}")


def newest(ctx: Context) -> dict[str, KitId]:
    """Host -> its newest whole kit in the store. StoreError."""
    return newest_kits(item.key for item in ctx.repository.store.list(f"{KIT}/"))


def upload(ctx: Context, wanted: str) -> KitId:
    """Make the kit and store it, its signature last."""
    kit = KitId(ctx.host, ctx.clock().replace(microsecond=0), wanted)
    store = ctx.repository.store
    with _staging(ctx) as folder, Phase(ctx.emit, "kit", "Make and upload the kit") as phase:
        write(ctx.settings, ctx.repository.cipher, folder / "kit")
        writer = ArtifactWriter(store, kit.artifact_key(ARCHIVE))
        try:
            # As root's, whoever makes it: an installed file must belong to nobody else.
            argv = ("tar", "--create", "--owner=0", "--group=0", f"--directory={folder}", "kit")
            packed = pack(ctx, writer, ARCHIVE, Command(argv, "tar"), phase)
            writer.complete()
        except BaseException:
            writer.abort()
            raise
    sums = f"{packed.artifact.stored_sha256}  {ARCHIVE}\n".encode()
    store.put(kit.artifact_key(SUMS), sums)
    store.put(kit.artifact_key(SUMS_SIGNATURE), ctx.repository.cipher.sign(sums))
    durable.write(ctx.state / "kit.json", msgspec.json.encode(kit))
    return kit


@contextmanager
def _staging(ctx: Context) -> Iterator[Path]:
    """A private folder for the making, gone afterwards."""
    ctx.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="kit-", dir=ctx.state) as folder:
        yield Path(folder)
