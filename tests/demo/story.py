"""The story: a shop at work, backups, the loss of everything, the recovery, and the proof."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.demo import shop as shops
from tests.demo.phases import Phases, count, size
from tests.demo.product import PASSPHRASE, Product
from tests.demo.shop import Shop
from tests.demo.truth import Look, differences
from tests.lab import Lab, LabError

LABEL = "mentat-dr"  # on all that the product makes in Docker
SOURCES = ("shop-db", "shop-uploads", "etc-shop")
_TARGETS = {"shop-db": "1 h", "shop-uploads": "30 min", "etc-shop": "15 min"}
Compare = Callable[[Look, Look], list[str]]


@dataclass(frozen=True)
class Stage:
    """What the story plays on."""

    shop: Shop
    product: Product
    phases: Phases


@contextmanager
def stage(lab: Lab, phases: Phases, upload_bytes: int = shops.UPLOAD_BYTES) -> Iterator[Stage]:
    """The shop at work and the product set up for it; nothing of either is left afterwards."""
    directory = lab.directory / "demo"
    directory.mkdir(mode=0o700)
    with phases.phase("Start the lab") as phase:
        version = lab.docker("version", "--format", "{{.Server.Version}}").strip()
        port = lab.s3.endpoint.rpartition(":")[2]
        phase.facts = f"Docker {version.split('+')[0]}, S3 on port {port}"
    with phases.phase("Open the shop") as phase:
        shop = Shop.open(lab, directory, upload_bytes)
        stock = shop.look()
        phase.facts = f"{count(stock.rows, 'row')}, {count(stock.files, 'file')}"
    product = Product(lab, directory)
    try:
        with phases.phase("mentat-dr init") as phase:
            product.initialise(shops.sources(shop, _password(product, shop)))
            phase.facts = f"{count(len(SOURCES), 'source')}, 2 keys, encrypted bucket"
        yield Stage(shop, product, phases)
    finally:
        _clean(lab, product)


def _password(product: Product, shop: Shop) -> Path:
    return product.secret("shop-db-password", shop.database.root_password)


def back_up(stage: Stage, when: str) -> None:
    """One backup of everything, as cron would do it."""
    with stage.phases.phase(f"mentat-dr backup, {when}") as phase:
        before = {row["ref"] for row in stage.product.snapshots()}
        job = stage.product.json("backup")
        fresh = [row for row in stage.product.snapshots() if row["ref"] not in before]
        facts = _facts(job)
        stored = size(sum(row["stored_bytes"] for row in fresh))
        phase.facts = f"{count(len(fresh), 'snapshot')}, {size(facts['raw_bytes'])} in {stored}"
    _tell_warnings(stage, job)


def play(stage: Stage, compare: Compare = differences) -> list[str]:
    """All of it, without a terminal; returns what differs at the end, nothing when recovered."""
    shop, phases = stage.shop, stage.phases
    back_up(stage, "shop open")
    with phases.phase("Close the shop") as phase:
        shop.close()
        phase.facts = f"{count(shop.orders(), 'order')}, nobody writes"
    back_up(stage, "shop closed")
    with phases.phase("Record the truth") as phase:
        wanted = shop.look()
        phase.facts = _content(wanted)
    _destroy(stage, wanted)
    recovery = {source: _restore(stage, source) for source in SOURCES}
    with phases.phase("Compare every row and file") as phase:
        found = shop.look()
        differing = compare(wanted, found)
        phase.facts = f"{_content(found)}: " + (
            f"{len(differing)} differ" if differing else "the same"
        )
    if not differing:
        with phases.phase("Open the shop again") as phase:
            phase.facts = f"{count(shop.open_again(), 'order')}, more are placed"
    _summary(stage, recovery, differing)
    return differing


def _content(look: Look) -> str:
    return f"{look.rows:,} rows, {look.files:,} files"


def _destroy(stage: Stage, wanted: Look) -> None:
    shop, phases = stage.shop, stage.phases
    with phases.phase("Destroy the database") as phase:
        shop.destroy_database()
        phase.facts = "schema, users and role dropped"
    with phases.phase("Destroy the uploads") as phase:
        shop.destroy_uploads()
        phase.facts = "every file removed"
    with phases.phase("Destroy the configuration") as phase:
        shop.destroy_config()
        phase.facts = "the whole tree removed"
    with phases.phase("See that all is lost") as phase:
        left = [*_schemas(shop), *shop.uploads_path.iterdir(), *shop.config.parent.glob("etc-shop")]
        if left:
            raise RuntimeError(f"not destroyed: {left[:3]}")
        phase.facts = f"{_content(wanted)} gone"


def _schemas(shop: Shop) -> list[str]:
    found = shop.database.sql(f"SHOW DATABASES LIKE '{shops.SCHEMA}'")
    return [name for (name,) in found]


def _restore(stage: Stage, source: str) -> float:
    """Bring one source back in place; returns its seconds."""
    with stage.phases.phase(f"mentat-dr restore {source}") as phase:
        confirm = stage.product.confirm_name(source)
        job = stage.product.restore(source, confirm)
        facts = _facts(job)
        proven = (
            f"{count(facts['rows'], 'row')} compared"
            if "rows" in facts
            else f"{count(facts['members'], 'file')} proven"
        )
        phase.facts = f"in place, {proven}"
    _tell_warnings(stage, job)
    return phase.seconds


def _facts(job: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = job["result"]["facts"]
    return facts


def _tell_warnings(stage: Stage, job: dict[str, Any]) -> None:
    for warning in job.get("warnings", []):
        stage.phases.say(f"     ! {warning['message']}"[:80])


def _summary(stage: Stage, recovery: dict[str, float], differing: list[str]) -> None:
    phases = stage.phases
    phases.say()
    for source, took in recovery.items():
        phases.say(f"     {source:14} back in {took:5.1f} s of its RTO of {_TARGETS[source]}")
    phases.say(f"     {'all of it':14} back in {sum(recovery.values()):5.1f} s")
    phases.say(f"     {'whole story':14}         {phases.seconds:5.1f} s")
    phases.say()
    for line in differing[:20]:
        phases.say(f"     {line}")
    if len(differing) > 20:
        phases.say(f"     and {len(differing) - 20} more")
    phases.say(f"RESULT: {'NOT recovered' if differing else 'recovered'}")


def show(stage: Stage) -> int:
    """The console on it, on this terminal; returns its exit code."""
    back_up(stage, "shop open")
    config = stage.product.environment["MENTAT_DR_CONFIG"]
    for line in (
        "",
        "The shop is open, and its first backups are there. Now the console opens.",
        f"The passphrase of the key:  {PASSPHRASE}",
        "Lose something, then bring it back:",
        f"  docker -H {stage.product.lab.docker_host} exec {stage.shop.app.name} \\",
        "    sh -c 'rm -r /srv/uploads/*'",
        f"  rm -r {stage.shop.config}",
        f"The same from another terminal, with {Path(sys.executable).parent / 'mentat-dr'}:",
        f"  export MENTAT_DR_CONFIG={config}",
        f"  export MENTAT_DR_STATE={stage.product.environment['MENTAT_DR_STATE']}",
        "When you quit the console, all of this is stopped and removed.",
        "",
    ):
        stage.phases.say(line)
    with contextlib.suppress(EOFError):
        input("Press Enter to open the console. ")
    code = stage.product.console()
    stage.phases.say("Stopping and removing the shop, its backups and the lab ...")
    return code


def _clean(lab: Lab, product: Product) -> None:
    """Jobs, agents, and what restores made in the lab's engine beside the shop's own: that
    carries the product's label, and not the lab's, which goes by itself."""
    with contextlib.suppress(LabError, json.JSONDecodeError):
        made = product.made_by_jobs()
        product.end()
        for kind in ("container", "volume"):
            for name in made:
                record = lab.docker.inspect(kind, name) or {}
                labels = record.get("Labels") or record.get("Config", {}).get("Labels") or {}
                if LABEL in labels:
                    lab.docker(kind, "rm", "--force", name)
