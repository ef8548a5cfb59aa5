"""What ``importer init`` asks, writes, and says: a conversation about a sample manifest."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from importer import batches, destinations, manifests, pipeline, settings, starting
from importer.cli.common import default_ledger, printing, user_and_host
from importer.errors import ManifestError, SetupError
from importer.manifests import drafting, layouts, sources
from importer.manifests.edi.standards import standard_of
from importer.posts.signals import Interruption
from importer.printing import printable
from importer.report import phrases
from schemas.manifest import CANONICAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from importer.cli.common import Common
    from importer.manifests.drafting import Told
    from importer.manifests.sources import Source
    from importer.report import Summary

_T = TypeVar("_T")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
_CODES_SHOWN: Final = 5


def hold(common: Common, manifest: str, options: Mapping[str, Any]) -> int:
    """Ask what is not told, write what was decided, and return the exit status of a check of the sample.

    Raises:
        ManifestError: the sample is no manifest; nothing was written.
        SetupError: something is there already.
        click.UsageError: nothing may be asked, and something is not told.
    """
    with sources.scratch() as scratch:
        source = _only(manifest, scratch)
        found = _Conversation(common, options, source).hold()
    found.write(force=options["force"])
    summary = _check(common, manifest, found)
    with printing():
        if options["as_json"]:
            click.echo(json.dumps(found.as_json(manifest, summary), indent=2))
        else:
            _show(common, manifest, found, summary)
    return summary.exit_status


def _only(manifest: str, scratch: Path) -> Source:
    if manifest == sources.STANDARD_INPUT:
        raise click.UsageError("MANIFEST: standard input is for the answers; name a file")
    found = sources.find((manifest,), batches.standard_input(), scratch)
    if len(found) != 1:
        raise ManifestError(f"{manifest}: {len(found)} files; name the one to begin with")
    return found[0]


@dataclass(frozen=True, slots=True)
class _Decided:
    """What the conversation has come to; ``values`` is empty where the destination is there already.

    ``layout`` is "" where none is needed, and else the file's text with its ``layout_path``.
    """

    config: Path
    is_config_given: bool
    before: str
    kind: str
    name: str
    values: Mapping[str, str]
    columns: Mapping[str, str]
    layout: str = ""
    layout_path: Path = field(default_factory=Path)
    layout_found: str = ""

    def write(self, *, force: bool) -> None:
        """Write the layout, and the destination into the configuration.

        Raises:
            SetupError: that is not possible without harm to what is there; nothing was written.
        """
        text = ""
        if self.values:
            text = starting.configuration(self.config, self.before, self.name, self.values)
        if self.layout:
            starting.write(self.layout_path, self.layout, overwrite=force)
        if text:
            starting.write(self.config, text, overwrite=True)

    @property
    def token(self) -> str:
        """Where the token is to be put, in words; "" where that was decided before."""
        if "token_file" in self.values:
            return f"put the token into {self.values['token_file']}"
        return f"export {self.values['token_env']}=…" if self.values else ""

    def command(self, name: str, *manifests: str) -> str:
        """The command ``name`` for the sample, with what was written or given."""
        before = ["--config", str(self.config)] if self.is_config_given else []
        after = ["--layout", str(self.layout_path)] if self.layout else []
        return shlex.join(["importer", *before, name, *manifests, "--to", self.name, *after])

    def from_anywhere(self) -> _Decided:
        """The same with absolute paths."""
        return replace(self, config=self.config.absolute(), layout_path=self.layout_path.absolute())

    def as_json(self, manifest: str, summary: Summary) -> dict[str, Any]:
        """What was decided and written, and the check of the sample."""
        written = [*([self.config] if self.values else []), *([self.layout_path] if self.layout else [])]
        return {
            "manifest": manifest,
            "config": str(self.config),
            "destination": {"name": self.name, "kind": self.kind, **self.values},
            "layout": str(self.layout_path) if self.layout else self.layout_found,
            "columns": dict(self.columns),
            "written": [str(path) for path in written],
            "rows": summary.rows,
            "errors": {code: examples.count for code, examples in summary.errors.items()},
            "report": summary.reports["summary"],
            "exit_status": summary.exit_status,
        }


class _Conversation:
    """Asks what neither the options nor the file tell."""

    def __init__(self, common: Common, options: Mapping[str, Any], source: Source) -> None:
        is_new = common.config is not None and not common.config.exists()
        self._known = settings.Settings(None, {}) if is_new else common.settings()
        self._options = options
        self._source = source
        path = self._known.path
        self._config = path or common.config or Path(settings.FILE_NAME)
        self._is_config_given = common.config is not None
        self._before = path.read_text(encoding="utf-8-sig") if path else ""

    def hold(self) -> _Decided:
        """Come to know all that is needed.

        Raises:
            SetupError: something is there already.
            ManifestError: the file is no manifest.
            click.UsageError: nothing may be asked, and something is not told.
        """
        kind = self._kind()
        told = self._told(kind)
        name = self._name(kind)
        values = {} if self._is_known(name) else self._values(kind, name)
        columns, layout, path = self._layout(told)
        fit = told if isinstance(told, manifests.Manifest) and not layout else None
        return _Decided(
            self._config,
            self._is_config_given,
            self._before,
            kind,
            name,
            values,
            columns,
            layout,
            path,
            fit.layout if fit else "",
        )

    def _ask(
        self,
        option: str,
        question: str,
        default: str | None,
        judge: Callable[[str], _T],
    ) -> _T:
        """What the option says, or the answer; ``judge`` raises ValueError for what it can't be."""
        given = self._options[option.replace("-", "_")]
        if given is None and self._options["yes"]:
            given = default
            if given is None:
                raise click.UsageError(f"--{option}: needed with --yes: {question.lower()}")
        if given is not None:
            try:
                return judge(given)
            except ValueError as error:
                raise click.UsageError(f"--{option}: {error}") from error
        return _prompted(question, default, judge)

    def _kind(self) -> str:
        if self._options["name"] in self._known.destinations and not self._options["force"]:
            return str(self._known.destinations[self._options["name"]]["kind"])
        if self._is_settled():
            return str(next(iter(self._known.destinations.values()))["kind"])
        return self._ask(
            "to", f"Kind of platform ({', '.join(settings.KINDS)})", settings.DEFAULT_KIND, _kind
        )

    def _is_settled(self) -> bool:
        """Whether there is a destination, and no other one was spoken of."""
        spoken = ("to", "name", "url", "token_env", "token_file")
        return bool(self._known.destinations) and not any(self._options[each] for each in spoken)

    def _name(self, kind: str) -> str:
        if self._is_settled():
            return next(iter(self._known.destinations))
        return self._ask("name", "What to call the destination", kind, _destination_name)

    def _is_known(self, name: str) -> bool:
        if name not in self._known.destinations or self._options["force"]:
            return False
        if any(self._options[each] for each in ("to", "url", "token_env", "token_file")):
            raise SetupError(
                f"{self._config}: [destinations.{name}] is there already; leave out what it says, give "
                "another --name, or write it anew with --force"
            )
        return True

    def _values(self, kind: str, name: str) -> dict[str, str]:
        def judged(key: str) -> Callable[[str], str]:
            def judge(text: str) -> str:
                settings.judge(kind, key, text)
                return text

            return judge

        values = {} if kind == name else {"kind": kind}
        values["base_url"] = self._ask("url", "Its address, as you were given it", None, judged("base_url"))
        if self._options["token_file"]:
            if self._options["token_env"]:
                raise click.UsageError("--token-env and --token-file: give one of them")
            values["token_file"] = self._ask("token-file", "", None, judged("token_file"))
        else:
            words = "Which environment variable will have the token"
            values["token_env"] = self._ask(
                "token-env", words, settings.token_variable(name), judged("token_env")
            )
        return values

    def _told(self, kind: str) -> manifests.Manifest | Told:
        """What the file tells: all that is needed, or which columns are open."""
        target = settings.DestinationSettings(kind, kind, "")
        needed = destinations.make(target).needed
        try:
            found = manifests.survey(self._source, layouts.load(None), needed, None)
            for _ in manifests.blocks(found):
                break
        except ManifestError as error:
            if standard_of(self._source) is not None:
                raise
            told = drafting.tell(self._source, needed)
            if not all(told.open.values()) or not (told.found or self._options["columns"]):
                raise ManifestError(f"{error}; is it a manifest?") from error
            return told
        if self._options["columns"] and found.edi is None:
            return drafting.tell(self._source, needed)
        return found

    def _layout(self, told: manifests.Manifest | Told) -> tuple[dict[str, str], str, Path]:
        """The columns, and the text and the place of the layout, if one is needed."""
        if isinstance(told, manifests.Manifest):
            if told.edi is None:
                known = {column: told.headers[at] for column, at in told.columns.items()}
                return _in_order(known), "", Path()
            columns, named = {}, {}
        else:
            named = self._named(told)
            columns = _in_order({**told.found, **named})
        default = re.sub(r"[^a-z0-9]+", "-", PurePath(self._source.name).name.partition(".")[0].lower())
        name = self._ask(
            "layout-name", "What to call the layout", default.strip("-") or "mine", self._layout_name
        )
        path = self._layout_path(name)
        text = drafting.draft(self._source, named)
        return columns, re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE), path

    def _layout_name(self, text: str) -> str:
        if not _NAME.fullmatch(text) or f"{text}.toml" == settings.FILE_NAME:
            raise ValueError(f"found {text!r}, expected a name of small letters, digits and '-'")
        path = self._layout_path(text)
        if path.resolve() == self._config.resolve():
            raise ValueError(f"found {text!r}, expected another name: {path} is the configuration")
        if path.exists() and not self._options["force"]:
            raise ValueError(f"{path}: it is there already; give another name, or write it anew with --force")
        return text

    def _layout_path(self, name: str) -> Path:
        return self._config.parent / f"{name}.toml"

    def _named(self, told: Told) -> dict[str, str]:
        named = {
            column: _header(header, told.headers, f'--column {column}="{header}"')
            for column, header in self._options["columns"].items()
        }
        for column, likely in told.open.items():
            if column not in named:
                left = [header for header in likely if header not in named.values()]
                named[column] = self._column(column, left, told.headers)
        return named

    def _column(self, column: str, likely: Sequence[str], headers: Sequence[str]) -> str:
        if self._options["yes"]:
            shown = ", ".join(f"'{printable(header)}'" for header in likely)
            raise click.UsageError(
                f"{self._source.name}: no header says for sure which column is {column}; say it with "
                f'--column {column}="HEADER"; likely: {shown}'
            )
        shown = f" (it may be {', '.join(map(printable, likely))})" if likely else ""
        return _prompted(
            f"Which column is {column}{shown}",
            likely[0] if likely else None,
            lambda text: _judged_header(text, headers),
        )


def _in_order(columns: Mapping[str, str]) -> dict[str, str]:
    return {column: columns[column] for column in CANONICAL if column in columns}


def _prompted(question: str, default: str | None, judge: Callable[[str], _T]) -> _T:
    def value_of(text: str) -> _T:
        try:
            return judge(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    answer: _T = click.prompt(question, default=default, err=True, value_proc=value_of)
    return answer


def _kind(text: str) -> str:
    if text not in settings.KINDS:
        raise ValueError(f"found {text!r}, expected {' or '.join(settings.KINDS)}")
    return text


def _destination_name(text: str) -> str:
    if not settings.is_name(text):
        raise ValueError(f"found {text!r}, expected a name of letters, digits, '-' and '_'")
    return text


def _judged_header(text: str, headers: Sequence[str]) -> str:
    found = [header for header in headers if layouts.fold(header) == layouts.fold(text)]
    if not found:
        raise ValueError(f"found {text!r}, expected one of {', '.join(headers)}")
    return found[0]


def _header(text: str, headers: Sequence[str], where: str) -> str:
    try:
        return _judged_header(text, headers)
    except ValueError as error:
        raise click.UsageError(f"{where}: {error}") from error


def _check(common: Common, manifest: str, found: _Decided) -> Summary:
    """A dry run of the sample with what was written."""
    known = settings.load(found.config, {})
    job = pipeline.Job(
        command="check",
        arguments=(manifest,),
        destination=settings.destination_for_check(known, found.name),
        ledger=default_ledger(),
        layout=str(found.layout_path) if found.layout else None,
        elsewhere=found.from_anywhere().command("post", "{}").replace("'{}'", "{}"),
    )
    interruption = Interruption()
    world = pipeline.World(console=common.progress, interruption=interruption, who=user_and_host())
    with interruption.watching():
        return pipeline.run(job, world)


def _show(common: Common, manifest: str, found: _Decided, summary: Summary) -> None:
    lines = []
    if found.values:
        lines.append(f"{found.config}: [destinations.{found.name}] written")
    else:
        lines.append(f"{found.config}: [destinations.{found.name}] stays as it is")
    told = ", ".join(f"{column} = '{header}'" for column, header in found.columns.items())
    if found.layout:
        lines.append(f"{found.layout_path}: the layout written{f': {told}' if told else ''}")
    else:
        fits = f", as {found.layout_found} fits" if found.layout_found != layouts.GENERIC else ""
        lines.append(f"no layout is needed{fits}: {told}")
    lines += [f"check: {phrases.sentence(summary)}", *_problems(summary), ""]
    lines.append(f"Report: {summary.reports.get('page', summary.reports['rows'])}")
    commands = (found.command("check", manifest), found.command("post", manifest), found.command("doctor"))
    steps = [found.token, *commands]
    for label, step in zip(("Next:  ", *[" " * 7] * len(steps)), filter(None, steps), strict=False):
        lines.append(f"{label} {step}")
    for line in lines:
        common.out.print(printable(line), soft_wrap=True, markup=False)


def _problems(summary: Summary) -> list[str]:
    problems = phrases.by_weight(summary.errors)[:_CODES_SHOWN]
    return [
        f"  {code}  {phrases.counted(found.count, 'row')}  {phrases.cause(code)}" for code, found in problems
    ]
