"""A lease in the store itself: what keeps bucket-wide work of all hosts apart.

`lease/<what>/<number>.json`, the number counting up for each holder. The highest number is the
lease; it is taken by writing the next one if it is absent, so of several takers one wins. It is
never deleted by its holder, only marked released: a number that came again could be taken twice.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Self

import msgspec

from engine.core.errors import HeldError, MentatError, ObjectExists, ObjectMissing, StoreError
from engine.ports import Clock, ObjectStore

BUCKET_WORK = "bucket-work"  # what prune and replicate hold: neither may meet the other
LIFETIME = timedelta(minutes=10)  # after the last renewal
SKEW = timedelta(minutes=5)  # how far two hosts' clocks may be apart
RENEW_SECONDS = 60.0


class StoreHolder(msgspec.Struct, frozen=True):
    """Who holds it. `boot` and `started` tell the process from a later one of that pid."""

    host: str
    user: str
    job: str
    operation: str
    pid: int
    started: int = 0
    boot: str = ""


class _Note(msgspec.Struct, frozen=True):
    holder: StoreHolder
    since: datetime
    until: datetime
    token: str
    released: bool = False


class StoreLease:
    """Held by this process; a thread renews it until `release`."""

    def __init__(
        self, store: ObjectStore, what: str, number: int, note: _Note, clock: Clock
    ) -> None:
        self._store, self._what, self._number, self._clock = store, what, number, clock
        self._note = note
        self._lost: HeldError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {what}", daemon=True)

    @classmethod
    def acquire(
        cls,
        store: ObjectStore,
        what: str,
        holder: StoreHolder,
        clock: Clock,
        gone: Callable[[StoreHolder], bool] = lambda _holder: False,
    ) -> StoreLease:
        """Take it now. HeldError names who holds it; `gone` says of a holder that its process is
        known to be dead, so that nobody waits for the lease to run out. StoreError."""
        number, found = _newest(store, what)
        now = clock()
        if found is not None and not found.released:
            expired = now > found.until + SKEW
            if not expired and not gone(found.holder):
                raise _held(store, what, found)
        note = _Note(holder, now, now + LIFETIME, secrets.token_hex(8))
        body = msgspec.json.encode(note)
        try:
            store.put(_key(what, number + 1), body, if_absent=True)
            won = store.get(_key(what, number + 1)) == body
        except ObjectExists:
            won = False
        if not won:
            raise _held(store, what, _newest(store, what)[1])
        lease = cls(store, what, number + 1, note, clock)
        lease._forget_former()
        lease._thread.start()
        return lease

    def check(self) -> None:
        """HeldError when another has taken it over, as after a long sleep of this machine. Ask
        before each step that must not be done twice."""
        if self._lost is not None:
            raise self._lost
        if self._clock() > self._note.until:
            self._write(released=False)

    def release(self) -> None:
        """Give it back; what fails is left to its running out. Safe to call twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        if self._lost is None:
            with contextlib.suppress(MentatError):
                self._write(released=True)

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            with contextlib.suppress(StoreError):  # tried again in a minute; `until` decides
                try:
                    self._write(released=False)
                except HeldError:
                    return

    def _write(self, *, released: bool) -> None:
        number, found = _newest(self._store, self._what)
        if number > self._number and found is not None:
            self._lost = _held(self._store, self._what, found)
            raise self._lost
        until = self._clock() + LIFETIME
        note = msgspec.structs.replace(self._note, until=until, released=released)
        self._store.put(_key(self._what, self._number), msgspec.json.encode(note))
        self._note = note

    def _forget_former(self) -> None:
        """Former numbers tell nothing any more; credentials that may not delete leave them."""
        with contextlib.suppress(StoreError):
            for item in list(self._store.list(f"lease/{self._what}/")):
                number = _number(item.key)
                if number is not None and number < self._number:
                    self._store.delete(item.key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _key(what: str, number: int) -> str:
    return f"lease/{what}/{number:08d}.json"


def _number(key: str) -> int | None:
    name = key.rpartition("/")[2].removesuffix(".json")
    return int(name) if len(name) == 8 and name.isascii() and name.isdigit() else None


def _newest(store: ObjectStore, what: str) -> tuple[int, _Note | None]:
    """The highest number and its note; 0 when there is none. A note that cannot be read counts
    as released: nobody of ours writes such."""
    numbers = [n for item in store.list(f"lease/{what}/") if (n := _number(item.key)) is not None]
    number = max(numbers, default=0)
    if not number:
        return 0, None
    try:
        return number, msgspec.json.decode(store.get(_key(what, number)), type=_Note)
    except (ObjectMissing, msgspec.MsgspecError):
        return number, None


def _held(store: ObjectStore, what: str, note: _Note | None) -> HeldError:
    if note is None:
        return HeldError(f"{what} of {store.name} was just taken by another", "Try again later.")
    holder = note.holder
    return HeldError(
        f"{holder.operation} runs on {store.name}: job {holder.job} of {holder.user} on "
        f"{holder.host}, pid {holder.pid}, since {note.since:%Y-%m-%d %H:%M:%S} UTC",
        "Wait for it to end. If that host is gone, the lease runs out by itself at "
        f"{note.until + SKEW:%Y-%m-%d %H:%M:%S} UTC.",
    )
