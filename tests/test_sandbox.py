"""The sandbox, over real connections on loopback."""

import asyncio
import base64
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from importer.errors import SetupError
from importer.model import LineItem
from importer.sandbox import Created, Received, Sandbox, Store, serve
from importer.sandbox.app import application
from importer.sandbox.orders import REMEMBERED_REQUESTS, Part, Refusal

AT = datetime(2024, 4, 30, 12, tzinfo=UTC)
BODY = {
    "order_id": 450789469,
    "line_items": [{"sku": "RPBF24-1941", "quantity": 1}],
    "tracking_number": "1ZE356F8YW01937117",
}
ORDERS = {
    "orders": [
        {
            "order_id": 450789469,
            "line_items": [{"sku": "RPBF24-1941", "quantity": 3}, {"sku": "B", "quantity": 2}],
        },
        {"order_id": 2, "line_items": [{"sku": "A", "quantity": 5}]},
    ]
}
CREATED = {
    "order_id": 450789469,
    "status": "created",
    "tracking_number": "1ZE356F8YW01937117",
    "created_at": "2024-04-30T12:00:00Z",
}
INVALID_LINE = {
    "error": "Invalid SKU or Quantity",
    "message": "One or more line items have an invalid SKU or quantity specified.",
}
NO_ORDER = {"error": "Order Not Found", "message": "The order with the specified ID was not found."}
SERVER_ERROR = {
    "error": "Server Error",
    "message": "An error occurred on our server. Please try again later.",
}
UNAUTHORIZED = {"error": "Unauthorized Request", "message": "The key provided is invalid."}


def noon() -> datetime:
    return AT


def stored(folder: Path, document: object = ORDERS) -> Store:
    path = folder / "orders.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Store.from_file(path, now=noon)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stored(tmp_path)


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    with Sandbox(store) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        yield client


def post(client: httpx.Client, body: object, **headers: str) -> tuple[int, Any]:
    answer = client.post("/fulfillments/create", json=body, headers=headers)
    return answer.status_code, answer.json()


def test_the_example_of_the_document_is_answered_as_the_document_says(
    client: httpx.Client, store: Store
) -> None:
    assert post(client, BODY) == (200, CREATED)
    lines = (LineItem("RPBF24-1941", 1),)
    assert store.created == [Created("450789469", "1ZE356F8YW01937117", lines, AT)]
    assert store.left("450789469") == {"RPBF24-1941": 2, "B": 2}


def test_a_request_is_remembered_without_its_token(client: httpx.Client, store: Store) -> None:
    secrets = {"X-ADM-Access-Token": "hush", "Authorization": "Bearer hush"}
    post(client, BODY, **secrets, **{"Idempotency-Key": "k-1", "User-Agent": "test/1"})
    assert list(store.requests) == [
        Received(
            AT,
            "POST",
            "/fulfillments/create",
            200,
            BODY,
            "",
            "",
            "k-1",
            "test/1",
            fulfillment="450789469/1ZE356F8YW01937117",
        )
    ]


def test_what_is_sent_twice_is_created_twice_whatever_its_idempotency_key(
    client: httpx.Client, store: Store
) -> None:
    answers = [post(client, BODY, **{"Idempotency-Key": "same"}) for _ in range(2)]
    assert answers == [(200, CREATED), (200, CREATED)]
    assert len(store.created) == 2


@pytest.mark.parametrize("left_out", [{}, {"line_items": []}])
def test_no_line_items_take_all_that_is_left_and_then_nothing_is(
    client: httpx.Client, store: Store, left_out: dict[str, object]
) -> None:
    post(client, BODY)
    everything = {"order_id": 450789469, "tracking_number": "T-2", **left_out}
    assert [post(client, everything)[0] for _ in range(2)] == [200, 400]
    assert store.created[1:] == [
        Created("450789469", "T-2", (LineItem("RPBF24-1941", 2), LineItem("B", 2)), AT)
    ]
    assert store.left("450789469") == {}


def test_bodies_that_cannot_be_fulfilled_are_refused_in_the_words_of_the_document(
    client: httpx.Client, store: Store
) -> None:
    line = {"sku": "B", "quantity": 1}
    refused = [
        post(client, {**BODY, "line_items": items})
        for items in (
            [{"sku": "B", "quantity": 3}],
            [{"sku": "C", "quantity": 1}],
            [line, line, line],
            [line, {"sku": "b", "quantity": 1}],
        )
    ]
    assert refused == [(400, INVALID_LINE)] * 4
    assert post(client, {**BODY, "order_id": 1}) == (404, NO_ORDER)
    assert store.created == []
    assert store.left("450789469") == {"RPBF24-1941": 3, "B": 2}


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in BODY.items() if key != name}


def with_line(line: object) -> dict[str, object]:
    return {**BODY, "line_items": [{"sku": "B", "quantity": 1}, line]}


TEXT = "expected a string that is not empty"
COUNT = "expected an integer of at least 1"
BAD = "Bad Request"
LINE = "Invalid SKU or Quantity"
WRAPPER = "line_items_by_fulfillment_order"


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ([1], BAD, "the body: found [1], expected an object"),
        ({**BODY, "order_id": "2"}, BAD, 'order_id: found "2", expected an integer'),
        ({**BODY, "order_id": True}, BAD, "order_id: found true, expected an integer"),
        ({**BODY, "order_id": 2.0}, BAD, "order_id: found 2.0, expected an integer"),
        ({**BODY, "order_id": [7] * 99}, BAD, f"order_id: found [{'7, ' * 19}7,…, expected an integer"),
        (without("order_id"), BAD, "order_id: found nothing, expected an integer"),
        ({**BODY, "line_items": None}, LINE, "line_items: found null, expected an array"),
        (with_line("A"), LINE, 'line_items[1]: found "A", expected an object with sku and quantity'),
        (with_line({"sku": "", "quantity": 1}), LINE, f'line_items[1].sku: found "", {TEXT}'),
        (with_line({"sku": 7, "quantity": 1}), LINE, f"line_items[1].sku: found 7, {TEXT}"),
        (with_line({"quantity": 1}), LINE, f"line_items[1].sku: found nothing, {TEXT}"),
        (with_line({"sku": "B", "quantity": 0}), LINE, f"line_items[1].quantity: found 0, {COUNT}"),
        (with_line({"sku": "B", "quantity": "1"}), LINE, f'line_items[1].quantity: found "1", {COUNT}'),
        (with_line({"sku": "B", "quantity": True}), LINE, f"line_items[1].quantity: found true, {COUNT}"),
        (with_line({"sku": "B"}), LINE, f"line_items[1].quantity: found nothing, {COUNT}"),
        ({**BODY, "tracking_number": ""}, BAD, f'tracking_number: found "", {TEXT}'),
        ({**BODY, "tracking_number": 12}, BAD, f"tracking_number: found 12, {TEXT}"),
        (without("tracking_number"), BAD, f"tracking_number: found nothing, {TEXT}"),
        ({**BODY, WRAPPER: []}, BAD, f"{WRAPPER}: found [], expected an array of at least one object"),
        ({**BODY, WRAPPER: [2]}, BAD, f"{WRAPPER}: found [2], expected an array of at least one object"),
        (
            {**BODY, WRAPPER: [{"order_id": 2}, {"order_id": None}]},
            BAD,
            f"{WRAPPER}[1].order_id: found null, expected an integer",
        ),
    ],
)
def test_a_body_of_another_form_is_refused_with_the_place_that_is_wrong(
    store: Store, body: object, error: str, message: str
) -> None:
    assert asgi(store, json.dumps(body).encode()) == (400, {"error": error, "message": message})
    assert store.created == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"order_id": 2,}', b"\xff", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b"9" * 10_000],
)
def test_a_body_that_is_not_json_is_refused_and_remembered(store: Store, body: bytes) -> None:
    status, content = asgi(store, body)
    assert (status, content["error"]) == (400, "Bad Request")
    assert content["message"].startswith("the body is not JSON: ")
    assert [(request.status, request.body) for request in store.requests] == [(400, None)]


def test_half_a_surrogate_pair_goes_in_and_out(store: Store) -> None:
    body = {"order_id": 2, "tracking_number": "\ud800"}
    status, content = asgi(store, json.dumps(body).encode())
    assert (status, content["tracking_number"]) == (200, "\ud800")


def asgi(store: Store, body: bytes) -> tuple[int, Any]:
    """Post ``body`` to the application itself: many cases, no need for a server each."""

    async def answered() -> httpx.Response:
        transport = httpx.ASGITransport(application(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post(
                "/fulfillments/create", content=body, headers={"Content-Type": "application/json"}
            )

    answer = asyncio.run(answered())
    return answer.status_code, answer.json()


def test_one_body_for_several_orders_creates_for_all_of_them_or_for_none(
    client: httpx.Client, store: Store
) -> None:
    first = {"order_id": 450789469, "line_items": [{"sku": "B", "quantity": 2}]}
    too_many = {"order_id": 2, "line_items": [{"sku": "A", "quantity": 6}]}
    enough = {"order_id": 2, "line_items": [{"sku": "A", "quantity": 5}]}

    def several(*entries: object) -> tuple[int, Any]:
        return post(client, {"line_items_by_fulfillment_order": entries, "tracking_number": "T-1"})

    assert several(first, too_many) == (400, INVALID_LINE)
    assert several(first, first) == (400, INVALID_LINE)
    assert several(first, {"order_id": 1}) == (404, NO_ORDER)
    assert store.created == []
    orders = [{"order_id": 450789469}, {"order_id": 2}]
    echoed = {**CREATED, "tracking_number": "T-1", "line_items_by_fulfillment_order": orders}
    assert several(first, enough) == (200, echoed)
    assert store.created == [
        Created("450789469", "T-1", (LineItem("B", 2),), AT),
        Created("2", "T-1", (LineItem("A", 5),), AT),
    ]


def test_an_order_with_server_errors_fails_that_often_and_then_ships(tmp_path: Path) -> None:
    store = stored(
        tmp_path,
        {"orders": [{"order_id": 450789469, "line_items": [{"sku": "RPBF24-1941", "quantity": 1}],
                     "server_errors": 2}]},
    )  # fmt: skip
    answers = [asgi(store, json.dumps(BODY).encode()) for _ in range(4)]
    assert answers == [(500, SERVER_ERROR), (500, SERVER_ERROR), (200, CREATED), (400, INVALID_LINE)]
    assert store.counts == {"requests": 4, "created": 1, "refused": 1, "errors": 2, "faults": 0}


def test_order_ids_are_strings_where_the_file_says_so(tmp_path: Path) -> None:
    store = stored(
        tmp_path,
        {"order_id": "string", "orders": [{"order_id": "63-1", "line_items": [{"sku": "A", "quantity": 1}]}]},
    )
    body = {"order_id": "63-1", "line_items": [{"sku": "A", "quantity": 1}], "tracking_number": "T-1"}
    wanted = (
        400,
        {"error": "Bad Request", "message": "order_id: found 63, expected a string that is not empty"},
    )
    assert asgi(store, json.dumps({**body, "order_id": 63}).encode()) == wanted
    assert asgi(store, json.dumps(body).encode()) == (
        200,
        {**CREATED, "order_id": "63-1", "tracking_number": "T-1"},
    )


def test_a_store_of_any_order_creates_whatever_comes() -> None:
    store = Store.any_order(now=noon)
    bodies: list[dict[str, object]] = [BODY, BODY, {"order_id": 7, "tracking_number": "T-7"}]
    assert [asgi(store, json.dumps(body).encode())[0] for body in bodies] == [200, 200, 200]
    shipped = Created("450789469", "1ZE356F8YW01937117", (LineItem("RPBF24-1941", 1),), AT)
    assert store.created == [shipped, shipped, Created("7", "T-7", (), AT)]


def test_the_token_is_taken_from_either_header_and_refused_when_it_is_wrong(store: Store) -> None:
    token = "opensesame"  # noqa: S105 - of a sandbox
    with (
        Sandbox(store, token) as sandbox,
        httpx.Client(base_url=sandbox.url, trust_env=False) as client,
    ):
        answers = [
            post(client, BODY),
            post(client, BODY, **{"X-ADM-Access-Token": "opensesam"}),
            post(client, BODY, Authorization="Basic opensesame"),
            post(client, BODY, **{"X-ADM-Access-Token": "opensesame"}),
            post(client, BODY, Authorization="Bearer opensesame"),
        ]
        assert client.get("/received.json").status_code == 200
    assert answers == [(401, UNAUTHORIZED)] * 3 + [(200, CREATED)] * 2


def test_only_json_posts_to_the_one_path_from_this_computer_are_heard(
    client: httpx.Client, store: Store
) -> None:
    whole = json.dumps(BODY)
    path = "/fulfillments/create"
    json_type = {"Content-Type": "application/json"}
    answers = [
        client.post(path, content=whole),
        client.post(path, content=whole, headers={"Content-Type": "text/plain"}),
        client.get(path),
        client.post(path + "/", content=whole, headers=json_type),
        client.post(path, content=" " * 1_000_001, headers=json_type),
        *(
            client.post(path, content=whole, headers={**json_type, "Host": host})
            for host in ("evil.example", "127.0.0.1.evil.example", "localhost:80:80", "[")
        ),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "Bad Request"),
        (400, "Bad Request"),
        (405, "Method Not Allowed"),
        (404, "Not Found"),
        (413, "Payload Too Large"),
        *[(400, "Bad Request")] * 4,
    ]
    assert answers[2].headers["Allow"] == "POST"
    assert store.counts == {"requests": 9, "created": 0, "refused": 9, "errors": 0, "faults": 0}
    heard = [
        client.post(path, content=whole, headers={"Content-Type": kind, "Host": host}).status_code
        for kind, host in (
            ("application/json; charset=utf-8", "LOCALHOST:1"),
            ("application/json", "[::1]:8080"),
        )
    ]
    assert heard == [200, 200]


def test_many_threads_never_take_more_than_an_order_has(tmp_path: Path) -> None:
    store = stored(
        tmp_path,
        {"orders": [{"order_id": 450789469, "line_items": [{"sku": "RPBF24-1941", "quantity": 50}]}]},
    )
    limits = httpx.Limits(max_connections=16)
    with (
        Sandbox(store) as sandbox,
        httpx.Client(base_url=sandbox.url, limits=limits, trust_env=False) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        statuses = Counter(threads.map(lambda _: post(client, BODY)[0], range(120)))
    assert statuses == {200: 50, 400: 70}
    assert len(store.created) == 50
    assert store.left("450789469") == {}


def test_a_store_is_one_for_all_threads_that_use_it_directly(tmp_path: Path) -> None:
    store = stored(tmp_path, {"orders": [{"order_id": 1, "line_items": [{"sku": "A", "quantity": 1000}]}]})
    parts = [Part("1", (LineItem("A", 1),))]
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda _: store.fulfill("T-1", parts), range(1100)))
    assert Counter(results) == {AT: 1000, Refusal.NOT_LEFT: 100}
    assert store.left("1") == {}


def test_what_was_received_is_told_newest_first_and_reading_it_is_not_counted(client: httpx.Client) -> None:
    post(client, BODY)
    post(client, {**BODY, "order_id": 1}, **{"Idempotency-Key": "k", "User-Agent": "test/1"})
    client.get("/")
    client.get("/received.json")
    refused = {
        "at": "2024-04-30T12:00:00Z",
        "method": "POST",
        "path": "/fulfillments/create",
        "status": 404,
        **NO_ORDER,
        "fulfillment": "1/1ZE356F8YW01937117",
        "body": {**BODY, "order_id": 1},
        "idempotency_key": "k",
        "user_agent": "test/1",
        "fault": "",
    }
    told = client.get("/received.json").json()
    assert told["counts"] == {
        "requests": 2,
        "created": 1,
        "updated": 0,
        "cancelled": 0,
        "mails": 0,
        "refused": 1,
        "errors": 0,
        "faults": 0,
    }
    assert told["fulfillments"] == [
        {
            "at": "2024-04-30T12:00:00Z",
            "platform": "adm",
            "done": "created",
            "order_id": "450789469",
            "tracking_number": "1ZE356F8YW01937117",
            "line_items": [{"sku": "RPBF24-1941", "quantity": 1}],
        }
    ]
    assert told["refused"] == [refused]
    assert [request["status"] for request in told["requests"]] == [404, 200]


def test_only_the_last_requests_are_remembered_and_all_are_counted(store: Store) -> None:
    for number in range(REMEMBERED_REQUESTS + 5):
        store.remember(Received(AT, "POST", f"/{number}", 200, None, "", "", "", ""))
    assert len(store.requests) == REMEMBERED_REQUESTS
    assert store.requests[0].path == "/5"
    assert store.counts["requests"] == REMEMBERED_REQUESTS + 5
    assert len(store.newest(200).requests) == 200


class Tags(HTMLParser):
    """Every attribute of a page, and its elements' names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


def test_the_page_brings_everything_it_needs_and_its_policy_lets_nothing_else_run(
    client: httpx.Client,
) -> None:
    answer = client.get("/")
    tags = Tags()
    tags.feed(answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert [value for name, value in tags.attributes if name in {"src", "href", "action", "srcset"}] == [
        "data:,",
        "/received.json",
    ]
    assert [name for name, _ in tags.attributes if name.startswith("on") or name == "style"] == []
    assert tags.names & {"iframe", "img", "object", "embed", "base", "form"} == set()
    assert (
        re.findall(r"https?://|@import|url\(|innerHTML|insertAdjacentHTML|document\.write", answer.text) == []
    )
    digests = {
        tag: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for tag, text in re.findall(r"<(style|script)>(.*?)</\1>", answer.text, re.DOTALL)
    }
    assert answer.headers["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digests['style']}'",
        f"script-src 'sha256-{digests['script']}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


def test_the_elements_that_the_script_of_the_page_names_are_there(client: httpx.Client) -> None:
    page = client.get("/").text
    script = page.partition("<script>")[2]
    tags = Tags()
    tags.feed(page)
    ids = {value for name, value in tags.attributes if name == "id"}
    named = set(re.findall(r'place\("([^"]+)"\)', script))
    assert named <= ids
    assert {
        "requests",
        "created",
        "updated",
        "refused",
        "errors",
        "fulfillments-more",
        "mails-more",
        "refusals-more",
        "faults-more",
    } <= ids


def test_leaving_a_sandbox_closes_it_even_under_a_request_that_stalls(store: Store) -> None:
    head = b"POST /fulfillments/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with Sandbox(store) as sandbox:
        address = ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
        stalled = [socket.create_connection(address) for _ in range(3)]
        for connection, sent in zip(stalled, (b"", head, head + b"Content-Length: 9\r\n\r\n{"), strict=True):
            connection.sendall(sent)
        assert httpx.get(sandbox.url, trust_env=False).status_code == 200
    for connection in stalled:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_body_that_is_cut_off_creates_nothing(store: Store) -> None:
    head = b"POST /fulfillments/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with Sandbox(store) as sandbox:
        address = ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
        with socket.create_connection(address) as connection:
            connection.sendall(head + b"Content-Length: 900\r\n\r\n" + json.dumps(BODY).encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    assert store.counts == {"requests": 1, "created": 0, "refused": 1, "errors": 0, "faults": 0}


def test_a_port_in_use_and_a_host_that_is_not_loopback_are_named(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError) as in_use:
            serve(store, "127.0.0.1", port, None, print)
    with pytest.raises(SetupError) as not_loopback:
        serve(store, "0.0.0.0", 0, None, print)  # noqa: S104 - it is refused
    with pytest.raises(SetupError) as no_port:
        serve(store, "localhost", 65536, None, print)
    advice = "choose another, or 0 for any that is free"
    assert [str(error.value) for error in (in_use, not_loopback, no_port)] == [
        f"sandbox port: {port} on 127.0.0.1 can't be had: Address already in use; {advice}",
        "sandbox host: found '0.0.0.0', expected 127.0.0.1, localhost or ::1; it serves this computer only",
        "sandbox port: found 65536, expected one from 1 to 65535, or 0 for any that is free",
    ]


SERVE = """
from importer.sandbox import Store, serve
serve(Store.any_order(), "localhost", 0, None, lambda url: print(url, flush=True))
print("left", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_in_order_when_it_is_signalled(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        status = httpx.post(f"{url}/fulfillments/create", json=BODY, trust_env=False).status_code
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (status, output, errors, process.returncode) == (200, "left\n", "", 0)


ONE = '"order_id": 1, "line_items": []'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the file: found [], expected an object with order_id, orders, shoplazza"),
        ("{}", "orders: found nothing, expected an array"),
        ('{"order_id": "int", "orders": []}', 'order_id: found "int", expected "integer" or "string"'),
        (
            '{"orders": [1]}',
            "orders[0]: found 1, expected an object with order_id, line_items, server_errors",
        ),
        ('{"orders": [{"order_id": "1"}]}', 'orders[0].order_id: found "1", expected an integer'),
        ('{"orders": [{"order_id": 1}]}', "orders[0].line_items: found nothing, expected an array"),
        (
            '{"orders": [{"order_id": 1, "line_items": [{"sku": "A", "quantity": 0}]}]}',
            "orders[0].line_items[0].quantity: found 0, expected an integer of at least 1",
        ),
        (
            f'{{"orders": [{{{ONE}, "errors": 1}}]}}',
            'orders[0]: found "errors", expected no other members than order_id, line_items, server_errors',
        ),
        (
            f'{{"orders": [{{{ONE}, "server_errors": -1}}]}}',
            "orders[0].server_errors: found -1, expected an integer of at least 0",
        ),
        (f'{{"orders": [{{{ONE}}}, {{{ONE}}}]}}', "orders[1].order_id: found 1, expected each order once"),
    ],
)
def test_an_orders_file_that_is_wrong_is_named_with_the_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "orders.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SetupError) as error:
        Store.from_file(path)
    assert str(error.value) == f"{path}: {message}"


def test_an_orders_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as missing:
        Store.from_file(tmp_path / "none.json")
    assert str(missing.value) == f"{tmp_path / 'none.json'}: can't be read: No such file or directory"
    for content in (b"\xff\xfe", b"{", b"[" * 100_000):
        (tmp_path / "orders.json").write_bytes(content)
        with pytest.raises(
            SetupError,
            match=r"orders\.json: found no JSON .*, expected an object with 'orders' or 'shoplazza'$",
        ):
            Store.from_file(tmp_path / "orders.json")


def test_two_lines_of_one_sku_in_an_order_are_one_amount(tmp_path: Path) -> None:
    lines = [{"sku": "ABC-123", "quantity": 1}, {"sku": "ABC-123", "quantity": 2}]
    store = stored(tmp_path, {"orders": [{"order_id": 1, "line_items": lines}]})
    assert store.left("1") == {"ABC-123": 3}
