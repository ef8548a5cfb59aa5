"""Changes as lines of JSON, and what came of them, between a run and the process that writes for it."""

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from importer.errors import CannotGoOn, ImporterError
from importer.jsontext import json_writer
from importer.ledger.changes import End, Note, Start, keys_of
from importer.ledger.files import Files
from importer.ledger.states import TransitionRefused
from importer.model import Event, Happening, Intent, Outcome, Status

Dictated: TypeAlias = Start | End | Note

END: Final = b"null"
"""The last line of a run that does not break off."""

_encode: Final = json_writer(ensure_ascii=True)
_KINDS: Final[dict[str, type[ImporterError]]] = {"refused": TransitionRefused, "unusable": CannotGoOn}


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
    return _encode([str(ledger), str(lock)]).encode()


def task_in(line: bytes) -> tuple[Path, Path]:
    """Return the ledger and the lock that ``task_of`` has made into ``line``."""
    ledger, lock = json.loads(line)
    return Path(ledger), Path(lock)


def line_of(operation: Dictated) -> bytes:
    """Return the operation as a line, without its end."""
    words: list[object]
    if isinstance(operation, Note):  # no ``match``, which takes as long as all the rest: there are two a post
        return _encode(["note", operation.keys, _of_happenings(operation.happened)]).encode()
    intent, at, before = operation.intent, operation.at.isoformat(), _of_happenings(operation.before)
    if isinstance(operation, Start):
        words = ["start", _of_intent(intent), operation.accept_doubt, at, before, operation.sent]
    else:
        words = ["end", _of_intent(intent), _of_outcome(operation.outcome), at, before]
    return _encode(words).encode()


def operation_of(line: bytes) -> Dictated:
    """Return the operation that ``line_of`` has made into ``line``."""
    match json.loads(line):
        case ["start", said, accept, at, before, sent]:
            intent = _intent(said)
            since = datetime.fromisoformat(at)
            return Start(intent, keys_of(intent), accept, since, _happenings(before), sent)
        case ["end", said, outcome, at, before]:
            intent = _intent(said)
            since = datetime.fromisoformat(at)
            return End(intent, keys_of(intent), _outcome(outcome), since, _happenings(before))
        case ["note", keys, happened]:
            return Note([(key[0], key[1], key[2]) for key in keys], _happenings(happened))
    raise ValueError(line)


def reply_of(operations: Sequence[Dictated], results: Sequence[Any]) -> bytes:
    """Return what came of them as a line: their number, where all came to what was asked for.

    A ledger that can't be written fails all of them for one reason, which is said once.
    """
    said = [_said(operation, result) for operation, result in zip(operations, results, strict=True)]
    if said and said[0] and said[0][0] == "unusable":
        return _encode([said[0], len(said)]).encode()
    return _encode(said if any(said) else len(said)).encode()


def results_of(reply: bytes) -> list[Outcome | ImporterError | None]:
    """Return what came of each operation that the reply is about, from the first to the last.

    None is what was asked for, an ``ImporterError`` what it failed with.
    """
    if reply.isdigit():
        return [None] * int(reply)
    match json.loads(reply):
        case [reason, int(number)]:
            return [_result(reason) for _ in range(number)]
        case said:
            return [_result(each) for each in said]


def opened(files: Files) -> bytes:
    """Return which files are written, as a line; it is the first one that a run hears."""
    return _encode([[str(path), device, inode] for path, device, inode in files.files]).encode()


def as_asked_for(operation: Dictated) -> Outcome | None:
    """What comes of it, where nothing speaks against it."""
    return operation.outcome if isinstance(operation, End) else None


def _said(operation: Dictated, result: object) -> list[Any] | None:
    if isinstance(result, TransitionRefused):
        return ["refused", str(result)]
    if isinstance(result, ImporterError):
        return ["unusable", str(result)]
    if isinstance(result, Outcome) and result is not as_asked_for(operation):
        return ["outcome", _of_outcome(result)]
    return None


def _result(said: list[Any] | None) -> Outcome | ImporterError | None:
    match said:
        case None:
            return None
        case ["outcome", outcome]:
            return _outcome(outcome)
        case [kind, words]:
            return _KINDS[kind](words)
    raise ValueError(said)


def _of_intent(intent: Intent) -> list[object]:
    return [intent.destination, intent.order_ids, intent.tracking_number, intent.content, intent.run_id]


def _intent(said: list[Any]) -> Intent:
    destination, order_ids, tracking_number, content, run_id = said
    return Intent(destination, tuple(order_ids), tracking_number, content, run_id)


def _of_outcome(outcome: Outcome) -> list[object]:
    at = outcome.at.isoformat() if outcome.at else None
    return [outcome.status, outcome.code, outcome.message, outcome.http_status, outcome.attempts, at]


def _outcome(said: list[Any]) -> Outcome:
    status, code, message, http_status, attempts, at = said
    since = datetime.fromisoformat(at) if at else None
    return Outcome(Status(status), code, message, http_status, attempts, since)


def _of_happenings(happened: Sequence[Happening]) -> list[list[object]]:
    return [
        [
            each.at.isoformat(),
            each.run_id,
            each.event,
            each.attempt,
            each.code,
            each.message,
            each.http_status,
        ]
        for each in happened
    ]


def _happenings(said: list[list[Any]]) -> tuple[Happening, ...]:
    return tuple(
        Happening(datetime.fromisoformat(at), run_id, Event(event), *rest)
        for at, run_id, event, *rest in said
    )
