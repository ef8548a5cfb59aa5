"""What keeps a run from starting or going on.

A bad row is never an exception: it is a finding (see model.py), and after the first request there are only
outcomes. These are for a run that cannot start or cannot go on, named for what the caller does next::

    ImporterError                 exit_status
    ├── Unknown             1     what was asked about is not known
    ├── SetupError          2     the command line or the configuration is wrong
    ├── ManifestError       3     a manifest cannot be read as one
    ├── CannotGoOn          4     ledger or report cannot be written
    └── RunInProgress       5     another run is posting to this destination with this ledger
"""

from typing import ClassVar


class ImporterError(Exception):
    """A run cannot start or cannot go on; the message says where, what, and what to do."""

    exit_status: ClassVar[int] = 4


class Unknown(ImporterError):  # noqa: N818 - a fact, not a mistake
    """What was asked about is not known; nothing was done."""

    exit_status = 1


class SetupError(ImporterError):
    """The command line or the configuration is wrong; nothing was read or sent."""

    exit_status = 2


class ManifestError(ImporterError):
    """A manifest cannot be read as one; nothing was sent, from any manifest."""

    exit_status = 3


class CannotGoOn(ImporterError):  # noqa: N818 - it names what the run can't do, as the CLI says it
    """The ledger or the report cannot be written; what was done is recorded."""

    exit_status = 4


class RunInProgress(ImporterError):  # noqa: N818 - a state of the world, not a mistake
    """Another run is posting to this destination with this ledger."""

    exit_status = 5
