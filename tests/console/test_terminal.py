"""What really reaches a terminal: bytes when idle, colour codes, signals, refusals."""

from __future__ import annotations

import os
import re
import signal
from time import monotonic

import pytest

from console import terminal
from tests.console.pty_driver import on_pty

STAGE = "tests.console.stage"
SGR = re.compile(rb"\x1b\[([0-9;:]*)m")
COLOURS = {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108), 58}


def colour_codes(written: bytes) -> set[bytes]:
    """SGR sequences that set a colour (39 and 49, the terminal's own, are none)."""
    found = set()
    for sequence in SGR.findall(written):
        if any(int(part) in COLOURS for part in re.split(rb"[;:]", sequence) if part):
            found.add(sequence)
    return found


def test_the_detector_of_colour_codes_sees_them() -> None:
    assert colour_codes(b"\x1b[1;38;2;1;2;3mx\x1b[0m") and colour_codes(b"\x1b[31m")
    assert not colour_codes(b"\x1b[1;7;39;49mx\x1b[0m")


def test_no_color_leaves_no_colour_code() -> None:
    with on_pty(STAGE, env={"NO_COLOR": "1"}) as console:
        console.until(b"shop-uploads")
        for keys in ("i", "o", "j", "o", "r", "o", "b", "\x1b[C", "\x7f", "?", "\x7f", "\x10"):
            console.press(keys)
            console.read(0.5)
        assert not colour_codes(console.written)
        assert b"Back up now?" in console.written and b"Keys: overview" in console.written


def test_colour_is_there_without_no_color() -> None:
    with on_pty(STAGE, env={"COLORTERM": "truecolor"}) as console:
        console.until(b"shop-uploads")
        assert colour_codes(console.written)


def test_ascii_terminals_get_ascii_only() -> None:
    with on_pty(STAGE, env={"TERM": "vt100"}) as console:
        console.until(b"shop-uploads")
        for keys in ("i", "j", "r", "?"):
            console.press(keys)
            console.read(0.5)
        beyond = {byte for byte in console.written if byte > 126}
        assert not beyond


def test_a_slow_link_is_silent_when_idle() -> None:
    """0 B/s, but for the minute of the clock and of the ages, which may change once in it."""
    with on_pty(STAGE, "slow", "idle") as console:
        console.until(b"listed")
        console.quiet(2.0)
        heard = [console.read(2.0) for _ in range(3)]
        assert sum(1 for some in heard if some) <= 1
        assert sum(len(some) for some in heard) < 1000


def test_a_ticking_clock_stays_under_1_kilobyte_a_second() -> None:
    with on_pty(STAGE, "idle") as console:
        console.until(b"listed")
        console.read(3.0)
        seconds = 6.0
        heard = console.read(seconds)
        assert heard, "the clock does not tick"
        assert len(heard) < 1000 * seconds, len(heard)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    with on_pty(STAGE) as console:
        console.until(b"shop-uploads")
        os.kill(console.child.pid, number)
        assert console.end() == 0
        assert b"Traceback" not in console.written
        assert b"\x1b[?1049l" in console.written and b"\x1b[?25h" in console.written


def test_a_dropped_link_ends_it() -> None:
    with on_pty(STAGE) as console:
        console.until(b"shop-uploads")
        console.hang_up()
        assert console.child.wait(60) is not None


def test_quitting_does_not_wait_for_a_store_that_hangs() -> None:
    with on_pty(STAGE, "hang") as console:
        console.until(b"reading the last listing")
        began = monotonic()
        console.press("q")
        assert console.end() == 0
        assert monotonic() - began < 20


def test_keys_typed_ahead_meet_the_screens_they_were_meant_for() -> None:
    """A whole restore arrives in one burst, as it does over a link that stalled."""
    with on_pty(STAGE) as console:
        console.until(b"shop-uploads")
        console.read(1.0)
        console.press("r\r\r3\r\tshop-mysql\r\r")
        console.until(b"141 MB/s")
        assert b"Leaving is safe" in console.written


def test_a_fault_of_the_console_shows_no_values() -> None:
    """Textual would print local variables, where a passphrase may stand."""
    with on_pty(STAGE, "fault") as console:
        assert console.end() == 1
        console.read(0.3)
        said = console.written[console.written.rindex(b"\x1b[?1049l") :]
        assert b"the console failed: AttributeError" in said and b"Jobs go on." in said
        assert b"locals" not in said and b"Traceback" not in said


def test_a_dumb_terminal_is_refused_with_a_way_on() -> None:
    with on_pty("tests.console.opening", env={"TERM": "dumb"}) as console:
        assert console.end() == 2
        console.read(0.2)
        assert b"TERM='dumb'" in console.written and b"--plain" in console.written
        assert b"\x1b[?1049h" not in console.written


@pytest.mark.parametrize(
    ("environ", "ascii_only", "many", "none"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_GB.UTF-8"}, False, True, False),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, False, False, False),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, True, False, False),
        ({"TERM": "vt100", "LANG": "C.UTF-8"}, True, False, False),
        ({"TERM": "xterm-256color", "LANG": "de_DE.ISO-8859-1"}, True, True, False),
        ({"TERM": "xterm", "LC_ALL": "C", "LANG": "C.UTF-8"}, True, False, False),
        ({"TERM": "xterm", "LANG": "C.UTF-8", "COLORTERM": "truecolor"}, False, True, False),
        ({"TERM": "tmux-256color", "LANG": "C.utf8", "NO_COLOR": ""}, False, True, True),
    ],
)
def test_what_a_terminal_can_do(
    environ: dict[str, str], ascii_only: bool, many: bool, none: bool
) -> None:
    able = terminal.judge(environ)
    assert (able.usable, able.ascii_only, able.many_colours, able.no_colour) == (
        True,
        ascii_only,
        many,
        none,
    )
    assert not terminal.judge({**environ, "TERM": "dumb"}).usable
