"""The shop's customers, run inside its containers: `orders` being placed, or `uploads` arriving.

While the file CLOSED is there nothing is written; SEEN says that this was noticed. Both outlive a
restart of the container.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

PAUSE = 0.05
CLOSED = Path("/var/tmp/shop-closed")
SEEN = Path("/var/tmp/shop-closed-seen")


def wait_open() -> None:
    """Return at once while the shop is open, else when it opens."""
    if not CLOSED.exists():
        return
    SEEN.touch()
    while CLOSED.exists():
        time.sleep(PAUSE)
    SEEN.unlink()


def orders(host: str) -> None:
    """Place orders for ever, connecting again when the server went away."""
    import pymysql  # type: ignore[import-untyped]  # the container has it

    while True:
        wait_open()
        try:
            link = pymysql.connect(
                host=host,
                user="shop",
                password="not-a-secret",
                database="shop",
                ssl={"check_hostname": False, "verify_mode": False},
                connect_timeout=3,
            )
            with link, link.cursor() as cursor:
                while True:
                    wait_open()
                    order = (
                        random.randint(1, 20_000),
                        random.randint(1, 2_000),
                        random.randint(1, 5),
                    )
                    cursor.execute("CALL place_order(%s, %s, %s)", order)
                    time.sleep(PAUSE)
        except (pymysql.MySQLError, OSError) as error:
            print(f"no order was placed: {error}", flush=True)
            time.sleep(10 * PAUSE)


def uploads(folder: Path) -> None:
    """Put pictures there for ever, under their final name only when they are whole."""
    number = 0
    while True:
        wait_open()
        number += 1
        draft = folder / ".arriving"
        draft.write_bytes(os.urandom(random.randint(2_000, 60_000)))
        draft.rename(folder / f"upload-{os.getpid()}-{time.time_ns()}-{number}.jpg")
        time.sleep(4 * PAUSE)


if __name__ == "__main__":
    if sys.argv[1] == "orders":
        orders(sys.argv[2])
    else:
        uploads(Path(sys.argv[2]))
