"""Where metrics go: a Pushgateway, and node_exporter's textfile directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import MonitoringError
from engine.core.metrics import Family

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

JOB = "mentat-dr"
_SECONDS = 5.0


class _Collected:
    """Our families as prometheus_client takes them."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        from prometheus_client import Metric

        for family in self._families:
            metric = Metric(family.name, family.help, "gauge")
            for sample in family.samples:
                metric.add_sample(family.name, dict(sample.labels), sample.value)
            yield metric


def _registry(families: Sequence[Family]) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(families))
    return registry


def render(families: Sequence[Family]) -> bytes:
    """The text exposition format, as Prometheus scrapes it."""
    from prometheus_client import generate_latest

    return generate_latest(_registry(families))


class Pushgateway:
    """Metrics of the group job=mentat-dr, host=<host>; each push replaces the group whole."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def name(self) -> str:
        return f"Pushgateway {self._url}"

    def publish(self, families: Sequence[Family], host: str) -> None:
        """As Metrics promises, within 5 seconds for each step of the network."""
        from http.client import HTTPException
        from urllib.error import HTTPError

        from prometheus_client import push_to_gateway

        try:
            push_to_gateway(
                self._url,
                job=JOB,
                registry=_registry(families),
                grouping_key={"host": host},
                timeout=_SECONDS,
            )
        except HTTPError as error:
            with error:
                said = error.read(300).decode("utf-8", "replace").strip()
            raise MonitoringError(
                f"the {self.name} refused the metrics: {error.code} {said or error.reason}",
                "Delete its group of this host, or look at its log.",
            ) from error
        except (OSError, ValueError, HTTPException) as error:
            raise MonitoringError(
                f"the {self.name} does not take metrics: {_why(error)}",
                "Check `pushgateway` under [monitoring] and that it runs.",
            ) from error


class Textfile:
    """`mentat-dr.prom` in the directory that node_exporter reads; replaced whole, mode 0644."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / f"{JOB}.prom"

    @property
    def name(self) -> str:
        return f"textfile {self._file}"

    def publish(self, families: Sequence[Family], host: str) -> None:
        """As Metrics promises; node_exporter never sees half a file."""
        try:
            _replace(self._file, render(families))
        except OSError as error:
            raise MonitoringError(
                f"the {self.name} cannot be written: {error.strerror or error}",
                "Create the directory, or correct `textfile_directory` under [monitoring].",
            ) from error


def _replace(file: Path, content: bytes) -> None:
    # Its name must not end in .prom: node_exporter would read it half-written.
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)  # node_exporter runs as a user of its own
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)
