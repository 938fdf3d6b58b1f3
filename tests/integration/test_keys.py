"""Key checks on real keys: expiry, use, and an offline key that really opens a snapshot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import settings_file, wiring
from engine.adapters.gpg import Gpg
from engine.api import Engine
from engine.cli.main import run
from engine.core.metrics_keys import KeyState
from engine.operations.telling_state import Memory
from engine.settings import EncryptionSettings, Secret, SourceSettings, StoreSettings
from tests.site import HOUR, PASSPHRASE, Site, expect, site

pytestmark = [pytest.mark.xdist_group("keys")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("keys")
    tree = root / "tree"
    tree.mkdir()
    (tree / "file").write_text("kept")
    (root / "store").mkdir()
    source = SourceSettings("tree", "config", HOUR, HOUR, paths=(str(tree),))
    store = StoreSettings("directory", path=str(root / "store"))
    with site(root, store, [source]) as made:
        expect(made.backup())
        (root / "pass").write_text(PASSPHRASE + "\n")
        (root / "pass").chmod(0o600)
        yield made


@pytest.fixture(autouse=True)
def configured(place: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MENTAT_DR_CONFIG", str(place.config))
    monkeypatch.setenv("MENTAT_DR_STATE", str(place.state))
    yield
    settings_file.save(place.engine.settings)


@pytest.fixture(scope="module")
def cipher(place: Site) -> Gpg:
    return Gpg(place.engine.settings.encryption, place.state / "gnupg")


@pytest.fixture(scope="module")
def offline(place: Site, cipher: Gpg) -> Path:
    """The recipient's private key as it would lie in a safe."""
    file = place.root / "offline.asc"
    recipient = place.engine.settings.encryption.recipients[0]
    file.write_bytes(cipher.export_secret(recipient, PASSPHRASE))
    return file


def with_recipients(place: Site, *names: str, signing_key: str | None = None) -> Engine:
    settings = place.engine.settings
    signer = settings.encryption.signing_key if signing_key is None else signing_key
    changed = replace(settings, encryption=EncryptionSettings(names, signer))
    settings_file.save(changed)
    return Engine.open(settings.file)


def states(engine: Engine) -> dict[str, KeyState]:
    return {key.name: key for key in engine.key_checks.check().keys}


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_good_keys_are_good_until_they_end(place: Site) -> None:
    engine = place.engine
    found = states(engine)
    assert {key.role for key in found.values()} == {"recipient", "signing"}
    for key in found.values():
        assert key.usable and key.problem == "" and key.expires is not None
        assert timedelta(days=700) < key.expires - datetime.now(UTC) < timedelta(days=732)
    levels = [f.level for f in engine.key_checks.judge(engine.key_checks.known())]
    assert levels == ["ok", "ok", "warning"], "the escrow was never proven"


def test_a_key_that_ends_within_a_month_warns(
    place: Site, cipher: Gpg, capsys: pytest.CaptureFixture[str]
) -> None:
    key = cipher.generate("Soon", "soon@example.org", None, "10d")
    with_recipients(place, key.fingerprint)
    assert run(["key", "check"]) == 8
    assert "expires in 9 days" in capsys.readouterr().out
    run(["status"])
    assert "the recipient key" in capsys.readouterr().out
    text = place.engine.monitoring.text(place.engine.monitoring.metrics(refresh=False))
    assert f'key="{key.fingerprint[-16:]}",role="recipient"' in text


def test_an_expired_key_is_critical_and_says_when(
    place: Site, cipher: Gpg, capsys: pytest.CaptureFixture[str]
) -> None:
    key = cipher.generate("Gone", "gone@example.org", None, "seconds=1")
    engine = with_recipients(place, key.fingerprint)
    end = datetime.now(UTC) + timedelta(seconds=20)
    while states(engine)[key.fingerprint].usable:
        assert datetime.now(UTC) < end
    code, answer = ask(capsys, "key", "check")
    assert code == 5
    found = next(f for f in answer["findings"] if f["check"].startswith("recipient"))
    assert found["level"] == "critical" and "expired" in found["message"]
    assert "--quick-set-expire" in found["remedy"]


def test_unknown_keys_and_a_signer_without_its_private_half(place: Site) -> None:
    engine = with_recipients(place, "nobody@example.org", signing_key="nobody@example.org")
    for state in engine.key_checks.check().keys:
        assert not state.usable and state.problem and state.remedy
        assert state.fingerprint == ""


def test_an_expired_encryption_subkey_ends_the_recipient(place: Site, cipher: Gpg) -> None:
    """Its primary key lives on; it can be encrypted to no longer."""
    from engine.adapters import command
    from engine.core.commands import Command

    key = cipher.generate("Sub", "sub@example.org", None, "2y")
    home = ("--homedir", str(place.state / "gnupg"))
    base = ("gpg", *home, "--batch", "--yes", "--quick-set-expire", key.fingerprint)
    command.run(Command((*base, "10d", "*")))
    state = states(with_recipients(place, key.fingerprint))[key.fingerprint]
    assert state.expires is not None and state.expires - datetime.now(UTC) < timedelta(days=11)


def test_the_offline_key_opens_a_snapshot_and_leaves_nothing(
    place: Site, offline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(Path("/dev/shm").glob("mdr-*"))
    given = ["--passphrase-file", str(place.root / "pass")]
    code, answer = ask(capsys, "key", "escrow-test", str(offline), *given)
    assert code == 0
    escrow = answer["escrow"]
    assert escrow["fingerprint"] == place.engine.settings.encryption.recipients[0]
    assert escrow["source"] == "tree" and "to its end" in escrow["how"]
    assert set(Path("/dev/shm").glob("mdr-*")) == before
    # Remembered here and in the store.
    assert place.engine.key_checks.known().escrow[0].snapshot == escrow["snapshot"]
    kept = [o.key for o in place.engine.door.repo().store.list("v1/landsraad/journal/keys/")]
    assert len(kept) == 1
    findings = place.engine.key_checks.judge(place.engine.key_checks.known())
    assert [f.level for f in findings if f.check == "escrow"] == ["ok"]


def test_an_artifact_too_large_to_hold_is_opened_by_its_first_part(
    place: Site, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.operations import keys_escrow

    tree = place.root / "tree"
    (tree / "big").write_bytes(os.urandom(12 << 20))
    expect(place.backup())
    (tree / "big").unlink()
    monkeypatch.setattr(keys_escrow, "WHOLE", 1 << 20)
    tested = place.engine.key_checks.escrow_test(offline, PASSPHRASE)
    assert tested.escrow.how.startswith("the first part of ")


def test_another_key_a_wrong_passphrase_and_no_key_prove_nothing(
    place: Site, cipher: Gpg, offline: Path, tmp_path: Path
) -> None:
    before = place.engine.key_checks.known().escrow
    other = cipher.generate("Other", "other@example.org", None)
    (tmp_path / "other.asc").write_bytes(cipher.export_secret(other.fingerprint, None))
    (tmp_path / "public.asc").write_bytes(cipher.export_public([other.fingerprint]))
    (tmp_path / "wrong").write_text("wrong\n")
    (tmp_path / "wrong").chmod(0o600)
    given = ["--passphrase-file", str(tmp_path / "wrong")]
    for arguments, code in (
        ([str(tmp_path / "other.asc")], 5),
        ([str(tmp_path / "public.asc")], 5),
        ([str(offline), *given], 5),
        ([str(offline)], 2),
        ([str(tmp_path / "absent.asc")], 5),
    ):
        assert run(["key", "escrow-test", *arguments]) == code, arguments
    assert place.engine.key_checks.known().escrow == before


def test_credentials_age_from_when_they_were_first_seen(place: Site) -> None:
    settings = replace(
        place.engine.settings,
        repository=StoreSettings(
            "s3", bucket="b", access_key=Secret(value="A1"), secret_key=Secret(value="S1")
        ),
    )
    engine = Engine(settings)
    since = engine.key_checks.known().credentials["s3:b"]
    assert datetime.now(UTC) - since < timedelta(minutes=1)
    memory = Memory(place.state)
    old = wiring.utc_now() - timedelta(days=100)
    memory.keep_credentials(dict.fromkeys(memory.credentials(), old))
    known = engine.key_checks.known()
    assert known.credentials["s3:b"] == old
    (finding,) = [f for f in engine.key_checks.judge(known) if f.check == "credentials"]
    assert finding.level == "warning" and "100 days" in finding.message
    # Changed credentials begin anew, and what is kept tells no secret.
    changed = replace(settings.repository, secret_key=Secret(value="S2"))
    again = Engine(replace(settings, repository=changed)).key_checks.known()
    assert datetime.now(UTC) - again.credentials["s3:b"] < timedelta(minutes=1)
    assert "S2" not in (place.state / "monitoring" / "credentials.json").read_text()
