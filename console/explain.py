"""Why a source stands as it does and what to do about it, in sentences."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.formatting import age, span, target
from console.ink import Ink
from console.model import Model
from console.widgets.facts import Fact, Row
from engine.api import Job, Key, Level, SourcePosture

SOON = timedelta(days=30)


def short_kind(kind: str) -> str:
    return "observ." if kind == "observability" else kind


def state_words(source: SourcePosture) -> str:
    """One or two words for the state column."""
    if source.level == "ok":
        return "ok"
    if source.recoverable_to is None:
        return "no backup" if source.level == "critical" else source.level
    if source.level == "critical":
        return "late"
    if source.level == "warning":
        return "unproven" if source.proven_to is None else "look"
    return "unknown"


def explain(ink: Ink, source: SourcePosture, model: Model, now: datetime) -> list[Row]:
    """Sentences about one source: where it stands, why, and the next thing to do."""
    rows: list[Row] = [_standing(ink, source, now)]
    failed = model.last_job(source.source, "backup")
    if failed and failed.state in ("failed", "interrupted", "cancelled") and source.level != "ok":
        rows.append(_failure(ink, failed, now))
        if failed.failure and failed.failure.remedy:
            rows.append(_next(ink, failed.failure.remedy))
    other = [r for r in source.reasons if not _told(r)]
    if other:
        rows.append(ink.say("; ".join(other) + "."))
    for advice in _advice(source, model):
        rows.append(_next(ink, advice))
    return rows


def _standing(ink: Ink, source: SourcePosture, now: datetime) -> Row:
    name = (source.source, "strong")
    if source.recoverable_to is None:
        return ink.say(
            name, ": there is no snapshot, so ", ("nothing can be recovered", "critical"), "."
        )
    back = f" can be brought back to {age(source.recoverable_to, now)}; the target is "
    text: list[str | tuple[str, str]] = [name, back, target(source.rpo)]
    if now - source.recoverable_to > source.rpo:
        late = span(now - source.recoverable_to - source.rpo)
        text = [
            name,
            (" misses its RPO", "critical"),
            f" by {late}: it",
            back,
            target(source.rpo),
        ]
    text.append(". ")
    if source.proven_to is None:
        text += [("Never proven", "warning"), " by a restore."]
    elif source.proven_at:
        text.append(f"Proven {age(source.proven_at, now)}.")
    return ink.say(*text)


def _failure(ink: Ink, job: Job, now: datetime) -> Row:
    when = age(job.ended_at or job.last_at or job.accepted_at, now)
    why = f": {job.failure.message}" if job.failure else ""
    return ink.say("Its last backup ", (job.state, "critical"), f" {when}{why}.")


def _told(reason: str) -> bool:
    return reason.startswith(("misses its RPO", "never proven", "no snapshot"))


def _advice(source: SourcePosture, model: Model) -> list[str]:
    if any(source.source in job.sources for job in model.running):
        return ["A job works on it now: w watches it."]
    if source.level == "critical":
        return ["b backs it up now."]
    if source.proven_to is None and source.recoverable_to is not None:
        return ["r restores it into a directory, which proves it and touches nothing live."]
    return []


def _next(ink: Ink, advice: str) -> Row:
    arrow = ink.glyphs.arrow
    return Fact(arrow, ink.say(advice), "key", len(arrow) + 1)


def key_words(keys: tuple[Key, ...], now: datetime) -> tuple[Level, str]:
    """The encryption key that ends first, and whether a restore can be made here at all."""
    usable = [k for k in keys if k.can_encrypt or k.has_secret]
    if not usable:
        return "warning", "no key on this host's keyring"
    bad = [k for k in usable if k.expired or k.revoked]
    if bad:
        word = "revoked" if bad[0].revoked else "expired"
        return "critical", f"{owner(bad[0])} is {word}: backups cannot be encrypted to it"
    dated = sorted((k for k in usable if k.expires), key=lambda k: k.expires or now)
    secret = "" if any(k.has_secret for k in usable) else "; no secret key here, so no restore here"
    if not dated or dated[0].expires is None:
        return ("warning" if secret else "ok"), f"{owner(usable[0])} never expires{secret}"
    left = dated[0].expires - now
    soon = left < SOON or bool(secret)
    return ("warning" if soon else "ok"), f"{owner(dated[0])} expires in {span(left)}{secret}"


def owner(key: Key) -> str:
    """The address of a key, or what else names it."""
    name = key.user_ids[0] if key.user_ids else key.fingerprint
    address = name.rpartition("<")[2].rstrip(">")
    return address if "@" in address else name
