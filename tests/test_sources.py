"""What the user names → manifest files, each once, in a steady order."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import socket
import sys
import threading
import urllib.request
from contextlib import chdir
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest
from moto.server import ThreadedMotoServer
from msgspec import Struct

import importer
from importer.errors import ManifestError, SetupError
from importer.manifests import sources
from importer.manifests.remote import Remote
from importer.manifests.sources import Source
from tests.program import SECONDS, end, here, launch, settle_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the manifests are: two to be read, and others that are not."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("march.csv", "april.tsv", ".hidden.csv", "may.csv.part", "may.TMP", "may.filepart"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "done").mkdir()
    (folder / "done" / "january.csv").write_text("january", encoding="utf-8")
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty directory for copies."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return scratch


def find(scratch: Path, *arguments: str | Path, standard_input: bytes = b"") -> list[Source]:
    return sources.find(map(str, arguments), io.BytesIO(standard_input), scratch)


def refusal(scratch: Path, *arguments: str | Path) -> str:
    with pytest.raises(ManifestError) as caught:
        find(scratch, *arguments)
    return str(caught.value)


def files(*paths: Path) -> list[Source]:
    return [Source(str(path), path, path) for path in paths]


def test_a_file_is_a_manifest_under_the_name_that_the_user_gave(folder: Path, scratch: Path) -> None:
    with chdir(folder):
        found = find(scratch, "march.csv", "./april.tsv")

        assert [(source.name, source.path.read_text(encoding="utf-8")) for source in found] == [
            ("march.csv", "march.csv"),
            ("./april.tsv", "april.tsv"),
        ]


def test_a_hidden_file_and_one_still_being_written_are_read_when_named(folder: Path, scratch: Path) -> None:
    assert find(scratch, folder / ".hidden.csv", folder / "may.csv.part") == files(
        folder / ".hidden.csv", folder / "may.csv.part"
    )


def test_a_directory_stands_for_the_finished_files_in_it_by_name(folder: Path, scratch: Path) -> None:
    assert find(scratch, folder) == files(folder / "april.tsv", folder / "march.csv")


def test_of_each_directory_a_line_says_how_many_files_are_left_alone_and_why(folder: Path) -> None:
    done = folder / "done"
    (done / "june.tmp").touch()
    (folder / "may.TMP").unlink()
    nothing = [folder / "march.csv", f"{folder}/*"]

    assert sources.left_alone(map(str, [folder, done, *nothing, folder])) == (
        f"{folder}: 2 files are left alone: still being written, as their names end in .filepart, .part",
        f"{done}: 1 file is left alone: still being written, as its name ends in .tmp",
    )


def test_an_inbox_may_be_empty(folder: Path, scratch: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()

    assert find(scratch, empty) == []


def test_a_glob_stands_for_the_finished_files_that_match_by_name(folder: Path, scratch: Path) -> None:
    assert find(scratch, f"{folder}/*ar*") == files(folder / "march.csv")
    assert find(scratch, f"{folder}/**/*.[ct]sv") == files(
        folder / "april.tsv", folder / "done" / "january.csv", folder / "march.csv"
    )


def test_a_glob_that_matches_nothing_is_refused(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, f"{folder}/*.xml") == f"{folder}/*.xml: no file matches"


def test_a_file_may_be_called_like_a_glob(folder: Path, scratch: Path) -> None:
    odd = folder / "march[1].csv"
    odd.write_text("odd", encoding="utf-8")

    assert find(scratch, odd) == files(odd)


def test_a_file_that_is_named_twice_is_taken_once_where_it_was_named_first(
    folder: Path, scratch: Path
) -> None:
    linked = folder.parent / "link.csv"
    linked.symlink_to(folder / "march.csv")

    assert find(scratch, linked, folder, folder / "march.csv", folder / "done" / ".." / "april.tsv") == files(
        linked, folder / "april.tsv"
    )


def test_standard_input_can_be_read_more_than_once_and_is_taken_once(folder: Path, scratch: Path) -> None:
    found = find(scratch, "-", folder / "march.csv", "-", standard_input=b"from a pipe")

    assert [source.name for source in found] == ["-", str(folder / "march.csv")]
    assert found[0].path.read_bytes() == found[0].path.read_bytes() == b"from a pipe"


def test_named_pipes_can_be_read_more_than_once_each_for_itself(tmp_path: Path, scratch: Path) -> None:
    pipes = [tmp_path / folder / "manifest" for folder in ("east", "west")]
    for pipe in pipes:
        pipe.parent.mkdir()
        os.mkfifo(pipe)
    writers = [threading.Thread(target=pipe.write_text, args=[pipe.parent.name]) for pipe in pipes]
    for writer in writers:
        writer.start()

    found = find(scratch, *pipes, pipes[0])

    for writer in writers:
        writer.join()
    assert [(source.name, source.path.read_text(encoding="utf-8")) for source in found] == [
        (str(pipes[0]), "east"),
        (str(pipes[1]), "west"),
    ]


def test_a_missing_file_is_named_with_the_nearest_guess(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, folder / "mrach.csv") == (
        f"{folder}/mrach.csv: no such file; did you mean {folder}/march.csv?"
    )


def test_a_missing_file_that_looks_like_nothing_there_gets_no_guess(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, folder / "xyz") == f"{folder}/xyz: no such file"


def test_a_missing_folder_is_named(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, folder / "inbx" / "march.csv") == (
        f"{folder}/inbx/march.csv: no such file, and no folder {folder}/inbx"
    )


def test_a_link_to_nowhere_is_a_missing_file(folder: Path, scratch: Path) -> None:
    link = folder / "zzz"
    link.symlink_to(folder / "nowhere.csv")

    assert refusal(scratch, link).startswith(f"{link}: no such file")


def test_what_can_not_be_opened_is_named_with_the_reason(tmp_path: Path, scratch: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, chdir(tmp_path):
        listening.bind("socket")

        assert refusal(scratch, "socket") == "socket: can't be opened: No such device or address"


def test_a_name_that_is_too_long_is_refused(scratch: Path) -> None:
    name = "x" * 5000

    assert refusal(scratch, name) == f"{name}: can't be opened: File name too long"


def test_nothing_is_named_when_nothing_is_asked_for(scratch: Path) -> None:
    assert find(scratch) == []


# --- on other machines ---------------------------------------------------------------------------------

CONTENT = b"Order #,Item SKU,Qty Shipped,Tracking #\n1001,MUG,1,TRACK00001\n"
KEYS = base64.b64encode(b"user:s3cr3t/pw").decode()


class Web(ThreadingHTTPServer):
    """Serves one file at /m.csv, another slowly, one that is too large, and one for those who log in."""

    daemon_threads = False

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/private.csv" and self.headers["Authorization"] != f"Basic {KEYS}":
                self.send_error(401)
            elif path == "/cut.csv":
                self._send(CONTENT, len(CONTENT) + 10)
            elif path == "/slow.csv":
                self._send(CONTENT[:10], len(CONTENT))
                self.server.ended.wait(SECONDS)  # type: ignore[attr-defined] # it is a Web
            elif path == "/large.csv":
                self._send(CONTENT * 100, None)
            elif path in {"/m.csv", "/private.csv", "/a%20b.csv"}:
                self._send(CONTENT, len(CONTENT))
            else:
                self.send_error(404)

        def _send(self, content: bytes, length: int | None) -> None:
            self.send_response(200)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Web.Handler)
        self.ended = threading.Event()


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """Where a web server answers, such as 127.0.0.1:8000."""
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.ended.set()
        server.shutdown()
        thread.join()


def fetched(scratch: Path, url: str, remote: Remote) -> tuple[str, bytes]:
    (found,) = sources.find([url], io.BytesIO(), scratch, remote)
    return found.name, found.path.read_bytes()


def unfetched(scratch: Path, url: str, remote: Remote) -> str:
    with pytest.raises(ManifestError) as caught:
        fetched(scratch, url, remote)
    return str(caught.value)


ALONE = Remote({})


def test_a_manifest_is_fetched_from_the_web(web: str, scratch: Path) -> None:
    assert fetched(scratch, f"http://{web}/m.csv", ALONE) == (f"http://{web}/m.csv", CONTENT)
    assert fetched(scratch, f"http://{web}/a%20b.csv", ALONE) == (f"http://{web}/a%20b.csv", CONTENT)
    assert fetched(scratch, f"http://{web}/a b.csv", ALONE) == (f"http://{web}/a b.csv", CONTENT)


def test_a_url_that_is_named_twice_is_fetched_once(web: str, scratch: Path) -> None:
    url = f"http://{web}/m.csv"

    assert len(sources.find([url, url], io.BytesIO(), scratch, ALONE)) == 1


@pytest.mark.parametrize(
    ("user", "environment"), [("user:s3cr3t%2Fpw", {}), ("user", {"IMPORTER_SOURCE_PASSWORD": "s3cr3t/pw"})]
)
def test_a_password_for_the_web_is_of_the_url_or_the_environment_and_never_shown(
    web: str, scratch: Path, user: str, environment: dict[str, str]
) -> None:
    remote = Remote(environment)

    assert fetched(scratch, f"http://{user}@{web}/private.csv?key=s3cr3t", remote) == (
        f"http://user@{web}/private.csv?…",
        CONTENT,
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("private.csv", "the server answered 401 Unauthorized"),
        ("missing.csv", "no such file there"),
    ],
)
def test_what_the_web_does_not_give_is_told_without_a_secret(
    web: str, scratch: Path, path: str, words: str
) -> None:
    assert unfetched(scratch, f"http://user:hunter2@{web}/{path}?sig=hunter2", ALONE) == (
        f"http://user@{web}/{path}?…: can't be fetched: {words}"
    )


def test_a_server_that_speaks_no_tls_is_no_matter_of_certificates(web: str, scratch: Path) -> None:
    assert unfetched(scratch, f"https://{web}/m.csv", ALONE) == (
        f"https://{web}/m.csv: can't be fetched: no TLS could be agreed on with the server; see the port, "
        "and whether it is https://"
    )


def test_a_download_that_is_cut_off_is_refused(web: str, scratch: Path) -> None:
    words = unfetched(scratch, f"http://{web}/cut.csv?sig=hunter2", ALONE)

    assert words.startswith(f"http://{web}/cut.csv?…: can't be fetched: ")
    assert "hunter2" not in words


def test_a_download_has_a_deadline(web: str, scratch: Path) -> None:
    assert unfetched(scratch, f"http://{web}/slow.csv", Remote({}, seconds=0.3)) == (
        f"http://{web}/slow.csv: can't be fetched: it was not there after 0.3 s; try again later, or copy "
        "the file here"
    )


def test_a_download_has_a_limit(web: str, scratch: Path) -> None:
    words = "can't be fetched: it has more than 50 bytes; no manifest is as large"
    remote = Remote({}, limit=50)

    assert unfetched(scratch, f"http://{web}/m.csv", remote) == f"http://{web}/m.csv: {words}"
    assert unfetched(scratch, f"http://{web}/large.csv", remote) == f"http://{web}/large.csv: {words}"


def test_a_server_that_is_not_there_is_told(scratch: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/m.csv"

        assert unfetched(scratch, url, ALONE) == (
            f"{url}: can't be fetched: the server can't be reached; see the host, the port and the network"
        )


@pytest.mark.parametrize("scheme", ["http", "sftp"])
def test_a_host_that_nobody_knows_is_told(scratch: Path, scheme: str) -> None:
    url = f"{scheme}://nowhere.invalid/m.csv"  # RFC 6761: surely none

    assert unfetched(scratch, url, ALONE) == (
        f"{url}: can't be fetched: there is no host of that name, as far as this machine knows; see the name "
        "and the network"
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "ftp://user:hunter2@host/m.csv",
            "ftp://user@host/m.csv: found ftp://, expected one of http, https,",
        ),
        ("https:///m.csv", "https:///m.csv: not the URL of a file; expected one such as sftp://host/folder/"),
        ("sftp://host", "sftp://host: not the URL of a file"),
        ("http://host:port/m.csv", "http://host:port/m.csv: not the URL of a file"),
        ("http://[::1/m.csv", "http://…: not the URL of a file"),
        (
            "http://bob:hun[ter2@host/m.csv",
            (
                "http://…: not the URL of a file; expected one such as sftp://host/folder/file.csv; "
                "percent-encode the password"
            ),
        ),
        *(
            (
                f"sftp://bob:{secret}@host/m.csv",
                "sftp://…: it can't be told where the password ends; percent-",
            )
            for secret in ("hun/ter2", "hun?ter2", "hun#ter2", "12/34", "hun@ter/2")
        ),
    ],
)
def test_a_url_that_can_not_be_read_is_a_fault_of_the_command(scratch: Path, url: str, words: str) -> None:
    with pytest.raises(SetupError) as caught:
        fetched(scratch, url, ALONE)

    assert str(caught.value).startswith(words)


ASKING = """
from pathlib import Path
from importer.errors import SetupError
from importer.manifests.remote import Remote

for scheme in ("http", "s3", "sftp"):
    try:
        Remote({}).fetch(f"{scheme}://u:hunter2@host/m.csv", Path("m.csv"))
    except SetupError as error:
        print(error)
"""


def test_a_missing_extra_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    for name in ("fsspec", "aiohttp"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError(name='{name}')", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(Path(importer.__file__).parent.parent)])
    process = launch([sys.executable, "-c", ASKING], env={**os.environ, "PYTHONPATH": path})

    assert end(process).out.splitlines() == [
        f"{scheme}://u@host/m.csv: a package is missing for {scheme}:// ({package}); "
        f"pip install 'fulfillment-importer[{scheme}]'"
        for scheme, package in (("http", "aiohttp"), ("s3", "fsspec"), ("sftp", "fsspec"))
    ]


def test_a_url_that_can_not_be_read_ends_the_program_as_a_wrong_option_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = here(capsys, "check", "ftp://user:hunter2@host/m.csv")

    assert (ended.status, ended.err) == (
        2,
        (
            "importer: ftp://user@host/m.csv: found ftp://, expected one of http, https, s3, sftp; or copy "
            "the file here and name the copy\n"
        ),
    )


def test_a_manifest_on_the_web_is_checked_like_any_other(
    web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle_in(tmp_path, monkeypatch)

    ended = here(capsys, "check", f"http://{web}/m.csv?sig=hunter2", "--json", "--report", "R")

    assert (ended.status, ended.summary["manifests"][0]["name"]) == (0, f"http://{web}/m.csv?…")
    assert "hunter2" not in ended.out + ended.err + Path("R", "rows.csv").read_text(encoding="utf-8")


# --- SFTP ----------------------------------------------------------------------------------------------


class Station(Struct, frozen=True):
    """An SFTP server: its port, its host key as known_hosts has it, the folder it serves."""

    port: int
    known: str
    folder: Path


class OnePassword(asyncssh.SSHServer):
    """Lets in the user ``dock`` with a password."""

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - everybody has to say who he is
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("dock", "s3cr3t")


@pytest.fixture
def user_key(tmp_path: Path) -> Path:
    """A user's home with a key in ~/.ssh."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(home / ".ssh" / "id_ed25519")
    key.write_public_key(home / ".ssh" / "id_ed25519.pub")
    return home


@pytest.fixture
def station(tmp_path: Path, user_key: Path) -> Iterator[Station]:
    """A running SFTP server that takes the user's key and one password."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "m b.csv").write_bytes(CONTENT)
    (folder / "m.csv").write_bytes(CONTENT)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def chrooted(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=os.fsencode(folder))

    async def listening() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            server_factory=OnePassword,
            authorized_client_keys=str(user_key / ".ssh" / "id_ed25519.pub"),
            sftp_factory=chrooted,
        )

    async def close(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)  # what clients left behind is let go of

    server = asyncio.run_coroutine_threadsafe(listening(), loop).result(SECONDS)
    port = server.get_port()
    public = host_key.export_public_key().decode()
    yield Station(port, f"[127.0.0.1]:{port} {public}", folder)
    asyncio.run_coroutine_threadsafe(close(server), loop).result(SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def at_home(user_key: Path, station: Station, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's ~/.ssh, where the server is known; no agent helps."""
    monkeypatch.setenv("HOME", str(user_key))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (user_key / ".ssh" / "known_hosts").write_text(station.known, encoding="utf-8")
    return user_key / ".ssh"


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("path", ["/m.csv", "/m%20b.csv", "/~/m.csv"])
def test_a_manifest_is_fetched_by_sftp_with_the_key_of_the_user(
    station: Station, scratch: Path, path: str
) -> None:
    url = f"sftp://dock@127.0.0.1:{station.port}{path}"

    assert fetched(scratch, url, ALONE) == (url, CONTENT)


@pytest.mark.parametrize(
    ("user", "environment"), [("dock:s3cr3t", {}), ("dock", {"IMPORTER_SOURCE_PASSWORD": "s3cr3t"})]
)
def test_a_password_for_sftp_is_of_the_url_or_the_environment_and_never_shown(
    station: Station, at_home: Path, scratch: Path, user: str, environment: dict[str, str]
) -> None:
    (at_home / "id_ed25519").unlink()

    assert fetched(scratch, f"sftp://{user}@127.0.0.1:{station.port}/m.csv", Remote(environment)) == (
        f"sftp://dock@127.0.0.1:{station.port}/m.csv",
        CONTENT,
    )


def test_a_wrong_password_for_sftp_is_told_and_not_shown(
    station: Station, at_home: Path, scratch: Path
) -> None:
    (at_home / "id_ed25519").unlink()

    assert unfetched(scratch, f"sftp://dock:hunter2@127.0.0.1:{station.port}/m.csv", ALONE) == (
        f"sftp://dock@127.0.0.1:{station.port}/m.csv: can't be fetched: access is refused; see the user, the "
        "keys, or the password in IMPORTER_SOURCE_PASSWORD"
    )


@pytest.mark.parametrize("known", ["", "another"])
def test_a_server_whose_host_key_is_not_the_known_one_gets_nothing(
    station: Station, at_home: Path, scratch: Path, known: str
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (at_home / "known_hosts").write_text(
        f"[127.0.0.1]:{station.port} {other}" if known else "", encoding="utf-8"
    )

    assert unfetched(scratch, f"sftp://dock:s3cr3t@127.0.0.1:{station.port}/m.csv", ALONE) == (
        f"sftp://dock@127.0.0.1:{station.port}/m.csv: can't be fetched: the server's host key is not the one "
        "in ~/.ssh/known_hosts, or none is there; compare its fingerprint with what its owner says, and "
        "connect once with ssh"
    )


@pytest.mark.usefixtures("at_home")
def test_what_is_not_there_or_too_large_by_sftp_is_told(station: Station, scratch: Path) -> None:
    place = f"sftp://dock@127.0.0.1:{station.port}"

    assert unfetched(scratch, f"{place}/x.csv", ALONE) == (
        f"{place}/x.csv: can't be fetched: no such file there"
    )
    assert unfetched(scratch, f"{place}/m.csv", Remote({}, limit=50)) == (
        f"{place}/m.csv: can't be fetched: it has more than 50 bytes; no manifest is as large"
    )


# --- S3 ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Where an S3 server answers; its bucket ``docks`` has ``in/m.csv``."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for path, content in (("docks", b""), ("docks/in/m%20b.csv", CONTENT)):
        put = urllib.request.Request(f"{url}/{path}", content, {"Content-Type": "text/csv"}, method="PUT")  # noqa: S310 - http on loopback
        urllib.request.urlopen(put).close()  # noqa: S310 - http on loopback
    yield url
    server.stop()


@pytest.fixture
def at_store(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, as the environment says it to Amazon's tools."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    return store


@pytest.mark.usefixtures("at_store")
def test_a_manifest_is_fetched_from_s3(scratch: Path) -> None:
    assert fetched(scratch, "s3://docks/in/m%20b.csv", ALONE) == ("s3://docks/in/m%20b.csv", CONTENT)


@pytest.mark.usefixtures("at_store")
@pytest.mark.parametrize("path", ["docks/in/x.csv", "nowhere/m.csv"])
def test_what_is_not_in_s3_is_told(scratch: Path, path: str) -> None:
    assert unfetched(scratch, f"s3://{path}", ALONE) == f"s3://{path}: can't be fetched: no such file there"


@pytest.mark.usefixtures("at_store")
def test_what_is_too_large_in_s3_is_told(scratch: Path) -> None:
    assert unfetched(scratch, "s3://docks/in/m%20b.csv", Remote({}, limit=50)) == (
        "s3://docks/in/m%20b.csv: can't be fetched: it has more than 50 bytes; no manifest is as large"
    )


@pytest.mark.usefixtures("at_store")
def test_s3_without_keys_is_told(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert unfetched(scratch, "s3://docks/in/m%20b.csv", ALONE) == (
        "s3://docks/in/m%20b.csv: can't be fetched: no keys for S3; set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )


@pytest.mark.usefixtures("at_store")
def test_s3_that_is_not_there_is_told(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")

        assert unfetched(scratch, "s3://docks/in/m.csv", ALONE) == (
            "s3://docks/in/m.csv: can't be fetched: S3 can't be reached; see the network, and "
            "AWS_ENDPOINT_URL if it is set"
        )
