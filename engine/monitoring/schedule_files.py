"""The schedule as a crontab and as systemd units.

Under cron, --quiet keeps a run that went well from writing anything, so that no mail comes.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from engine.monitoring.schedule import Entry, Moment

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _words(program: str, config: str, entry: Entry) -> list[str]:
    head, *rest = entry.arguments
    return [program, head, *rest, "--quiet", "--plain", "--config", config]


# ------------------------------------------------------------ cron


def crontab(
    entries: Sequence[Entry], program: str, config: str, host: str, notes: Sequence[str] = ()
) -> str:
    """A file for /etc/cron.d (crontab(5) of Debian's cron, with the user's column)."""
    lines = [
        f"# mentat-dr on {host}, made by `mentat-dr export cron`. Put it into",
        "# /etc/cron.d/mentat-dr, mode 0644. Times are the machine's own.",
        "# A run that went well prints nothing, so mail means that something is wrong.",
        *(f"# NOTE {note}" for note in notes),
        "SHELL=/bin/sh",
        f"PATH={_PATH}",
        "MAILTO=root",
        "",
    ]
    for entry in entries:
        command = shlex.join(_words(program, config, entry))
        lines.append(f"# {entry.why}")
        # In a crontab a bare % is a line break.
        lines.append(f"{fields(entry.when)} root {command}".replace("%", "\\%"))
    return "\n".join(lines) + "\n"


def fields(when: Moment) -> str:
    """The five fields of crontab(5)."""
    if when.every and when.every < 60:
        start = "*" if not when.minute else f"{when.minute}-59"
        return f"{start}/{when.every} * * * *" if when.every > 1 else "* * * * *"
    if when.every:
        hours = when.every // 60
        return f"{when.minute} {'*' if hours == 1 else f'*/{hours}'} * * *"
    return " ".join(
        (
            str(when.minute),
            "*" if when.hour is None else str(when.hour),
            "*" if when.monthday is None else str(when.monthday),
            ",".join(map(str, when.months)) or "*",
            "*" if when.weekday is None else str(when.weekday),
        )
    )


# ------------------------------------------------------------ systemd


def units(entries: Sequence[Entry], program: str, config: str) -> Mapping[str, str]:
    """A service and a timer for each entry, by file name."""
    made: dict[str, str] = {}
    for entry in entries:
        name = f"mentat-dr-{entry.name}"
        made[f"{name}.service"] = _service(entry, program, config)
        made[f"{name}.timer"] = _timer(entry)
    return made


def _service(entry: Entry, program: str, config: str) -> str:
    command = " ".join(_quoted(word) for word in _words(program, config, entry))
    return f"""\
[Unit]
Description=mentat-dr: {_text(entry.why)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command}
# 8: done with warnings, which the job's journal tells.
SuccessExitStatus=8
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=6
"""


def _timer(entry: Entry) -> str:
    return f"""\
[Unit]
Description=mentat-dr: {_text(entry.why)}

[Timer]
OnCalendar={calendar(entry.when)}
AccuracySec=15s
Persistent={"false" if entry.when.every else "true"}

[Install]
WantedBy=timers.target
"""


def calendar(when: Moment) -> str:
    """The time as systemd.time(7) spells it."""
    if when.every and when.every < 60:
        return f"*-*-* *:{when.minute:02d}/{when.every}:00" if when.every > 1 else "*-*-* *:*:00"
    if when.every:
        hours = when.every // 60
        return f"*-*-* {'*' if hours == 1 else f'00/{hours}'}:{when.minute:02d}:00"
    weekday = f"{_WEEKDAYS[when.weekday]} " if when.weekday is not None else ""
    months = ",".join(f"{month:02d}" for month in when.months) or "*"
    day = "*" if when.monthday is None else f"{when.monthday:02d}"
    hour = "*" if when.hour is None else f"{when.hour:02d}"
    return f"{weekday}*-{months}-{day} {hour}:{when.minute:02d}:00"


def _quoted(word: str) -> str:
    """A word of ExecStart= (systemd.service(5), COMMAND LINES)."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if not word or any(c in word for c in " \t'\";") else plain


def _text(words: str) -> str:
    return words.replace("%", "%%")
