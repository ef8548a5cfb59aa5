"""What is wrong with a plan, all at once: each option of each job is judged by itself, as a run's are."""

from __future__ import annotations

import re
from datetime import time as TimeOfDay  # noqa: N812 - it is no module
from typing import TYPE_CHECKING, Any, Final, Protocol

import click
from msgspec import Struct

from importer.errors import ImporterError, SetupError
from importer.plans import places
from importer.plans.plan import Fault, read
from importer.settings import Rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.plans.plan import Job, Plan
    from importer.settings import DestinationSettings

    Options = dict[str, Any]
    Wrong = click.ClickException | ImporterError

_NOTHING_IS_READ: Final = ("-",)
_NUMBERS: Final = {"float": "a number", "integer": "a whole number"}
_ABOUT: Final = re.compile(r"--([a-z-]+)|\[destinations\.")
"""What a message is about: the option that it names, or the destination."""


class Judge(Protocol):
    """Judges what a run would be told to do; nothing is read or sent."""

    def options(self, options: Options) -> Sequence[Wrong]:
        """What is wrong with the options, wherever the run posts to."""

    def target(self, options: Options) -> tuple[DestinationSettings | None, Sequence[Wrong]]:
        """Where it posts to, None if that can't be told or needs no telling, and what is wrong with that."""


class Examined(Struct, frozen=True):
    """A plan with the options of each job by its name, and where it posts to; and all that is wrong."""

    plan: Plan
    options: Mapping[str, Options]
    targets: Mapping[str, DestinationSettings | None]
    faults: tuple[Fault, ...]

    def refuse_faults(self, *, all_of_them: bool) -> None:
        """See that nothing is wrong, or only what may pass and keeps no other job from its work.

        Raises:
            SetupError: something is, and all of it is told.
        """
        if any(all_of_them or not fault.may_pass for fault in self.faults):
            lines = "".join(f"\n  {fault}" for fault in self.faults)
            raise SetupError(f"--plan {self.plan.path}: nothing was read or sent; correct this:{lines}")


def examined(path: Path, command: click.Command, given: Mapping[str, object], judge: Judge) -> Examined:
    """Read the plan and see what is wrong with it; ``given`` holds for all jobs, whatever they say.

    Raises:
        SetupError: the file can't be read as a plan.
    """
    plan = read(path)
    jobs = (*plan.jobs, *plan.nameless)
    found = {job.name: _Examination.of(job, command, given, judge) for job in jobs}
    faults = [*plan.faults, *places.faults(jobs), *_faults([(job, found[job.name].wrong) for job in jobs])]
    return Examined(
        plan,
        {name: each.options for name, each in found.items()},
        {name: each.target for name, each in found.items()},
        tuple(sorted(faults, key=lambda fault: fault.line)),
    )


def options_of(job: Job, command: click.Command) -> dict[str, object]:
    """What the job says, as far as it is for this command: a dry run moves no files."""
    known = {each.name for each in command.params}
    return {name: value for name, value in job.options.items() if name in known}


def flags(options: Mapping[str, object]) -> Iterator[str]:
    """The options as they are written on the command line."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            yield option
        elif value is False:
            yield from ("--no-notify",) if name == "notify" else ()
        elif value is not None:
            yield f"{option}={_text(value)}"


def _text(value: object) -> str:
    """A value of an option as it is written."""
    if isinstance(value, Rate):
        return f"{value.per_second:g}/{value.burst}"
    if isinstance(value, TimeOfDay):
        return value.isoformat("seconds")
    return f"{value:f}" if isinstance(value, float) else str(value)


class _Examination(Struct, frozen=True):
    """What a job comes to, as far as it can be understood."""

    options: Options
    target: DestinationSettings | None
    wrong: Sequence[Wrong]

    @classmethod
    def of(cls, job: Job, command: click.Command, given: Mapping[str, object], judge: Judge) -> _Examination:
        """Look at all of it; what the plan's own reading found is not told again."""
        said = {"to": job.to or None, **options_of(job, command), **given}
        parsed, wrong = _parsed(command, said, job.manifests or _NOTHING_IS_READ)
        wrong += judge.options(parsed)
        target, of_target = judge.target(parsed) if job.to else (None, ())
        return cls(parsed, target, [*wrong, *of_target])


def _parsed(
    command: click.Command, said: Mapping[str, object], manifests: Sequence[str]
) -> tuple[Options, list[Wrong]]:
    """The options with their values, and what is wrong with those that are left out for it."""
    try:
        return _values(command, said, manifests), []
    except click.ClickException:
        wrong: list[Wrong] = []
        usable = {}
        for name, value in said.items():
            try:
                _values(command, {name: value}, manifests)
                usable[name] = value
            except click.ClickException as error:
                wrong.append(_plainly(error, value))
        return _values(command, usable, manifests), wrong


def _plainly(error: click.ClickException, value: object) -> click.ClickException:
    """The error in our words, where click's own are other ones."""
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    if isinstance(kind, click.Choice):
        *others, last = map(str, kind.choices)
        expected = f"{', '.join(others)} or {last}"
    elif kind is not None and kind.name in _NUMBERS:
        expected = _NUMBERS[kind.name]
    else:
        return error
    return click.BadParameter(f"found {value!r}, expected {expected}", param=getattr(error, "param", None))


def _values(command: click.Command, said: Mapping[str, object], manifests: Sequence[str]) -> Options:
    with command.make_context(str(command.name), [*flags(said), "--", *manifests]) as context:
        return context.params


def _faults(found: Sequence[tuple[Job, Sequence[Wrong]]]) -> Iterator[Fault]:
    """What is wrong with the jobs; what the configuration says of a destination is told once for all."""
    of_all: dict[str, list[Job]] = {}
    for job, wrong in found:
        for error in wrong:
            words = (error.message if isinstance(error, click.ClickException) else str(error)).rstrip(".")
            key = _key(error, words)
            if key == "to" and f"--{key}" not in words:
                of_all.setdefault(words, []).append(job)
            else:
                words = words.removeprefix(f"--{key.replace('_', '-')}: ")
                yield job.fault(key if key in {"to", *job.options} else "", words)
    for words, jobs in of_all.items():
        first = jobs[0].fault("to", words)
        names = tuple(job.name for job in jobs)
        where = first.where if len(jobs) == 1 else f"jobs {', '.join(names)}, to"
        yield Fault(first.line, where, words, names)


def _key(error: Wrong, words: str) -> str:
    """The key of the job that an error is about, as far as it tells."""
    if isinstance(error, click.BadParameter) and error.param is not None:
        return str(error.param.name)
    named = _ABOUT.search(words)
    return (named[1] or "to").replace("-", "_") if named else "to" if isinstance(error, SetupError) else ""
