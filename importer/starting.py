"""A destination for the configuration file and a layout for a manifest: put where nothing is lost by it."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING

from importer import settings
from importer.errors import CannotGoOn, SetupError
from importer.report.files import finish, sync, unfinished

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def table(name: str, values: Mapping[str, str]) -> str:
    """A ``[destinations.NAME]`` of these texts."""
    lines = [f"[destinations.{name}]", *(f"{key} = {_quoted(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def configuration(path: Path, before: str, name: str, values: Mapping[str, str]) -> str:
    """The text ``before`` of the configuration file with this destination in it, read before it is written.

    Raises:
        SetupError: its table can't be put into the file without harm to what stands there.
    """
    written = table(name, values)
    text = with_destination(before, name, written)
    others = settings.parse(before.encode(), path).destinations
    try:
        found = dict(settings.parse(text.encode(), path).destinations)
        own = found.pop(name, {})
    except SetupError:
        found, own = {}, {}
    if own.keys() != {"kind", *values} or found != {each: others[each] for each in others if each != name}:
        raise SetupError(
            f"{path}: [destinations.{name}] can't be put into it as it is written; nothing was changed; "
            f"write this table yourself, in the place of the one that is there:\n\n{written}"
        )
    return text


def with_destination(text: str, name: str, written: str) -> str:
    """The configuration with the table ``written`` in it, in the place of that of ``name`` if it has one."""
    begins = re.compile(rf"^\s*\[\s*destinations\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*\]", re.MULTILINE)
    if (found := begins.search(text)) is None:
        return f"{text.rstrip()}\n\n{written}" if text.strip() else written
    rest = text[found.end() :]
    own = re.compile(rf"^\s*\[(?!\s*destinations\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*\.)", re.MULTILINE)
    end = own.search(rest)
    before = text[: found.start()].rstrip()
    after = rest[end.start() :].strip() if end else ""
    return "\n\n".join(filter(None, (before, written.strip(), after))) + "\n"


def write(path: Path, text: str, *, overwrite: bool) -> None:
    """Write the file, whole or not at all; one that was there keeps its mode.

    Raises:
        SetupError: it is there already, and is not to be overwritten.
        CannotGoOn: it can't be written.
    """
    if path.exists() and not overwrite:
        raise SetupError(f"{path}: it is there already; name another file, or write it anew with --force")
    try:
        place = path.resolve()  # a link stays one
        place.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(place).open("w", encoding="utf-8") as file:
            if place.exists():
                unfinished(place).chmod(stat.S_IMODE(place.stat().st_mode))
            file.write(text)
            sync(file)
        finish(place)
    except OSError as error:
        raise CannotGoOn(f"{path}: can't be written: {error.strerror or error}") from error


def _quoted(text: str) -> str:
    """A TOML string on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
