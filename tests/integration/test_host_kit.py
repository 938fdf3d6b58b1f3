"""From nothing: a stock Debian machine that reaches only the store becomes the host again by the
commands that RECOVERY.md prints, with the kit, the keys and the bucket's credentials."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.settings import SourceSettings
from tests import site as sites
from tests.integration.test_recovery_text import private_key
from tests.integration.test_round_trips import fill, same_tree
from tests.lab import Lab
from tests.site import HOUR, PASSPHRASE, Site, expect

pytestmark = [pytest.mark.lab]
BLOCK = re.compile(r"```sh rebuild ([^\n]+)\n(.*?)```", re.DOTALL)


def carry_away(site: Site, folder: Path) -> None:
    """What an operator keeps offline: the private key and the host's public signing key."""
    folder.mkdir()
    private_key(site, folder / "backup-private-key.asc")
    signing = site.engine.settings.encryption.signing_key
    home = ["gpg", "--homedir", str(site.state / "gnupg"), "--batch", "--armor"]
    done = subprocess.run([*home, "--export", signing], check=True, capture_output=True)
    (folder / "signing-public.asc").write_bytes(done.stdout)
    (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "passphrase").chmod(0o600)


def test_a_bare_machine_becomes_the_host_by_the_printed_commands(lab: Lab, tmp_path: Path) -> None:
    conf = tmp_path / "srv-conf"
    conf.mkdir()
    fill(conf)
    source = SourceSettings("conf", "config", HOUR, HOUR, paths=(str(conf),))
    store = sites.bucket(lab.s3, lab.s3.new_bucket())
    handed, out = tmp_path / "handed", tmp_path / "out"
    nowhere = "unix:///nowhere/docker.sock"
    with sites.site(tmp_path / "site", store, [source], docker=nowhere, kit=True) as site:
        expect(site.backup())
        kits = [k.key for k in site.engine.door.repo().store.list("kit/")]
        assert len(kits) == 3
        expect(site.backup())
        again = [k.key for k in site.engine.door.repo().store.list("kit/")]
        assert sorted(again) == sorted(kits), "nothing changed, so no second kit"
        text = site.engine.door.repo().store.get("RECOVERY.md").decode()
        carry_away(site, handed)
    ((host, script),) = BLOCK.findall(text)
    assert host == "landsraad"
    commands = [c for c in script.replace("\\\n", " ").splitlines() if c.strip()]
    assert len(commands) <= 6
    # The first one installs Debian's packages; this machine has them and reaches no mirror.
    rest = "\n".join(c for c in commands if not c.startswith("apt-get"))
    out.mkdir()
    with lab.run_bare(
        options=["--network=host", f"--volume={handed}:/handed:ro", f"--volume={out}:/out"]
    ) as bare:
        begin = (
            "mkdir -p /work && cd /work && cp -p /handed/passphrase /work/ && "
            "chmod 600 /work/passphrase && export KEYS=/handed PASSPHRASE_FILE=/work/passphrase\n"
        )
        said = bare.sh(begin + "set -e\n" + rest, **dict(lab.s3.environment()))
        assert "is installed" in said and "is rebuilt" in said
        bare.sh(f"cp -a {conf} /out/conf; mentat-dr --version", **dict(lab.s3.environment()))
    assert same_tree(conf, out / "conf") == ""
    shutil.rmtree(out)
