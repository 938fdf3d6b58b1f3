"""`mentat-dr status`: is everything recoverable, right now?"""

from __future__ import annotations

import click

from engine.api import Engine, Posture, SourcePosture
from engine.cli import text
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, plain_value
from engine.core.objectives import EXIT_CODES

NOTHING_OFFSITE = "NOTHING IS OFFSITE"


@click.command("status")
@click.option("--refresh/--cached", default=None, help="Ask the store now / never ask it.")
@shared
@click.pass_obj
def command(invocation: Invocation, refresh: bool | None) -> None:
    """Is everything recoverable now?

    Exit 0 ok, 1 warning, 2 critical, 3 unknown. The store is asked when the listing kept on this
    host is older than 15 minutes.
    """
    posture = take(invocation.engine(), refresh)
    output = invocation.output
    if output.json:
        output.document(document(posture))
    else:
        show(output, posture)
    finish(EXIT_CODES[posture.level])


def take(engine: Engine, refresh: bool | None) -> Posture:
    """The posture, from a listing that is fresh enough; a directory is cheap to list anew."""
    if refresh is None and engine.settings.repository.provider == "directory":
        refresh = True
    return engine.posture(refresh=refresh)


def document(posture: Posture) -> dict[str, object]:
    """The JSON of a posture: its fields, the level and each snapshot's ref."""
    found: dict[str, object] = plain_value(posture)
    found["level"] = posture.level
    found["notices"] = [{"level": level, "message": said} for level, said in posture.notices]
    found["sources"] = [
        plain_value(source) | {"snapshot": source.snapshot.ref if source.snapshot else None}
        for source in posture.sources
    ]
    return found


def show(output: Output, posture: Posture) -> None:
    """The posture for people."""
    now = posture.now
    output.line(f"{posture.host} · {posture.environment}   {text.utc(now)}", "strong")
    output.line(f"{posture.level.upper()}: {_summary(posture)}", posture.level)
    if not posture.store.offsite and not _said_loudly(posture):
        output.line(
            f"!! {NOTHING_OFFSITE}: {posture.store.name} is on this machine, lost with it.",
            "critical",
        )
    for level, said in posture.notices:
        output.line(f"{'!!' if level == 'critical' else ' !'} {said}", level)
    _store(output, posture)
    output.line()
    if posture.sources:
        head = ("", "SOURCE", "KIND", "RECOVERABLE TO", "RPO", "PROVEN", "SNAPSHOTS", "STORED")
        rows = [_row(posture, source) for source in posture.sources]
        output.table(
            head, rows, right=("SNAPSHOTS", "STORED"), spare=("SNAPSHOTS", "STORED", "KIND")
        )
    for source in posture.sources:
        if source.reasons:
            output.line(f"{source.source}: {'; '.join(source.reasons)}", source.level)
    for kept in posture.kept:
        output.line(
            f"kept: {kept.what} (old data of {kept.source}, {text.age(kept.kept_at, now)}); "
            f"when it is no longer needed: mentat-dr restore --release {kept.id} "
            f"--confirm {kept.what}"
        )


def _summary(posture: Posture) -> str:
    if not posture.sources:
        return "no sources are configured: nothing is protected"
    bad = sum(1 for source in posture.sources if source.level != "ok")
    total = len(posture.sources)
    return f"{bad} of {total} sources need attention" if bad else f"all {total} sources are fine"


def _said_loudly(posture: Posture) -> bool:
    return any(NOTHING_OFFSITE in said for _, said in posture.notices)


def _store(output: Output, posture: Posture) -> None:
    store = posture.store
    if store.reachable:
        listed = f", listed {text.age(store.listed_at, posture.now)}" if store.listed_at else ""
        output.line(f"store: {store.name}{listed}")
        return
    since = (
        f"what follows is as of {text.utc(store.listed_at)}"
        if store.listed_at
        else "nothing is known of what it holds"
    )
    output.line(f"store: {store.name} DOES NOT ANSWER: {store.problem}; {since}", "critical")
    if store.remedy:
        output.line(f"  -> {store.remedy}")


def _row(posture: Posture, source: SourcePosture) -> tuple[object, ...]:
    now = posture.now
    name = source.source if source.host == posture.host else f"{source.host}/{source.source}"
    proven = text.age(source.proven_at, now) if source.proven_at else "NOT PROVEN"
    return (
        source.level,
        name,
        source.kind,
        text.moment(source.recoverable_to, now),
        text.target(source.rpo),
        proven,
        source.snapshots,
        text.size(source.stored_bytes),
    )
