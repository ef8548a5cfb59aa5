"""A run in figures for Prometheus: a file that the node exporter's textfile collector picks up.

Source: https://github.com/prometheus/node_exporter#textfile-collector; the names follow
https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from importer.model import STATUSES, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from importer.report import Summary
    from importer.watching.ending import Ending

_LAST_SUCCESS: Final = "importer_last_success_timestamp_seconds"
_READABLE_BY_ALL: Final = 0o644
_DONE: Final = (Status.CREATED, Status.UPDATED)


def write(path: Path, ending: Ending, oldest_in_doubt: float | None) -> None:
    """Write the figures of the run over those of the run before, whole or not at all.

    ``oldest_in_doubt`` is how many seconds the oldest fulfillment of unknown outcome is old, 0.0 where there
    is none, None where it can't be told. The last success is taken from the file of before; there those of
    other destinations stay, too: a run that names a wrong one forgets none.

    Raises:
        OSError: the file can't be written.
    """
    figures = _Figures(path, ("destination",))
    figures.keep_successes()
    figures.of((ending.destination,), ending, oldest_in_doubt)
    figures.write()


def write_jobs(
    path: Path, jobs: Mapping[str, tuple[Ending, float | None]], *, is_rehearsal: bool = False
) -> None:
    """Write the figures of a plan's jobs, by their names, over those of the time before; else as ``write``.

    A rehearsal is of other destinations: the last successes of the real ones stay.

    Raises:
        OSError: the file can't be written.
    """
    figures = _Figures(path, ("job", "destination"))
    if is_rehearsal:
        figures.keep_successes()
    for name, (ending, oldest_in_doubt) in jobs.items():
        figures.of((name, ending.destination), ending, oldest_in_doubt)
    figures.write()


def write_unread(path: Path, ending: Ending) -> None:
    """Write that a plan whose jobs are not known could not be run: as of a job without a name.

    The last successes of all jobs stay.

    Raises:
        OSError: the file can't be written.
    """
    figures = _Figures(path, ("job", "destination"))
    figures.keep_successes()
    figures.of(("", ""), ending, None)
    figures.write()


class _Figures:
    """Figures with these labels, in a registry of their own: the process itself is of no interest."""

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        self._path = path
        self._labels = labels
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._successes = dict(_successes(path, labels))

    def keep_successes(self) -> None:
        """Take over the last successes of the file of before, whosever they are."""
        for labels, success in self._successes.items():
            self._succeeded(success, labels)

    def of(self, labels: tuple[str, ...], ending: Ending, oldest_in_doubt: float | None) -> None:
        """Take down the figures of a run; the last success may be in the file of before."""
        self._put("importer_last_run_timestamp_seconds", "When the last run ended", _at(ending), labels)
        success = _at(ending) if ending.exit_status == 0 else self._successes.get(labels)
        if success is not None:
            self._succeeded(success, labels)
        self._put("importer_exit_status", "Exit status of the last run", ending.exit_status, labels)
        self._put("importer_run_seconds", "How long the last run took", ending.seconds, labels)
        if oldest_in_doubt is not None:
            words = (
                "How old the oldest fulfillment of unknown outcome was when the last run ended, 0 for none"
            )
            self._put("importer_oldest_in_doubt_seconds", words, oldest_in_doubt, labels)
        if ending.summary is not None:
            self._counted(ending.summary, ending.seconds, labels)

    def write(self) -> None:
        """Write the file, readable by all: who gathers such files is another user, whatever our umask."""
        write_to_textfile(str(self._path), self._registry)
        self._path.chmod(_READABLE_BY_ALL)

    def _succeeded(self, at: float, labels: tuple[str, ...]) -> None:
        self._put(_LAST_SUCCESS, "When the last run ended whose exit status was 0", at, labels)

    def _counted(self, summary: Summary, seconds: float, labels: tuple[str, ...]) -> None:
        self._by_status("importer_rows", "Rows of the last run, by how they ended", summary.rows, labels)
        words = "Fulfillments of the last run, by how they ended"
        self._by_status("importer_fulfillments", words, summary.fulfillments, labels)
        done = sum(summary.fulfillments[status] for status in _DONE)
        rate = done / seconds if seconds > 0 else 0.0
        words = "Posted in the last run, per second of it"
        self._put("importer_fulfillments_per_second", words, rate, labels)

    def _put(self, name: str, words: str, value: float, labels: tuple[str, ...], *more: str) -> None:
        if name not in self._gauges:
            known = (*self._labels, "status") if more else self._labels
            self._gauges[name] = Gauge(name, words, known, registry=self._registry)
        self._gauges[name].labels(*labels, *more).set(value)

    def _by_status(self, name: str, words: str, counts: Mapping[str, int], labels: tuple[str, ...]) -> None:
        for status in STATUSES:
            self._put(name, words, counts[status], labels, str(status))


def _successes(path: Path, labels: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    """The last successes that the file has, by their labels; none where there is no such file, or another."""
    try:
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for sample in family.samples:
                if sample.name == _LAST_SUCCESS and sample.labels.keys() == set(labels):
                    yield tuple(sample.labels[name] for name in labels), float(sample.value)
    except (OSError, ValueError):
        return


def _at(ending: Ending) -> float:
    return ending.finished_at.timestamp()
