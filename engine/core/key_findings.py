"""What is known of keys, judged: expiry, use, escrow, and the age of credentials. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from engine.core.findings import Finding
from engine.core.metrics_keys import KeysKnown, KeyState

EXPIRY_WARNING = timedelta(days=30)
ESCROW_EVERY = timedelta(days=92)
CREDENTIALS_LAST = timedelta(days=90)


def judge(known: KeysKnown, now: datetime) -> tuple[Finding, ...]:
    """One finding for each key, for the escrow and for each store's credentials."""
    return (
        *(_key(key, now) for key in known.keys),
        *_escrow(known, now),
        *_credentials(known, now),
    )


def _key(key: KeyState, now: datetime) -> Finding:
    check = f"{key.role} {key.name}"
    whose = f"{key.user or key.name} ({key.fingerprint[-16:]})" if key.fingerprint else key.name
    if not key.usable:
        return Finding(check, "critical", f"{whose}: {key.problem}", key.remedy)
    does = "can be encrypted to" if key.role == "recipient" else "signs"
    if key.expires is None:
        return Finding(check, "ok", f"{whose} {does}; it never expires")
    left = key.expires - now
    when = f"{key.expires:%Y-%m-%d}"
    if left < EXPIRY_WARNING:
        return Finding(
            check,
            "warning",
            f"{whose} {does}, but expires in {max(0, left.days)} days, on {when}: backups stop "
            "then",
            f"Where its private half is: gpg --quick-set-expire {key.fingerprint} 2y, then "
            f"gpg --quick-set-expire {key.fingerprint} 2y '*'; import the public key here again.",
        )
    return Finding(check, "ok", f"{whose} {does}; it expires in {left.days} days, on {when}")


def _escrow(known: KeysKnown, now: datetime) -> Iterator[Finding]:
    if known.symmetric:
        return
    remedy = "Fetch the offline key, then: mentat-dr key escrow-test KEYFILE"
    if not known.escrow:
        yield Finding(
            "escrow", "warning", "no offline key was ever proven to open a snapshot", remedy
        )
        return
    last = known.escrow[0]
    age = (now - last.at).days
    words = (
        f"the offline key {last.fingerprint[-16:]} opened {last.source} {last.snapshot} "
        f"({last.how}) {age} days ago"
    )
    if now - last.at > ESCROW_EVERY:
        yield Finding("escrow", "warning", f"{words}: a quarter is over", remedy)
    else:
        yield Finding("escrow", "ok", words)


def _credentials(known: KeysKnown, now: datetime) -> Iterator[Finding]:
    for store, since in known.credentials.items():
        age = now - since
        words = f"credentials of {store} are in use for {age.days} days"
        if age > CREDENTIALS_LAST:
            yield Finding(
                "credentials",
                "warning",
                words,
                "Make new ones at the provider, put them into the configuration, run mentat-dr "
                "doctor, then delete the old ones.",
            )
        else:
            yield Finding("credentials", "ok", words)
