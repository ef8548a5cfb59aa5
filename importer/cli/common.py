"""What all commands share: the options before the command, the ledger, and how results are printed."""

from __future__ import annotations

import errno
import getpass
import os
import signal
import socket
import stat
import sys
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import platformdirs

from importer import settings
from importer.early import Early, Interrupted, exit_status_after
from importer.errors import CannotGoOn, SetupError
from importer.ledger import Location, location
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_WIDE: Final = 200  # columns of what is not a terminal: nobody's lines need wrapping there


def place(context: click.Context, parameter: click.Parameter, value: str | None) -> Location | None:
    """Where a ledger is, as a callback of click's: the path of a file, or the address of a database."""
    if value is None:
        return None
    try:
        found = location(value)
    except SetupError as error:
        raise click.BadParameter(str(error)) from error
    if isinstance(found, Path):
        click.Path(dir_okay=False).convert(found, parameter, context)
    return found


LEDGER = click.option(
    "--ledger",
    callback=place,
    metavar="FILE|URL",
    help="What earlier runs did: a file, or a database, postgresql://...  "
    "[default: ledger.db in the user's state folder]",
)


def default_ledger() -> Path:
    """Where the ledger is when the user names none."""
    return platformdirs.user_state_path("importer") / "ledger.db"


def user() -> str:
    """The name of who runs the program."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # nobody has told the name of this number
        return f"user {os.getuid()}"


def user_and_host() -> str:
    """Who runs the program, and where: ``user@host``."""
    return f"{user()}@{socket.gethostname()}"


def complain(text: str) -> None:
    """Print to standard error, if it is still there, whatever file names and arguments are in the text."""
    with suppress(OSError):
        click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def status_of(interrupt: BaseException | None) -> int:
    """The exit status that an interrupt leaves; one that nobody numbered is Ctrl-C."""
    return interrupt.exit_status if isinstance(interrupt, Interrupted) else exit_status_after(signal.SIGINT)


@contextmanager
def printing() -> Iterator[None]:
    """Print results; whoever reads them may leave early, since the exit status says how the run went.

    Raises:
        CannotGoOn: they can't be written, for want of room for example.
    """
    try:
        yield
    except BrokenPipeError:
        _close_output()
    except OSError as error:
        is_gone = _is_terminal_gone(error)
        _close_output()
        if not is_gone:
            raise CannotGoOn(f"standard output can't be written: {error.strerror}") from error


def _is_terminal_gone(error: OSError) -> bool:
    """Whether the terminal was closed; a disk that is broken gives the same number."""
    return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)


def _close_output() -> None:
    """Let what is still buffered go nowhere; Python writes it on leaving, and complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class Common:
    """The options before the command, where output goes, and the signals that came before the command."""

    def __init__(
        self, config: Path | None, *, verbose: bool, quiet: bool, early: Early | None = None
    ) -> None:
        self.config = config
        self.verbose = verbose
        self.early = early or Early()
        self._quiet = quiet

    @cached_property
    def out(self) -> Console:
        """Standard output; who prints there finds it when whoever reads it has left."""
        from importer.cli.output import Out  # noqa: PLC0415 - rich is not needed to tell of options

        out = Out(quiet=self._quiet, highlight=False)
        return out if out.is_terminal else Out(quiet=self._quiet, highlight=False, width=_WIDE)

    @cached_property
    def progress(self) -> Console:
        """Standard error."""
        from rich.console import Console  # noqa: PLC0415 - rich is not needed to tell of options

        return Console(stderr=True, quiet=self._quiet, highlight=False)

    def settings(self) -> settings.Settings:
        """What the configuration file says.

        Raises:
            SetupError: it can't be read, or says what it may not say.
        """
        return settings.load(self.config, os.environ)
