"""Colder storage classes: objects that must be thawed before they are read, and the bucket's
lifecycle rules that move objects there, or remove them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.adapters.s3_errors import code_and_status, translate, vendor_errors
from engine.core.cold import RULE, TAG, Chill, LifecycleRule
from engine.core.errors import StoreError
from engine.settings import TransitionSettings

if TYPE_CHECKING:
    from engine.adapters.s3 import S3Store

COLD = ("GLACIER", "DEEP_ARCHIVE")  # the other classes answer at once
_ONGOING = re.compile(r'ongoing-request="(true|false)"')
_DAYS = 7  # a thawed copy stays readable


class Cold:
    """The cold side of one store."""

    def __init__(self, store: S3Store, transition: TransitionSettings | None) -> None:
        self._store = store
        self._transition = transition

    def arguments(self, key: str) -> dict[str, Any]:
        """What a write is to be sent with, so that a rule may move it later: artifacts only, for
        a manifest must be readable at any time."""
        if self._transition is None or not key.endswith(".gpg"):
            return {}
        return {"Tagging": f"{TAG[0]}={TAG[1]}"}

    def chill(self, key: str) -> Chill:
        """Whether an object can be read now. StoreError."""
        head = self._call(
            self._store.client.head_object, f"looking at {key}", Key=self._store.whole_key(key)
        )
        storage = head.get("StorageClass", "")
        if storage not in COLD:
            return Chill("", "ready")
        match = _ONGOING.search(head.get("Restore", ""))
        if match is None:
            return Chill(storage, "frozen")
        return Chill(storage, "thawing" if match[1] == "true" else "ready")

    def thaw(self, key: str) -> None:
        """Ask for a readable copy; no error when that was asked before. StoreError."""
        request: Any = {"Days": _DAYS, "GlacierJobParameters": {"Tier": "Standard"}}
        try:
            self._store.client.restore_object(
                Bucket=self._store.bucket, Key=self._store.whole_key(key), RestoreRequest=request
            )
        except vendor_errors() as error:
            if code_and_status(error)[0] != "RestoreAlreadyInProgress":
                raise translate(error, self._store.name, f"thawing {key}") from error

    def rules(self) -> tuple[LifecycleRule, ...]:
        """The bucket's lifecycle rules, those of others included. StoreError."""
        return tuple(_rule(raw) for raw in self._raw())

    def arrange(self) -> bool:
        """Write the configured transition as a rule of ours, and leave others as they are;
        whether anything had to be changed. Without one configured, ours is taken away.
        StoreError."""
        raw = self._raw()
        ours = [rule for rule in raw if rule.get("ID") == RULE]
        wanted = [self._wanted()] if self._transition is not None else []
        if [_rule(rule) for rule in ours] == [_rule(rule) for rule in wanted]:
            return False
        rules = [rule for rule in raw if rule.get("ID") != RULE] + wanted
        doing = "writing the lifecycle rules"
        if rules:
            configuration: Any = {"Rules": rules}
            self._call(
                self._store.client.put_bucket_lifecycle_configuration,
                doing,
                LifecycleConfiguration=configuration,
            )
        else:
            self._call(self._store.client.delete_bucket_lifecycle, doing)
        if [r for r in self.rules() if r.id == RULE] != [_rule(rule) for rule in wanted]:
            raise StoreError(
                f"{self._store.name} took the lifecycle rule and does not have it",
                "Take `transition` out of this store's settings, or write the rule by hand.",
            )
        return True

    def _wanted(self) -> dict[str, Any]:
        assert self._transition is not None
        days, storage = self._transition.days, self._transition.storage_class
        tags = [{"Key": TAG[0], "Value": TAG[1]}]
        return {
            "ID": RULE,
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": self._store.prefix, "Tags": tags}},
            "Transitions": [{"Days": days, "StorageClass": storage}],
        }

    def _raw(self) -> list[dict[str, Any]]:
        try:
            answer = self._store.client.get_bucket_lifecycle_configuration(
                Bucket=self._store.bucket
            )
        except vendor_errors() as error:
            if code_and_status(error)[0] == "NoSuchLifecycleConfiguration":
                return []
            raise translate(error, self._store.name, "reading the lifecycle rules") from error
        return [dict(rule) for rule in answer.get("Rules", [])]

    def _call(self, operation: Any, doing: str, **arguments: Any) -> Any:
        try:
            return operation(Bucket=self._store.bucket, **arguments)
        except vendor_errors() as error:
            raise translate(error, self._store.name, doing) from error


def _rule(raw: dict[str, Any]) -> LifecycleRule:
    chosen = raw.get("Filter") or {}
    both = chosen.get("And") or chosen
    tags = both.get("Tags") or ([both["Tag"]] if "Tag" in both else [])
    moves = [move for move in raw.get("Transitions", []) if "Days" in move]
    return LifecycleRule(
        id=raw.get("ID", ""),
        enabled=raw.get("Status") == "Enabled",
        prefix=raw.get("Prefix") or both.get("Prefix") or "",
        tagged=bool(tags),
        expire_days=(raw.get("Expiration") or {}).get("Days"),
        move_days=moves[0]["Days"] if moves else None,
        storage_class=moves[0]["StorageClass"] if moves else "",
    )
