"""A place of its own on the lab's S3 server for each test."""

from __future__ import annotations

import secrets

import pytest

from engine.settings import Secret, StoreSettings
from tests.lab import Lab


@pytest.fixture(scope="module")
def bucket(lab: Lab) -> str:
    """One for all: SeaweedFS sets aside whole volumes for each."""
    return lab.s3.new_bucket("contract")


@pytest.fixture
def settings(lab: Lab, bucket: str) -> StoreSettings:
    """A place of its own in the bucket."""
    server = lab.s3
    return StoreSettings(
        "custom",
        bucket=bucket,
        prefix=f"{secrets.token_hex(6)}/here",
        endpoint=server.endpoint,
        access_key=Secret(value=server.access_key),
        secret_key=Secret(value=server.secret_key),
    )
