"""verify: prove that what is stored is whole, can be decrypted and can be loaded.

Every run leaves a report, also one that was broken off by an error. Damage fails the job with the
exit code of damage; warnings end it with warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.core.errors import DamageError, MentatError, StoreError, UsageError
from engine.core.events import Result
from engine.core.report import Check, Report, failed, passed
from engine.operations import reports, verify_local, verify_memory
from engine.operations.context import Context
from engine.operations.progress import Phase
from engine.operations.recording import Recording
from engine.operations.verify_store import (
    Holding,
    StoreCheck,
    check_keys,
    check_source,
    read_sample,
)
from engine.repository import Repository
from engine.settings import SourceSettings, StoreSettings, TierRetention

What = Literal["local", "offsite", "restore", "all"]
WHATS: tuple[What, ...] = ("local", "offsite", "restore", "all")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to verify. `everything` reads all that is stored instead of a sample."""

    what: What
    sources: tuple[SourceSettings, ...]
    passphrase: str | None = None
    everything: bool = False


def verify(ctx: Context, asked: Asked) -> Result:
    """Run the verifications asked for, each with a report of its own. DamageError when one found
    damage; the error that broke one off, after its report is written."""
    stages: dict[What, Callable[[], Report]] = {
        "local": lambda: verify_local_tier(ctx, asked),
        "offsite": lambda: verify_offsite(ctx, asked),
        "restore": lambda: _restore(ctx, asked),
    }
    chosen: list[What] = [asked.what]
    if asked.what == "all":
        chosen = [name for name in stages if name != "local" or local_tier(ctx) is not None]
    made = []
    broken: list[MentatError] = []
    for name in chosen:
        try:
            made.append(stages[name]())
        except Broken as broken_off:
            made.append(broken_off.report)
            broken.append(broken_off.error)
    return conclude(ctx, made, broken)


def _restore(ctx: Context, asked: Asked) -> Report:
    from engine.operations.verify_restore import verify_restore

    return verify_restore(ctx, asked)


class Broken(Exception):
    """A verification that an error ended; `report` has what was found until then."""

    def __init__(self, report: Report, error: MentatError) -> None:
        super().__init__(error.message)
        self.report = report
        self.error = error


def conclude(ctx: Context, made: Sequence[Report], broken: Sequence[MentatError]) -> Result:
    """The job's end for these reports, which are kept first. An error that broke one off counts
    for more than damage: less is known."""
    trouble = [problem for report in made for problem in keep(ctx, report)]
    if broken:
        raise broken[0]
    bad = [(report, c) for report in made for c in report.checks if c.outcome == "failed"]
    if bad:
        report, check = bad[0]
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise DamageError(
            f"{_shown(check)}{more}",
            f"{check.remedy}  All of it: mentat-dr report show {report.id}",
        )
    words = "; ".join(f"{r.kind}: {r.summary}" for r in made)
    facts = {"reports": [reports.name(report) for report in made]}
    for name in ("passed", "warnings", "failed"):
        facts[name] = [str(getattr(report, name)) for report in made]
    warned = trouble or any(report.warnings for report in made)
    return Result("warnings" if warned else "done", words, facts)


def _shown(check: Check) -> str:
    return f"{check.source}: {check.message}" if check.source else check.message


def keep(ctx: Context, report: Report) -> list[str]:
    """Write the report here and into the bucket. What did not work, also told as warnings; a
    report that cannot be written here at all is an error."""
    reports.save(ctx.state, report)
    try:
        reports.copy(ctx.repository.store, report)
    except StoreError as error:
        said = f"the report is on this host only: {error.message}"
        ctx.warn("report", said)
        return [said]
    return []


def local_tier(ctx: Context) -> StoreSettings | None:
    """The settings of the store on this machine's disk: the local tier or, with nothing offsite,
    the repository itself."""
    if ctx.settings.local is not None:
        return ctx.settings.local
    return ctx.settings.repository if ctx.settings.repository.provider == "directory" else None


def verify_offsite(ctx: Context, asked: Asked) -> Report:
    """Everything the issue of an offsite copy asks: reachable, complete, unaltered, decryptable."""
    repository = Repository(ctx.repository.store, ctx.repository.cipher)
    recording = Recording(ctx, "verify-offsite", repository.store.name)
    return _run(recording, repository, asked, lambda check: _offsite(check, asked))


def _offsite(check: StoreCheck, asked: Asked) -> None:
    with Phase(check.ctx.emit, "reach", "Reach the store") as phase:
        next(iter(check.repository.store.list("RECOVERY.md")), None)
    check.tell(passed("reachable", "", "the store answers", seconds=round(phase.seconds, 3)))
    reading = check_keys(check)
    held: list[Holding] = []
    retention = check.ctx.settings.retention
    for source in asked.sources:
        tier = retention.config if source.kind == "config" else retention.offsite
        held += check_source(check, source, tier, retention.minimum_snapshots)
    read_sample(check, reading, held, check.ctx.settings.verify.cover)


def verify_local_tier(ctx: Context, asked: Asked) -> Report:
    """The same of the local tier, and its files' modes, its disk, its completeness. UsageError
    where there is none."""
    settings = local_tier(ctx)
    if settings is None:
        raise UsageError(
            "there is no local tier to verify",
            "Add [local] with a path, or verify the bucket: mentat-dr verify offsite",
        )
    store = ctx.repository.local or ctx.repository.store
    repository = Repository(store, ctx.repository.cipher)
    recording = Recording(ctx, "verify-local", store.name)
    return _run(recording, repository, asked, lambda check: _local(check, asked, settings))


def _local(check: StoreCheck, asked: Asked, settings: StoreSettings) -> None:
    check.repository.store.list("RECOVERY.md")
    verify_local.check_space(check, settings)
    verify_local.check_files(check, settings)
    reading = check_keys(check)
    retention = check.ctx.settings.retention
    bucket = Repository(check.recording.outer.repository.store, check.repository.cipher)
    held: list[Holding] = []
    for source in asked.sources:
        tier: TierRetention = retention.local
        found = check_source(check, source, tier, retention.minimum_snapshots)
        if check.ctx.settings.local is not None:
            verify_local.check_complete(check, bucket, source, found, tier.days)
        held += found
    read_sample(check, reading, held, check.ctx.settings.verify.cover)


def _run(
    recording: Recording,
    repository: Repository,
    asked: Asked,
    work: Callable[[StoreCheck], None],
) -> Report:
    """Do the work, remember what was seen, and report; Broken when an error ended it."""
    ctx = recording.outer
    memory = verify_memory.load(ctx.state, repository.store.name)
    check = StoreCheck(
        recording, repository, asked.passphrase, memory, recording.started, asked.everything
    )
    try:
        work(check)
    except MentatError as error:
        if error.exit_code == 130:
            raise
        name = "reachable" if isinstance(error, StoreError) else "verification"
        check.tell(failed(name, "", error.message, error.remedy or "mentat-dr doctor"))
        raise Broken(recording.report(), error) from error
    if not asked.sources:
        check.tell(failed("sources", "", "no source is configured", "Add a [[source]]."))
    memory.last_run = check.now
    try:
        verify_memory.save(ctx.state, memory, check.now)
    except OSError as error:
        ctx.warn("memory", f"what was verified could not be remembered: {error.strerror}")
    return recording.report()
