"""Pings to a watchdog, which raises the alarm when they stay away: URL/start, URL/EXIT-STATUS or URL/fail.

Source: https://healthchecks.io/docs/http_api/, whose form others have taken up.
"""

from __future__ import annotations

import threading
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.settings import Secret

LIMIT_SECONDS: Final = 10.0
"""What one try may take."""
TRIES: Final = 3
_PAUSE_SECONDS: Final = 1.0
_MOST_WORDS: Final = 10_000  # of characters; healthchecks.io keeps 100 kB


class Pings:
    """What ``url`` is told of one run, in threads of their own.

    ``url`` is a secret: who has it can keep the watchdog quiet. ``complain`` hears what did not get through.
    ``limit`` is what one try may take, ``pause`` what lies between two, in seconds.
    """

    def __init__(
        self,
        url: Secret,
        complain: Callable[[str], None],
        *,
        limit: float = LIMIT_SECONDS,
        pause: float = _PAUSE_SECONDS,
    ) -> None:
        self._url = url
        self._complain = complain
        self._limit = limit
        self._pause = pause
        self._first: _Ping | None = None

    def start(self) -> None:
        """Say that a run starts, and wait for nothing."""
        self._first = self._send("start", "")

    def end(self, word: str, text: str) -> None:
        """Say that it has ended: ``word`` is its exit status, or ``fail``; ``text`` says more.

        Waits until the watchdog has heard it, for some limits at the most.
        """
        if self._first is not None:  # a start that is heard after the end would never end
            self._first.leave()
            self._first.thread.join(self._limit)
        last = self._send(word, text)
        last.thread.join(TRIES * (self._limit + self._pause))
        failed = last.trouble or (_words(TimeoutError(), self._limit) if last.thread.is_alive() else "")
        if failed:
            self._complain(f"--ping: {shown(self._url)} was not told that the run has ended: {failed}")

    def _send(self, word: str, text: str) -> _Ping:
        request = urllib.request.Request(  # noqa: S310 - ``usable`` lets http and https through only
            _below(self._url.reveal(), word),
            data=text[:_MOST_WORDS].encode(errors="replace"),
            headers={"User-Agent": "fulfillment-importer", "Content-Type": "text/plain; charset=utf-8"},
        )
        return _Ping(request, self._limit, self._pause)


def usable(url: str) -> bool:
    """Whether it is an address that can be pinged; a user name in it is not sent, so that it never can."""
    try:
        parts = urlsplit(url)
        is_there = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        return parts.scheme in {"http", "https"} and is_there and _is_plain(url)
    except ValueError:  # brackets or a port that make no sense
        return False


def shown(url: Secret) -> str:
    """As much of the address as anybody may see."""
    parts = urlsplit(url.reveal())
    return f"{parts.scheme}://{parts.hostname}/***"


class _Ping:
    """One message on its way; ``trouble`` says why it did not get through, "" if it did or may yet."""

    def __init__(self, request: urllib.request.Request, limit: float, pause: float) -> None:
        self.trouble = ""
        self._left = threading.Event()
        # a daemon: a watchdog that does not answer must not keep the process
        self.thread = threading.Thread(target=self._try, args=(request, limit, pause), daemon=True)
        self.thread.start()

    def leave(self) -> None:
        """Try no more."""
        self._left.set()

    def _try(self, request: urllib.request.Request, limit: float, pause: float) -> None:
        for tried in range(1, TRIES + 1):
            trouble = _trouble(request, limit)
            if not trouble or tried == TRIES or self._left.wait(pause):
                self.trouble = trouble
                return


def _trouble(request: urllib.request.Request, limit: float) -> str:
    try:
        with urllib.request.urlopen(request, timeout=limit):  # noqa: S310 - ``usable`` lets http and https through only
            return ""
    except HTTPError as error:
        with error:
            return f"HTTP {error.code}"
    except (OSError, HTTPException) as error:
        return _words(error.reason if isinstance(error, URLError) else error, limit)


def _words(error: object, limit: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {limit:g} s"
    # its own words may have the address
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


def _below(url: str, word: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{word}", fragment=""))


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url
