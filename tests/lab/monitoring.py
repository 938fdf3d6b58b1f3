"""Prometheus, Alertmanager and Pushgateway as plain processes of a run."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import processes
from tests.lab.errors import NotReady
from tests.lab.packages import MONITORING, program, require
from tests.lab.processes import Process

ATTEMPTS = 3
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class MonitoringServers:
    """Where the three are; rule files put in ``rules`` are read after ``reload``."""

    prometheus_url: str
    alertmanager_url: str
    pushgateway_url: str
    rules: Path

    def reload(self) -> None:
        """Make Prometheus read its configuration and rules again."""
        request = urllib.request.Request(f"{self.prometheus_url}/-/reload", method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10):
            pass


def start_monitoring(directory: Path, registry: Path) -> MonitoringServers:
    """Start the three, ready: Prometheus scrapes the Pushgateway and alerts the Alertmanager."""
    require(MONITORING)
    rules = directory / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    start = _Starter(directory, registry)
    pushgateway = start("pushgateway", "/-/ready", _pushgateway)
    alertmanager = start("alertmanager", "/-/ready", _alertmanager)

    def prometheus(own: Path, port: int) -> list[str]:
        return _prometheus(own, port, rules, pushgateway, alertmanager)

    url = start("prometheus", "/-/ready", prometheus)
    return MonitoringServers(
        f"http://{url}", f"http://{alertmanager}", f"http://{pushgateway}", rules
    )


class _Starter:
    """Starts a server on a free port and waits for it; the port may be lost, so it tries again."""

    def __init__(self, directory: Path, registry: Path) -> None:
        self._directory = directory
        self._registry = registry

    def __call__(self, name: str, ready: str, command: Callable[[Path, int], Sequence[str]]) -> str:
        for attempt in range(1, ATTEMPTS + 1):
            own = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._directory))
            (port,) = processes.free_ports(1)
            log = own / f"{name}.log"
            process = processes.start(name, command(own, port), log=log, registry=self._registry)
            try:
                self._wait(process, f"http://{LOCAL}:{port}{ready}", log)
            except NotReady:
                processes.stop([process], seconds=2)
                if attempt == ATTEMPTS:
                    raise
            else:
                return f"{LOCAL}:{port}"
        raise AssertionError("unreachable")

    def _wait(self, process: Process, url: str, log: Path) -> None:
        processes.wait_until(
            lambda: processes.answers(url), what=process.name, seconds=60, process=process, log=log
        )


def _pushgateway(own: Path, port: int) -> list[str]:
    return [
        program("prometheus-pushgateway"),
        f"--web.listen-address={LOCAL}:{port}",
        "--web.enable-admin-api",
    ]


def _alertmanager(own: Path, port: int) -> list[str]:
    config = own / "alertmanager.yml"
    config.write_text("""\
route: {receiver: nobody, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: nobody}]
""")
    return [
        program("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={own}",
        f"--web.listen-address={LOCAL}:{port}",
        # No cluster: it would listen on a fixed port.
        "--cluster.listen-address=",
    ]


def _prometheus(
    own: Path, port: int, rules: Path, pushgateway: str, alertmanager: str
) -> list[str]:
    config = own / "prometheus.yml"
    config.write_text(f"""\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: ["{rules}/*.yml"]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["{alertmanager}"]}}]
scrape_configs:
  - job_name: pushgateway
    honor_labels: true
    static_configs: [{{targets: ["{pushgateway}"]}}]
""")
    return [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={own / 'tsdb'}",
        f"--web.listen-address={LOCAL}:{port}",
        # It finds the Alertmanager some seconds after its start; an alert that fired before then
        # would be told again only after a minute.
        "--rules.alert.resend-delay=2s",
        "--web.enable-lifecycle",
        "--web.enable-admin-api",
    ]
