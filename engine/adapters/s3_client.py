"""Making the botocore client: time limits, connections, and how bodies are protected."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.adapters.providers import Place
from engine.core.errors import ConfigurationError
from engine.settings import Secret, StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
ATTEMPTS = 3  # of one request, by botocore, with back-off
CONNECTIONS = 32
CHECKSUM_HEADER = "x-amz-checksum-sha256"


def make_client(settings: StoreSettings, place: Place) -> S3Client:
    """A thread-safe client. Imports boto3, about 0.3 s of CPU. Credentials not given in the
    settings come from where the AWS tools look for them."""
    with _no_garbage():
        return _make(settings, place)


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Leave the collector out: the import makes objects by the hundred thousand that all stay,
    and looking through them again and again is a fifth of its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _make(settings: StoreSettings, place: Place) -> S3Client:
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    from engine.adapters.s3_errors import translate

    options: dict[str, Any] = {"ignore_configured_endpoint_urls": True}  # not yet in the stubs
    config = Config(
        region_name=place.region,
        signature_version="s3v4",
        s3={"addressing_style": "path" if place.path_style else "virtual"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        user_agent_extra="mentat-dr",
        **options,
    )
    access, secret = _credentials(settings)
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=place.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            verify=place.ca_bundle,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise translate(error, settings.bucket, "connecting") from error
    _hash_parts_once(client, config)
    return client


def _credentials(settings: StoreSettings) -> tuple[str | None, str | None]:
    nothing = Secret()
    access = None if settings.access_key == nothing else settings.access_key.reveal()
    secret = None if settings.secret_key == nothing else settings.secret_key.reveal()
    if bool(access) != bool(secret):
        raise ConfigurationError(
            f"the store {settings.bucket} has only one of access_key and secret_key",
            "Give both, or neither to use the machine's own AWS credentials.",
        )
    return access, secret


def _hash_parts_once(client: S3Client, config: Any) -> None:
    """A part whose SHA-256 travels in its own header is not hashed again for the signature: the
    header itself is signed, and the store refuses a body that does not match it."""
    from botocore.config import Config

    unsigned = config.merge(Config(s3=config.s3 | {"payload_signing_enabled": False}))

    def before_sign(request: Any, **_: Any) -> None:
        if CHECKSUM_HEADER in request.headers:
            request.context["client_config"] = unsigned

    client.meta.events.register("before-sign.s3.UploadPart", before_sign)
