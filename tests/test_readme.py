"""The README says what the program does, and the program does what the README says."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from importer import settings
from importer.cli import EXIT_STATUSES, commands, main, run
from importer.manifests import layouts, sources
from importer.manifests.edi import partners
from importer.model import STATUSES
from importer.plans import ended, plan
from importer.sandbox import REHEARSALS
from importer.sandbox.kinds import KINDS
from schemas.codes import CODES, WARNINGS
from schemas.manifest import CANONICAL, REPORT_COLUMNS
from tests.program import settle_in

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(
    r"```(?:text)?\n\$ importer (codes [^\n]*|[^\n]*samples/[^\n]*)\n(.*?)```", README, re.DOTALL
)
COMMANDS = {
    name: command for name in commands.COMMANDS if (command := main.get_command(click.Context(main), name))
}


def section(heading: str) -> str:
    """The text under ``heading``, up to the next heading of its rank or a higher one."""
    level = heading.partition(" ")[0]
    start = README.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", README[start:], re.MULTILINE)
    return README[start : start + end.start()] if end else README[start:]


def table(text: str) -> list[list[str]]:
    """The rows of the first Markdown table in ``text``, without its heading."""
    lines = [line for line in re.split(r"\n\n", text[text.index("\n|") + 1 :])[0].splitlines() if line]
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines[2:]
    ]


def names(rows: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in rows]


def options_of(command: click.Command) -> set[str]:
    found = {
        name
        for each in command.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
    }
    return found | {"-h", "--help"}


def options_in(text: str) -> set[str]:
    rows = table(text) if "\n|" in text else []
    return {option for row in rows for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row[0])}


def test_every_command_has_its_section() -> None:
    told = set(re.findall(r"^### importer (\w+)", README, re.MULTILINE))

    assert told == set(COMMANDS)


def test_the_options_before_the_command_are_told() -> None:
    assert options_in(section("## Commands and options")) == options_of(main) | {"--version"}


@pytest.mark.parametrize(
    ("heading", "command", "shared"),
    [
        ("### importer post MANIFEST...", "post", ""),
        ("### importer check MANIFEST...", "check", "### importer post MANIFEST..."),
        ("### importer runs [RUN-ID] [MANIFEST...]", "runs", ""),
        ("### importer settle [ORDER/TRACKING...]", "settle", ""),
        ("### importer template [FILE]", "template", ""),
        ("### importer review REPORT", "review", ""),
        ("### importer diff REPORT...", "diff", ""),
        ("### importer explain WHAT", "explain", ""),
        ("### importer doctor", "doctor", ""),
        ("### importer init MANIFEST", "init", ""),
        ("### importer sandbox [ORDERS]", "sandbox", ""),
    ],
)
def test_every_option_is_told_and_no_other(heading: str, command: str, shared: str) -> None:
    told = options_in(section(heading)) | (options_in(section(shared)) if shared else set())

    only_of_post = {"--archive", "--quarantine"} if command == "check" else set()
    assert told - only_of_post == options_of(COMMANDS[command]) - {"-h", "--help"}


def test_every_option_has_help() -> None:
    silent = [
        (name, option.name)
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]

    assert silent == []


def test_every_option_is_set_by_the_variable_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    root = click.Context(main, info_name="importer", **main.context_settings)
    options = [
        (click.Context(command, root, name), option)
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option)
    ]

    unset = []
    for context, option in options:
        name = max(option.opts, key=len).removeprefix("--").replace("-", "_").upper()
        monkeypatch.setenv(f"IMPORTER_{str(context.info_name).upper()}_{name}", "a")
        if option.resolve_envvar_value(context) != "a":
            unset.append((context.info_name, option.opts))
    assert len(options) > 50
    assert unset == []


def test_every_column_is_told() -> None:
    assert tuple(names(table(section("### Columns")))) == CANONICAL
    assert tuple(names(table(section("## The report")))) == REPORT_COLUMNS


def test_every_status_is_told() -> None:
    assert names(table(section("### Statuses"))) == [str(status) for status in STATUSES]


def test_every_code_is_told_in_its_own_words() -> None:
    expected = [
        [f"`{code.name}`", code.meaning, code.hint.replace("{delimiter}", "delimiter"), str(code.example)]
        for code in CODES.values()
    ]

    assert table(section("### Codes")) == expected
    assert all(f"`{code}`" in section("### Codes").split("|\n\n")[1] for code in WARNINGS)


def test_every_key_of_a_plan_is_told() -> None:
    told = section("## Every night")

    silent = [
        key for key in (*plan.OF_ALL, *plan.KEYS) if f"`{key}`" not in told and f"\n{key} = " not in told
    ]
    order = re.search(r"interrupted \(([\d, ]+)\), then ([\d, ]+):", told)
    assert silent == []
    assert order is not None
    assert tuple(map(int, f"{order[1]}, {order[2]}".split(", "))) == ended.MOST_SERIOUS_FIRST


def test_every_exit_status_is_told_in_its_own_words() -> None:
    expected = [[str(status), meaning] for status, meaning in EXIT_STATUSES.items()]

    assert table(section("### Exit status")) == expected


def test_every_configuration_key_is_told_with_its_default() -> None:
    least = settings.DestinationSettings(name="", kind="", base_url="")
    fields = {
        name: getattr(least, name)
        for name in least.__struct_fields__
        if name not in {"name", "kind", "base_url", "token", "sandbox"}
    }
    told = {row[0].strip("`"): row[1].strip("`") for row in table(section("## Configuration"))}

    assert set(told) == set(fields) | {"kind", "base_url", "token_env", "token_file"}
    shown = {name: "none" if value is None else json.dumps(value) for name, value in fields.items()}
    assert {name: told[name] for name in shown} == shown


def test_every_field_of_the_summary_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("order_id,tracking_number\n1,12345\n", encoding="utf-8")

    run(["check", str(manifest), "--report", str(tmp_path / "report"), "--json"])

    summary = json.loads(capsys.readouterr().out)
    fields = {*summary, *summary["manifests"][0]}
    assert set(re.findall(r"`(\w+)`", section("### summary.json"))) == fields | {"total"}


def test_every_key_of_a_layout_is_told() -> None:
    columns, edi = section("### Columns"), section("### EDI")
    of_partners = {*partners.Partner.__struct_fields__} - {"places"}

    assert [key for key in layouts.KEYS if not is_key(key, columns)] == []
    assert [key for key in sorted(of_partners) if not is_key(key, edi)] == []


def is_key(name: str, text: str) -> bool:
    """Whether it stands in a table of keys, or in an example: as ``name =``, or as the end of ``[name]``."""
    return bool(re.search(rf"`\[?{name}\]?`|^{name} =|^\[(edi\.)?{name}\]", text, re.MULTILINE))


def test_the_places_of_edi_are_told_in_their_order() -> None:
    told = {row[0]: row[1:] for row in table(section("### EDI"))}
    skus = [cell.split(": ")[-1] for cell in told["SKU"]]

    asked = partners.DEFAULT.places
    assert [skus[0].split(", "), skus[2].split(", ")] == [[*asked["856"].sku], [*asked["DESADV"].sku]]
    assert (skus[1], asked["945"].sku) == ("W12, the same", asked["856"].sku)
    for kind, order_id, tracking in zip(asked, told["order id"], told["tracking number"], strict=True):
        assert places(order_id) == [place.replace("-", "") for place in asked[kind].order_id]
        assert places(tracking) == [place.replace("-", "") for place in asked[kind].tracking]


def places(cell: str) -> list[str]:
    """What a cell of the table of places has, as a layout writes it, but for the dash of an element."""
    said = cell.replace("\\*", "*").replace(" that is surely a carrier's", "?")
    return [place.replace("-", "") for place in said.split(", ")]


def test_every_field_of_the_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "order_id,sku,quantity,tracking_number\n1,A,1,TRACK1\n2,A,0,TRACK2\n", encoding="utf-8"
    )
    told = section("## Every night").partition("\nLog lines have ")[2].partition(" Events: ")[0]
    log = tmp_path / "log"
    at = ["--log", str(log), "--report", str(tmp_path / "report"), "--ledger", str(tmp_path / "ledger.db")]

    run(["-q", "post", str(tmp_path / "manifest.csv"), *at, "--sandbox"])

    fields = {field for line in log.read_text().splitlines() for field in json.loads(line)}
    assert fields >= {"exit_status", "idempotency_key", "destination"}
    assert fields - set(re.findall(r"`(\w+)`", told)) == set()


def test_every_test_that_shows_what_happens_when_things_go_wrong_is_there() -> None:
    shown = [name for row in table(section("### When things go wrong")) for name in row[2].split(", ")]

    assert len(shown) > 30
    assert [name for name in shown if not is_test(*name.strip("`").split("::"))] == []


def is_test(file: str, name: str) -> bool:
    return f"\ndef {name}(" in (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8")


def test_every_fault_and_rehearsal_of_the_sandbox_is_told() -> None:
    told = section("## Everyday uses")

    assert all(f"`{kind}`" in told for kind in KINDS)
    keys = {key for kind in KINDS.values() for key in kind.keys}
    assert [key for key in sorted(keys) if f"`{key}`" not in told] == []
    assert [*REHEARSALS.items()] == [(row[0].strip("`"), row[1]) for row in table(told)]


def test_every_suffix_of_a_file_still_being_written_is_told() -> None:
    assert all(f"`{suffix}`" in README for suffix in sources.STILL_BEING_WRITTEN)


def test_the_first_command_shows_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = re.search(r"importer (post samples/first-run.*)", README)
    assert command is not None
    for name in ("samples", "first-run"):
        assert (ROOT / "samples" / "first-run").is_dir(), name
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    shown = re.findall(r"```text\n(post.*?)```", section("## Start here"), re.DOTALL)

    first = run(shlex.split(command[1]))
    assert normalised(capsys.readouterr().out) == normalised(shown[0])
    second = run(shlex.split(command[1]))
    assert normalised(capsys.readouterr().out).startswith(normalised(shown[1]))

    assert (first, second) == (1, 1)
    listed = README[README.index("$ importer runs --ledger first-run.db\n") :].partition("```")[0]
    assert run(["runs", "--ledger", "first-run.db"]) == 0
    assert normalised(capsys.readouterr().out) == normalised(listed.partition("\n")[2])


def test_what_commands_show_on_samples_is_found_in_the_readme() -> None:
    assert len(SHOWN) > 4


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_a_command_on_a_sample_shows_what_the_readme_shows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    shown: str,
) -> None:
    settle_in(tmp_path, monkeypatch)
    (tmp_path / "samples").symlink_to(ROOT / "samples")

    run(shlex.split(command))

    assert normalised(capsys.readouterr().out).startswith(normalised(shown))


def test_the_tree_of_an_edi_file_is_as_the_readme_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"```text\n( +1  ISA.*?)```", README, re.DOTALL)

    run(["edi", "show", str(ROOT / "samples" / "edi-945" / "manifest.edi")])

    tree = capsys.readouterr().out
    assert [piece for piece in shown.split("…\n") if piece not in tree] == []


def test_what_init_asks_and_says_is_as_the_readme_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_in(tmp_path, monkeypatch)
    (shown,) = re.findall(r"\$ importer init acme.csv\n(.*?)```", README, re.DOTALL)
    at = shown.index("importer.toml: ")
    asked, said = shown[:at], shown[at:]
    answers = [line.partition(": ")[2] for line in asked.splitlines()]
    (tmp_path / "acme.csv").write_text(
        "Doc,Our Ref,Goods,Pcs,Parcel\n"
        "4711,1001,MUG,2,1Z999AA10123456784\n"
        "4712,1002,BOWL,1,1Z999AA10300041010\n"
        "4713,1003,MUG,0,1Z999AA10300041029\n"
    )

    with CliRunner().isolation("\n".join([*answers, ""])) as (out, err, _):
        status = run(["init", "acme.csv"])

    assert (status, normalised(err.getvalue().decode())) == (1, normalised(asked))
    assert normalised(out.getvalue().decode()) == normalised(said)


def test_the_job_of_cron_has_the_token(tmp_path: Path) -> None:
    line = next(line for line in README.splitlines() if line.startswith("15 2 * * *"))
    before, program, _ = line.removeprefix("15 2 * * *").partition(".venv/bin/importer")
    (tmp_path / "token.env").write_text("ADM_TOKEN=abc\n")

    shell = ["sh", "-c", f"{before.replace('/srv/importer', str(tmp_path))} printenv ADM_TOKEN"]

    assert program
    assert subprocess.run(shell, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout == "abc\n"


@pytest.mark.parametrize(
    ("pattern", "comma"), [(r"^ExecStart=/opt/importer/bin/importer (.*)$", ""), (r"^ *args: \[(.*)\]$", ",")]
)
def test_what_a_service_is_called_with_is_understood(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pattern: str,
    comma: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (arguments,) = re.findall(pattern, README, re.MULTILINE)
    words = [word.removesuffix(comma) for word in shlex.split(arguments)]
    for option in ("--log", "--metrics"):  # that folder is the service's
        if option in words:
            words[words.index(option) + 1] = "a-file"
    plan_file = words[words.index("--plan") + 1]

    status = run(words)

    assert (status, {"--quiet", "--give-up", "--stop-at"} - set(words)) == (2, set())
    assert f"--plan {plan_file}: can't be read: No such file or directory" in capsys.readouterr().err


def normalised(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\d-\d{6}-\w+", "RUN-ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE AND TIME", text)
    text = re.sub(r" +$", "", text, flags=re.MULTILINE)
    return re.sub(r"[\d.]+ s$", "0.1 s", text, flags=re.MULTILINE).strip()
