"""How near to the loss, or to a moment, each source of a set can be brought: by a snapshot that is
newer than the set's, and by the binary logs that were shipped since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from engine.core.errors import MentatError
from engine.core.host_rebuild import Difference, RebuildRequest
from engine.core.host_set import HostSet, Member, member_of
from engine.core.recovery import RestoreRequest, Target, Until
from engine.operations import replay_plan
from engine.operations.context import Context
from engine.repository.binlogs import BinlogStore


def nearest(ctx: Context, host_set: HostSet, request: RebuildRequest) -> HostSet:
    """The set with each member's newest snapshot up to the moment asked for; as it is where the
    operator named the set. A snapshot that cannot be trusted is passed over."""
    members = tuple(_nearest(ctx, member, request) for member in host_set.members)
    return replace(host_set, members=members)


def _nearest(ctx: Context, member: Member, request: RebuildRequest) -> Member:
    pinned = request.refs.get(member.source)
    if pinned == member.ref or (request.set and not pinned):
        return member
    for row in ctx.repository.restorable(request.host, member.source):
        if not row.committed or row.aside or (pinned and row.id.ref != pinned):
            continue
        if request.at is not None and row.id.at > request.at:
            continue
        if not pinned and row.id.ref == member.ref:
            break
        try:
            found = member_of(ctx.repository.trusted(row.id))
        except MentatError as error:
            ctx.warn("passed-over", f"{row.id.ref}: {error.message}", member.source)
            continue
        if pinned or found.recoverable_to > member.recoverable_to:
            return found
        break
    return member


def gone(ctx: Context, host_set: HostSet, sources: Collection[str]) -> list[Difference]:
    """Members of these sources whose snapshots are no more, as retention takes them in time."""
    found = []
    host = host_set.id.host
    for member in (m for m in host_set.members if m.source in sources):
        rows = ctx.repository.restorable(host, member.source)
        if not any(row.committed and row.id.ref == member.ref for row in rows):
            message = f"the snapshot {member.ref} of {member.source} is gone"
            remedy = f"Take a newer set (mentat-dr hosts --sets {host}), or leave it out: "
            found.append(Difference("critical", message, f"{remedy}--without {member.source}"))
    return found


def untils(
    ctx: Context, host_set: HostSet, request: RebuildRequest
) -> tuple[Mapping[str, Until], list[Difference]]:
    """By database: the end of the binary logs to replay, or the moment asked for. A database whose
    logs do not lead there comes back to its snapshot, and that is said where a moment was asked."""
    found: dict[str, Until] = {}
    told: list[Difference] = []
    if request.set and request.at is None and not request.refs:
        return found, told
    until = Until(at=request.at) if request.at is not None else Until(last=True)
    for member in host_set.members:
        if member.kind != "database":
            continue
        target = Target("in-place")
        asked = RestoreRequest(member.source, member.ref, target, host=request.host, until=until)
        try:
            rows = ctx.repository.restorable(request.host, member.source)
            store = BinlogStore(ctx.repository, request.host, member.source)
            replay_plan.resolve(store, rows, asked, ctx.clock())
        except MentatError as error:
            if request.at is not None:
                message = (
                    f"{member.source} comes back to its snapshot of "
                    f"{member.recoverable_to:%Y-%m-%d %H:%M:%S} UTC only: {error.message}"
                )
                told.append(Difference("warning", message, error.remedy))
            continue
        found[member.source] = until
    return found, told
