"""The commands by name: each is imported when it runs, or tells its own help, and not before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Sequence


class Entry(NamedTuple):
    """Where a command is, a module below this package, and the first sentence of its docstring."""

    module: str
    help: str


COMMANDS: Final = {
    "check": Entry("posting", "Dry run: read, validate, group, report."),
    "codes": Entry("codes", "Tell what the codes of a report mean, what to do about each, and an example."),
    "diff": Entry("diff", "Tell what changed between the reports of two nights, or more."),
    "doctor": Entry(
        "doctor",
        "Check everything that a nightly run needs, and say what to do: nothing is changed or posted.",
    ),
    "edi": Entry("edi", "Look into EDI files: X12 and EDIFACT."),
    "explain": Entry(
        "explain",
        "Tell the whole history of a fulfillment: runs, attempts, answers, look-ups, and what to do next.",
    ),
    "init": Entry(
        "init", "Write the configuration, and a layout if MANIFEST needs one, and check MANIFEST with them."
    ),
    "layouts": Entry("layouts", "The layouts of carriers' and tools' files that it knows."),
    "ledger": Entry(
        "ledger", "The memory across runs itself: a file, or a database for runs on several hosts."
    ),
    "post": Entry("posting", "Read, validate and group, then post one fulfillment per tracking number."),
    "review": Entry("review", "Look at a finished report: what is wrong, and what to do."),
    "runs": Entry("runs", "Earlier runs, newest first, from the ledger; with RUN-ID, that one."),
    "sandbox": Entry(
        "sandbox", "Serve ADM and Shoplazza on loopback, to try things out without credentials."
    ),
    "settle": Entry("settle", "List what is in doubt, or tell the ledger what became of it."),
    "template": Entry(
        "template",
        "Write an empty workbook to type a manifest into: all cells are text, and notes say what goes where.",
    ),
}
"""One entry for each command; the module has it under its own name."""

RUNS: Final = frozenset({"check", "post"})
"""Those that take signals themselves, and report of one that came while they were loaded."""


class Commands(click.Group):
    """The group of all commands, which knows enough of them to tell of them without importing them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; without an empty line, which click prints for an interrupt.

        Raises:
            click.Abort: it was interrupted.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise click.Abort from interrupt

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, as the help has them."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None where there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"importer.cli.{COMMANDS[cmd_name].module}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and what they do."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What a shell offers for the beginning of a word: commands, and the options before them."""
        names: Sequence[str] = self.list_commands(ctx)
        found = [
            CompletionItem(name, help=COMMANDS[name].help) for name in names if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]
