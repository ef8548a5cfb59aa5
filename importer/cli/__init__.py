"""The command line: options in, exit status out, and the wiring. Never looks at data.

One module for each command (``check`` and ``post`` are one, with the same options), and ``commands``
which knows where they are; ``main`` is what stands before the command.
"""

from importer.cli.main import EXIT_STATUSES, main, run

__all__ = ["EXIT_STATUSES", "main", "run"]
