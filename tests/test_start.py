"""What a command needs is imported when it runs, and nothing else: telling of itself costs nearly nothing."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from importer.cli import main
from importer.cli.commands import COMMANDS
from importer.ledger import Ledger

HEAVY = {
    *("pandas", "pandera", "pyarrow", "numpy", "httpx", "h11", "sqlalchemy", "rich", "jinja2", "xlsxwriter"),
    *("starlette", "uvicorn", "prometheus_client", "python_calamine", "zstandard", "opentelemetry"),
}
NOT_FOR_A_DRY_RUN = {
    *("httpx", "httpcore", "h11", "sqlalchemy", "uvicorn", "starlette", "xlsxwriter", "prometheus_client"),
    *("python_calamine", "zstandard"),
    "hypothesis",  # pandera imports it where it is installed, as it is for these tests
}
OURS_NOT_FOR_A_CSV = {
    *("importer.destinations.adm", "importer.destinations.shoplazza", "importer.posts.posting"),
    *("importer.watching.pings", "importer.manifests.workbook", "importer.report.drawing"),
    *("importer.answering", "importer.manifests.edi.manifest", "importer.manifests.edi.acks"),
    *("importer.sandbox.server", "importer.sandbox.shops", "importer.sandbox.faults"),
}
NOT_FOR_A_LEDGER_IN_A_FILE = {
    *("sqlalchemy", "psycopg", "importer.answering", "importer.manifests.workbook"),
    *("hypothesis", "xlsxwriter", "prometheus_client", "httpx._main", "rich.syntax"),
}
UNUSUAL = "order_id,sku,quantity,tracking_number\n1,mug (blue),1,TRACK12345\n"  # so that pandera judges it
PROGRAM = """
import atexit, json, sys
from importer.__main__ import main

def tell():
    print(json.dumps([name for name, module in sys.modules.items() if module]), file=sys.stderr)

atexit.register(tell)
main()
"""


def imported(*arguments: str) -> set[str]:
    """The modules that are imported by the time the program ends."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, check=True)

    return {*json.loads(ended.stderr)}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(*arguments) & HEAVY == set()


def test_a_check_of_a_csv_imports_nothing_that_sends_serves_remembers_or_speaks_edi(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(UNUSUAL, encoding="utf-8")

    found = imported("check", str(manifest), "--report", str(tmp_path / "report"))

    assert found & NOT_FOR_A_DRY_RUN == set()
    assert found & OURS_NOT_FOR_A_CSV == set()
    assert "pandera" in found


def test_a_check_of_cells_that_surely_break_no_rule_does_not_import_pandera(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(UNUSUAL.replace("mug (blue)", "MUG-BLUE"), encoding="utf-8")

    assert "pandera" not in imported("check", str(manifest), "--report", str(tmp_path / "report"))


def test_a_check_for_a_destination_imports_no_database_where_there_is_no_ledger(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(UNUSUAL, encoding="utf-8")
    places = ("--ledger", str(tmp_path / "ledger.db"), "--report", str(tmp_path / "report"))

    found = imported("check", str(manifest), "--to", "adm", *places)

    assert found & NOT_FOR_A_DRY_RUN == set()


def test_a_post_of_a_csv_with_a_ledger_in_a_file_imports_nothing_of_other_databases(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(UNUSUAL, encoding="utf-8")
    places = ("--ledger", str(tmp_path / "ledger.db"), "--report", str(tmp_path / "report"))

    found = imported("post", str(manifest), "--sandbox", *places)

    assert found & NOT_FOR_A_LEDGER_IN_A_FILE == set()
    assert "importer.posts.posting" in found


def test_a_check_with_a_ledger_in_a_file_imports_nothing_of_other_databases(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(UNUSUAL, encoding="utf-8")
    places = ("--ledger", str(tmp_path / "ledger.db"), "--report", str(tmp_path / "report"))
    with Ledger(tmp_path / "ledger.db"):
        pass

    found = imported("check", str(manifest), "--to", "adm", *places)

    assert found & NOT_FOR_A_DRY_RUN == set()
    assert "importer.ledger.ledger" in found


@pytest.mark.parametrize("name", sorted(OURS_NOT_FOR_A_CSV | NOT_FOR_A_LEDGER_IN_A_FILE))
def test_what_may_not_be_imported_is_there_to_be_imported(name: str) -> None:
    assert find_spec(name) is not None


def test_the_help_of_all_says_of_each_command_what_its_own_help_begins_with() -> None:
    context = click.Context(main)

    own = {
        name: command.get_short_help_str(limit=1000)
        for name in main.list_commands(context)
        if (command := main.get_command(context, name))
    }

    assert {name: entry.help for name, entry in COMMANDS.items()} == own


def test_every_command_has_its_own_name() -> None:
    context = click.Context(main)

    assert [getattr(main.get_command(context, name), "name", None) for name in COMMANDS] == [*COMMANDS]


def test_an_unknown_command_is_none() -> None:
    assert main.get_command(click.Context(main), "main") is None


def test_a_shell_completes_commands_and_the_options_before_them() -> None:
    complete = ShellComplete(main, {}, "importer", "_IMPORTER_COMPLETE")

    found = {
        incomplete: [item.value for item in complete.get_completions(arguments, incomplete)]
        for arguments, incomplete in [([], "re"), ([], "--v"), (["edi"], "s"), (["check"], "--stri")]
    }

    assert found == {
        "re": ["review"],
        "--v": ["--verbose", "--version"],
        "s": ["show"],
        "--stri": ["--strict-tracking"],
    }
