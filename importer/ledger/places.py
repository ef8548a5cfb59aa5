"""Where a ledger can be, a file or a database on a server, and what each such place knows to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, TypeAlias
from urllib.parse import unquote

from importer.errors import SetupError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import sqlalchemy

    from importer.errors import CannotGoOn
    from importer.ledger.direct import Direct

_SCHEMES: Final = ("postgresql", "postgres")
_BEGINNINGS: Final = tuple(f"{scheme}://" for scheme in _SCHEMES)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")  # a Path has turned "://" into ":/"
_KEYWORDS: Final = re.compile(
    r"(host|hostaddr|port|dbname|user|password|passfile|service|sslmode|options|application_name)\s*=",
    re.ASCII,
)  # what libpq's other form of a connection string begins with; a file of that name is ./host=...
_AROUND: Final = " \t\r\n'\"`"
_USER: Final = re.compile(r"(?<=://)([^:@/?]*):.+@")  # up to the last @, which a password may have, too
_PAIR: Final = re.compile(r"(?<=[?&])([^=&]*)=[^&]*")
_PASSWORDS: Final = frozenset({"password", "sslpassword"})


class Address:
    """The address of a ledger on a database server, as libpq takes it; it shows itself without a password.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """

    __slots__ = ("_uri",)

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def reveal(self) -> str:
        """The address itself, for the one who connects."""
        return self._uri

    @property
    def has_password(self) -> bool:
        """Whether there is anything in it that is not shown."""
        return str(self) != self._uri

    def __str__(self) -> str:
        return _PAIR.sub(_shown, _USER.sub(r"\1:***@", self._uri))

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("what may have a password in it is not pickled")


def is_password(keyword: str) -> bool:
    """Whether what an address has under this keyword is not shown."""
    return keyword.strip().lower() in _PASSWORDS


def _shown(pair: re.Match[str]) -> str:
    return f"{pair[1]}=***" if is_password(unquote(pair[1])) else pair[0]  # a keyword may be escaped, too


Location: TypeAlias = Path | Address


def location(text: str | Location) -> Location:
    """Return the path or the address that ``text`` is.

    Raises:
        SetupError: it is an address of something else than PostgreSQL, has anything around it, or is written
            as libpq's keywords and values.
    """
    if isinstance(text, Address):
        return text
    written = str(text)
    if isinstance(text, str) and written.startswith(_BEGINNINGS):
        return Address(text)
    found = _SCHEME.match(written.strip(_AROUND))
    if found is None and "://" not in written:
        if _KEYWORDS.match(written.strip(_AROUND)):
            raise SetupError(_NO_PAIRS)
        return Path(text)
    if found is None or (found[1] in _SCHEMES and not written.startswith(found[1])):
        raise SetupError(
            "ledger: found an address with something before it, expected one that begins with postgresql://; "
            "write it without quotes or spaces around it: as a new file it would have all sent again"
        )
    raise SetupError(
        f"ledger: found an address that begins with {found[1]}://, expected the path of a file, or "
        "postgresql://user@host/database"
    )


_NO_PAIRS: Final = (
    "ledger: found a connection string of keywords and values, expected an address that begins with "
    "postgresql://; write postgresql://USER@HOST:PORT/DBNAME, and what else there is behind it as "
    "?KEYWORD=VALUE&KEYWORD=VALUE: as a new file it would have all sent again"
)


class Guard(Protocol):
    """Sees, before and after each commit, that what is written is where the next run looks."""

    def check(self) -> None:
        """See to it.

        Raises:
            CannotGoOn: it is not.
        """


Connection: TypeAlias = "Direct | sqlalchemy.Connection"
"""To a ledger."""


class Readers(Protocol):
    """Who has connections that only read."""

    def connect(self) -> AbstractContextManager[Connection]:
        """Have one, in a transaction, as long as the context lasts."""

    def dispose(self) -> None:
        """Let go of those that are kept."""


class Place(Protocol):
    """Where a ledger is, and how it is opened there."""

    @property
    def name(self) -> str:
        """What messages call it; no password is in it."""

    @property
    def shared(self) -> bool:
        """Whether runs post side by side with it; else there is one at a time for a destination."""

    def exists(self) -> bool:
        """Say whether there is a ledger, or anything else, that is not empty.

        Raises:
            CannotGoOn: it can't be told.
        """

    def obstacle(self) -> str:
        """Say what keeps a run from writing there, "" where nothing does; nothing is changed for that.

        Raises:
            CannotGoOn: a ledger that was there is gone, or it can't be told.
        """

    def open_for_writing(self) -> tuple[Connection, Guard]:
        """Open the ledger, or make one, and return the connection that writes, alone from begin to commit.

        A ledger of an earlier version is brought to this one.

        Raises:
            CannotGoOn: it is not a ledger, or one of a later version, or can't be written.
        """

    def open_for_reading(self) -> Readers:
        """Return connections that only read the ledger, which is there already.

        Raises:
            CannotGoOn: it is not a ledger, or one of a later version, or can't be read.
        """

    def readers(self) -> Readers:
        """Return the connection for reading beside the one that writes; one caller at a time has it.

        Raises:
            CannotGoOn: it can't be had.
        """

    def shrink(self) -> None:
        """Give back the room of what was deleted, where that does not happen by itself; nobody else writes.

        Raises:
            CannotGoOn: there is no room to do it in, or somebody writes.
        """

    def plainly(self) -> AbstractContextManager[None]:
        """Turn what a database, a disk or a network says into ``CannotGoOn``."""

    def unusable(self, error: BaseException) -> CannotGoOn:
        """Say where, what and what to do."""
