"""Workers of a Dask cluster: they read and check manifests, group, and post, with the code of a single run.

``errands`` is what a worker is asked to do, and does; ``workers`` hands errands out and waits for what comes
of them; ``dask`` finds or starts the cluster. None of them is imported where no cluster is wanted.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the user wants: the ``scheduler`` at an address, or so many ``workers`` on this machine.

    None is as many as it has cores.
    """

    scheduler: str | None = None
    workers: int | None = None
