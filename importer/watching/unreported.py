"""That people were told of a run without a report, kept until one with a report shows that it is over.

The ledger remembers runs, but not those that never came to it: for want of it, say, or of a configuration.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path

_CHARACTERS: Final = 16


class Note(Struct, frozen=True):
    """A note in ``folder`` of the run that ``about`` names: a file, there as long as its trouble is not over.

    Where it can't be kept there is none, and nobody hears of the end.
    """

    folder: Path
    about: str

    @property
    def is_there(self) -> bool:
        """Whether people wait to hear of the end."""
        try:
            return self._path.exists()
        except OSError:  # the folder can't be looked into
            return False

    def put(self) -> None:
        """Keep in mind that people were told."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path.write_text(f"{self.about}\n", encoding="utf-8", errors="replace")

    def take_away(self) -> None:
        """Forget it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        name = hashlib.sha256(self.about.encode(errors="replace")).hexdigest()[:_CHARACTERS]
        return self.folder / f"{name}.txt"
