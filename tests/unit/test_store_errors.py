"""Every exception that botocore can raise has a meaning, and the right one."""

from __future__ import annotations

import inspect

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError
from urllib3.exceptions import ProtocolError

from engine.adapters import s3_meanings
from engine.adapters.s3_errors import family, translate, vendor_errors
from engine.core.errors import (
    BucketMissing,
    ConfigurationError,
    MentatError,
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    ObjectTruncated,
    StoreDenied,
    StoreError,
    StoreUnreachable,
)

# Judged by their answer's code and status, not by their class.
BY_ANSWER = {"ClientError"}
# The root of most: what has no family of its own would be unmapped.
ROOT = {"BotoCoreError"}


def exception_classes() -> list[type[Exception]]:
    return [
        kind
        for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__ == "botocore.exceptions"
        and kind.__name__ not in BY_ANSWER | ROOT
    ]


def test_no_exception_class_of_botocore_is_unmapped() -> None:
    unmapped = [kind.__name__ for kind in exception_classes() if family(kind) is None]
    assert unmapped == []
    assert len(exception_classes()) > 80


def test_no_exception_class_of_botocore_escapes() -> None:
    caught = vendor_errors()
    assert [kind.__name__ for kind in exception_classes() if not issubclass(kind, caught)] == []


def test_the_tables_name_classes_that_exist() -> None:
    gone = [name for name in s3_meanings.FAMILIES if not hasattr(botocore.exceptions, name)]
    assert gone == []


def test_each_meaning_says_what_to_do() -> None:
    tables = (s3_meanings.FAMILIES, s3_meanings.CODES, s3_meanings.STATUSES)
    meanings = {meaning for table in tables for meaning in table.values()}
    assert all(meaning.what and meaning.remedy.endswith(".") for meaning in meanings)


def answered(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "PutObject",
    )


@pytest.mark.parametrize(
    ("code", "status", "error", "word"),
    [
        ("AccessDenied", 403, StoreDenied, "permissions"),
        ("403", 403, StoreDenied, "permissions"),
        ("InvalidAccessKeyId", 403, StoreDenied, "access_key"),
        ("SignatureDoesNotMatch", 403, StoreDenied, "secret_key"),
        ("RequestTimeTooSkewed", 403, StoreDenied, "clock"),
        ("NoSuchBucket", 404, BucketMissing, "bucket"),
        ("NoSuchKey", 404, ObjectMissing, "snapshots"),
        ("404", 404, ObjectMissing, "snapshots"),
        ("PreconditionFailed", 412, ObjectExists, "overwritten"),
        ("ConditionalRequestConflict", 409, ObjectExists, "overwritten"),
        ("InvalidRange", 416, ObjectTruncated, "copy"),
        ("SlowDown", 503, StoreUnreachable, "Wait"),
        ("Unheard", 502, StoreUnreachable, "Wait"),
        ("EntityTooLarge", 400, StoreError, "limits"),
        ("QuotaExceeded", 403, StoreError, "quota"),
        ("Unheard", 507, StoreError, "quota"),
        ("BadDigest", 400, ObjectDamaged, "again"),
        ("NoSuchUpload", 404, StoreError, "again"),
        ("AuthorizationHeaderMalformed", 400, StoreError, "region"),
        ("Unheard", 418, StoreError, "documentation"),
    ],
)
def test_answers(code: str, status: int, error: type[MentatError], word: str) -> None:
    mine = translate(answered(code, status, "hard\x1b[31m\nluck"), "shop:bucket", "writing k")
    assert type(mine) is error
    assert word in mine.remedy
    assert mine.message.startswith("writing k in shop:bucket")
    assert mine.message.isprintable()
    assert "luck" in mine.message


@pytest.mark.parametrize(
    ("vendor", "error"),
    [
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), StoreUnreachable),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="http://x"), StoreUnreachable),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"), StoreUnreachable),
        (botocore.exceptions.SSLError(endpoint_url="x", error=OSError("bad")), StoreUnreachable),
        (botocore.exceptions.NoCredentialsError(), StoreDenied),
        (botocore.exceptions.InvalidRegionError(region_name="#"), ConfigurationError),
        (ProtocolError("cut"), StoreUnreachable),
        (ConnectionResetError(104, "reset"), StoreUnreachable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_failures_without_an_answer(vendor: Exception, error: type[MentatError]) -> None:
    assert type(translate(vendor, "shop:bucket", "reading k")) is error


def test_long_words_are_cut() -> None:
    assert len(translate(answered("X", 400, "y" * 10_000), "s", "reading k").message) < 500
