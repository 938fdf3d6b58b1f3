"""Doctor's look at what a store was seen to do, and what that means for the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.core.cold import RULE, breaks
from engine.core.errors import StoreError
from engine.core.findings import Finding, failure
from engine.core.objectives import Level
from engine.core.store_profile import FEATURES, Answer, StoreProfile
from engine.ports import ObjectStore, Probing, Thawing
from engine.repository import profiles
from engine.settings import StoreSettings

if TYPE_CHECKING:
    from engine.operations.doctor import Patient

_WEAKER = "We do without; a store that can is better. See mentat-dr doctor --probe."
_USELESS = "Do not rely on this store. Ask its provider, or use another one."


def profile(patient: Patient, check: str, name: str, found: ObjectStore) -> Iterator[Finding]:
    """With `probe`, probe the store and remember the answers; else tell what is known and weak."""
    settings = _settings(patient, name)
    if settings is None:
        return
    if isinstance(found, Thawing):
        yield from _lifecycle(patient, check, settings, found)
    if not isinstance(found, Probing):
        return
    if patient.probe:
        known: StoreProfile | None = found.probe(patient.clock())
        assert known is not None
        try:
            profiles.save(patient.settings.state, known)
        except OSError as error:
            said = f"what was found could not be kept: {error.strerror}"
            yield Finding(check, "warning", said, "Run doctor as root.")
    else:
        known = profiles.load(patient.settings.state, settings.shown)
    if known is None:
        return
    for feature, answer in known.features.items():
        finding = _finding(check, feature, answer, locked=settings.lock is not None)
        if patient.probe or finding.level != "ok":
            yield finding


def _lifecycle(
    patient: Patient, check: str, settings: StoreSettings, found: Thawing
) -> Iterator[Finding]:
    """Rules of the bucket that undo the retention, or are not what is configured."""
    try:
        rules = found.lifecycle()
    except StoreError as error:
        if settings.transition is not None:
            yield failure(check, error, "warning")
        return
    retention = patient.settings.retention
    for words in breaks(rules, found.prefix, max(retention.offsite.days, retention.config.days)):
        yield Finding(
            check,
            "critical",
            words,
            "Take that rule away, or let it spare our prefix: mentat-dr prune removes what may go.",
        )
    if settings.transition is not None and not any(rule.id == RULE for rule in rules):
        said = "the bucket does not move old artifacts to a colder class yet"
        yield Finding(check, "warning", said, "mentat-dr prune writes the rule.")


def _settings(patient: Patient, name: str) -> StoreSettings | None:
    """The settings behind the name that doctor gives a store."""
    if name == "repository":
        return patient.settings.repository
    number = name.removeprefix("replica ")
    return patient.settings.replicas[int(number) - 1] if number.isdigit() else None


def _finding(check: str, feature: str, answer: Answer, *, locked: bool) -> Finding:
    what, level = FEATURES.get(feature, (feature, "ok"))
    detail = f" ({answer.detail})" if answer.detail else ""
    if answer.able:
        return Finding(check, "ok", f"{what}{detail}")
    if feature == "lock" and locked:
        return Finding(
            check,
            "critical",
            "cannot lock objects, and the configuration asks for it: backups will refuse to run",
            "Make a bucket with Object Lock switched on, or take `lock` out of its settings.",
        )
    if answer.able is None:
        unsure: Level = "ok" if level == "ok" else "warning"
        remedy = "" if unsure == "ok" else "Try again, or ask the provider."
        return Finding(check, unsure, f"not known whether it {what}{detail}", remedy)
    remedy = {"critical": _USELESS, "warning": _WEAKER}.get(level, "")
    return Finding(check, level, f"not so: {what}{detail}", remedy)
