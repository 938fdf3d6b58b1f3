"""The manifests that an incremental snapshot is restored from, each of them trusted."""

from __future__ import annotations

from engine.core.chains import LONGEST
from engine.core.errors import ArtifactMissing, DamageError, MentatError, UsageError
from engine.core.snapshot import Manifest, parse_ref
from engine.repository.repository import Repository


def chain(repository: Repository, tip: Manifest) -> tuple[Manifest, ...]:
    """What to restore one after the other, a full snapshot first, `tip` last; `tip` alone when it
    builds on nothing.

    ArtifactMissing when a link is gone; ManifestAltered when one is not signed as it should be;
    DamageError when they go in a circle, or a link is of another tree."""
    links = [tip]
    while links[0].base:
        current = links[0]
        below = parse_ref(current.id.host, current.id.source, current.base)
        if below is None or len(links) > LONGEST or any(link.id == below for link in links):
            raise DamageError(
                f"{current.id.ref} says it builds on {current.base!r}, which cannot be",
                "Restore another snapshot; `mentat-dr snapshots` lists them.",
            )
        try:
            found = repository.trusted(below)
        except UsageError as error:
            raise ArtifactMissing(
                f"{tip.id.ref} builds on {below.ref}, which is gone",
                "Restore another snapshot; `mentat-dr snapshots` lists them.",
            ) from error
        _require_same_tree(found, current)
        links.insert(0, found)
    if links[0].id.method == "incremental":
        raise DamageError(
            f"{links[0].id.ref} is an incremental snapshot that names nothing to build on",
            "Restore another snapshot; `mentat-dr snapshots` lists them.",
        )
    return tuple(links)


def below(repository: Repository, tip: Manifest) -> tuple[tuple[Manifest, ...], tuple[str, ...]]:
    """What `tip` builds on, before a restore, and what would stop it: a link that is gone or not
    trusted, or that no store has whole."""
    try:
        links = chain(repository, tip)[:-1]
    except MentatError as error:
        return (), (error.message,)
    torn = [link.id.ref for link in links if not repository.whereabouts(link)[2]]
    return links, tuple(f"no store has all of {ref}, which this one builds on" for ref in torn)


def _require_same_tree(below: Manifest, above: Manifest) -> None:
    one, other = below.tree, above.tree
    if one is None or other is None or (one.root, one.paths) != (other.root, other.paths):
        raise DamageError(
            f"{above.id.ref} builds on {below.id.ref}, which is of another tree",
            "Restore another snapshot; `mentat-dr snapshots` lists them.",
        )
