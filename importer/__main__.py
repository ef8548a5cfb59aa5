"""``python -m importer``."""

import gc
import os
import sys
from typing import Final

from importer.early import Early

_OBJECTS: Final = 300_000
"""So many before Python looks for garbage: what is imported has fewer, and looking through them finds none.

With the usual 700, looking takes a tenth of the time to start.
"""

_NOT_NEEDED: Final = "hypothesis"
"""pandera makes up data with it, where it is installed: importing it takes a tenth of the time to start."""


_ONE_THREAD: Final = "OPENBLAS_NUM_THREADS"
"""NumPy's library for matrices, of which there are none here, begins with threads that wait busily."""


def main() -> None:
    """Run the command line and leave with its exit status."""
    early = Early()
    early.take()
    gc.set_threshold(_OBJECTS)
    os.environ.setdefault(_ONE_THREAD, "1")
    sys.modules.setdefault(_NOT_NEEDED, None)  # type: ignore[arg-type] # None is how Python says "not there"
    from importer.cli import run  # noqa: PLC0415 - it takes a while, in which signals come

    status = run(sys.argv[1:], early)
    early.note()
    gc.freeze()  # nobody looks for garbage on leaving, which takes a sixth of the time of a short run
    sys.exit(status)


if __name__ == "__main__":
    main()
