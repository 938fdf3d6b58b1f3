"""Loading a dump by several connections.

One stream holds one table after the other, so what can be done side by side are the INSERTs of one
table. They are handed to whichever connection is free. Everything else waits until all of them are
done, and is done before anything that follows. So the order that the dump relies on is kept: no row
before its table, no trigger before the rows.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from engine.adapters.database.session import Session
from engine.core.dump_split import Statement


class SpreadLoad:
    """Open connections and the threads that feed them. Statements are taken from one thread, in
    the dump's order; at most two for each connection are held. Close it."""

    def __init__(
        self, open_session: Callable[[], Session], settings: Sequence[str], connections: int
    ) -> None:
        self._sessions: list[Session] = []
        self._threads: list[threading.Thread] = []
        self._rows: queue.Queue[bytes | None] = queue.Queue(maxsize=connections)
        self._error: BaseException | None = None
        try:
            for _ in range(connections):
                session = open_session()
                self._sessions.append(session)
                for setting in settings:
                    session.attempt(f"SET SESSION {setting}")
        except BaseException:
            self.close()
            raise
        for session in self._sessions:
            thread = threading.Thread(target=self._work, args=(session,), name="load", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self, session: Session) -> None:
        while (statement := self._rows.get()) is not None:
            try:
                if self._error is None:
                    session.feed(statement)
            except BaseException as error:  # noqa: BLE001  raised again by the giver
                self._error = self._error or error
            finally:
                self._rows.task_done()

    def settle(self) -> None:
        """Wait until all that was taken is done. Raises what went wrong."""
        self._rows.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def take(self, statement: Statement) -> None:
        """Run a statement where it belongs. Raises the first error of any before it."""
        self._raise()
        if statement.role == "rows":
            first = next(statement.more, b"")
            if not first:
                self._rows.put(statement.body)
                return
            self.settle()
            self._sessions[0].feed(statement.body + first, statement.more)
        elif statement.role == "session":
            self.settle()
            for session in self._sessions:
                session.feed(statement.body)
        elif statement.role == "rest":
            self.settle()
            self._sessions[0].feed(statement.body)
        # A lock on a table would shut the other connections out.

    def close(self) -> None:
        """End the connections, and what still runs on them."""
        for session in self._sessions:
            session.close()
        for _ in self._threads:
            self._rows.put(None)  # no thread waits for a connection any more
        for thread in self._threads:
            thread.join()
        self._threads.clear()
