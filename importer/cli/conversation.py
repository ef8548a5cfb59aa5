"""What ``importer init`` asks: a conversation about a sample manifest, or the options that spare it."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from importer import batches, destinations, manifests, pipeline, settings, starting
from importer.cli import questions
from importer.cli.common import complain, default_ledger, printing, user_and_host
from importer.cli.decided import Decided, Layout
from importer.errors import ManifestError, SetupError
from importer.manifests import drafting, layouts, sources
from importer.manifests.drafting import Told
from importer.manifests.edi.partners import Partners
from importer.manifests.edi.standards import standard_of
from importer.posts.signals import Interruption
from importer.printing import printable
from schemas.manifest import CANONICAL, CARRIER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from importer.cli.common import Common
    from importer.manifests.drafting import Carrier
    from importer.manifests.sources import Source
    from importer.report import Summary

_T = TypeVar("_T")
_NAME: Final = re.compile(r"[a-z0-9-]+")
_LONGEST_NAME: Final = 50
_FILES_SHOWN: Final = 5
_OPTIONS: Final = {"to": "kind", "url": "base_url", "token_env": "token_env", "token_file": "token_file"}
"""The options that say something of a destination, and its key."""
_URL: Final = "Its address, as you were given it"


def hold(common: Common, manifest: str, options: Mapping[str, Any]) -> int:
    """Ask what is not told, write what was decided, and return the exit status of a check of the sample.

    Raises:
        ManifestError: the sample is no manifest; nothing was written.
        SetupError: something is there already.
        click.UsageError: nothing may be asked, and something is not told.
    """
    with sources.scratch() as scratch:
        source = _only(manifest, scratch)
        found = _Conversation(common, options, source, scratch).hold()
    _see_that_changes_are_wanted(found, is_asked=not options["yes"])
    found.write(force=options["force"])
    summary = _check(common, manifest, found)
    with printing():
        if options["as_json"]:
            click.echo(json.dumps(found.as_json(manifest, summary), indent=2))
        else:
            for line in found.told(manifest, summary):
                common.out.print(printable(line), soft_wrap=True, markup=False)
    return summary.exit_status


def _only(manifest: str, scratch: Path) -> Source:
    if manifest == sources.STANDARD_INPUT:
        raise click.UsageError("MANIFEST: standard input is for the answers; name a file")
    found = sources.find((manifest,), batches.standard_input(), scratch)
    if not found:
        raise ManifestError(f"{manifest}: there is no file in it; name a manifest to begin with")
    if len(found) > 1:
        shown = ", ".join(source.name for source in found[:_FILES_SHOWN])
        more = ", …" if len(found) > _FILES_SHOWN else ""
        unpacked = "" if Path(found[0].name).exists() else ", unpacked"
        raise ManifestError(
            f"{manifest}: {len(found)} files; name the one to begin with{unpacked}: {shown}{more}"
        )
    return found[0]


def _see_that_changes_are_wanted(found: Decided, *, is_asked: bool) -> None:
    """Name what would be changed of what is there, and where somebody can be asked, ask.

    Raises:
        SetupError: it is not wanted.
    """
    for change in found.changes:
        complain(change)
    if found.changes and is_asked and not click.confirm("Change that", err=True):
        raise SetupError("nothing was written")


class _Conversation:
    """Asks what neither the options nor the file tell."""

    def __init__(self, common: Common, options: Mapping[str, Any], source: Source, scratch: Path) -> None:
        is_new = common.config is not None and not common.config.exists()
        self._known = settings.Settings(None, {}) if is_new else common.settings()
        self._options: dict[str, Any] = {
            option: said.strip() if isinstance(said, str) else said for option, said in options.items()
        }
        self._source = source
        self._scratch = scratch
        path = self._known.path
        self._config = path or common.config or Path(settings.FILE_NAME)
        self._is_config_given = common.config is not None
        self._before = path.read_bytes().decode("utf-8-sig") if path else ""

    def hold(self) -> Decided:
        """Come to know all that is needed.

        Raises:
            SetupError: something is there already.
            ManifestError: the file is no manifest.
            click.UsageError: nothing may be asked, and something is not told.
        """
        if self._options["token_file"] and self._options["token_env"]:
            raise click.UsageError("--token-env and --token-file: give one of them")
        kind = self._kind()
        found = self._found(destinations.make(settings.DestinationSettings(kind, kind, "")).needed)
        name = self._name(kind)
        is_known = self._is_known(name)
        if self._options["yes"]:
            self._see_that_all_is_said(name, found)
        values = {} if is_known else self._values(kind, name)
        layout = found if isinstance(found, Layout) else self._drafted(found)
        revision = starting.Revision(self._before)
        if values:
            revision = starting.configuration(self._config, self._before, name, values)
        is_revised = revision.text != self._before
        return Decided(self._config, self._is_config_given, kind, name, values, revision, is_revised, layout)

    def _see_that_all_is_said(self, name: str, found: Layout | Told) -> None:
        """See that there is nothing left to ask.

        Raises:
            click.UsageError: there is; it names all of it with the options that say it.
        """
        left = []
        if not self._options["url"] and "base_url" not in self._known.destinations.get(name, {}):
            left.append(f"--url URL: {_URL.lower()}")
        if isinstance(found, Told):
            left += self._open(found)
        if left:
            raise click.UsageError("--yes asks nothing; say it with\n  " + "\n  ".join(left))

    def _open(self, told: Told) -> Iterator[str]:
        said = self._said(told)
        for column, likely in told.open.items():
            if column not in said:
                yield f'--column {column}="HEADER": {questions.likely_words(column, likely, told.headers)}'

    def _ask(self, option: str, question: str, default: str | None, judge: Callable[[str], _T]) -> _T:
        """What the option says, or the answer; ``judge`` raises ValueError for what it can't be."""
        given = self._options[option]
        if given is None and self._options["yes"]:
            given = default
        if given is None:
            return questions.prompted(question, default, judge)
        return _judged(option, given, judge)

    def _kind(self) -> str:
        known = self._known.destinations.get(self._options["name"] or "", {})
        if known and not self._options["force"]:
            return str(known["kind"])
        if self._is_settled():
            return str(next(iter(self._known.destinations.values()))["kind"])
        question = f"Kind of platform ({', '.join(settings.KINDS)})"
        return self._ask("to", question, known.get("kind", settings.DEFAULT_KIND), questions.kind)

    def _is_settled(self) -> bool:
        """Whether there is a destination, and no other one was spoken of."""
        return bool(self._known.destinations) and not any(map(self._options.get, ("name", *_OPTIONS)))

    def _name(self, kind: str) -> str:
        if self._is_settled():
            return next(iter(self._known.destinations))
        return self._ask("name", "What to call the destination", kind, questions.destination_name)

    def _is_known(self, name: str) -> bool:
        """Whether the destination stays as it is: what was said of it, it says already.

        Raises:
            SetupError: it says something else.
        """
        known = self._known.destinations.get(name, {})
        if not known or self._options["force"]:
            return False
        said = {
            key: _judged(option, self._options[option], _judge_of(known["kind"], key))
            for option, key in _OPTIONS.items()
            if self._options[option]
        }
        told = starting.tidy(self._config, name, {"kind": known["kind"], **said})
        others = [key for key in said if told[key] != known.get(key)]
        if others:
            raise SetupError(
                f"{self._config}: [destinations.{name}] is there already, with another {', '.join(others)}; "
                "leave out what it says, give another --name, or change it with --force"
            )
        return True

    def _values(self, kind: str, name: str) -> dict[str, str]:
        known = self._known.destinations.get(name, {})
        values = {} if kind == name else {"kind": kind}
        values["base_url"] = self._ask("url", _URL, known.get("base_url"), _judge_of(kind, "base_url"))
        if self._options["token_file"] or ("token_file" in known and not self._options["token_env"]):
            words, default = "Which file will have the token", known.get("token_file")
            values["token_file"] = self._ask("token_file", words, default, _judge_of(kind, "token_file"))
        else:
            words = "Which environment variable will have the token"
            default = known.get("token_env", settings.token_variable(name))
            values["token_env"] = self._ask("token_env", words, default, _judge_of(kind, "token_env"))
        return values

    def _found(self, needed: Sequence[str]) -> Layout | Told:
        """The layout by which the file is read already, or what the file tells of its columns."""
        is_more_said = bool(self._options["columns"] or self._options["carrier"])
        try:
            found = _read(self._source, layouts.load(None), needed)
        except ManifestError as error:
            if standard_of(self._source) is not None:
                raise
            return self._layout_there(needed) or self._told(needed, error)
        if found.edi is not None:
            if is_more_said:
                raise click.UsageError(f"--column, --carrier: {self._source.name} is EDI; leave them out")
            return self._layout_there(needed) or Told((), (), {}, {}, {}, is_enough=True, carriers={})
        if is_more_said:
            return self._layout_there(needed) or drafting.tell(self._source, needed)
        return Layout(_columns(found), name=found.layout)

    def _told(self, needed: Sequence[str], error: ManifestError) -> Told:
        told = drafting.tell(self._source, needed)
        if not told.is_enough or not (told.found or self._options["columns"]):
            raise ManifestError(f"{error}; is it a manifest?") from error
        return told

    def _layout_there(self, needed: Sequence[str]) -> Layout | None:
        """The layout of the file's name, where it is there, reads the file, and says what was said."""
        name = self._options["layout_name"] or self._proposed
        path = self._layout_path(name)
        if self._options["force"] or not path.is_file() or self._is_config(path):
            return None
        try:
            found = _read(self._source, layouts.load(str(path)), needed)
        except (ManifestError, SetupError):
            return None
        own = found.fit.layout
        if found.edi is not None:
            return Layout({}, path) if own.edi != Partners() else None
        columns, carrier = _columns(found), own.constants.get("tracking_company", "")
        said = {**columns, **self._options["columns"]}
        is_so = all(layouts.fold(columns.get(each, "")) == layouts.fold(said[each]) for each in said)
        return Layout(columns, path, carrier=carrier) if is_so and self._says(carrier) else None

    def _says(self, carrier: str) -> bool:
        said = self._options["carrier"]
        return said is None or questions.carrier(said) == carrier

    def _drafted(self, told: Told) -> Layout:
        named = self._named(told)
        others = {column: header for column, header in told.found.items() if header not in named.values()}
        columns = _in_order({**others, **named})
        carrier, likely = self._carrier(told, columns)
        name = self._ask("layout_name", "What to call the layout", self._proposed, self._layout_name)
        text = drafting.draft(self._source, named, carrier)
        text = re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
        self._see_that_it_reads(name, text, told)
        path = self._layout_path(name)
        is_other = path.is_file() and path.read_bytes() != text.encode()
        return Layout(columns, path, text, carrier=carrier, likely=likely, is_other=is_other)

    def _see_that_it_reads(self, name: str, text: str, told: Told) -> None:
        """Read the sample by the layout before it is written.

        Raises:
            ManifestError: it can't be read by it.
        """
        path = self._scratch / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        _read(self._source, layouts.load(str(path)), told.asked)

    def _named(self, told: Told) -> dict[str, str]:
        named = self._said(told)
        for column in told.open:
            if column not in named:
                named[column] = questions.header_of(column, told, self._taken(told, named))
        return named

    def _said(self, told: Told) -> dict[str, str]:
        said: dict[str, str] = {}
        for column, header in self._options["columns"].items():
            where, taken = f'--column {column}="{header}"', self._taken(told, said)
            said[column] = questions.header_said(header, told.headers, taken, where)
        return said

    def _taken(self, told: Told, named: Mapping[str, str]) -> dict[str, str]:
        """What the columns are that can't be another one, by header."""
        needed = [column for column in told.asked if column not in self._options["columns"]]
        found = {column: told.found[column] for column in needed if column in told.found}
        return {header: column for column, header in {**found, **named}.items()}

    def _carrier(self, told: Told, columns: Mapping[str, str]) -> tuple[str, Carrier | None]:
        """Who has all parcels of such files, and who has them in this one if nobody was to be asked."""
        said = self._options["carrier"]
        by_column = [columns[each] for each in CARRIER if each in columns]
        if said and by_column:
            raise click.UsageError(f"--carrier: the column '{printable(by_column[0])}' says it; leave it out")
        likely = None if by_column else told.carriers.get(columns.get("tracking_number", ""))
        if said is not None or likely is None:
            return questions.carrier(said or questions.NOBODY), None
        if self._options["yes"]:
            return "", likely
        return questions.prompted(
            f"Carrier of all such parcels ({likely.words})", questions.NOBODY, questions.carrier
        ), None

    @property
    def _proposed(self) -> str:
        """What the layout is called if nobody calls it something else."""
        name = PurePath(self._source.name).name.partition(".")[0].lower()
        name = re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:_LONGEST_NAME].rstrip("-")
        free = (each for each in (name, "mine", "layout") if not self._is_config(self._layout_path(each)))
        return next(each for each in free if each)

    def _layout_name(self, text: str) -> str:
        if not _NAME.fullmatch(text):
            raise ValueError(f"found {text!r}, expected a name of small letters, digits and '-'")
        if text.startswith("-"):
            raise ValueError(f"found {text!r}, expected a small letter or a digit first")
        if len(text) > _LONGEST_NAME:
            raise ValueError(f"found {len(text)} characters, expected at most {_LONGEST_NAME}")
        path = self._layout_path(text)
        if self._is_config(path):
            raise ValueError(f"found {text!r}, expected another name: {path} is the configuration")
        if path.exists() and not self._options["force"]:
            raise ValueError(f"{path}: it is there already; give another name, or write it anew with --force")
        return text

    def _layout_path(self, name: str) -> Path:
        return self._config.parent / f"{name}.toml"

    def _is_config(self, path: Path) -> bool:
        """Whether it is the configuration, or what would be read as one."""
        return path.name == settings.FILE_NAME or path.resolve() == self._config.resolve()


def _judged(option: str, given: str, judge: Callable[[str], _T]) -> _T:
    try:
        return judge(given)
    except ValueError as error:
        raise click.UsageError(f"--{option.replace('_', '-')}: {error}") from error


def _judge_of(kind: str, key: str) -> Callable[[str], str]:
    """What takes a text that a destination of the kind may have under ``key``."""

    def judge(text: str) -> str:
        settings.judge(kind, key, text)
        return text

    return judge


def _read(source: Source, layout: layouts.Layout, needed: Sequence[str]) -> manifests.Manifest:
    """The manifest by this layout, with a look at its rows.

    Raises:
        ManifestError: it can't be read by it.
    """
    found = manifests.survey(source, layout, needed, None)
    for _ in manifests.blocks(found):
        break
    return found


def _columns(found: manifests.Manifest) -> dict[str, str]:
    return _in_order({column: found.headers[at] for column, at in found.columns.items()})


def _in_order(columns: Mapping[str, str]) -> dict[str, str]:
    return {column: columns[column] for column in CANONICAL if column in columns}


def _check(common: Common, manifest: str, found: Decided) -> Summary:
    """A dry run of the sample with what was written."""
    known = settings.load(found.config, {})
    job = pipeline.Job(
        command="check",
        arguments=(manifest,),
        destination=settings.destination_for_check(known, found.name),
        ledger=default_ledger(),
        layout=str(found.layout.path) if found.layout.path else None,
        elsewhere=found.from_anywhere().command("post", "{}").replace("'{}'", "{}"),
    )
    interruption = Interruption()
    world = pipeline.World(console=common.progress, interruption=interruption, who=user_and_host())
    with interruption.watching():
        return pipeline.run(job, world)
