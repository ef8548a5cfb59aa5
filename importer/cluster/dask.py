"""The cluster: the user's, or one of processes on this machine for as long as the run lasts."""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING, Any, Final

from importer.cluster import versions
from importer.cluster.workers import Workers
from importer.early import SIGNALS
from importer.errors import CannotGoOn, SetupError
from importer.posts.signals import Interruption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.cluster import Cluster, OfDask

_PATIENCE_SECONDS: Final = 10.0
_MOST_PORT: Final = 65535
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
_CERTIFICATES: Final = (
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and "
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
)
# what memory has no room for is put into files, and no worker is stopped or killed for want of it
_ONTO_DISK: Final = {"distributed.worker.memory.pause": False, "distributed.worker.memory.terminate": False}
_NO_PAGES: Final[dict[str, Any]] = {
    "distributed.worker.profile.enabled": False,  # it is shown there
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def joined(
    cluster: Cluster,
    scratch: Path,
    interruption: Interruption | None = None,
    patience: float = _PATIENCE_SECONDS,
) -> Iterator[Workers]:
    """Have workers as long as the context lasts; ``scratch`` is for files of theirs on this machine.

    A scheduler has ``patience`` seconds to answer, and to have a worker. An ``interruption`` waits for a
    cluster that is about to start.

    Raises:
        SetupError: the library is not installed, or the scheduler's address is none.
        CannotGoOn: no scheduler answers, it has no workers, or one has another version of the program; or
            none can be started.
        KeyboardInterrupt: the interruption came while the cluster started.
    """
    interruption = interruption or Interruption()
    with interruption.waiting():
        distributed = _library()
    is_shared = cluster.scheduler is not None
    with _scheduler(distributed, cluster, scratch, interruption) as where:
        client = _client(distributed, where, patience)
        try:
            _await_a_worker(client, patience)
            if is_shared:
                versions.expect_same(client)
            yield Workers(
                client,
                shared=is_shared,
                block_bytes=cluster.block_bytes,
                patience=patience,
                halt=interruption.halt,
            )
        finally:
            # one that has lost its scheduler can't say goodbye
            with interruption.waiting(), suppress(Exception):
                client.close()


def _client(distributed: OfDask, where: OfDask, patience: float) -> OfDask:
    try:
        if isinstance(where, str):
            asyncio.run(_reach(where, _secured(distributed, where), patience))
        return distributed.Client(where, timeout=patience, set_as_default=False)
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # the last where Dask is to encrypt, and this is tcp://
        said = " ".join(str(error).split()) or f"nothing in {patience:g} s"
        raise CannotGoOn(
            f"Dask cluster: no scheduler answers at {where} ({said}); start it with 'dask scheduler', or "
            "name another; nothing was sent"
        ) from error


async def _reach(address: str, connecting: dict[str, Any], patience: float) -> None:
    """Talk to a scheduler once: a client waits for ever for one that accepts and says nothing."""
    connect = importlib.import_module("distributed.comm").connect
    comm = await asyncio.wait_for(connect(address, timeout=patience, **connecting), patience)
    comm.abort()


def _secured(distributed: OfDask, address: str) -> dict[str, Any]:
    """How to connect to an address.

    Raises:
        SetupError: it is none, or it wants certificates that nobody has named, or that can't be read.
    """
    comm = importlib.import_module("distributed.comm")
    try:
        _, port = comm.get_address_host_port(address)
    except ValueError:
        port = 0
    if not 0 < port <= _MOST_PORT:
        raise SetupError(
            f"--scheduler: found {address!r}, expected tcp://HOST:PORT or tls://HOST:PORT, as 'dask "
            "scheduler' says when it starts"
        )
    try:
        connecting: dict[str, Any] = distributed.Security().get_connection_args("client")
    except OSError as error:
        raise SetupError(
            f"--scheduler: its certificates can't be used ({error}); see {_CERTIFICATES}"
        ) from error
    if comm.parse_address(address)[0] == "tls" and connecting["ssl_context"] is None:
        raise SetupError(f"--scheduler: {address} needs certificates: name their files in {_CERTIFICATES}")
    return connecting


def _await_a_worker(client: OfDask, patience: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise CannotGoOn(
            f"Dask cluster: the scheduler at {client.scheduler.address} has no workers; start some with "
            "'dask worker'; nothing was sent"
        ) from error


def _library() -> OfDask:
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
def _scheduler(
    distributed: OfDask,
    cluster: Cluster,
    scratch: Path,
    interruption: Interruption,
) -> Iterator[Any]:
    """The address of the user's, or a cluster of this machine's own, which nobody else can talk to."""
    if cluster.scheduler is not None:
        yield cluster.scheduler
        return
    here = _NO_PAGES | _FORKED | _ONTO_DISK | {"temporary-directory": str(scratch)}
    with importlib.import_module("dask").config.set(here), ExitStack() as stack:
        with interruption.waiting():
            # it names others the first time
            importlib.import_module("distributed.utils").get_mp_context().set_forkserver_preload(_LOADED)
            _start_to_fork()
            local = distributed.LocalCluster(
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
            )
            running = ExitStack()
            stack.callback(_leave, running, interruption)
            running.enter_context(local)
        yield local


def _leave(running: ExitStack, interruption: Interruption) -> None:
    with interruption.waiting():
        running.close()


def _start_to_fork() -> None:
    """Start what workers are forked from, deaf from its first moment on to what is for the run.

    Raises:
        CannotGoOn: the system does not let it.
    """
    resource_tracker.ensure_running()  # else it is started with the other, and lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        forkserver.ensure_running()
    except OSError as error:
        raise CannotGoOn(
            f"Dask cluster: workers can't be started on this machine ({error}); where a path is too long, "
            f"name a folder with a shorter one than {tempfile.gettempdir()} with TMPDIR; nothing was sent"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
