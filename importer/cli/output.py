"""Standard output as rich writes to it."""

from rich.console import Console


class Out(Console):
    """Standard output."""

    def on_broken_pipe(self) -> None:
        """Raise it again; rich's own exit status 1 would say that rows need attention."""
        raise BrokenPipeError
