"""A destination for the configuration file and a layout for a manifest: put where nothing is lost by it."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from importer import settings
from importer.errors import CannotGoOn, SetupError
from importer.report.files import finish, sync, unfinished

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_TOKENS: Final = ("token_env", "token_file")
# Not token_env: where the name of a variable should stand, there may be a token.
_SHOWN: Final = ("kind", "base_url", "token_file")
_KEY: Final = re.compile(r"""(\s*)["']?([A-Za-z0-9_-]+)["']?\s*=\s*""")
_TEXT: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""")


class Revision(Struct, frozen=True):
    """The text of a configuration with a destination in it, and what of that one is changed, in words."""

    text: str
    changes: tuple[str, ...] = ()


def configuration(path: Path, before: str, name: str, values: Mapping[str, str]) -> Revision:
    """The configuration ``before`` with these values of a destination in it, read before it is written.

    All else stays as it stands there, comments too; of a destination that is there already, keys that its
    new kind has not become comments.

    Raises:
        SetupError: they can't be put into the file without harm to what stands there.
    """
    known = settings.parse(before.encode(), path).destinations
    told = tidy(path, name, values)
    if name in known:
        revision, told = _revised(before, name, values, known[name], told)
    else:
        revision = Revision(_appended(before, _table(name, values)))
    try:
        is_right = settings.parse(revision.text.encode(), path).destinations == {**known, name: told}
    except SetupError:
        is_right = False
    if not is_right:
        raise SetupError(
            f"{path}: [destinations.{name}] can't be put into it as it is written; nothing was changed; "
            f"write these values into it yourself:\n\n{_table(name, values)}"
        )
    return revision


def tidy(path: Path, name: str, values: Mapping[str, str]) -> Mapping[str, Any]:
    """The values of a destination as the configuration ``path`` would have them, with its kind.

    Raises:
        SetupError: one may not be that.
    """
    return settings.parse(_table(name, values).encode(), path).destinations[name]


def _table(name: str, values: Mapping[str, str]) -> str:
    lines = [f"[destinations.{name}]", *(_line(key, value) for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _line(key: str, value: str) -> str:
    return f"{key} = {_quoted(value)}"


def _appended(text: str, table: str) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    before = f"{text.rstrip()}{end}{end}" if text.strip() else ""
    return before + table.replace("\n", end)


def _revised(
    text: str, name: str, values: Mapping[str, str], before: Mapping[str, Any], told: Mapping[str, Any]
) -> tuple[Revision, Mapping[str, Any]]:
    """The text with what is ``told`` of a destination that was ``before``, and what is to be read in it."""
    lines = {  # by the key whose place they take
        _place(key, before): _line(key, values.get(key, value))
        for key, value in told.items()
        if before.get(key) != value
    }
    foreign = [key for key in before if not settings.has_key(told["kind"], key)]
    changes = [
        *(_change(key, before, line) for key, line in lines.items()),
        *(f"{key} is none of the keys of {told['kind']}, and becomes a comment" for key in foreign),
    ]
    gone = {*foreign, *(lines.keys() - told.keys())}
    kept = {key: value for key, value in before.items() if key not in gone}
    return Revision(_edited(text, name, lines, foreign), tuple(changes)), {**kept, **told}


def _place(key: str, before: Mapping[str, Any]) -> str:
    """The key of the line that one of ``key`` takes the place of: there is one of a token at most."""
    rivals = [rival for rival in _TOKENS if key in _TOKENS and rival in before]
    return rivals[0] if rivals else key


def _change(key: str, before: Mapping[str, Any], line: str) -> str:
    if key not in before:
        return f"{line} is added"
    return f"{_line(key, before[key]) if key in _SHOWN else key} becomes {line}"


def _edited(text: str, name: str, lines: Mapping[str, str], foreign: Collection[str]) -> str:
    """The text with these lines in the table of ``name``, those of no key of it right below its header."""
    rows = text.split("\n")
    header = re.compile(rf"\s*\[\s*destinations\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*\]")
    begin = next((at for at, row in enumerate(rows) if header.match(row)), None)
    if begin is None:
        return text
    left = dict(lines)
    for at in range(begin + 1, len(rows)):
        if rows[at].lstrip().startswith("["):
            break
        key = _KEY.match(rows[at])
        if key and key[2] in left:
            rows[at] = f"{key[1]}{left.pop(key[2])}{_TEXT.sub('', rows[at][key.end() :], count=1)}"
        elif key and key[2] in foreign:
            rows[at] = f"# {rows[at]}"
    end = "\r" if rows[begin].endswith("\r") else ""
    rows[begin + 1 : begin + 1] = [f"{line}{end}" for line in left.values()]
    return "\n".join(rows)


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
        with unfinished(place).open("w", encoding="utf-8", newline="") as file:
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
