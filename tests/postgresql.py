"""A server of PostgreSQL's for the tests, started by themselves; where there is none, none is needed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg

from importer.ledger import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD: Final = "canary/pw:9f@x"  # noqa: S105 - of the tests' own server
_SECONDS: Final = 60
_USER: Final = "nobody"
_SMALL: Final = ("shared_buffers=16MB", "max_connections=60", "max_wal_size=128MB")


def programs() -> Path | None:
    """The folder with the newest server's programs, None where there is no server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    on_path = shutil.which("initdb")
    program = found[-1] if found else Path(on_path) if on_path else None
    return program.parent if program else None


class Server:
    """A server with a folder, a port and a socket of its own; what is committed is on the disk.

    Its superuser is ``importer``, who needs a password over TCP alone.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="importer-postgresql-"))
        self._names = itertools.count(1)
        self.port = _free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            user = pwd.getpwnam(_USER)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        settings = [
            *("listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self._folder}"),
            *_SMALL,
        ]
        command = [self._program("postgres"), "-D", self._data, *(f"--{each}" for each in settings)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as)
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: with SIGQUIT it does not even say goodbye."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_SECONDS)
            self._process = None

    def address(self, schema: str = "public", database: str = "postgres") -> Address:
        """How to reach it through its socket, and the schema there."""
        options = f"host={self._folder}&port={self.port}&user=importer&options=-csearch_path%3D{schema}"
        return Address(f"postgresql:///{database}?{options}")

    def connect(self, **more: Any) -> psycopg.Connection[Any]:  # noqa: ANN401 - as psycopg has them
        """A connection for the test itself."""
        return psycopg.connect(
            host=str(self._folder),
            port=self.port,
            user="importer",
            dbname="postgres",
            autocommit=True,
            **more,
        )

    @contextmanager
    def schema(self) -> Iterator[Address]:
        """The address of a schema with nothing in it, which is there as long as the context lasts."""
        name = f"test_{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        yield self.address(name)
        with self.connect() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        command = [
            *(
                self._program("initdb"),
                "-D",
                self._data,
                "-U",
                "importer",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ),
            *("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}", "--no-sync"),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as)

    def _wait(self) -> None:
        last = time.monotonic() + _SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > last or self._process is None or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text(encoding="utf-8")) from None
                time.sleep(0.02)
            else:
                return

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _program(self, name: str) -> str:
        folder = programs()
        if folder is None:
            raise RuntimeError("there is no PostgreSQL here: apt-get install postgresql")
        return str(folder / name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
