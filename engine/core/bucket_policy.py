"""What each role may do in the bucket, and no more: policies as Amazon's IAM spells them, which
MinIO, Wasabi and others take, too (B2 has capabilities of its own)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from engine.core.snapshot import ROOT

Role = Literal["writer", "verifier", "pruner", "restorer"]
ROLES: dict[Role, str] = {
    "writer": "hosts: back up and restore; nothing that is written can be deleted with it",
    "verifier": "verification elsewhere: reads all, writes its reports only",
    "pruner": "prune: deletes; give it to one host or none, apart from the writers",
    "restorer": "a recovery: reads all, thaws, writes proofs only",
}

_READ = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"]
_LIST = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
_LOOK = [
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
]
_UPLOADS = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]


def policy(role: Role, bucket: str, prefix: str = "") -> Mapping[str, Any]:
    """An identity's policy document. Object Lock's bypass is in none of them: what is locked, no
    role deletes before its time. The writer may abort uploads, which are no objects yet."""
    below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    everything = [f"{below}*"]
    journal = [f"{below}{ROOT}/*/journal/*"]
    lease = [f"{below}lease/*"]
    grants: dict[Role, list[tuple[str, list[str], list[str]]]] = {
        "writer": [
            ("Read", _READ, everything),
            ("Write", ["s3:PutObject", "s3:PutObjectRetention", *_UPLOADS], everything),
        ],
        "verifier": [
            ("Read", _READ, everything),
            ("Report", ["s3:PutObject"], journal),
        ],
        "pruner": [
            ("Read", _READ, everything),
            ("Remove", ["s3:DeleteObject", "s3:DeleteObjectVersion", *_UPLOADS], everything),
            ("Lock", ["s3:PutObjectRetention"], everything),
            ("Lease", ["s3:PutObject"], lease),
        ],
        "restorer": [
            ("Read", [*_READ, "s3:RestoreObject"], everything),
            ("Prove", ["s3:PutObject"], journal),
        ],
    }
    statements = [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": actions,
            "Resource": [f"arn:aws:s3:::{bucket}/{pattern}" for pattern in patterns],
        }
        for sid, actions, patterns in grants[role]
    ]
    listing: dict[str, Any] = {
        "Sid": "List",
        "Effect": "Allow",
        "Action": _LIST,
        "Resource": [f"arn:aws:s3:::{bucket}"],
    }
    if below:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{below}*"]}}
    look = {
        "Sid": "Look",
        "Effect": "Allow",
        "Action": _LOOK,
        "Resource": [f"arn:aws:s3:::{bucket}"],
    }
    return {"Version": "2012-10-17", "Statement": [*statements, listing, look]}
