"""Where a provider's bucket is reached, and what is said when the settings do not suffice."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.adapters.providers import PRESETS, place
from engine.adapters.s3 import S3Store
from engine.core.errors import ConfigurationError, StoreError
from engine.settings import Secret, StoreSettings


def test_endpoints() -> None:
    amazon = place(StoreSettings("s3", bucket="b", region="eu-central-1"))
    assert (amazon.endpoint, amazon.region) == (None, "eu-central-1")
    b2 = place(StoreSettings("b2", bucket="b", region="us-west-004"))
    assert b2.endpoint == "https://s3.us-west-004.backblazeb2.com"
    wasabi = place(StoreSettings("wasabi", bucket="b"))
    assert wasabi.endpoint == "https://s3.us-east-1.wasabisys.com"
    minio = place(StoreSettings("minio", bucket="b", endpoint="minio.example.org:9000/"))
    assert minio.endpoint == "https://minio.example.org:9000"
    assert minio.path_style


def test_the_region_is_taken_from_a_hosted_endpoint() -> None:
    b2 = place(
        StoreSettings("b2", bucket="b", endpoint="https://s3.eu-central-003.backblazeb2.com")
    )
    assert b2.region == "eu-central-003"
    own = place(StoreSettings("custom", bucket="b", endpoint="https://s3.example.org.test"))
    assert own.region == "us-east-1"


def test_what_providers_lack_and_settings_override() -> None:
    b2 = place(StoreSettings("b2", bucket="b", region="r"))
    assert not b2.checksums
    assert b2.conditional is False
    forced = StoreSettings("b2", bucket="b", region="r", checksums=True, path_style=True)
    assert place(forced).checksums
    assert place(forced).path_style
    assert place(StoreSettings("s3", bucket="b")).conditional is True


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (StoreSettings("s3"), "bucket"),
        (StoreSettings("directory", bucket="b"), "custom"),
        (StoreSettings("b2", bucket="b"), "region"),
        (StoreSettings("minio", bucket="b"), "endpoint"),
        (StoreSettings("custom", bucket="b"), "endpoint"),
        (StoreSettings("custom", bucket="b", endpoint="ftp://x"), "https://HOST"),
        (StoreSettings("custom", bucket="b", endpoint="https://"), "https://HOST"),
        (StoreSettings("custom", bucket="b", endpoint="https://a:b@x"), "https://HOST"),
        (StoreSettings("custom", bucket="b", endpoint="https://x:port"), "https://HOST"),
        (StoreSettings("s3", bucket="b", ca_bundle="/no/such.pem"), "ca_bundle"),
    ],
)
def test_settings_that_do_not_suffice(settings: StoreSettings, word: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        place(settings)
    assert word in caught.value.remedy


def test_half_a_pair_of_credentials() -> None:
    store = S3Store(StoreSettings("s3", bucket="b", access_key=Secret(value="only")))
    with pytest.raises(ConfigurationError, match="only one of"):
        store.get("k")


def test_no_credentials_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    store = S3Store(StoreSettings("custom", bucket="b", endpoint="http://127.0.0.1:9"))
    with pytest.raises(StoreError) as caught:
        store.get("k")
    assert "access_key" in caught.value.remedy


def test_a_bad_profile_is_a_matter_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    store = S3Store(StoreSettings("custom", bucket="b", endpoint="http://127.0.0.1:9"))
    with pytest.raises(ConfigurationError):
        store.get("k")


def test_an_endpoint_in_the_environment_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    keys = {"access_key": Secret(value="a"), "secret_key": Secret(value="b")}
    store = S3Store(StoreSettings("s3", bucket="b", region="eu-west-1", **keys))  # type: ignore[arg-type]
    assert "amazonaws.com" in store.client.meta.endpoint_url


@pytest.mark.parametrize("provider", sorted(PRESETS))
def test_secrets_are_not_shown(provider: str) -> None:
    settings = StoreSettings(
        provider,  # type: ignore[arg-type]
        bucket="b",
        region="r",
        endpoint="https://x.test",
        secret_key=Secret(value="s3cr3t"),
    )
    assert "s3cr3t" not in repr(settings) + repr(vars(S3Store(settings)))
