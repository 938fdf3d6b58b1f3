"""The product as its user has it: the installed command, a configuration and a state of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import Lab, LabError

COMMAND = Path(sys.executable).with_name("mentat-dr")
PASSPHRASE = "tea and two biscuits"
_WARNED = 8
_JOBS_SECONDS = 30.0


class ProductFailed(LabError):
    """The command ended badly; the message holds its last words."""


@dataclass(frozen=True)
class Product:
    """mentat-dr over one private directory: configuration, state, secrets and home."""

    lab: Lab
    directory: Path

    @property
    def passphrase_file(self) -> Path:
        return self.directory / "passphrase"

    @property
    def environment(self) -> dict[str, str]:
        """Ours, with every place of the product's inside the directory."""
        own = {
            "HOME": str(self.directory / "home"),
            "MENTAT_DR_CONFIG": str(self.directory / "config.toml"),
            "MENTAT_DR_STATE": str(self.directory / "state"),
            "DOCKER_HOST": self.lab.docker_host,
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
        }
        return {**os.environ, **own}

    def secret(self, name: str, value: str) -> Path:
        """Write a secret down for an option that takes a file."""
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(value)
        return file

    def initialise(self, sources: Sequence[str]) -> None:
        """`mentat-dr init`: a new bucket of the lab's store, new keys, these sources."""
        (self.directory / "home").mkdir(mode=0o700)
        self.secret("passphrase", PASSPHRASE)
        store = self.lab.s3
        self.run(
            "init",
            *("--host", "landsraad", "--environment", "demo"),
            *("--provider", "custom", "--endpoint", store.endpoint),
            *("--bucket", store.new_bucket("demo"), "--prefix", "dr"),
            *("--access-key-file", str(self.secret("access-key", store.access_key))),
            *("--secret-key-file", str(self.secret("secret-key", store.secret_key))),
            *("--generate-keys", "--passphrase-file", str(self.passphrase_file)),
            *(part for source in sources for part in ("--source", source)),
        )

    def run(self, *arguments: str, seconds: float = 900) -> str:
        """Run the command to its end and return what it printed. ProductFailed unless its exit
        code is 0, or 8: done with warnings."""
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
        if done.returncode not in (0, _WARNED):
            words = f"{done.stdout}\n{done.stderr}".strip()[-2000:]
            shown = " ".join(arguments)[:120]
            raise ProductFailed(f"mentat-dr {shown} ended with {done.returncode}:\n{words}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def restore(self, source: str, confirm: str) -> dict[str, Any]:
        """`mentat-dr restore latest --to in-place`; the job as it ended."""
        job: dict[str, Any] = self.json(
            *("restore", "latest", "--source", source, "--to", "in-place"),
            *("--confirm", confirm, "--passphrase-file", str(self.passphrase_file)),
        )
        return job

    def confirm_name(self, source: str) -> str:
        """What the plan of an in-place restore wants typed."""
        plan = self.json("restore", "latest", "--source", source, "--to", "in-place", "--plan")
        return str(plan["confirm_name"])

    def snapshots(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("snapshots")
        return rows

    def console(self) -> int:
        """`mentat-dr` on this terminal, until it is quit; its exit code."""
        return subprocess.run([str(COMMAND)], env=self.environment).returncode

    def made_by_jobs(self) -> list[str]:
        """Names of containers and volumes that restores left: fresh ones and old data kept."""
        if not (self.directory / "config.toml").exists():
            return []
        results = [job.get("result") or {} for job in self.json("job", "list")]
        facts = [result.get("facts", {}) for result in results]
        names = [
            each.get(key) for key in ("container", "target", "volume", "kept") for each in facts
        ]
        return [name for name in names if name and "/" not in name]

    def end(self) -> None:
        """Leave nothing running: jobs are cancelled, agents ended."""
        if (self.directory / "config.toml").exists():
            self._cancel_jobs()
        if (self.directory / "state" / "gnupg").is_dir() and shutil.which("gpgconf"):
            home = str(self.directory / "state" / "gnupg")
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True)

    def _cancel_jobs(self) -> None:
        deadline = time.monotonic() + _JOBS_SECONDS
        asked: set[str] = set()
        while time.monotonic() < deadline:
            running = [
                job["id"]
                for job in self.json("job", "list")
                if job["state"] in ("accepted", "running")
            ]
            if not running:
                return
            for job in running:
                if job not in asked:
                    asked.add(job)
                    self.run("job", "cancel", job)
            time.sleep(0.3)
