"""Manifests on other machines → files in the scratch folder, through fsspec; no secret is ever shown."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import string
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from msgspec import Struct, field

from importer.destinations.masking import masked
from importer.errors import ManifestError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PASSWORD: Final = "IMPORTER_SOURCE_PASSWORD"  # noqa: S105 - the name of the variable, not what is in it
SECONDS: Final = 600.0
LIMIT_BYTES: Final = 4 * 1024**3

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST_ENDS: Final = re.compile(r"[/?#]")
_SILENT_SECONDS: Final = 30.0  # that a server may say nothing at all
_CONNECT_SECONDS: Final = 5.0  # S3 is there at once, or nowhere
_KNOWN_HOSTS: Final = "~/.ssh/known_hosts"


class Remote(Struct, frozen=True):
    """Fetches what a URL names.

    ``environment`` has the password of a user that the URL names (in ``PASSWORD``) and where S3 is and with
    which keys (as for Amazon's own tools); keys for SFTP are in ~/.ssh or its agent. A file must be there
    after ``seconds``, and have no more than ``limit`` bytes.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    seconds: float = SECONDS
    limit: int = LIMIT_BYTES

    def fetch(self, url: str, path: Path) -> None:
        """Copy the file at ``url`` to ``path``.

        Raises:
            SetupError: the URL is none that can be read, or a package is missing for it.
            ManifestError: the file is not there, not to be had, too large or too slow.
        """
        address = _address(url)
        secret = self._password(address)
        name = shown(url)
        try:
            _OPENERS[address.scheme](address, secret).copy(path, self.seconds, self.limit)
        except ImportError as error:
            raise SetupError(
                f"{name}: a package is missing for {address.scheme}:// ({error.name}); "
                f"pip install 'fulfillment-importer[{_EXTRAS[address.scheme]}]'"
            ) from error
        except (SetupError, ManifestError):
            raise
        except Exception as error:  # noqa: BLE001 - each of the libraries below has errors of its own
            words = masked(masked(self._said(error), secret), quote(secret, safe=""))
            words = words.replace(url, name).replace(address.query or "\0", "…")
            # the library's own error has the URL with all that is secret in it
            raise ManifestError(f"{name}: can't be fetched: {words}") from None

    def _password(self, address: SplitResult) -> str:
        if address.password is not None:
            return unquote(address.password)
        return self.environment.get(PASSWORD, "") if address.username else ""

    def _said(self, error: Exception) -> str:
        if isinstance(error, _TooMuch):
            return f"it has more than {self.limit:,} bytes; no manifest is as large"
        if isinstance(error, TimeoutError):
            return f"it was not there after {self.seconds:g} s; try again later, or copy the file here"
        status = getattr(error, "status", None)
        if isinstance(status, int):
            return f"the server answered {status} {getattr(error, 'message', '')}".rstrip()
        known = next((_WORDS[each.__name__] for each in type(error).__mro__ if each.__name__ in _WORDS), None)
        return known or str(error) or type(error).__name__


def is_url(argument: str) -> bool:
    """Whether a manifest is named by a URL."""
    return _URL.match(argument) is not None


def shown(url: str) -> str:
    """The URL without its password, and without its query, where signatures and tokens stand.

    Where it can't be told what of it is a password, nothing is shown.
    """
    try:
        address = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    if _may_end_in_password(url):
        return f"{address.scheme}://…"
    user, at, host = address.netloc.rpartition("@")
    query = "?…" if address.query else ""
    return f"{address.scheme}://{user.partition(':')[0]}{at}{host}{address.path}{query}"


def _may_end_in_password(url: str) -> bool:
    """Whether what looks like the host may be a password that goes on, as in ``sftp://bob:pa/ss@host/``."""
    whole = url.partition("://")[2]
    host, *rest = _HOST_ENDS.split(whole, maxsplit=1)
    return ":" in host and "@" in "".join(rest)


def _address(url: str) -> SplitResult:
    if _may_end_in_password(url):
        raise SetupError(
            f"{shown(url)}: it can't be told where the password ends; percent-encode the password (@ is %40, "
            f"/ is %2F, ? is %3F, # is %23) and any @ in the path, or give the password in {PASSWORD}"
        )
    try:
        address = urlsplit(url)
        is_whole = bool(address.hostname) and (address.port is None or address.port > 0)
    except ValueError:
        is_whole = False
    if not is_whole or not address.path.strip("/"):
        more = "; percent-encode the password" if "@" in url else ""
        raise SetupError(
            f"{shown(url)}: not the URL of a file; expected one such as sftp://host/folder/file.csv{more}"
        )
    if address.scheme not in _OPENERS:
        raise SetupError(
            f"{shown(url)}: found {address.scheme}://, expected one of {', '.join(sorted(_OPENERS))}; "
            "or copy the file here and name the copy"
        )
    return address


class _TooMuch(Exception):  # noqa: N818 - it ends a copy, and is told in words of its own
    """More came than a manifest may have."""


class _There(Struct, frozen=True):
    """A file of an fsspec file system that works asynchronously, and how to let go of its connection."""

    files: Any
    path: str
    close: Callable[[], None]
    more: Mapping[str, Any] = field(default_factory=dict)

    def copy(self, to: Path, seconds: float, limit: int) -> None:
        callbacks, asyn = importlib.import_module("fsspec.callbacks"), importlib.import_module("fsspec.asyn")

        class Counting(callbacks.Callback):  # type: ignore[misc,name-defined] # fsspec is there only as an extra
            def call(self, *_: object, **__: object) -> None:
                if max(self.size or 0, self.value) > limit:
                    raise _TooMuch

        async def bounded() -> None:
            get_file = self.files._get_file  # noqa: SLF001 - the coroutine, since only that can be cancelled
            copying = get_file(self.path, str(to), callback=Counting(), **self.more)
            await asyncio.wait_for(copying, seconds)

        try:
            asyn.sync(self.files.loop, bounded)
        finally:
            self.close()


def _http(address: SplitResult, secret: str) -> _There:
    aiohttp = importlib.import_module("aiohttp")
    http = importlib.import_module("fsspec.implementations.http")
    silence = aiohttp.ClientTimeout(total=None, sock_connect=_SILENT_SECONDS, sock_read=_SILENT_SECONDS)
    files = http.HTTPFileSystem(
        client_kwargs={"timeout": silence, "trust_env": True}, skip_instance_cache=True, encoded=True
    )
    user, at, host = address.netloc.rpartition("@")
    user = f"{user.partition(':')[0]}:{quote(secret, safe='')}" if at else ""
    url = address._replace(netloc=f"{user}{at}{host}", fragment="").geturl()

    def close() -> None:
        session = files._session  # noqa: SLF001 - there is no other way
        if session is not None:
            files.close_session(files.loop, session)

    return _There(files, quote(url, safe=string.punctuation), close)


def _sftp(address: SplitResult, secret: str) -> _There:
    asyn, sshfs = importlib.import_module("fsspec.asyn"), importlib.import_module("sshfs")
    given = {"port": address.port, "username": address.username and unquote(address.username)}
    files = sshfs.SSHFileSystem(
        address.hostname,
        known_hosts=(),  # those of ~/.ssh; sshfs itself would check none
        login_timeout=_SILENT_SECONDS,
        connect_timeout=_SILENT_SECONDS,
        keepalive_interval=_SILENT_SECONDS,
        skip_instance_cache=True,
        **{name: value for name, value in {**given, "password": secret}.items() if value},
    )
    path = unquote(address.path).removeprefix("/~/")

    async def close() -> None:
        files.client.close()
        await files.client.wait_closed()

    return _There(files, path, lambda: asyn.sync(files.loop, close))


def _s3(address: SplitResult, _: str) -> _There:
    s3fs = importlib.import_module("s3fs")
    files = s3fs.S3FileSystem(
        config_kwargs={
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _SILENT_SECONDS,
            "retries": {"total_max_attempts": 1},
        },
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    files.retries = 1  # its own, on top of those
    path = f"{address.netloc}{unquote(address.path)}"
    # one connection, so that what comes is counted as it comes
    return _There(files, path, lambda: files.close_session(files.loop, files._s3), {"max_concurrency": 1})  # noqa: SLF001 - there is no other way


_OPENERS: Final[dict[str, Callable[[SplitResult, str], _There]]] = {
    "http": _http,
    "https": _http,
    "s3": _s3,
    "sftp": _sftp,
}
_EXTRAS: Final = {"http": "http", "https": "http", "s3": "s3", "sftp": "sftp"}
_UNKNOWN_HOST = "there is no host of that name, as far as this machine knows; see the name and the network"
_UNREACHABLE = "the server can't be reached; see the host, the port and the network"
_WORDS: Final = {
    "FileNotFoundError": "no such file there",
    "PermissionError": f"access is refused; see the user, the keys, or the password in {PASSWORD}",
    "HostKeyNotVerifiable": f"the server's host key is not the one in {_KNOWN_HOSTS}, or none is there; "
    "compare its fingerprint with what its owner says, and connect once with ssh",
    "NoCredentialsError": "no keys for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "ConnectionRefusedError": "the server refuses the connection; see the host and the port",
    "gaierror": _UNKNOWN_HOST,
    "ClientConnectorDNSError": _UNKNOWN_HOST,
    "ClientConnectorSSLError": "no TLS could be agreed on with the server; see the port, and whether it is https://",
    "ClientSSLError": "the server's certificate is not to be trusted; see the host, and this machine's clock",
    "ClientConnectorError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "EndpointConnectionError": "S3 can't be reached; see the network, and AWS_ENDPOINT_URL if it is set",
}
"""What is said of errors, by the name of their class, as most are known only where an extra is installed."""
