"""``python -m tests.lab prepare|up|down|status``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time

from tests.lab import images, packages, runs
from tests.lab.engine import Engine
from tests.lab.errors import LabError
from tests.lab.lab import Lab
from tests.lab.locks import held
from tests.lab.places import Places


def main() -> int:
    """Run one command; errors are one line on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="install packages and build images (as root)")
    up = commands.add_parser("up", help="start everything and print how to reach it")
    up.add_argument("--foreground", action="store_true", help="stay, and stop it all on Ctrl-C")
    down = commands.add_parser("down", help="stop runs and remove what crashed ones left")
    down.add_argument("run", nargs="*", help="run ids; default: those of 'up' and crashed ones")
    commands.add_parser("status", help="say what is installed, built and running")
    arguments = parser.parse_args()
    try:
        if arguments.command == "prepare":
            _prepare()
        elif arguments.command == "up":
            _up(arguments.foreground)
        elif arguments.command == "down":
            _down(arguments.run)
        else:
            _status()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _prepare() -> None:
    began = time.monotonic()
    installed = packages.install_missing()
    print(f"packages: {' '.join(installed) or 'nothing to install'}")
    places = Places.of_this_machine()
    with Lab.start() as lab, held(places.cache / "building.lock", seconds=3600):
        took = images.build_missing(lab.docker, places.building, say=_say)
        images.extract_restic(lab.docker, places.binaries)
    print(f"images: {len(took)} built, {len(images.ALL) - len(took)} were there")
    print(f"the lab is prepared ({time.monotonic() - began:.0f} s)")


def _say(line: str) -> None:
    print(line, flush=True)


def _up(foreground: bool) -> None:
    lab = Lab.start() if foreground else Lab.start_lasting()
    try:
        print(json.dumps(_everything(lab), indent=2), flush=True)
        if foreground:
            print("Ctrl-C stops it", file=sys.stderr)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pause()
    except BaseException:
        # Ctrl-C is how the foreground form ends; the other must not stay half started.
        lab.stop()
        raise


def _everything(lab: Lab) -> dict[str, object]:
    return {
        "run": lab.id,
        "DOCKER_HOST": lab.docker_host,
        **lab.s3.environment(),
        "mysql": lab.mysql.record(),
        "mariadb": lab.mariadb.record(),
        "prometheus": lab.prometheus_url,
        "alertmanager": lab.alertmanager_url,
        "pushgateway": lab.pushgateway_url,
    }


def _down(wanted: list[str]) -> None:
    places = Places.of_this_machine()
    for run in runs.all_runs(places):
        if run.id in wanted or (not wanted and (run.owner() is None or not run.live())):
            runs.close(run)
            print(f"stopped {run.id}")


def _status() -> None:
    places = Places.of_this_machine()
    print(f"packages missing: {' '.join(packages.missing()) or 'none'}")
    for run in runs.all_runs(places):
        owner = run.owner()
        bound = f"ends with process {owner.pid}" if owner else "lasts until 'down'"
        state = "open" if run.live() else "abandoned"
        parts = " ".join(sorted(path.stem for path in run.parts.glob("*.json"))) or "nothing yet"
        print(f"run {run.id}: {state}, {bound}; parts: {parts}")
    engine = Engine(places)
    if not engine.running():
        print("engine: not running (the images are in its data directory)")
        return
    print(f"engine: {engine.docker.host}, used by {' '.join(engine.users())}")
    print(f"images missing: {' '.join(images.missing(engine.docker)) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
