"""What ``importer init`` has come to: what is written and said of it, and the commands for the sample."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from importer import starting
from importer.manifests import layouts
from importer.report import phrases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from importer.manifests.drafting import Carrier
    from importer.report import Summary

_CODES_SHOWN: Final = 5


class Layout(Struct, frozen=True):
    """How the sample's columns are known.

    ``path`` is the file of a layout, None where none is needed; ``text`` is what is to be written there, ""
    where it stays as it is, and ``is_other`` says whether another text would be lost by it. ``name`` is what
    fits without one. ``carrier`` has all parcels by the layout, ``likely`` has all of the sample, but nobody
    has said that it has those of other files.
    """

    columns: Mapping[str, str]
    path: Path | None = None
    text: str = ""
    name: str = ""
    carrier: str = ""
    likely: Carrier | None = None
    is_other: bool = False


class Decided(Struct, frozen=True):
    """What the conversation has come to.

    ``values`` is what was said of the destination, and ``revision`` the configuration with it; where they
    leave it as it is, ``is_revised`` is not set.
    """

    config: Path
    is_config_given: bool
    kind: str
    name: str
    values: Mapping[str, str]
    revision: starting.Revision
    is_revised: bool
    layout: Layout

    @property
    def changes(self) -> tuple[str, ...]:
        """What of that which is there already would be changed, each in words with its file."""
        of_config = (f"{self.config}: [destinations.{self.name}]: {one}" for one in self.revision.changes)
        of_layout = [f"{self.layout.path}: written anew"] if self.layout.is_other else []
        return (*of_config, *of_layout)

    def write(self, *, force: bool) -> None:
        """Write the layout, and the destination into the configuration.

        Raises:
            SetupError: that is not possible without harm to what is there; nothing was written.
            CannotGoOn: one of them can't be written.
        """
        if self.layout.path and self.layout.text:
            starting.write(self.layout.path, self.layout.text, overwrite=force)
        if self.is_revised:
            starting.write(self.config, self.revision.text, overwrite=True)

    def command(self, name: str, *manifests: str) -> str:
        """The command ``name`` for the sample, with what was written or given."""
        before = ["--config", str(self.config)] if self.is_config_given else []
        after = ["--layout", str(self.layout.path)] if self.layout.path else []
        return shlex.join(["importer", *before, name, *manifests, "--to", self.name, *after])

    def from_anywhere(self) -> Decided:
        """The same with absolute paths."""
        path = self.layout.path.absolute() if self.layout.path else None
        return replace(self, config=self.config.absolute(), layout=replace(self.layout, path=path))

    def as_json(self, manifest: str, summary: Summary) -> dict[str, Any]:
        """What was decided and written, and the check of the sample."""
        layout = self.layout
        written = [*([self.config] if self.is_revised else []), *([layout.path] if layout.text else [])]
        return {
            "manifest": manifest,
            "config": str(self.config),
            "destination": {"name": self.name, "kind": self.kind, **self.values},
            "layout": str(layout.path or layout.name),
            "columns": dict(layout.columns),
            "carrier": layout.carrier,
            "likely_carrier": layout.likely.name if layout.likely else "",
            "changed": list(self.changes),
            "written": [str(path) for path in written],
            "rows": summary.rows,
            "errors": {code: examples.count for code, examples in summary.errors.items()},
            "report": summary.reports["summary"],
            "exit_status": summary.exit_status,
        }

    def told(self, manifest: str, summary: Summary) -> Iterator[str]:
        """The same in lines, with what comes next."""
        done = "written" if self.is_revised else "stays as it is"
        yield f"{self.config}: [destinations.{self.name}] {done}"
        yield from self._of_layout()
        yield f"check: {phrases.sentence(summary)}"
        for code, found in phrases.by_weight(summary.errors)[:_CODES_SHOWN]:
            yield f"  {code}  {phrases.counted(found.count, 'row')}  {phrases.cause(code)}"
        yield from ("", f"Report: {summary.reports.get('page', summary.reports['rows'])}")
        commands = (self.command("check", manifest), self.command("post", manifest), self.command("doctor"))
        steps = [step for step in (self._token, *commands) if step]
        for label, step in zip(("Next:  ", *[" " * 7] * len(steps)), steps, strict=False):
            yield f"{label} {step}"

    @property
    def _token(self) -> str:
        """Where the token is to be put, in words; "" where that was decided before."""
        if "token_file" in self.values:
            return f"put the token into {self.values['token_file']}"
        return f"export {self.values['token_env']}=…" if self.values else ""

    def _of_layout(self) -> Iterator[str]:
        layout = self.layout
        columns = [f"{column} = '{header}'" for column, header in layout.columns.items()]
        constants = [f"tracking_company = '{layout.carrier}' in all rows"] if layout.carrier else []
        told = ", ".join((*columns, *constants))
        if layout.path:
            done = "the layout written" if layout.text else "the layout stays as it is"
            yield f"{layout.path}: {done}{f': {told}' if told else ''}"
        else:
            fits = f", as {layout.name} fits" if layout.name != layouts.GENERIC else ""
            yield f"no layout is needed{fits}: {told}"
        if layout.likely:
            yield f"  {layout.likely.words}; if all parcels of such files are,"
            yield "  take the # off [constants] and tracking_company there"
