"""Whatever settings there are, the file that holds them loads back as the same."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from engine.core.durations import format_duration, parse_duration, parse_frequency
from engine.settings import (
    EncryptionSettings,
    RetentionSettings,
    Secret,
    Settings,
    SourceSettings,
    StoreSettings,
    TierRetention,
)
from engine.settings_file import load, save, state_directory

spans = st.integers(1, 10**8).map(lambda seconds: timedelta(seconds=seconds))
printable = st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(str.strip)
words = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda word: word not in ("sets", "journal")
)
paths = printable.map(lambda text: "/" + text)
secrets = st.one_of(
    printable.map(lambda value: Secret(value=value)),
    paths.map(lambda file: Secret(file=file)),
    printable.map(lambda env: Secret(env=env)),
)
stores = st.one_of(
    st.builds(StoreSettings, st.just("directory"), path=paths, label=printable),
    st.builds(
        StoreSettings,
        st.sampled_from(["s3", "minio", "custom"]),
        bucket=words,
        endpoint=words.map(lambda host: f"https://{host}"),
        access_key=secrets,
        secret_key=secrets,
        path_style=st.none() | st.booleans(),
        checksums=st.none() | st.booleans(),
    ),
)
tiers = st.builds(TierRetention, days=st.integers(1, 900), monthly=st.integers(0, 99))
databases = st.builds(
    SourceSettings,
    words,
    st.just("database"),
    spans,
    spans,
    address=words,
    port=st.integers(1, 65535),
    password=st.none() | secrets,
    schemas=st.lists(printable).map(tuple),
    checksums=st.booleans(),
    binlogs=spans.map(lambda span: {"every": format_duration(span)}),
)
volumes = st.builds(
    SourceSettings,
    words,
    st.just("volume"),
    spans,
    spans,
    volume=printable,
    quiesce=st.sampled_from(["none", "pause", "stop"]),
    exclude=st.lists(printable).map(tuple),
)
sources = st.lists(databases | volumes, unique_by=lambda source: source.name, max_size=4)


@hypothesis.settings(deadline=None)  # it writes and syncs files
@given(
    host=words,
    environment=printable,
    repository=stores,
    replicas=st.lists(stores, max_size=2).map(tuple),
    encryption=st.builds(EncryptionSettings, st.just(("a@example.org",)), printable),
    sources=sources.map(tuple),
    retention=st.builds(RetentionSettings, local=tiers, config=tiers),
    notify=st.lists(secrets, max_size=3).map(tuple),
)
def test_settings_survive_their_file(**values: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        settings = Settings(file=file, state=state_directory(), **values)  # type: ignore[arg-type]
        save(settings)
        assert load(file) == settings


@given(spans)
def test_a_duration_reads_back(span: timedelta) -> None:
    assert parse_duration(format_duration(span)) == span
    assert parse_frequency(format_duration(span)) == span


def test_durations_as_they_are_spoken() -> None:
    assert parse_duration("1h30m") == timedelta(minutes=90)
    assert format_duration(timedelta(hours=24)) == "24h"
    assert format_duration(timedelta(minutes=90)) == "1h30m"
    assert parse_frequency("weekly") == timedelta(days=7)
