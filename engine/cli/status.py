"""`mentat-dr status`: is everything recoverable, right now?"""

from __future__ import annotations

from dataclasses import replace

import click

from engine.api import Engine, Posture, ReplicaPosture, SourcePosture
from engine.cli import range_text, text
from engine.cli.invocation import Invocation, finish, shared
from engine.cli.output import Output, plain_value
from engine.core.objectives import EXIT_CODES, worst

NOTHING_OFFSITE = "NOTHING IS OFFSITE"


@click.command("status")
@click.option("--refresh/--cached", default=None, help="Ask the store now / never ask it.")
@click.option("--all-hosts", is_flag=True, help="Every host of the repository, too.")
@click.option("--plugin", is_flag=True, help="One line, with performance data.")
@shared
@click.pass_obj
def command(invocation: Invocation, refresh: bool | None, all_hosts: bool, plugin: bool) -> None:
    """Is everything recoverable now?

    Exit 0 ok, 1 warning, 2 critical, 3 unknown. The store is asked when the listing kept on this
    host is older than 15 minutes. With --plugin it is a monitoring plug-in, for Nagios and its kin.
    """
    if plugin:
        from engine.cli import status_plugin

        finish(status_plugin.run(lambda: take(invocation.engine(), refresh)))
    engine = invocation.engine()
    posture = take(engine, refresh)
    if all_hosts:
        # Nothing is listed for them that the posture's own look has shown to be away.
        again = refresh if posture.store.reachable else False
        posture = replace(posture, hosts=tuple(engine.fleet.hosts(refresh=again)))
    output = invocation.output
    if output.json:
        output.document(document(posture))
    else:
        show(output, posture)
        show_hosts(output, posture, every=all_hosts)
    levels = [posture.level, *(host.level for host in posture.hosts if all_hosts)]
    finish(EXIT_CODES[worst(levels)])


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
    if posture.failover:
        output.line(f"!! {posture.failover}; back: mentat-dr failover --back", "critical")
    for replica in posture.replicas:
        _replica(output, posture, replica)
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
        if source.range is not None:
            words, style = range_text.brief(source.range)
            output.line(f"{source.source}: {words}", style)
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


def _replica(output: Output, posture: Posture, replica: ReplicaPosture) -> None:
    """How far it is behind: `replica: b2:copy, 12 min behind, 3 snapshots missing (1.2 GB)`."""
    behind = replica.behind(posture.now)
    said = f"replica: {replica.name}"
    if replica.listed_at is None:
        said += ", nothing is known of it"
    elif behind is None:
        said += ", not every source is in it"
    else:
        said += f", {text.span(behind.total_seconds())} behind"
    if replica.missing:
        said += f", {replica.missing} snapshots missing ({text.size(replica.missing_bytes)})"
    if replica.reasons:
        said += f": {'; '.join(replica.reasons)}"
    output.line(said, "" if replica.level == "ok" else replica.level)


def show_hosts(output: Output, posture: Posture, *, every: bool) -> None:
    """The fleet; without `every`, only other hosts that have stopped writing, one line each."""
    if not every:
        for host in posture.hosts:
            if host.level == "critical" and host.host != posture.host:
                output.line(f"host {host.host}: {host.reasons[0]}", "critical")
        return
    output.line()
    head = ("", "HOST", "LAST WROTE", "SOURCES", "SNAPSHOTS", "STORED")
    rows = [
        (
            host.level,
            host.host,
            text.age(host.newest, posture.now),
            str(host.sources),
            str(host.snapshots),
            text.size(host.stored_bytes),
        )
        for host in posture.hosts
    ]
    output.table(head, rows, right=("SOURCES", "SNAPSHOTS", "STORED"), spare=("STORED", "SOURCES"))
    for host in posture.hosts:
        if host.reasons:
            output.line(f"{host.host}: {'; '.join(host.reasons)}", host.level)


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
