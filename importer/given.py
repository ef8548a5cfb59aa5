"""What a run was told, as the ledger keeps it: enough to write its report later, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct, to_builtins

from importer import destinations
from importer.batches import Terms
from importer.fulfillments import Options
from importer.manifests import layouts
from importer.model import Duplicates
from importer.settings import DestinationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.manifests.layouts import Layout

_OF_DESTINATION: Final = (
    "name",
    "kind",
    "base_url",
    "path",
    "body",
    "order_id",
    "operation",
    "account",
    "sandbox",
)
"""What rules, identity and content depend on; not the token, nor ``extra``, which may have anything."""


class Known(Struct, frozen=True):
    """A manifest as it was read; ``path`` is absolute, and "" where it came through a pipe.

    ``given`` is how the command named it, where that is not its name.
    """

    name: str
    path: str
    sha256: str
    given: str = ""


class Given(Struct, frozen=True):
    """What a run was told.

    ``again`` is the command that posts in the same way to the same place; ``{}`` stands for the manifests.
    """

    manifests: tuple[Known, ...]
    destination: DestinationSettings
    layout: Layout
    options: Options
    encoding: str | None = None
    strict_tracking: bool = False
    retry_in_doubt: bool = False
    again: str = ""
    sheet: str | None = None

    @property
    def terms(self) -> Terms:
        """Under which rules its manifests were read and grouped."""
        destination = destinations.make(self.destination)
        return Terms(destination, self.layout, self.options, self.encoding, self.strict_tracking, self.sheet)

    def as_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` takes."""
        return {
            "manifests": [to_builtins(manifest) for manifest in self.manifests],
            "destination": {name: getattr(self.destination, name) for name in _OF_DESTINATION},
            "layout": to_builtins(self.layout),
            "options": to_builtins(self.options),
            "encoding": self.encoding,
            "sheet": self.sheet,
            "strict_tracking": self.strict_tracking,
            "retry_in_doubt": self.retry_in_doubt,
            "again": self.again,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What ``as_json`` made it of, but for the parts of the destination that it leaves out."""
        told = dict(document)
        options = told.pop("options")
        return cls(
            manifests=tuple(Known(**manifest) for manifest in told.pop("manifests")),
            destination=DestinationSettings(**told.pop("destination")),
            layout=layouts.from_json(told.pop("layout")),
            options=Options(**{**options, "duplicates": Duplicates(options["duplicates"])}),
            **told,
        )
