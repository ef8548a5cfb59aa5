"""Changes as lines of JSON, and what came of them, between a run and the process that writes for it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from msgspec import DecodeError, Struct, convert, to_builtins
from msgspec.json import Decoder, Encoder

from importer.errors import CannotGoOn, ImporterError
from importer.ledger.changes import End, Note, Start
from importer.ledger.files import Files
from importer.ledger.states import TransitionRefused
from importer.model import Outcome

_T = TypeVar("_T")

Dictated: TypeAlias = Start | End | Note

END: Final = b"null"
"""The last line of a run that does not break off."""

_REFUSED, _UNUSABLE = "refused", "unusable"
_KINDS: Final[dict[str, type[ImporterError]]] = {_REFUSED: TransitionRefused, _UNUSABLE: CannotGoOn}


class _Came(Struct, frozen=True, array_like=True):
    """What came of an operation: what was asked for, another ``outcome``, or an error of that ``kind``."""

    outcome: Outcome | None = None
    kind: str = ""
    words: str = ""


class _Reply(Struct, frozen=True, array_like=True):
    """What came of so many operations: what was asked for, one thing of all of them, or of each its own."""

    number: int
    came: tuple[_Came, ...] = ()


_encode: Final = Encoder().encode
_operations: Final[Decoder[Dictated]] = Decoder(Dictated)
_replies: Final = Decoder(_Reply)
_AS_ASKED_FOR: Final = _Came()


def say(pipe: int, line: bytes) -> None:
    """Write the line, with its end, into the pipe, however much of it that takes at a time.

    Raises:
        BrokenPipeError: nobody hears it any more.
    """
    left = line + b"\n"
    while left:
        left = left[os.write(pipe, left) :]


def task_of(ledger: Path, lock: Path) -> bytes:
    """Return which ledger is to be written, and which lock to be held for that, as a line: the first one."""
    return json.dumps([str(ledger), str(lock)]).encode()


def task_in(line: bytes) -> tuple[Path, Path]:
    """Return the ledger and the lock that ``task_of`` has made into ``line``."""
    ledger, lock = json.loads(line)
    return Path(ledger), Path(lock)


def opened(files: Files) -> bytes:
    """Return which files are written, as a line; it is the first one that a run hears."""
    return json.dumps([[str(path), device, inode] for path, device, inode in files.files]).encode()


def line_of(operation: Dictated) -> bytes:
    """Return the operation as a line, without its end."""
    return _line_of(operation)


def operation_of(line: bytes) -> Dictated:
    """Return the operation that ``line_of`` has made into ``line``."""
    return _value_of(line, _operations)


def reply_of(operations: Sequence[Dictated], results: Sequence[Any]) -> bytes:
    """Return what came of them as a line.

    A ledger that can't be written fails all of them for one reason, which is said once.
    """
    came = tuple(_came(operation, result) for operation, result in zip(operations, results, strict=True))
    if all(each is _AS_ASKED_FOR for each in came):
        came = ()
    elif came[0].kind == _UNUSABLE:
        came = came[:1]
    return _line_of(_Reply(len(results), came))


def results_of(reply: bytes) -> list[Outcome | ImporterError | None]:
    """Return what came of each operation that the reply is about, from the first to the last.

    None is what was asked for, an ``ImporterError`` what it failed with.
    """
    said = _value_of(reply, _replies)
    came = said.came or (_AS_ASKED_FOR,)
    if len(came) == 1:
        return [_result(came[0]) for _ in range(said.number)]
    return [_result(each) for each in came]


def as_asked_for(operation: Dictated) -> Outcome | None:
    """What comes of it, where nothing speaks against it."""
    return operation.outcome if isinstance(operation, End) else None


def _came(operation: Dictated, result: object) -> _Came:
    if isinstance(result, TransitionRefused):
        return _Came(kind=_REFUSED, words=str(result))
    if isinstance(result, ImporterError):
        return _Came(kind=_UNUSABLE, words=str(result))
    if isinstance(result, Outcome) and result is not as_asked_for(operation):
        return _Came(result)
    return _AS_ASKED_FOR


def _result(came: _Came) -> Outcome | ImporterError | None:
    return _KINDS[came.kind](came.words) if came.kind else came.outcome


def _line_of(value: Struct) -> bytes:
    """Return the value as JSON; what has half a surrogate pair in it takes Python's own, which is slower."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(to_builtins(value)).encode()


def _value_of(line: bytes, decoder: Decoder[_T]) -> _T:
    try:
        return decoder.decode(line)
    except DecodeError:
        return convert(json.loads(line), decoder.type)
