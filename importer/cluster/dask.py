"""The cluster: the user's, or one of processes on this machine for as long as the run lasts."""

from __future__ import annotations

import importlib
import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from importer.cluster.workers import Workers
from importer.errors import CannotGoOn, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.cluster import Cluster

_CONNECTING_SECONDS: Final = 10.0
# without a dashboard there is its port all the same; what is left is that nothing is shown there
_NO_DASHBOARD: Final = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
# what workers need is loaded once, in a process that they are forked from
_FORKED: Final[dict[str, Any]] = {
    "distributed.worker.multiprocessing-method": "forkserver",
    # without Dask's MALLOC_TRIM_THRESHOLD_, with which checking takes half as long again
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1
    ),
}
_LOADED: Final = [
    "importer.cluster.deaf",
    "importer.cluster.errands",
    "importer.cluster.shuffle",
    "distributed.nanny",
    "pandera.backends.pandas.builtin_checks",  # which it loads only when it first checks
]
# what memory has no room for is put into files, and no worker is stopped or killed for want of it
_ONTO_DISK: Final = {"distributed.worker.memory.pause": False, "distributed.worker.memory.terminate": False}
_NO_PAGES: Final[dict[str, Any]] = {
    "distributed.worker.profile.enabled": False,  # it is shown there
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def joined(cluster: Cluster, scratch: Path, patience: float = _CONNECTING_SECONDS) -> Iterator[Workers]:
    """Have workers as long as the context lasts; ``scratch`` is for files of theirs on this machine.

    A scheduler has ``patience`` seconds to answer, and to have a worker.

    Raises:
        SetupError: the library is not installed.
        CannotGoOn: no scheduler answers, or it has no workers.
    """
    distributed = _library()
    with _scheduler(distributed, cluster, scratch) as where:
        try:
            client = distributed.Client(where, timeout=patience, set_as_default=False)
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())
            raise CannotGoOn(
                f"Dask cluster: no scheduler answers at {cluster.scheduler} ({said}); start it with 'dask "
                "scheduler', or name another; nothing was sent"
            ) from error
        try:
            _await_a_worker(client, patience)
            yield Workers(client, shared=cluster.scheduler is not None, block_bytes=cluster.block_bytes)
        finally:
            with suppress(Exception):  # one that has lost its scheduler can't say goodbye
                client.close()


def _await_a_worker(client: Any, patience: float) -> None:  # noqa: ANN401 - of a library that may be missing
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise CannotGoOn(
            f"Dask cluster: the scheduler at {client.scheduler.address} has no workers; start some with "
            "'dask worker'; nothing was sent"
        ) from error


def _library() -> Any:  # noqa: ANN401 - it is there only where it is installed
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise SetupError(
            f"--engine dask: a package is missing ({error.name}); pip install 'fulfillment-importer[dask]'"
        ) from error
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is said in the run's words
    return distributed


@contextmanager
def _scheduler(distributed: Any, cluster: Cluster, scratch: Path) -> Iterator[Any]:  # noqa: ANN401 - the same
    """The address of the user's, or a cluster of this machine's own, which nobody else can talk to."""
    if cluster.scheduler is not None:
        yield cluster.scheduler
        return
    with importlib.import_module("dask").config.set(_NO_PAGES | _FORKED | _ONTO_DISK):
        # it names others the first time
        importlib.import_module("distributed.utils").get_mp_context().set_forkserver_preload(_LOADED)
        with distributed.LocalCluster(
            n_workers=cluster.workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=True,  # what talks to a scheduler can have it run anything
            scheduler_kwargs=_NO_DASHBOARD,
            worker_dashboard_address=_NO_DASHBOARD["dashboard_address"],
            memory_limit="auto",
            local_directory=str(scratch),
            silence_logs=logging.CRITICAL,
            preload=["importer.cluster.deaf"],
        ) as local:
            yield local
