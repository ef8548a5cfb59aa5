"""Arrow without pandas, which it would import with the first array that is made of a list."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

import pyarrow as pa

_PANDAS = "pandas"


class _WithoutPandas(MetaPathFinder):
    """Says that pandas is not there, and nothing of all else."""

    def find_spec(self, fullname: str, _path: object, _target: object = None, /) -> ModuleSpec | None:
        if fullname == _PANDAS:
            raise ModuleNotFoundError(fullname)
        return None


def keep_from_pandas() -> None:
    """Have Arrow do without pandas until it is asked for a frame.

    It looks for pandas once, for the frames that it might be given. Here it is given none: what pandera
    judges is made of arrays of Arrow's. And importing pandas takes a fifth of the time of a short run.
    """
    if _PANDAS in sys.modules:
        return
    without = _WithoutPandas()
    sys.meta_path.insert(0, without)
    try:
        pa.array([""])
    finally:
        sys.meta_path.remove(without)
