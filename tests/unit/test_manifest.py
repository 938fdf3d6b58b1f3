"""Manifests and keys: written, read, refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import DamageError
from engine.core.snapshot import (
    METHODS,
    Artifact,
    BinlogPosition,
    DatabaseFacts,
    Manifest,
    Part,
    SnapshotId,
    TableFacts,
    TreeFacts,
    parse_key,
)
from engine.ports import StoredObject
from engine.repository import inventory, manifest_codec

AT = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)
ID = SnapshotId("landsraad", "shop-db", AT, "logical", "1a2b3c4d")
ARTIFACT = Artifact("dump.sql.zst.gpg", 100, "a" * 64, 60, "b" * 64, (Part(60, "b" * 64),))
DATABASE = DatabaseFacts(
    "mysql",
    "9.7.0",
    position=BinlogPosition("binlog.000004", 157, "uuid:1-5"),
    schemas=("shop",),
    tables=(TableFacts("shop", "orders [x] ` é", 3, "1:2:3"), TableFacts("shop", "v", 0)),
    objects={"views": 1},
)
FULL = Manifest(
    format="1.0",
    id=ID,
    kind="database",
    started=AT,
    finished=AT,
    recoverable_to=AT,
    artifacts=(ARTIFACT,),
    recipients=("F" * 40,),
    database=DATABASE,
    warnings=("one",),
    tree=TreeFacts("/", ("etc",), 4),
)


def test_a_manifest_survives_its_document() -> None:
    assert manifest_codec.decode(manifest_codec.encode(FULL)) == FULL


def test_unknown_fields_are_kept() -> None:
    document = msgspec.json.decode(manifest_codec.encode(FULL))
    document["from_the_future"] = {"a": [1]}
    again = manifest_codec.decode(msgspec.json.encode(document))
    assert again.extra == {"from_the_future": {"a": [1]}}
    assert msgspec.json.decode(manifest_codec.encode(again)) == document


def test_an_unknown_major_version_is_refused_by_name() -> None:
    document = manifest_codec.encode(replace(FULL, format="2.0"))
    with pytest.raises(DamageError, match=r"format 2\.0"):
        manifest_codec.decode(document)


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b"null", b'{"format": "1.0"}', b"\xff"])
def test_what_is_no_manifest_is_damage(document: bytes) -> None:
    with pytest.raises(DamageError):
        manifest_codec.decode(document)


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,30}", fullmatch=True)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(
    names, names, moments, st.sampled_from(METHODS), st.from_regex("[0-9a-f]{8}", fullmatch=True)
)
def test_a_key_tells_its_snapshot(
    host: str, source: str, at: datetime, method: str, ident: str
) -> None:
    snapshot = SnapshotId(host, source, at.replace(microsecond=0), method, ident)  # type: ignore[arg-type]
    assert parse_key(snapshot.manifest_key) == (snapshot, "manifest.json")


@given(st.text(max_size=80))
def test_any_text_is_a_key_or_none(key: str) -> None:
    parse_key(key)
    parse_key(f"v1/a/b/{key}/c")


def test_only_a_manifest_makes_a_snapshot_and_a_proof_marks_it() -> None:
    other = replace(ID, id="ffffffff")
    proof = inventory.proof_key(ID, AT, "restored")
    objects = [
        StoredObject(key, 10, AT)
        for key in (
            ID.artifact_key("dump.sql.zst.gpg"),
            ID.manifest_key,
            ID.signature_key,
            proof,
            other.artifact_key("dump.sql.zst.gpg"),
            "RECOVERY.md",
            "v1/landsraad/sets/x.json",
        )
    ]
    rows = {row.id.id: row for row in inventory.entries(objects)}
    assert rows["1a2b3c4d"].committed and rows["1a2b3c4d"].signed
    assert rows["1a2b3c4d"].stored_bytes == 30
    assert rows["1a2b3c4d"].proven_at == AT
    assert not rows["ffffffff"].committed
