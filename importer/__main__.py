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

_NOT_NEEDED: Final = (
    "hypothesis",  # pandera makes up data with it
    "httpx._main",  # httpx's own command line, with all that rich needs to paint programs
)
"""What libraries do without where it isn't there: importing it takes up to a tenth of the time to start."""


_SURROUNDINGS: Final = {
    # NumPy's library for matrices, of which there are none here, begins with threads that wait busily
    "OPENBLAS_NUM_THREADS": "1",
    # in pages of 2 MiB, most of what Arrow frees is cleared for nothing, a fifth of the time of a check
    "MIMALLOC_ALLOW_THP": "0",
}
"""What libraries look for when they are loaded, where the user does not say otherwise."""


def main() -> None:
    """Run the command line and leave with its exit status."""
    early = Early()
    early.take()
    gc.set_threshold(_OBJECTS)
    for name, value in _SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    for name in _NOT_NEEDED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # None is how Python says "not there"
    from importer.cli import run  # noqa: PLC0415 - it takes a while, in which signals come

    status = run(sys.argv[1:], early)
    early.note()
    gc.freeze()  # nobody looks for garbage on leaving, which takes a sixth of the time of a short run
    sys.exit(status)


if __name__ == "__main__":
    main()
