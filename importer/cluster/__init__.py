"""Workers of a Dask cluster: they read and check manifests, and post, each with the code of a single run.

``errands`` is what a worker is asked to do, and does; ``workers`` hands errands out and waits for what comes
of them; ``dask`` is all that knows the library, and finds or starts the cluster.
"""

from importer.cluster.dask import Cluster, joined
from importer.cluster.workers import Work, Workers

__all__ = ["Cluster", "Work", "Workers", "joined"]
