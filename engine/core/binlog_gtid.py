"""Sets of transactions, as MySQL and MariaDB name them, and what is in them.

MySQL    `uuid:1-5:7,uuid2:1-3`, with tags `uuid:1-5:tag:1-2` (MySQL manual, "GTID Sets")
MariaDB  `domain-server-sequence,...`: the last of each; a sequence grows within its domain
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_right

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MYSQL = re.compile(rf"({_UUID}(?::[a-z_][a-z0-9_]{{0,31}})?):(\d+)\Z")
_MARIADB = re.compile(r"(\d+)-(\d+)-(\d+)\Z")


def is_gtid(text: str) -> bool:
    """Whether the text names one transaction, in either spelling."""
    return bool(_MYSQL.match(text.lower()) or _MARIADB.match(text))


class Gtids(ABC):
    """A set of transactions. Iterating is never needed: they may be millions."""

    @abstractmethod
    def add(self, gtid: str) -> None:
        """Put one more in. ValueError for a text that names none of this kind."""

    @abstractmethod
    def has(self, gtid: str) -> bool:
        """Whether that transaction is in it."""

    @abstractmethod
    def covers(self, other: Gtids) -> bool:
        """Whether everything of the other is in it."""

    @abstractmethod
    def __str__(self) -> str: ...

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __bool__(self) -> bool:
        return bool(str(self))


def parse(flavor: str, text: str) -> Gtids:
    """The set that a server spells so. ValueError for text that is none."""
    return MariaDBGtids(text) if flavor == "mariadb" else MySQLGtids(text)


class MySQLGtids(Gtids):
    """Intervals by server UUID (with its tag, where there is one), ordered and never touching."""

    def __init__(self, text: str = "") -> None:
        self._sets: dict[str, list[list[int]]] = {}
        for group in "".join(text.split()).lower().split(","):
            if group:
                self._read(group)

    def _read(self, group: str) -> None:
        uuid, *rest = group.split(":")
        if not re.fullmatch(_UUID, uuid):
            raise ValueError(f"{group!r} is no set of GTIDs")
        name = uuid
        for piece in rest:
            if piece[:1].isdigit():
                first, _, last = piece.partition("-")
                self.add_range(name, int(first), int(last or first))
            else:
                name = f"{uuid}:{piece}"

    def add(self, gtid: str) -> None:
        found = _MYSQL.match(gtid.lower())
        if not found:
            raise ValueError(f"{gtid!r} is no GTID of MySQL")
        self.add_range(found[1], int(found[2]), int(found[2]))

    def add_range(self, name: str, first: int, last: int) -> None:
        """Put first to last, both included, in."""
        spans = self._sets.setdefault(name, [])
        if spans and spans[-1][0] <= first <= spans[-1][1] + 1:  # the usual: one after the other
            spans[-1][1] = max(spans[-1][1], last)
            return
        spans.append([first, last])
        if len(spans) == 1 or spans[-2][1] + 1 < first:
            return
        spans.sort()
        merged: list[list[int]] = []
        for span in spans:
            if merged and span[0] <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], span[1])
            else:
                merged.append(span)
        self._sets[name] = merged

    def has(self, gtid: str) -> bool:
        found = _MYSQL.match(gtid.lower())
        return found is not None and self._within(found[1], int(found[2]), int(found[2]))

    def _within(self, name: str, first: int, last: int) -> bool:
        spans = self._sets.get(name, [])
        place = bisect_right(spans, first, key=lambda span: span[0]) - 1
        return place >= 0 and last <= spans[place][1]

    def covers(self, other: Gtids) -> bool:
        return isinstance(other, MySQLGtids) and all(
            self._within(name, first, last)
            for name, spans in other._sets.items()
            for first, last in spans
        )

    def __str__(self) -> str:
        shown = []
        for name in sorted(self._sets):
            spans = (f"{a}-{b}" if b > a else f"{a}" for a, b in self._sets[name])
            shown.append(":".join([name, *spans]))
        return ",".join(shown)


class MariaDBGtids(Gtids):
    """The last sequence number by domain and server."""

    def __init__(self, text: str = "") -> None:
        self._last: dict[tuple[int, int], int] = {}
        for gtid in "".join(text.split()).split(","):
            if gtid:
                self.add(gtid)

    def add(self, gtid: str) -> None:
        found = _MARIADB.match(gtid)
        if not found:
            raise ValueError(f"{gtid!r} is no GTID of MariaDB")
        key = (int(found[1]), int(found[2]))
        self._last[key] = max(self._last.get(key, 0), int(found[3]))

    def has(self, gtid: str) -> bool:
        found = _MARIADB.match(gtid)
        return found is not None and int(found[3]) <= self._reached(int(found[1]))

    def _reached(self, domain: int) -> int:
        return max((n for (d, _), n in self._last.items() if d == domain), default=0)

    def covers(self, other: Gtids) -> bool:
        return isinstance(other, MariaDBGtids) and all(
            number <= self._reached(domain) for (domain, _), number in other._last.items()
        )

    def position(self) -> str:
        """The newest of each domain: what `gtid_slave_pos` takes."""
        best: dict[int, tuple[int, int]] = {}
        for (domain, server), number in self._last.items():
            best[domain] = max(best.get(domain, (0, 0)), (number, server))
        return ",".join(f"{d}-{server}-{number}" for d, (number, server) in sorted(best.items()))

    def __str__(self) -> str:
        return ",".join(f"{d}-{s}-{number}" for (d, s), number in sorted(self._last.items()))
