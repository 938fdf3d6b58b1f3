"""What each error of S3 means to us: one table for exception classes, one for error codes, one
for HTTP statuses."""

from __future__ import annotations

from typing import NamedTuple

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


class Meaning(NamedTuple):
    error: type[MentatError]
    what: str
    remedy: str


_NO_ANSWER = Meaning(
    StoreUnreachable,
    "the store does not answer",
    "Check the network, DNS and the endpoint; other stores and the local tier still work.",
)
BROKEN = Meaning(StoreUnreachable, "the connection broke", "Try again; the network is unsteady.")
_BUSY = Meaning(
    StoreUnreachable,
    "the store is overloaded or failing",
    "Wait a few minutes and try again; see the provider's status page.",
)
_TLS = Meaning(
    StoreUnreachable,
    "no secure connection to the store could be made",
    "Check the endpoint's certificate, this machine's clock, and ca_bundle in the configuration.",
)
_NO_KEYS = Meaning(
    StoreDenied,
    "no usable credentials for the store",
    "Give access_key and secret_key for this store in the configuration.",
)
_DENIED = Meaning(
    StoreDenied,
    "the store refuses",
    "Check the key's permissions on this bucket (read, write, list, delete, abort uploads).",
)
_BAD_KEYS = Meaning(
    StoreDenied,
    "the store does not accept these credentials",
    "Check access_key and secret_key of this store; make new ones if they were revoked.",
)
_SKEW = Meaning(
    StoreDenied,
    "this machine's clock differs too much from the store's",
    "Set the clock (timedatectl set-ntp true, or chronyc makestep), then try again.",
)
_SETTINGS = Meaning(
    ConfigurationError,
    "the store's settings are not usable",
    "Correct this store's provider, endpoint, region or bucket in the configuration.",
)
_REGION = Meaning(
    StoreError,
    "the bucket is in another region, or at another endpoint",
    "Set this store's region and endpoint to those of the bucket.",
)
_NO_BUCKET = Meaning(
    BucketMissing,
    "the bucket does not exist",
    "Check the bucket's name and endpoint; create the bucket if it is a new one.",
)
_NO_OBJECT = Meaning(
    ObjectMissing, "there is no such object", "List the snapshots again; it may have been pruned."
)
_TAKEN = Meaning(
    ObjectExists,
    "the object exists already",
    "Nothing was overwritten. Another job may have written it; list again.",
)
_SHORT = Meaning(
    ObjectTruncated,
    "the object is shorter than it should be",
    "Verify this snapshot, and use another copy or an earlier one.",
)
_DAMAGED = Meaning(
    ObjectDamaged,
    "the bytes that arrived are not those that were sent",
    "Try again; when it happens again, suspect this machine's memory or a proxy in between.",
)
_FULL = Meaning(
    StoreError,
    "the store is full or a quota is reached",
    "Raise the quota or free space: shorten the retention and run `mentat-dr prune`.",
)
_SIZE = Meaning(
    StoreError,
    "the store does not take objects or parts of this size",
    "See the provider's limits on object and part sizes.",
)
_NO_UPLOAD = Meaning(
    StoreError,
    "the unfinished upload is gone from the store",
    "Start this backup again; a lifecycle rule or a prune may have dropped the upload.",
)
_LACKING = Meaning(
    StoreError,
    "the store lacks a feature that this needs",
    "Set checksums = false for this store, or use the preset of its provider.",
)
_DEFECT = Meaning(
    StoreError, "the request was not understood", "This is a defect; please report it."
)
UNKNOWN = Meaning(
    StoreError, "the store answered with an error", "See the provider's documentation of it."
)


def _all(meaning: Meaning, names: str) -> dict[str, Meaning]:
    return dict.fromkeys(names.split(), meaning)


# botocore's exception classes; a subclass has the meaning of its nearest base named here.
FAMILIES: dict[str, Meaning] = {
    **_all(
        _NO_ANSWER,
        "ConnectionError EndpointConnectionError ConnectTimeoutError ReadTimeoutError "
        "ProxyConnectionError",
    ),
    **_all(
        BROKEN,
        "HTTPClientError ConnectionClosedError ResponseStreamingError IncompleteReadError "
        "EventStreamError",
    ),
    **_all(_TLS, "SSLError"),
    **_all(
        _NO_KEYS,
        "NoCredentialsError PartialCredentialsError CredentialRetrievalError "
        "UnknownCredentialError NoAuthTokenError TokenRetrievalError "
        "UnknownTokenProviderError RefreshWithMFAUnsupportedError MetadataRetrievalError "
        "SSOError LoginError InvalidIMDSEndpointError InvalidIMDSEndpointModeError",
    ),
    **_all(
        _SETTINGS,
        "DataNotFoundError UnknownRegionError ServiceNotInRegionError BaseEndpointResolverError "
        "EndpointProviderError InvalidRegionError ProfileNotFound ConfigParseError "
        "ConfigNotFound InvalidDNSNameError InvalidS3AddressingStyleError "
        "UnsupportedS3ArnError UnsupportedS3ControlArnError InvalidHostLabelError "
        "UnsupportedOutpostResourceError UnsupportedS3ConfigurationError "
        "UnsupportedS3AccesspointConfigurationError UnsupportedS3ControlConfigurationError "
        "InvalidEndpointDiscoveryConfigurationError InvalidEndpointConfigurationError "
        "InvalidRetryConfigurationError InvalidS3UsEast1RegionalEndpointConfigError "
        "InvalidSTSRegionalEndpointsConfigError InvalidConfigError InvalidProxiesConfigError "
        "InvalidDefaultsMode InvalidChecksumConfigError MissingDependencyException",
    ),
    **_all(_DAMAGED, "FlexibleChecksumError ChecksumError"),
    **_all(_BUSY, "CapacityNotAvailableError"),
    **_all(
        _DEFECT,
        "ApiVersionNotFoundError UnknownSignatureVersionError "
        "UnsupportedSignatureVersionError MissingParametersError ValidationError "
        "ParamValidationError UnknownServiceStyle PaginationError OperationNotPageableError "
        "UnseekableStreamError WaiterError WaiterConfigError InvalidExpressionError "
        "UnknownClientMethodError StubResponseError MD5UnavailableError "
        "UndefinedModelAttributeError AwsChunkedWrapperError UnsupportedServiceProtocolsError",
    ),
}

# Error codes of S3 and of servers that speak it.
CODES: dict[str, Meaning] = {
    **_all(
        _DENIED,
        "AccessDenied AllAccessDisabled Forbidden UnauthorizedAccess AccountProblem "
        "NotSignedUp InvalidPayer InvalidObjectState",
    ),
    **_all(
        _BAD_KEYS,
        "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken "
        "TokenRefreshRequired InvalidSecurity AuthFailure Unauthorized "
        "CredentialsNotSupported",
    ),
    **_all(_SKEW, "RequestTimeTooSkewed RequestInTheFuture RequestExpired"),
    **_all(_NO_BUCKET, "NoSuchBucket"),
    **_all(_SETTINGS, "InvalidBucketName"),
    **_all(
        _REGION,
        "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed "
        "IllegalLocationConstraintException",
    ),
    **_all(_NO_OBJECT, "NoSuchKey NotFound NoSuchVersion"),
    **_all(_TAKEN, "PreconditionFailed ConditionalRequestConflict"),
    **_all(_NO_UPLOAD, "NoSuchUpload"),
    **_all(_SHORT, "InvalidRange"),
    **_all(
        _BUSY,
        "SlowDown ServiceUnavailable InternalError RequestTimeout RequestTimeoutException "
        "Throttling ThrottlingException RequestLimitExceeded BandwidthLimitExceeded "
        "TooManyRequests TooManyRequestsException OperationAborted RequestThrottled Busy",
    ),
    **_all(BROKEN, "IncompleteBody"),
    **_all(
        _FULL,
        "QuotaExceeded QuotaExceededException ServiceQuotaExceededException "
        "InsufficientCapacity InsufficientStorage StorageFull XMinioStorageFull "
        "XMinioAdminBucketQuotaExceeded CapExceeded",
    ),
    **_all(_SIZE, "EntityTooLarge EntityTooSmall TooManyParts KeyTooLongError"),
    **_all(
        _DAMAGED,
        "BadDigest InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch "
        "ContentSHA256Mismatch InvalidPart InvalidPartOrder",
    ),
    **_all(_LACKING, "NotImplemented InvalidArgument InvalidRequest"),
}

STATUSES: dict[int, Meaning] = {
    301: _REGION,
    307: _REGION,
    401: _BAD_KEYS,
    403: _DENIED,
    404: _NO_OBJECT,
    408: _BUSY,
    409: _TAKEN,
    412: _TAKEN,
    413: _SIZE,
    416: _SHORT,
    429: _BUSY,
    500: _BUSY,
    501: _LACKING,
    502: _BUSY,
    503: _BUSY,
    504: _BUSY,
    507: _FULL,
}
