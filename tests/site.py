"""A site: mentat-dr set up on a private directory, for tests that run the product as a whole.

It has its own configuration, state, keys and repository; jobs run as real detached workers.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from engine import settings_file
from engine.adapters.gpg import Gpg
from engine.api import Engine, Job
from engine.core.recovery import RestoreRequest, Target
from engine.settings import EncryptionSettings, Secret, Settings, SourceSettings, StoreSettings

PASSPHRASE = "correct horse # battery 'staple'"
HOUR = timedelta(hours=1)


@dataclass
class Site:
    """`engine` is the api over `config`; every job it starts has its state below `root`."""

    root: Path
    engine: Engine
    passphrase: str | None

    @property
    def config(self) -> Path:
        return self.engine.settings.file

    @property
    def state(self) -> Path:
        return self.engine.settings.state

    def finish(self, job_id: str, timeout: float = 300) -> Job:
        """The job after its end; TimeoutError names what it was doing."""
        until = time.monotonic() + timeout
        while not (job := self.engine.job(job_id)).final:
            if time.monotonic() > until:
                self.engine.cancel(job_id)
                raise TimeoutError(f"{job_id} still runs: {job.phase}")
            time.sleep(0.1)
        return job

    def backup(self, *sources: str) -> Job:
        return self.finish(self.engine.start_backup(sources))

    def restore(
        self,
        source: str,
        target: Target,
        *,
        snapshot: str = "latest",
        confirm: str = "",
        passphrase: str | None = None,
        accept_unsigned: str = "",
        host: str = "",
    ) -> Job:
        """Run a restore to its end; the site's passphrase unless another is given."""
        request = RestoreRequest(
            source, snapshot, target, host=host, confirm=confirm, accept_unsigned=accept_unsigned
        )
        key = self.passphrase if passphrase is None else passphrase
        return self.finish(self.engine.start_restore(request, key))


def expect(job: Job, state: str = "done") -> Job:
    """The job, if it ended so; else an AssertionError with what it said."""
    said = job.failure.message + "\n" + job.failure.detail if job.failure else ""
    warned = "\n".join(w.message for w in job.warnings)
    assert job.state == state, f"{job.id} is {job.state}: {said}\n{warned}"
    return job


@contextlib.contextmanager
def site(
    root: Path,
    repository: StoreSettings,
    sources: Sequence[SourceSettings],
    *,
    docker: str = "",
    passphrase: str | None = PASSPHRASE,
    local: bool = False,
    host: str = "landsraad",
) -> Iterator[Site]:
    """A site below root: keys made, configuration written, nothing running; ended with the block.

    The state directory has a short path of its own, since gpg's agent needs that."""
    root.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="mdr-"))
    local_store = None
    if local:
        (root / "local").mkdir()
        local_store = StoreSettings("directory", path=str(root / "local"))
    settings = Settings(
        file=root / "config.toml",
        host=host,
        environment="test",
        repository=repository,
        encryption=EncryptionSettings(),
        sources=tuple(sources),
        local=local_store,
        docker=docker,
        state=state,
    )
    cipher = Gpg(settings.encryption, state / "gnupg")
    try:
        recipient, signer = _keys(state / "gnupg", passphrase)
        encryption = EncryptionSettings(recipients=(recipient,), signing_key=signer)
        settings = replace(settings, encryption=encryption)
        settings_file.save(settings)
        yield Site(root, Engine.open(settings.file), passphrase)
    finally:
        cipher.kill_agent()
        _remove(state)


def _remove(folder: Path) -> None:
    """Remove it, though a console that was hung up may still write its last file there."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    shutil.rmtree(folder)


@functools.cache
def _made_keys(passphrase: str | None) -> tuple[Path, str, str]:
    """A keyring made once for all sites of this process: making keys takes seconds."""
    home = Path(tempfile.mkdtemp(prefix="mdr-keys-"))
    atexit.register(shutil.rmtree, home)
    cipher = Gpg(EncryptionSettings(), home)
    recipient = cipher.generate("Backup", "backup@example.org", passphrase).fingerprint
    signer = cipher.generate("Host", "landsraad@example.org", None).fingerprint
    cipher.kill_agent()
    return home, recipient, signer


def _keys(home: Path, passphrase: str | None) -> tuple[str, str]:
    """Fill a keyring of its own for a site; the recipient's and the signer's fingerprints."""
    made, recipient, signer = _made_keys(passphrase)
    shutil.copytree(made, home, ignore=shutil.ignore_patterns("S.*", "*.lock", ".#*"))
    home.chmod(0o700)
    return recipient, signer


def bucket(s3: object, name: str, prefix: str = "dr") -> StoreSettings:
    """Settings of a bucket in the lab's object store."""
    return StoreSettings(
        "custom",
        bucket=name,
        prefix=prefix,
        endpoint=str(s3.endpoint),  # type: ignore[attr-defined]
        region=str(s3.region),  # type: ignore[attr-defined]
        access_key=Secret(value=str(s3.access_key)),  # type: ignore[attr-defined]
        secret_key=Secret(value=str(s3.secret_key)),  # type: ignore[attr-defined]
    )
