"""Quick-reference cards: what a person needs on one page when everything else is down. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.core.document import Block, Code, Grid, Heading, Items, Paragraph
from engine.core.durations import format_duration
from engine.core.health import Contact, Health, HealthCheck
from engine.core.objectives import Posture
from engine.core.runbook import PHASES, Runbook, fill_command
from engine.core.runbook_text import PHASE_WORDS, targets


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card shows. health: None when nobody asked. posture: from the last listing on disk,
    None when there is none. values fill places in commands."""

    host: str
    environment: str
    store: str
    now: datetime
    values: Mapping[str, str]
    recipients: Sequence[str]
    keys: Sequence[str]  # `FINGERPRINT  user id  expires`, as far as the keyring tells
    keys_problem: str
    contacts: Sequence[Contact]
    checks: Sequence[HealthCheck]
    health: Sequence[Health] | None
    posture: Posture | None
    symmetric: bool = False


def blocks(facts: CardFacts, books: Sequence[Runbook]) -> list[Block]:
    """The card of these scenarios; of none, everything but their flows."""
    made: list[Block] = []
    for book in books:
        made += _flow(book, facts)
    made += [Heading("Emergency commands"), Grid(("to", "do"), _commands(facts))]
    made += [Heading("Contacts and escalation"), *_contacts(facts)]
    made += [Heading("Health checks"), *_health(facts)]
    made += [Heading("Decryption"), *_decryption(facts)]
    made += [Heading("Critical metrics"), *_metrics(facts)]
    return made


def _flow(book: Runbook, facts: CardFacts) -> list[Block]:
    made: list[Block] = [Heading(f"{book.title}: {targets(book) or book.kind}")]
    rows = []
    for phase in PHASES:
        steps = [s for s in book.steps if s.phase == phase]
        if steps:
            line = " -> ".join(
                f"{book.number(s.id)} {s.title}" + ("?" if s.kind == "decision" else "")
                for s in steps
            )
            rows.append(f"{PHASE_WORDS[phase]}: {line}")
    made.append(Items(rows))
    start = f"mentat-dr incident declare {book.id}"
    made.append(Code(f"{start}\nmentat-dr runbook show {book.id}"))
    commands = [s for s in book.steps if s.kind == "action" and s.command]
    for step in commands[:6]:
        made.append(Paragraph(f"{book.number(step.id)} {step.title}, by hand:"))
        made.append(Code(fill_command(step.command, facts.values)))
    return made


def _commands(facts: CardFacts) -> list[tuple[str, str]]:
    return [
        ("see whether everything is recoverable", "mentat-dr status"),
        ("find out what is broken", "mentat-dr doctor"),
        ("see the snapshots", "mentat-dr snapshots"),
        (
            "look at a restore without doing it",
            "mentat-dr restore latest --source S --to DIR --plan",
        ),
        ("restore beside", "mentat-dr restore latest --source S --to DIR"),
        ("restore a database beside", "mentat-dr restore latest --source S --to container"),
        ("replace the live data", "mentat-dr restore latest --source S --to in-place"),
        ("see what runs", "mentat-dr job list"),
        ("stop a job", "mentat-dr job cancel JOB"),
        ("see data put aside", "mentat-dr restore --kept"),
        ("begin an incident", "mentat-dr incident declare SCENARIO"),
        ("take it up on another machine", f"mentat-dr incident take ID --host {facts.host}"),
        ("without mentat-dr", f"RECOVERY.md in {facts.values.get('bucket', facts.store)}"),
    ]


_ALERTS = (
    ("backup_offsite_last_run_status", "0 is a failed backup"),
    ("backup_offsite_last_run_timestamp", "older than 26 h: no backup ran"),
    ("backup_verification_failed", "above 0: stored bytes are damaged"),
    ("dr_last_test_timestamp", "older than 90 d: recovery is not rehearsed"),
    ("dr_test_status", "0 is a failed drill"),
)


def _metrics(facts: CardFacts) -> list[Block]:
    made: list[Block] = []
    posture = facts.posture
    if posture is None:
        made.append(Paragraph("No listing of the store is kept on this host: mentat-dr status"))
    else:
        rows = [
            (
                s.source,
                s.kind,
                f"{s.recoverable_to:%m-%d %H:%MZ}" if s.recoverable_to else "NOTHING",
                format_duration(s.rpo),
                f"{s.proven_at:%m-%d %H:%MZ}" if s.proven_at else "never",
                format_duration(s.rto),
            )
            for s in posture.sources
        ]
        made.append(Grid(("source", "kind", "recoverable to", "RPO", "proven", "RTO"), rows))
        listed = posture.store.listed_at
        when = f"{listed:%Y-%m-%d %H:%M UTC}" if listed else "never"
        made.append(Paragraph(f"As listed {when} from {facts.store}."))
    made.append(Grid(("metric", "alarm"), _ALERTS))
    return made


def _health(facts: CardFacts) -> list[Block]:
    if not facts.checks:
        return [Paragraph("None is configured: add [[health]] tables to the configuration.")]
    answers = {answer.check.name: answer for answer in facts.health or ()}
    rows = []
    for check in facts.checks:
        answer = answers.get(check.name)
        state = "not asked" if answer is None else ("ok" if answer.ok else "FAILS")
        said = answer.said if answer else ""
        rows.append((check.name, check.kind, asked(check), state, said))
    made: list[Block] = [Grid(("check", "kind", "what", "now", "answer"), rows)]
    if facts.health is not None:
        made.append(Paragraph(f"Asked {facts.now:%Y-%m-%d %H:%M:%S UTC} from {facts.host}."))
    return made


def asked(check: HealthCheck) -> str:
    """What a check asks: the URL, the address, the command, the statement."""
    if check.kind == "command":
        return " ".join(check.argv)
    return f"{check.source}: {check.sql}" if check.kind == "sql" else check.target


def _decryption(facts: CardFacts) -> list[Block]:
    made: list[Block] = []
    if facts.symmetric:
        made.append(Paragraph("Backups are encrypted with a passphrase; gpg asks for it."))
    else:
        made.append(Items([f"encrypted to {recipient}" for recipient in facts.recipients]))
        if facts.keys:
            made.append(Items([f"on this host's keyring: {key}" for key in facts.keys]))
        if facts.keys_problem:
            made.append(Paragraph(f"The keyring could not be read: {facts.keys_problem}"))
    one = facts.recipients[0] if facts.recipients else ""
    lines = [] if facts.symmetric else ["gpg --import backup-private-key.asc"]
    if one:
        lines.append(f"gpg --list-secret-keys {one}")
    lines += [
        "gpg --decrypt dump.sql.zst.gpg | zstd -d > dump.sql",
        "tail -c 200 dump.sql | grep 'Dump completed' && mysql --binary-mode < dump.sql",
        "gpg --decrypt files.tar.zst.gpg | zstd -d | tar --extract --numeric-owner --xattrs --acls",
    ]
    return [*made, Code("\n".join(lines))]


def _contacts(facts: CardFacts) -> list[Block]:
    people = sorted(facts.contacts, key=lambda person: person.order)
    if not people:
        return [Paragraph("None is configured: add [[contact]] tables to the configuration.")]
    rows = [
        (
            str(person.order),
            person.name,
            person.role,
            ", ".join(person.reach),
            f"after {format_duration(person.wait)} the next" if person.wait else "",
            person.note,
        )
        for person in people
    ]
    return [Grid(("", "name", "role", "reach", "escalation", "note"), rows)]
