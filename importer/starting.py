"""A destination for the configuration file and a layout for a manifest: put where nothing is lost by it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from importer.errors import CannotGoOn, SetupError
from importer.report.files import finish, sync, unfinished

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def table(name: str, values: Mapping[str, str]) -> str:
    """A ``[destinations.NAME]`` of these texts."""
    lines = [f"[destinations.{name}]", *(f"{key} = {_quoted(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


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
    """Write the file, whole or not at all.

    Raises:
        SetupError: it is there already, and is not to be overwritten.
        CannotGoOn: it can't be written.
    """
    if path.exists() and not overwrite:
        raise SetupError(f"{path}: it is there already; name another file, or write it anew with --force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path).open("w", encoding="utf-8") as file:
            file.write(text)
            sync(file)
        finish(path)
    except OSError as error:
        raise CannotGoOn(f"{path}: can't be written: {error.strerror or error}") from error


def _quoted(text: str) -> str:
    """A TOML string on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
