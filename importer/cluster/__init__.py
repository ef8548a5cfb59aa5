"""Workers of a Dask cluster: they read and check manifests, group, and post, with the code of a single run.

``errands`` is what a worker is asked to do, and does; ``shuffle`` is how rows get from the workers that read
them to those that group them; ``workers`` hands errands out and waits for what comes of them; ``dask`` finds
or starts the cluster. None of them is imported where no cluster is wanted.
"""

from typing import Any, Final, TypeAlias

from msgspec import Struct

BLOCK_BYTES: Final = 16 * 1024 * 1024

OfDask: TypeAlias = Any
"""Something of Dask's, which may not be installed, and has no types."""


class Cluster(Struct, frozen=True):
    """What the user wants: the ``scheduler`` at an address, or so many ``workers`` on this machine.

    None is as many as it has cores. Manifests of several times ``block_bytes`` are parted into blocks of that
    size or more.
    """

    scheduler: str | None = None
    workers: int | None = None
    block_bytes: int = BLOCK_BYTES
