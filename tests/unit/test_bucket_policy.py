"""The policies of the roles: each has what its work needs, and nothing that undoes another's."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from engine.core.bucket_policy import ROLES, Role, policy


def allows(role: Role, action: str, key: str, prefix: str = "dr") -> bool:
    """What Amazon makes of the document for one request, in small."""
    resource = f"arn:aws:s3:::backups/{key}" if key else "arn:aws:s3:::backups"
    return any(
        action in statement["Action"]
        and any(fnmatch(resource, pattern) for pattern in statement["Resource"])
        for statement in policy(role, "backups", prefix)["Statement"]
    )


SNAPSHOT = "dr/v1/landsraad/etc/20261122T020000Z-full-1a2b3c4d/manifest.json"


def test_only_the_pruner_deletes_and_nobody_goes_round_a_lock() -> None:
    for role in ROLES:
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert allows(role, action, SNAPSHOT) == (role == "pruner")
        actions = str(policy(role, "backups"))
        assert "Bypass" not in actions and "s3:*" not in actions and "PutBucket" not in actions


@pytest.mark.parametrize("role", list(ROLES))
def test_every_role_reads_below_its_prefix_only(role: Role) -> None:
    assert allows(role, "s3:GetObject", SNAPSHOT)
    assert allows(role, "s3:ListBucket", "")
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert not allows(role, action, "other/secret")
        assert not allows(role, action, "drx/secret")


def test_who_writes_what() -> None:
    report = "dr/v1/landsraad/journal/reports/x.json"
    lease = "dr/lease/prune/00000001.json"
    may = {role: allows(role, "s3:PutObject", SNAPSHOT) for role in ROLES}
    assert [role for role in ROLES if may[role]] == ["writer"]
    assert [r for r in ROLES if allows(r, "s3:PutObject", report)] == [
        "writer",
        "verifier",
        "restorer",
    ]
    assert allows("pruner", "s3:PutObject", lease)
    assert allows("restorer", "s3:RestoreObject", SNAPSHOT)


def test_without_a_prefix_it_is_the_whole_bucket() -> None:
    assert allows("writer", "s3:PutObject", "RECOVERY.md", prefix="")
