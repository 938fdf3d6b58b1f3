"""Leases under contention and sudden death."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from engine.jobs.lease import Lease, lease_path
from engine.jobs.locks import held

CONTENDER = """
import sys, time
from pathlib import Path
from engine.core.errors import HeldError
from engine.jobs.lease import Lease
state = Path(sys.argv[1])
for line in sys.stdin:
    start = float(line)
    while time.time() < start: pass
    try:
        lease = Lease.acquire(state, "shop-db", "J", "backup")
    except HeldError:
        print("refused", flush=True)
        continue
    print("won", flush=True)
    sys.stdin.readline()
    lease.release()
    print("released", flush=True)
"""


def test_of_two_contenders_exactly_one_wins_fifty_times(tmp_path: Path) -> None:
    two = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for _ in range(2)
    ]
    wins = [0, 0]
    try:
        for _ in range(50):
            start = time.time() + 0.05
            for process in two:
                assert process.stdin
                process.stdin.write(f"{start}\n")
            said = [process.stdout.readline().strip() for process in two if process.stdout]
            assert sorted(said) == ["refused", "won"]
            winner = said.index("won")
            wins[winner] += 1
            process = two[winner]
            assert process.stdin and process.stdout
            process.stdin.write("release\n")
            assert process.stdout.readline() == "released\n"
    finally:
        for process in two:
            process.communicate()
    assert sum(wins) == 50


def test_sudden_death_at_random_moments_never_leaves_it_stuck(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom engine.jobs.lease import Lease\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    with Lease.acquire(Path(sys.argv[1]), 'shop-db', 'J', 'backup'): time.sleep(0.0005)\n"
    )
    taken_over = 0
    for _ in range(25):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout and process.stdout.readline() == b"go\n"
        time.sleep(random.uniform(0, 0.02))
        process.kill()
        process.communicate()
        assert not held(lease_path(tmp_path, "shop-db"))
        with Lease.acquire(tmp_path, "shop-db", "J2", "backup") as lease:
            taken_over += lease.warning is not None
            assert lease.holder.pid == os.getpid()
    assert taken_over  # some died holding it
