"""A run in figures for Prometheus: a file that the node exporter's textfile collector picks up.

Source: https://github.com/prometheus/node_exporter#textfile-collector; the names follow
https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_fd_to_metric_families

from importer.model import STATUSES, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from importer.watching.ending import Ending

_LAST_SUCCESS: Final = "importer_last_success_timestamp_seconds"
_DONE: Final = (Status.CREATED, Status.UPDATED)


def write(path: Path, ending: Ending, oldest_in_doubt: float | None) -> None:
    """Write the figures of the run over those of the run before, whole or not at all.

    ``oldest_in_doubt`` is how many seconds the oldest fulfillment of unknown outcome is old, 0.0 where there
    is none, None where it can't be told. The last success is taken from the file of before.

    Raises:
        OSError: the file can't be written.
    """
    figures = _Figures(ending.destination)
    figures.put("importer_last_run_timestamp_seconds", "When the last run ended", _at(ending))
    success = _at(ending) if ending.exit_status == 0 else _last_success(path, ending.destination)
    if success is not None:
        figures.put(_LAST_SUCCESS, "When the last run ended whose exit status was 0", success)
    figures.put("importer_exit_status", "Exit status of the last run", ending.exit_status)
    figures.put("importer_run_seconds", "How long the last run took", ending.seconds)
    if oldest_in_doubt is not None:
        words = "How old the oldest fulfillment of unknown outcome was when the last run ended, 0 for none"
        figures.put("importer_oldest_in_doubt_seconds", words, oldest_in_doubt)
    if ending.summary is not None:
        summary = ending.summary
        figures.by_status("importer_rows", "Rows of the last run, by how they ended", summary.rows)
        words = "Fulfillments of the last run, by how they ended"
        figures.by_status("importer_fulfillments", words, summary.fulfillments)
        done = sum(summary.fulfillments[status] for status in _DONE)
        rate = done / ending.seconds if ending.seconds > 0 else 0.0
        figures.put("importer_fulfillments_per_second", "Posted in the last run, per second of it", rate)
    write_to_textfile(str(path), figures.registry)


class _Figures:
    """The figures of one destination, in a registry of their own: the process itself is of no interest."""

    def __init__(self, destination: str) -> None:
        self.registry = CollectorRegistry()
        self._destination = destination

    def put(self, name: str, words: str, value: float) -> None:
        Gauge(name, words, ["destination"], registry=self.registry).labels(self._destination).set(value)

    def by_status(self, name: str, words: str, counts: Mapping[str, int]) -> None:
        gauge = Gauge(name, words, ["destination", "status"], registry=self.registry)
        for status in STATUSES:
            gauge.labels(self._destination, str(status)).set(counts[status])


def _at(ending: Ending) -> float:
    return ending.finished_at.timestamp()


def _last_success(path: Path, destination: str) -> float | None:
    """What the file has of an earlier run; None where there is no such file, or another one."""
    try:
        with path.open(encoding="utf-8") as file:
            for family in text_fd_to_metric_families(file):
                for sample in family.samples:
                    if sample.name == _LAST_SUCCESS and sample.labels.get("destination") == destination:
                        return float(sample.value)
    except (OSError, ValueError):
        return None
    return None
