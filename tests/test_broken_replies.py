"""Whatever comes back broken: the report says what came, its sums hold, and nothing is sent again."""

import json
import re
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from msgspec import Struct

from tests.program import SECONDS, Ended, configuration, here, manifest, settle_in, table

CANARY = "canary/3f9c+Zq81=w7"
PARTS_OF_IT = ("cana", "3f9c", "Zq81")
Output = pytest.CaptureFixture[str]
Parts = Callable[[], Iterable[bytes]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", CANARY)
    manifest(tmp_path / "m.csv", "1001,MUG,1,TRACK00000", "1002,MUG,0,TRACK00001", "1003,MUG,1,TRACK00002")


@pytest.fixture(params=["own", "httpx"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each of those that speak HTTP, which are to tell the same."""
    return str(request.param)


class RawServer:
    """Reads one request of a connection, sends ``parts`` as they are, and closes or hangs up (``reset``)."""

    def __init__(self, parts: Parts, *, reset: bool = False) -> None:
        self.requests: list[bytes] = []
        self.delivered: list[int] = []
        self._parts = parts
        self._reset = reset
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.settimeout(SECONDS)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        delivered = 0
        with connection, suppress(ConnectionError):  # the client goes away from most of this
            self.requests.append(_request(connection))
            for part in self._parts():
                connection.sendall(part)
                delivered += len(part)
            if self._reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.delivered.append(delivered)


def _request(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        head = b"".join(iter(file.readline, b"\r\n"))
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None
        return head + file.read(int(length[1]))


# --- what comes back -----------------------------------------------------------------------------------


def replying(status: str, *headers: str, body: bytes = b"") -> Parts:
    """Such a reply, whatever its headers say of its body."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""])
    return lambda: [head.encode() + body]


def huge() -> Iterable[bytes]:
    """A reply of 50 MB."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 50000000\r\n\r\n"
    yield f"It says {CANARY}: ".encode()
    for _ in range(50):
        yield b"x" * 1_000_000


def dripping() -> Iterable[bytes]:
    """A reply that never ends, a byte at a time."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + HALF
    for _ in range(200):
        time.sleep(0.05)
        yield b" "


def bomb() -> Iterable[bytes]:
    """200 MB in 200 kB, in a coding that was not asked for."""
    deflater = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n"
    yield deflater.compress(HALF)
    for _ in range(200):
        yield deflater.compress(bytes(1_000_000))
    yield deflater.flush()


def many_headers() -> Iterable[bytes]:
    """A head of 1 MB."""
    yield b"HTTP/1.1 200 OK\r\n"
    for _ in range(1000):
        yield b"X-Echo: " + CANARY.encode() * 50 + b"\r\n"


JSON = "Content-Type: application/json"
HALF = f'{{"order_id": 1001, "token": "{CANARY}", "status": "cr'.encode()
HALF_MASKED = '{"order_id": 1001, "token": "***", "status": "cr'
CUT_OFF = "HTTP 200, but the reply was cut off after N bytes"
NO_JSON = "the destination answered 200 with what is no JSON object"
NOT_WHOLE = "the destination answered 200 with a reply that was cut off"
TOO_LONG = "the destination answered 200 with a reply of more than 1 MB, which was not read any further"
LOST = "the connection was lost after the request was sent"
ESCAPED = r"\x00Gr\xf6\xdfe "
NULLS = r"\x00" * 1000
CHUNKED = b"%x\r\n%s\r\n" % (len(HALF), HALF)
MOST = 2045
"""Of a body, so many bytes are shown, and "…" after them."""

PAGE = f"<html>\n  <h1>Welcome</h1>\n  <!-- {CANARY} --></html>".encode()


def shown(text: str = HALF_MASKED, content_type: str = "application/json") -> str:
    """How a message quotes a body."""
    return f"({content_type}: '{text}')"


class Case(Struct, frozen=True):
    """A broken reply, and what is told of it; ``N`` stands for a number of bytes that depends on chance."""

    parts: Parts
    message: str
    http_status: str = "200"
    reset: bool = False
    timeout: float = 30


CASES = {
    "truncated": Case(replying("200 OK", JSON, "Content-Length: 500", body=HALF), f"{CUT_OFF} {shown()}"),
    "truncated within the token": Case(
        replying("200 OK", JSON, "Content-Length: 500", body=HALF.partition(b"Zq81")[0]),
        f"{CUT_OFF} {shown(HALF_MASKED.partition('***')[0] + '***')}",
    ),
    "chunked, and cut": Case(
        replying("200 OK", JSON, "Transfer-Encoding: chunked", body=CHUNKED), f"{CUT_OFF} {shown()}"
    ),
    "chunked, and cut within a chunk": Case(
        replying("200 OK", JSON, "Transfer-Encoding: chunked", body=CHUNKED + b"ff\r\neated"),
        f"{CUT_OFF} {shown(HALF_MASKED + 'eated')}",
    ),
    "chunked, and then no chunk": Case(
        replying("200 OK", JSON, "Transfer-Encoding: chunked", body=CHUNKED + b"<html>\r\n"),
        f"{CUT_OFF} {shown()}",
    ),
    "half of it, and closed": Case(replying("200 OK", JSON, body=HALF), f"{NO_JSON} {shown()}"),
    "50 MB": Case(huge, f"{TOO_LONG} {shown(('It says ***: ' + 'x' * MOST)[:MOST] + '…', 'text/plain')}"),
    "dripping past the deadline": Case(
        dripping, f"HTTP 200, but no end of the reply came within 0.3 s after N bytes {shown()}", timeout=0.3
    ),
    "a page": Case(
        replying("200 OK", "content-type: text/html; charset=UTF-8", body=PAGE),
        f"{NO_JSON} {shown('<html> <h1>Welcome</h1> <!-- *** --></html>', 'text/html; charset=UTF-8')}",
    ),
    "a page that has the token as pages have it": Case(
        replying("200 OK", "Content-Type: text/html", body=b"X-Adm: canary&#x2F;3f9c&#43;Zq81&#61;w7;"),
        f"{NO_JSON} {shown('X-Adm: ***;', 'text/html')}",
    ),
    "bytes that the charset does not have": Case(
        replying("200 OK", "Content-Type: text/plain; charset=utf-8", body=b"\x00Gr\xf6\xdfe " + HALF),
        f"{NO_JSON} {shown(ESCAPED + HALF_MASKED, 'text/plain; charset=utf-8')}",
    ),
    "a charset that there is not": Case(
        replying("200 OK", f"{JSON}; charset=klingon", body=HALF),
        f"{NO_JSON} {shown(content_type='application/json; charset=klingon')}",
    ),
    "a charset that is another": Case(
        replying("200 OK", f"{JSON}; charset=utf-16", body=f" {CANARY}".encode()),
        f"{NO_JSON} {shown(b' ***'.decode('utf-16'), 'application/json; charset=utf-16')}",
    ),
    "a bomb": Case(bomb, f"{TOO_LONG} {shown((HALF_MASKED + NULLS)[:MOST] + '…')}"),
    "a coding that nobody knows": Case(
        replying("200 OK", JSON, f"Content-Encoding: {CANARY}", body=HALF), f"{NOT_WHOLE} {shown()}"
    ),
    "empty": Case(replying("200 OK", "Content-Length: 0"), f"{NO_JSON} (no content type, empty)"),
    "empty, and closed": Case(replying("200 OK", JSON), f"{NO_JSON} (application/json, empty)"),
    "no content, with some": Case(
        replying("204 No Content", body=HALF), "the destination answered 204 (no content type, empty)", "204"
    ),
    "no HTTP": Case(
        lambda: [f"220 {CANARY} ESMTP\r\n\r\n".encode()],
        "what came back is not HTTP: illegal status line: '220 *** ESMTP'",
        "",
    ),
    "a head of 1 MB": Case(many_headers, "what came back is not HTTP: receive buffer too long", ""),
    "a status line and a reset": Case(lambda: [b"HTTP/1.1 200 OK\r\n"], LOST, "", reset=True),
    "nothing": Case(list, LOST, ""),
    "a refusal that was cut off": Case(
        replying("404 Not Found", JSON, "Content-Length: 500", body=HALF),
        f"HTTP 404, but the reply was cut off after N bytes {shown()}",
        "404",
    ),
    "a server error that was cut off": Case(
        replying("500 Oops", JSON, "Content-Length: 500", body=HALF),
        f"HTTP 500, but the reply was cut off after N bytes {shown()}",
        "500",
    ),
}


# --- what is told of it --------------------------------------------------------------------------------


def post(output: Output, report: str) -> Ended:
    return here(output, "-v", "post", "m.csv", "--max-attempts", 1, "--report", report)


def rows(report: str) -> list[tuple[str, str, str, str]]:
    """Status, code, HTTP status and message of each row."""
    names = ("import_status", "import_code", "import_http_status", "import_message")
    found = [tuple(row[name] for name in names) for row in table(Path(report, "rows.csv"))]
    return [
        (status, code, http, re.sub(r"after \d+ b", "after N b", said)) for status, code, http, said in found
    ]


def check_sums(report: str) -> None:
    """Every row of the manifest is there once, and the summary counts what the table has."""
    found = table(Path(report, "rows.csv"))
    summary = json.loads(Path(report, "summary.json").read_text(encoding="utf-8"))
    assert [row["import_row"] for row in found] == ["2", "3", "4"]
    assert [row["Tracking #"] for row in found] == ["TRACK00000", "TRACK00001", "TRACK00002"]
    counts = Counter(row["import_status"] for row in found)
    assert {status: count for status, count in summary["rows"].items() if count} == {**counts, "total": 3}
    assert {status: count for status, count in summary["fulfillments"].items() if count} == {
        **counts,
        "total": 3,
    }
    assert summary["errors"] == dict(Counter(row["import_code"] for row in found))


def traces(*ended: Ended) -> list[str]:
    """Where a part of the token stands: outputs by number, files by path."""
    outputs = {f"{number}": f"{each.out}{each.err}".encode() for number, each in enumerate(ended)}
    files = {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    return [
        place
        for place, text in (outputs | files).items()
        if any(part.encode() in text for part in PARTS_OF_IT)
    ]


INVALID = ("invalid", "quantity-below-one", "")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_reply_leaves_its_fulfillment_in_doubt_6(capsys: Output, transport: str, case: Case) -> None:
    with RawServer(case.parts, reset=case.reset) as server:
        configuration(Path("importer.toml"), server.url, timeout=case.timeout, transport=transport)
        first = post(capsys, "first")
        requests = len(server.requests)
        second = post(capsys, "second")

    message = f"{case.message}; it is not known whether the fulfillment was created"
    in_doubt = ("in-doubt", "outcome-unknown", case.http_status, message)
    run = json.loads(Path("first/summary.json").read_text(encoding="utf-8"))["run_id"]
    again = (*in_doubt[:3], f"{message} (run {run}; not sent again)")
    assert (first.status, second.status) == (6, 6)
    assert [rows("first")[0], rows("first")[2]] == [in_doubt] * 2
    assert [rows("second")[0], rows("second")[2]] == [again] * 2
    assert rows("first")[1] == rows("second")[1]
    assert rows("first")[1][:3] == INVALID
    check_sums("first")
    check_sums("second")
    assert (requests, len(server.requests)) == (2, 2)
    assert traces(first, second) == []


def test_of_a_huge_reply_only_the_beginning_is_fetched(capsys: Output, transport: str) -> None:
    with RawServer(huge) as server:
        configuration(Path("importer.toml"), server.url, transport=transport)
        post(capsys, "report")

    assert len(server.delivered) == 2
    assert max(server.delivered) < 50_000_000


ADVICE = "check the token of [destinations.adm], its auth_header and auth_scheme"
STOPS = {
    "401 Unauthorized": f"the destination refuses the token: 401 Unauthorized {shown()}; {ADVICE}",
    "403 Forbidden": f"the destination refuses the token: 403 Forbidden {shown()}; {ADVICE}",
    "302 Found": f"the destination answered 302 and points to /login?*** {shown()}; "
    "correct base_url or path of [destinations.adm], which give URL",
}


@pytest.mark.parametrize("status", STOPS)
def test_a_reply_that_broke_off_after_a_head_that_says_it_all_stops_the_run_4(
    capsys: Output, transport: str, status: str
) -> None:
    location = f"Location: /login?{CANARY}"
    with RawServer(replying(status, JSON, location, "Content-Length: 500", body=HALF)) as server:
        configuration(Path("importer.toml"), server.url, transport=transport)
        ended = post(capsys, "report")

    reason = STOPS[status].replace("URL", f"{server.url}/fulfillments/create")
    code = f"destination-{status[:3]}"
    assert (ended.status, len(server.requests)) == (4, 1)
    assert rows("report")[0] == ("not-sent", code, status[:3], reason)
    assert rows("report")[1][:3] == INVALID
    assert rows("report")[2] == ("not-sent", "run-stopped", "", f"not sent: {reason}")
    check_sums("report")
    assert traces(ended) == []


def test_a_destination_that_is_too_busy_to_say_so_to_the_end_is_asked_again_later_1(
    capsys: Output, transport: str
) -> None:
    busy = replying("429 Slow Down", JSON, "Retry-After: 0", "Content-Length: 500", body=HALF)
    with RawServer(busy) as server:
        configuration(Path("importer.toml"), server.url, transport=transport)
        ended = post(capsys, "report")

    failed = ("failed", "destination-429", "429", f"429 Too Many Requests {shown()}")
    assert (ended.status, len(server.requests)) == (1, 2)
    assert [rows("report")[0], rows("report")[2]] == [failed] * 2
    check_sums("report")
    assert traces(ended) == []
