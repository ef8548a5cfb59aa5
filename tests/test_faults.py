"""The sandbox misbehaves on demand: which request meets which fault, and what then goes over the wire."""

import gzip
import json
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import Struct

from importer.errors import SetupError
from importer.sandbox import REHEARSALS, Faults, Sandbox, Store, rehearsal
from importer.sandbox.adm import documented
from importer.sandbox.faults import Fault
from importer.sandbox.kinds import KINDS, End, Plan, Usual
from tests.program import end, here, settle_in, start

AT = datetime(2024, 4, 30, 12, tzinfo=UTC)
ORDER = 7
USUAL = Usual(200, {"order_id": ORDER, "status": "created"}, documented)


def of(*entries: dict[str, object], seed: int = 0) -> Faults:
    return Faults({"seed": seed, "faults": list(entries)}, "here")


def kinds(faults: Faults, requests: int, order: str = "", tracking: str = "T") -> list[str]:
    """The kinds that so many requests get, for ``order`` or each for its own; "" where all is well."""
    found = [faults.choose((order or str(number),), tracking) for number in range(1, requests + 1)]
    return [fault.kind if fault else "" for fault in found]


def hit(entry: dict[str, object], requests: int = 12) -> list[int]:
    """The numbers of the requests that an entry chooses."""
    found = kinds(of({"kind": "500", **entry}), requests)
    return [number for number, kind in enumerate(found, start=1) if kind]


# --- which request -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selectors", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ({"requests": [3, 4]}, [3, 4]),
        ({"every": 5}, [5, 10]),
        ({"from": 9}, [9, 10, 11, 12]),
        ({"until": 2}, [1, 2]),
        ({"from": 4, "until": 6}, [4, 5, 6]),
        ({"orders": [5, "7"]}, [5, 7]),
        ({"tracking_numbers": ["U"]}, []),
        ({"tracking_numbers": ["T"], "every": 6}, [6, 12]),
        ({"every": 2, "from": 5, "times": 2}, [6, 8]),
        ({"probability": 0}, []),
        ({"probability": 1, "until": 1}, [1]),
    ],
)
def test_an_entry_chooses_the_requests_that_all_its_selectors_fit(
    selectors: dict[str, object], numbers: list[int]
) -> None:
    assert hit(selectors) == numbers


def test_the_first_entry_that_fits_wins_and_one_that_is_used_up_gives_way() -> None:
    faults = of(
        {"kind": "429", "requests": [2]},
        {"kind": "502", "from": 2, "times": 2},
        {"kind": "hang", "until": 4},
    )
    assert kinds(faults, 6) == ["hang", "429", "502", "502", "", ""]
    assert (faults.used, faults.requests) == ([1, 2, 1], 6)


def test_times_per_fulfillment_counts_for_each_of_them() -> None:
    faults = of({"kind": "500", "times": 2, "per_fulfillment": True})
    assert kinds(faults, 3, "1") == ["500", "500", ""]
    assert kinds(faults, 3, "2") == ["500", "500", ""]
    assert kinds(faults, 3, "2", "U") == ["500", "500", ""]


def test_a_probability_chooses_requests_or_per_fulfillment_all_of_one() -> None:
    by_request = of({"kind": "500", "probability": 0.5})
    by_fulfillment = of({"kind": "500", "probability": 0.5, "per_fulfillment": True})
    assert [len(set(kinds(by_request, 20, str(order)))) for order in range(5)] == [2] * 5
    each = [set(kinds(by_fulfillment, 20, str(order))) for order in range(40)]
    assert {tuple(one) for one in each} == {("",), ("500",)}


def test_the_draw_is_that_of_the_seed_and_the_fulfillment_whatever_comes_when() -> None:
    names = [str(order) for order in range(2000)]

    def drawn(seed: int, order: list[str]) -> set[str]:
        faults = of({"kind": "500", "probability": 0.1}, seed=seed)
        return {name for name in order if faults.choose((name,), "T")}

    assert drawn(7, names) == drawn(7, names[::-1])
    assert drawn(7, names) != drawn(8, names)
    assert 100 < len(drawn(7, names)) < 300


def test_many_threads_get_each_number_once() -> None:
    faults = of({"kind": "500", "every": 3, "times": 100}, {"kind": "429", "every": 5})
    with ThreadPoolExecutor(16) as threads:
        found = Counter(
            fault.kind if fault else ""
            for fault in threads.map(lambda order: faults.choose((str(order),), "T"), range(600))
        )
    assert found == {"500": 100, "429": 120 - 20, "": 400}
    assert faults.used == [100, 100]


# --- the document --------------------------------------------------------------------------------------

KNOWN_KINDS = ", ".join(KINDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1.5", "seed: found 1.5, expected a whole number from "),
        ("sed = 1", 'key: found "sed", expected one that is known; did you mean seed?'),
        ("faults = 1", "faults: found 1, expected a list of faults, [[faults]] in TOML"),
        ("faults = [1]", "fault 1: found 1, expected an object with a kind"),
        ("[[faults]]", f"fault 1 kind: found nothing, expected one of {KNOWN_KINDS}"),
        (
            '[[faults]]\nkind = "429"\n[[faults]]\nkind = "fire"',
            f'fault 2 kind: found "fire", expected one of {KNOWN_KINDS}',
        ),
        (
            '[[faults]]\nkind = "dripp"',
            f'fault 1 kind: found "dripp", expected one of {KNOWN_KINDS}; did you mean drip?',
        ),
        (
            '[[faults]]\nkind = "429"\nretryafter = "1"',
            'fault 1 key: found "retryafter", expected one that is known; did you mean retry_after?',
        ),
        (
            '[[faults]]\nkind = "500"\nseconds = 1',
            'fault 1 key: found "seconds", expected one that is known; known is kind, method, requests, ',
        ),
        (
            '[[faults]]\nkind = "429"\nretry_after = 1',
            'fault 1 retry_after: found 1, expected text as the header has it, such as "5", or "" for none',
        ),
        (
            '[[faults]]\nkind = "redirect"\nlocation = "a\\r\\nb: c"',
            'fault 1 location: found "a\\r\\nb: c", expected an address',
        ),
        (
            '[[faults]]\nkind = "redirect"\nstatus = 200',
            "fault 1 status: found 200, expected a whole number from 300 to 399",
        ),
        (
            '[[faults]]\nkind = "charset"\nencoding = "utf-8"',
            'fault 1 encoding: found "utf-8", expected "utf-16" or "broken"',
        ),
        (
            '[[faults]]\nkind = "charset"\nstatus = 418',
            "fault 1 status: found 418, expected one of 401, 404, 429, 500, 503",
        ),
        (
            '[[faults]]\nkind = "latency"\nseconds = nan',
            "fault 1 seconds: found NaN, expected seconds from 0 to 3600",
        ),
        ('[[faults]]\nkind = "500"\nevery = 0', "fault 1 every: found 0, expected a whole number from 1 on"),
        (
            '[[faults]]\nkind = "500"\nrequests = [1, true]',
            "fault 1 requests: found [1, true], expected a list of whole numbers from 1 on",
        ),
        (
            '[[faults]]\nkind = "500"\norders = [2024-04-30]',
            'fault 1 orders: found ["2024-04-30"], expected a list of order ids, as numbers or text',
        ),
        (
            '[[faults]]\nkind = "500"\nprobability = 2',
            "fault 1 probability: found 2, expected a number from 0 to 1",
        ),
        ('[[faults]]\nkind = "500"\neffect = 1', "fault 1 effect: found 1, expected true or false"),
        (
            '[[faults]]\nkind = "500"\nfrom = 5\nuntil = 4',
            "fault 1 until: found 4, expected 5 or more, as from says",
        ),
        (
            '[[faults]]\nkind = "500"\nper_fulfillment = true',
            "fault 1 per_fulfillment: found true, expected times or probability beside it",
        ),
        ("[[faults", "found no TOML (Expected "),
        ("\xff", "found no TOML (not UTF-8 text), expected a file with [[faults]]"),
    ],
)
def test_a_faults_file_that_is_wrong_is_named_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SetupError) as error:
        Faults.from_file(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_faults_file_that_is_not_there_and_a_rehearsal_that_is_not_known_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as missing:
        Faults.from_file(tmp_path / "none.toml")
    with pytest.raises(SetupError) as unknown:
        rehearsal("bad-nite")
    assert str(missing.value) == f"{tmp_path / 'none.toml'}: can't be read: No such file or directory"
    assert str(unknown.value) == (
        "rehearsal 'bad-nite': unknown; there is bad-night, busy, gone, outage; did you mean bad-night?"
    )


def test_a_document_is_told_in_its_own_words_or_by_its_kinds() -> None:
    entries = [{"kind": "500"}, {"kind": "hang"}, {"kind": "500"}]
    documents = [{}, {"faults": entries}, {"faults": entries, "description": "a bad day"}]
    assert [Faults(document, "here").words for document in documents] == ["", "500, hang", "a bad day"]


# --- the rehearsals ------------------------------------------------------------------------------------


def test_every_rehearsal_is_told_in_a_line_and_leaves_the_first_request_alone() -> None:
    assert list(REHEARSALS) == ["bad-night", "busy", "gone", "outage"]
    assert {name: rehearsal(name).words for name in REHEARSALS} == dict(REHEARSALS)
    assert [kinds(rehearsal(name), 1) for name in REHEARSALS] == [[""]] * 4


def test_a_bad_night_has_a_bit_of_everything_and_leaves_most_of_it_well() -> None:
    found = Counter(kinds(rehearsal("bad-night"), 2000))
    assert set(found) == {
        *("", "429", "500", "502", "drop-before", "drop-after", "reset", "truncate", "latency")
    }
    assert found[""] > 1700
    assert [kind for kind in kinds(rehearsal("bad-night"), 12) if kind] == ["429", "500", "drop-after"]


def test_on_a_bad_night_some_fulfillments_fail_for_good_and_others_pass_at_the_third_try() -> None:
    faults = rehearsal("bad-night")
    tried = Counter(
        tuple(fault.kind if (fault := faults.choose((str(order),), "T")) else "" for _ in range(5))
        for order in range(3000)
    )
    assert tried["500", "500", "500", "500", "500"] > 3
    assert tried["500", "500", "", "", ""] > 30


@pytest.mark.parametrize(
    ("name", "stretches"),
    [
        ("outage", [("", 29), ("502", 23), ("drop-before", 8), ("", 140)]),
        ("gone", [("", 50), *[("drop-before", 1), ("503", 1)] * 75]),
    ],
)
def test_an_outage_passes_and_what_is_gone_stays_away(name: str, stretches: list[tuple[str, int]]) -> None:
    assert kinds(rehearsal(name), 200) == [kind for kind, length in stretches for _ in range(length)]


def test_a_busy_platform_stops_being_busy() -> None:
    found = kinds(rehearsal("busy"), 1000)
    assert set(found) == {"", "429"}
    assert set(found[400:]) == {""}


# --- what goes over the wire ---------------------------------------------------------------------------


class Heard(Struct, frozen=True):
    """What came back; ``status`` 0 when no answer did, ``end`` how the connection ended."""

    status: int
    headers: dict[str, str]
    body: bytes
    end: str


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all of these tests: each sets its own faults and has a tracking number of its own."""
    with Sandbox(Store.any_order(now=lambda: AT)) as sandbox:
        yield sandbox


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        yield client
        client.delete("/faults.json")


def connected(sandbox: Sandbox, tracking: str, content: bytes | None = None) -> socket.socket:
    body = content or json.dumps({"order_id": ORDER, "tracking_number": tracking}).encode()
    connection = socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=20)
    connection.sendall(
        b"POST /fulfillments/create HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    return connection


def heard(sandbox: Sandbox, tracking: str = "T-0", content: bytes | None = None) -> Heard:
    received = bytearray()
    ended = "closed"
    with connected(sandbox, tracking, content) as connection:
        try:
            while some := connection.recv(65_536):
                received += some
        except ConnectionResetError:
            ended = "reset"
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Heard(int(first.split(" ")[1]) if first else 0, headers, body, ended)


def usual(tracking: str, order: int = ORDER) -> bytes:
    content = {
        "order_id": order,
        "status": "created",
        "tracking_number": tracking,
        "created_at": "2024-04-30T12:00:00Z",
    }
    return json.dumps(content).encode()


def in_words(error: str, message: str) -> bytes:
    return json.dumps({"error": error, "message": message}).encode()


def html(title: str) -> bytes:
    page = "<!doctype html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
    return page.format(title).encode()


U = usual("T-0")
SERVER_ERROR = in_words("Server Error", "An error occurred on our server. Please try again later.")
TOO_MANY = in_words("Too Many Requests", "Too many requests were sent. Please try again later.")
UNAVAILABLE = in_words("Service Unavailable", "The service is down for maintenance. Please try again later.")
ANSWERS: list[tuple[str, dict[str, object], int, bytes, int]] = [
    ("latency", {"seconds": 0.01}, 200, U, 1),
    ("429", {}, 429, TOO_MANY, 0),
    ("503", {}, 503, UNAVAILABLE, 0),
    ("500", {}, 500, SERVER_ERROR, 0),
    ("500-html", {}, 500, html("500 Internal Server Error"), 0),
    ("502", {}, 502, html("502 Bad Gateway"), 0),
    ("504", {}, 504, html("504 Gateway Time-out"), 1),
    ("401", {}, 401, in_words("Unauthorized Request", "The key provided is invalid."), 0),
    ("404", {}, 404, in_words("Order Not Found", "The order with the specified ID was not found."), 0),
    ("redirect", {}, 307, b"", 0),
    ("drop-before", {}, 0, b"", 0),
    ("drop-after", {}, 0, b"", 1),
    ("reset", {}, 0, b"", 0),
    ("truncate", {"bytes": 12}, 200, U[:12], 1),
    ("truncate", {"bytes": 9999}, 200, U[:-1], 1),
    ("truncate-chunked", {}, 200, b"%x\r\n%b\r\n" % (len(U) // 2, U[: len(U) // 2]), 1),
    ("cut-body", {}, 200, U[: len(U) // 2], 1),
    ("hang", {"seconds": 0.01}, 200, U, 1),
    ("drip", {"seconds": 0.0001}, 200, U, 1),
    ("empty", {}, 200, b"", 1),
    ("other-order", {}, 200, usual("T-0", ORDER + 1), 1),
    ("charset", {}, 200, U.decode().encode("utf-16"), 1),
    ("charset", {"encoding": "broken"}, 200, U[:-1] + b', "note": "caf\xe9"}', 1),
    ("500", {"effect": True}, 500, SERVER_ERROR, 1),
    ("drop-after", {"effect": False}, 0, b"", 0),
]


@pytest.mark.parametrize(
    ("kind", "own", "status", "body", "created"), ANSWERS, ids=[f"{kind} {own}" for kind, own, *_ in ANSWERS]
)
def test_a_fault_answers_as_its_kind_says_and_creates_or_not(
    sandbox: Sandbox,
    control: httpx.Client,
    kind: str,
    own: dict[str, object],
    status: int,
    body: bytes,
    created: int,
) -> None:
    before = len(sandbox.store.created)
    control.put("/faults.json", json={"faults": [{"kind": kind, **own}]})
    answer = heard(sandbox, "T-0")
    assert (answer.status, answer.body) == (status, body)
    assert answer.end == ("reset" if kind == "reset" else "closed")
    assert len(sandbox.store.created) - before == created
    seen = sandbox.store.requests[-1]
    assert (seen.status, seen.fault) == (status, kind)


def test_every_kind_is_tried_here() -> None:
    elsewhere = {"html", "huge", "bomb"}
    assert {answer[0] for answer in ANSWERS} | elsewhere == set(KINDS)


@pytest.mark.parametrize(
    ("entry", "headers"),
    [
        ({"kind": "429"}, {"retry-after": "1"}),
        (
            {"kind": "503", "retry_after": "Sun, 01 May 2044 00:00:00 GMT"},
            {"retry-after": "sun, 01 may 2044 00:00:00 gmt"},
        ),
        ({"kind": "429", "retry_after": ""}, {}),
        ({"kind": "redirect"}, {"location": "https://login.example.com/"}),
        ({"kind": "redirect", "location": "/elsewhere"}, {"location": "/elsewhere"}),
        ({"kind": "truncate"}, {"content-length": str(len(U))}),
        ({"kind": "truncate-chunked"}, {"transfer-encoding": "chunked"}),
        ({"kind": "cut-body"}, {"content-length": str(len(U) // 2)}),
        ({"kind": "502"}, {"content-type": "text/html; charset=utf-8"}),
        ({"kind": "charset"}, {"content-type": "application/json; charset=utf-16"}),
        ({"kind": "charset", "encoding": "broken"}, {"content-type": "application/json; charset=utf-8"}),
    ],
)
def test_a_fault_has_the_headers_of_its_kind(
    sandbox: Sandbox, control: httpx.Client, entry: dict[str, object], headers: dict[str, str]
) -> None:
    control.put("/faults.json", json={"faults": [entry]})
    answered = heard(sandbox).headers
    names = ("retry-after", "location", "transfer-encoding")
    assert {name: answered[name] for name in answered if name in {*names, *headers}} == headers


def test_a_redirect_and_a_charset_have_the_status_that_they_are_given(
    sandbox: Sandbox, control: httpx.Client
) -> None:
    entries = [
        {"kind": "redirect", "status": 302, "requests": [1]},
        {"kind": "charset", "status": 500, "requests": [2]},
    ]
    control.put("/faults.json", json={"faults": entries})
    redirected, error = heard(sandbox), heard(sandbox)
    assert (redirected.status, error.status) == (302, 500)
    assert error.body.decode("utf-16").encode() == SERVER_ERROR


def test_a_login_page_creates_nothing(sandbox: Sandbox, control: httpx.Client) -> None:
    before = len(sandbox.store.created)
    control.put("/faults.json", json={"faults": [{"kind": "html"}]})
    answer = heard(sandbox)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'<input name="password">' in answer.body
    assert len(sandbox.store.created) == before


def test_a_huge_answer_is_json_of_the_size_that_was_asked_for(
    sandbox: Sandbox, control: httpx.Client
) -> None:
    control.put("/faults.json", json={"faults": [{"kind": "huge", "bytes": 300_000}]})
    answer = heard(sandbox)
    assert (answer.status, len(answer.body), answer.headers["content-length"]) == (200, 300_000, "300000")
    padding = json.loads(answer.body).pop("padding")
    assert set(padding) == {"x"}


def test_a_huge_answer_that_nobody_reads_keeps_neither_the_next_one_nor_the_end_waiting() -> None:
    faults = of({"kind": "huge", "requests": [1]})
    with Sandbox(Store.any_order(now=lambda: AT), faults=faults) as sandbox:
        unread = connected(sandbox, "T-1")
        unread.recv(1)
        assert heard(sandbox, "T-2").body == usual("T-2")
    unread.close()


def test_a_bomb_is_small_and_inflates_to_the_size_that_was_asked_for(
    sandbox: Sandbox, control: httpx.Client
) -> None:
    control.put("/faults.json", json={"faults": [{"kind": "bomb", "bytes": 2_000_000}]})
    answer = heard(sandbox)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 10_000
    assert len(json.loads(gzip.decompress(answer.body))["padding"]) == 2_000_000


def test_a_bomb_inflates_to_100_mb_where_nothing_else_is_said() -> None:
    plan = Fault("bomb", effect=True, own={"bytes": KINDS["bomb"].keys["bytes"].default}).plan(USUAL)
    (packed,) = plan.body
    assert len(packed) < 200_000
    assert int.from_bytes(packed[-4:], "little") > 100_000_000  # RFC 1952, 2.3.1: ISIZE


def planned(kind: str, **own: object) -> Plan:
    return Fault(kind, effect=True, own=own).plan(USUAL)


def test_what_is_slow_waits_before_the_answer_or_between_its_bytes() -> None:
    latency, hang, slow, drip = (
        planned("latency", seconds=3),
        planned("hang", seconds=None),
        planned("hang", seconds=3),
        planned("drip", seconds=3),
    )
    assert (latency.wait, latency.end) == (3, End.KEPT)
    assert (hang.wait, hang.status) == (float("inf"), 0)
    assert (slow.wait, slow.status) == (3, 200)
    assert (drip.pause, {len(piece) for piece in drip.body}) == (3, {1})


def test_what_hangs_is_created_and_is_let_go_when_its_client_leaves_or_the_sandbox_does() -> None:
    with Sandbox(Store.any_order(), faults=of({"kind": "hang"}, {"kind": "drip"})) as sandbox:
        left, stays = connected(sandbox, "T-1"), connected(sandbox, "T-2")
        left.settimeout(0.2)
        with pytest.raises(TimeoutError):
            left.recv(1)
        left.close()
        created = {created.tracking_number for created in sandbox.store.created}
    assert created == {"T-1", "T-2"}
    with stays:
        assert stays.recv(1) == b""


def test_a_client_that_leaves_a_dripping_answer_ends_it() -> None:
    with Sandbox(Store.any_order(), faults=of({"kind": "drip", "requests": [1]})) as sandbox:
        with connected(sandbox, "T-1") as connection:
            connection.recv(1)
        assert heard(sandbox, "T-2").status == 200


def test_the_connection_lives_on_after_a_fault_that_does_not_end_it(
    control: httpx.Client,
) -> None:
    control.put("/faults.json", json={"faults": [{"kind": "502", "requests": [1]}, {"kind": "empty"}]})
    body = {"order_id": ORDER, "tracking_number": "T-0"}
    statuses = [control.post("/fulfillments/create", json=body).status_code for _ in range(2)]
    assert statuses == [502, 200]


def test_a_reply_that_was_mangled_is_the_error_where_the_request_was_wrong(
    sandbox: Sandbox, control: httpx.Client
) -> None:
    before = len(sandbox.store.created)
    entries = [{"kind": "cut-body", "requests": [1]}, {"kind": "other-order"}]
    control.put("/faults.json", json={"faults": entries})
    wrong = json.dumps({"order_id": "seven", "tracking_number": "T-0"}).encode()
    error = in_words("Bad Request", 'order_id: found "seven", expected an integer')
    cut, whole = heard(sandbox, content=wrong), heard(sandbox, content=wrong)
    assert (cut.status, cut.body) == (400, error[: len(error) // 2])
    assert (whole.status, whole.body) == (400, error)
    assert len(sandbox.store.created) == before


def test_requests_that_are_wrong_are_counted_and_meet_faults_too(
    sandbox: Sandbox, control: httpx.Client
) -> None:
    control.put("/faults.json", json={"faults": [{"kind": "502", "requests": [2, 4]}]})
    nameless = json.dumps({"tracking_number": 5, "line_items_by_fulfillment_order": 1}).encode()
    contents = [b"{", b"[", nameless, nameless]
    assert [heard(sandbox, content=content).status for content in contents] == [400, 502, 400, 502]


def test_orders_are_recognised_in_both_forms_of_the_body_and_one_of_them_is_enough(
    sandbox: Sandbox, control: httpx.Client
) -> None:
    control.put("/faults.json", json={"faults": [{"kind": "other-order", "orders": ["8"]}]})
    several = {
        "line_items_by_fulfillment_order": [{"order_id": ORDER}, {"order_id": 8}],
        "tracking_number": "T-0",
    }
    assert heard(sandbox).body == U
    answer = json.loads(heard(sandbox, content=json.dumps(several).encode()).body)
    assert answer == {
        **json.loads(usual("T-0", ORDER + 1)),
        "line_items_by_fulfillment_order": [{"order_id": 8}, {"order_id": 9}],
    }


def test_another_order_has_another_text_where_ids_are_text() -> None:
    plan = Fault("other-order", effect=True, own={}).plan(Usual(200, {"order_id": "A1"}, documented))
    assert tuple(plan.body) == (b'{"order_id": "A1-1"}',)


# --- control -------------------------------------------------------------------------------------------


def test_faults_are_replaced_told_with_their_use_and_ended(sandbox: Sandbox, control: httpx.Client) -> None:
    document = {"seed": 3, "faults": [{"kind": "500", "every": 2}, {"kind": "429", "orders": [1]}]}
    put = control.put("/faults.json", json=document)
    statuses = [heard(sandbox).status for _ in range(3)]
    told = control.get("/faults.json")
    ended = control.delete("/faults.json")
    assert (put.status_code, put.json()) == (200, {"document": document, "used": [0, 0], "requests": 0})
    assert statuses == [200, 500, 200]
    assert told.json() == {"document": document, "used": [1, 0], "requests": 3}
    assert ended.json() == {"document": {"faults": []}, "used": [], "requests": 0}
    assert heard(sandbox).status == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"faults": [{"kind": "tea"}]}', '/faults.json: fault 1 kind: found "tea", expected one of '),
        (b"[]", "/faults.json: the document: found [], expected an object with description, seed, faults"),
        (b"{", "the body is not JSON: "),
    ],
)
def test_a_document_that_is_wrong_is_refused_and_the_faults_stay(
    control: httpx.Client, content: bytes, message: str
) -> None:
    document: dict[str, Any] = {"faults": [{"kind": "500"}]}
    control.put("/faults.json", json=document)
    answer = control.put("/faults.json", content=content)
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    assert answer.json()["message"].startswith(message)
    assert control.get("/faults.json").json()["document"] == document


def test_faults_are_for_this_computer_only(control: httpx.Client) -> None:
    headers = {"Host": "faults.example.com"}
    answers = [
        control.request(method, "/faults.json", headers=headers) for method in ("GET", "PUT", "DELETE")
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400]


def test_what_was_received_names_its_fault(sandbox: Sandbox, control: httpx.Client) -> None:
    entries = [{"kind": "drop-after", "requests": [1]}, {"kind": "429", "requests": [2]}]
    control.put("/faults.json", json={"faults": entries})
    before = control.get("/received.json").json()["counts"]
    for _ in range(3):
        heard(sandbox)
    told = control.get("/received.json").json()
    assert {name: told["counts"][name] - before[name] for name in before} == {
        "requests": 3,
        "created": 2,
        "updated": 0,
        "cancelled": 0,
        "mails": 0,
        "refused": 1,
        "errors": 0,
        "faults": 2,
    }
    assert [(one["fault"], one["status"]) for one in told["faulty"][:2]] == [("429", 429), ("drop-after", 0)]
    assert [one["fault"] for one in told["requests"][:3]] == ["", "429", "drop-after"]
    assert told["faulty"][0]["error"] == "Too Many Requests"


# --- the command line ----------------------------------------------------------------------------------


def test_a_rehearsal_is_announced_and_served_by_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_in(tmp_path, monkeypatch)
    body = {"order_id": 1, "tracking_number": "T-1"}
    process = start("sandbox", "--port", 0, "--rehearse", "bad-night")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    try:
        with httpx.Client(base_url=lines[0].split()[2], trust_env=False) as client:
            statuses = [client.post("/fulfillments/create", json=body).status_code for _ in range(4)]
    finally:
        process.send_signal(signal.SIGINT)
        ended = end(process)
    assert lines[3] == f"faults in force: {REHEARSALS['bad-night']}\n"
    assert statuses == [200, 200, 200, 429]
    assert (ended.status, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--faults", "f.toml", "--rehearse", "busy"), "--faults and --rehearse contradict each other"),
        (("--faults", "f.toml"), "f.toml: fault 1 kind: found nothing, expected one of "),
        (("--rehearse", "quiet"), "'quiet' is not one of 'bad-night', 'busy', 'gone', 'outage'"),
    ],
)
def test_faults_that_cannot_be_had_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    words: str,
) -> None:
    settle_in(tmp_path, monkeypatch)
    Path("f.toml").write_text("[[faults]]", encoding="utf-8")
    ended = here(capsys, "sandbox", *options)
    assert (ended.status, words in ended.err) == (2, True)
