"""Both platforms in one sandbox: one orders file, one token, the same faults, one page."""

import itertools
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import Struct

from importer.errors import SetupError
from importer.model import LineItem
from importer.sandbox import REHEARSALS, Bucket, Created, Faults, Sandbox, Shop, Store, rehearsal, stock
from importer.sandbox.kinds import KINDS
from importer.sandbox.shops import Mail, Tracking
from tests.program import end, here, manifest, settle_in, start, statuses

AT = datetime(2024, 4, 30, 12, tzinfo=UTC)
NOON = "2024-04-30T12:00:00Z"
VERSIONS = ("2022-01", "2024-07", "2025-06", "2026-01", "2026-07")
TOKEN = "hush"  # noqa: S105 - the sandbox asks for it, nobody else does
ORDER = "633130-00000012"
FULFILLMENT = "49a731b0"
LONG_ID = "2386979206088637521556"
PUT = {"tracking_number": "DHL1", "send_email": True}
ORDERS = [{"order_id": 7, "line_items": [{"sku": "A", "quantity": 5}]}]


def order_of(order_id: str, number: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "number": number,
        "line_items": [{"id": "mug", "sku": "MUG", "quantity": 3}],
        "fulfillments": [{"id": FULFILLMENT, "line_items": [{"id": "mug", "quantity": 1}]}],
    }


SHOP = {"orders": [order_of(ORDER, "12"), order_of(LONG_ID, "13")]}


def noon() -> datetime:
    return AT


def path_of(version: str = "2022-01", order: str = ORDER, fulfillment: str = f"/{FULFILLMENT}") -> str:
    return f"/openapi/{version}/orders/{order}/fulfillments{fulfillment}"


def change_of(version: str) -> dict[str, Any]:
    """What gives the fulfillment its tracking number and mails the customer, as a version says it."""
    if version == "2022-01":
        return PUT
    if version == "2024-07":
        return {"tracking_items": [{"tracking_number": "DHL1"}], "send_email": True}
    return {"fulfillment": PUT}


def put(client: httpx.Client, version: str = "2022-01", order: str = ORDER, **headers: str) -> httpx.Response:
    return client.put(path_of(version, order), json=change_of(version), headers=headers)


def post(client: httpx.Client, **headers: str) -> httpx.Response:
    body = {"order_id": 7, "line_items": [{"sku": "A", "quantity": 1}], "tracking_number": "T-7"}
    return client.post("/fulfillments/create", json=body, headers=headers)


def misbehave(client: httpx.Client, *entries: dict[str, object]) -> None:
    answer = client.put("/faults.json", json={"faults": entries})
    assert answer.status_code == 200, answer.text


@contextmanager
def served(*args: Any, **kwargs: Any) -> Iterator[tuple[Sandbox, httpx.Client]]:  # noqa: ANN401 - a Sandbox's
    """A sandbox of its own, and somebody who asks."""
    with (
        Sandbox(*args, **kwargs) as sandbox,
        httpx.Client(base_url=sandbox.url, trust_env=False) as client,
    ):
        yield sandbox, client


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all of these tests: each has an order of the shop for itself, and sets its own faults."""
    orders = [order_of(f"633130-{number:08}", f"N{number}") for number in range(1000)]
    shop = Shop.of({"shoplazza": {"orders": orders}}, "orders.json", now=noon)
    with Sandbox(Store.any_order(now=noon), shop=shop) as sandbox:
        yield sandbox


ORDER_NUMBERS = itertools.count()


class Caller(Struct, frozen=True):
    """Somebody who asks about an order that is theirs alone."""

    client: httpx.Client
    sandbox: Sandbox
    number: int

    @property
    def order(self) -> str:
        return f"633130-{self.number:08}"

    def path(self, version: str = "2022-01", fulfillment: str = f"/{FULFILLMENT}") -> str:
        return path_of(version, self.order, fulfillment)

    def put(self, version: str = "2022-01") -> httpx.Response:
        return put(self.client, version, self.order)

    @property
    def applied(self) -> bool:
        """Whether the fulfillment has its tracking number and the customer the mail, both or neither."""
        shop = self.sandbox.shop
        (tracking,) = shop.order(self.order).fulfillment(FULFILLMENT).trackings
        mailed = Mail(self.order, FULFILLMENT, "DHL1", AT) in shop.mails
        written = self.order in {each.order.order_id for each in shop.written}
        assert (tracking == Tracking("DHL1")) == mailed == written
        return mailed


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    with httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        yield Caller(client, sandbox, next(ORDER_NUMBERS))
        client.delete("/faults.json")


# --- side by side --------------------------------------------------------------------------------------


def test_each_platform_answers_at_its_own_paths(caller: Caller) -> None:
    before = len(caller.sandbox.store.created)
    created, updated = post(caller.client), caller.put()
    assert created.json() == {
        "order_id": 7,
        "status": "created",
        "tracking_number": "T-7",
        "created_at": NOON,
    }
    assert updated.json()["fulfillment"]["tracking_number"] == "DHL1"
    assert caller.sandbox.store.created[before:] == [Created("7", "T-7", (LineItem("A", 1),), AT)]
    assert caller.applied


def test_one_token_opens_both() -> None:
    with served(Store.any_order(), TOKEN) as (_, client):
        without = [post(client), put(client)]
        with_it = [post(client, **{"X-ADM-Access-Token": TOKEN}), put(client, **{"access-token": TOKEN})]
    assert [answer.status_code for answer in without] == [401, 401]
    assert without[1].text == "Unauthorized"
    assert [answer.status_code for answer in with_it] == [200, 200]


def test_without_a_shop_any_update_is_taken() -> None:
    with served(Store.of({"orders": ORDERS}, "orders.json", now=noon)) as (sandbox, client):
        answers = [post(client), put(client)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sandbox.shop.mails == [Mail(ORDER, FULFILLMENT, "DHL1", AT)]


def test_what_is_over_the_bucket_is_shoplazzas_alone() -> None:
    with served(Store.any_order(), bucket=Bucket(1, clock=lambda: 0.0)) as (_, client):
        answers = [put(client), put(client), post(client)]
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].headers["Retry-After"] == "1"


def test_a_page_whose_name_was_rebound_reaches_neither(caller: Caller) -> None:
    created = len(caller.sandbox.store.created)
    answers = [
        post(caller.client, Host="a.example"),
        put(caller.client, order=caller.order, Host="a.example"),
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert (len(caller.sandbox.store.created), caller.applied) == (created, False)


# --- what it tells -------------------------------------------------------------------------------------


def test_what_both_received_is_told_together_newest_first() -> None:
    times = (AT.replace(second=second) for second in range(60))
    shop = Shop.of({"shoplazza": SHOP}, "orders.json", now=lambda: next(times))
    with served(Store.of({"orders": ORDERS}, "o.json", now=lambda: next(times)), shop=shop) as (_, client):
        post(client)
        put(client)
        mugs = {"line_item_ids": ["mug"], "tracking_number": "T-8"}
        client.post(path_of(fulfillment=""), json=mugs)
        client.post(f"{path_of()}/cancel")
        client.get(path_of())
        told = client.get("/received.json").json()
    shown = [
        [one[name] for name in ("platform", "done", "order_id", "tracking_number", "line_items")]
        for one in told["fulfillments"]
    ]
    assert shown == [
        ["shoplazza", "cancelled", ORDER, "DHL1", [{"sku": "MUG", "quantity": 1}]],
        ["shoplazza", "created", ORDER, "T-8", [{"sku": "MUG", "quantity": 2}]],
        ["shoplazza", "updated", ORDER, "DHL1", [{"sku": "MUG", "quantity": 1}]],
        ["adm", "created", "7", "T-7", [{"sku": "A", "quantity": 1}]],
    ]
    (mail,) = told["mails"]
    assert (mail["order_id"], mail["fulfillment_id"], mail["tracking_number"]) == (ORDER, FULFILLMENT, "DHL1")
    assert [(one["method"], one["status"], one["fulfillment"]) for one in told["requests"]] == [
        ("GET", 200, ""),
        ("POST", 200, f"{ORDER}/{FULFILLMENT}"),
        ("POST", 200, f"{ORDER}/T-8"),
        ("PUT", 200, f"{ORDER}/DHL1"),
        ("POST", 200, "7/T-7"),
    ]
    counts = {"requests": 5, "created": 2, "updated": 1, "cancelled": 1, "mails": 1}
    assert told["counts"] == {**counts, "refused": 0, "errors": 0, "faults": 0}


def test_a_request_that_met_a_fault_is_told_with_its_kind(caller: Caller) -> None:
    misbehave(caller.client, {"kind": "500", "times": 1})
    caller.put("2026-01")
    faulty = caller.client.get("/received.json").json()["faulty"][0]
    assert [
        faulty[name] for name in ("method", "path", "status", "error", "fulfillment", "fault", "body")
    ] == [
        "PUT",
        caller.path("2026-01"),
        500,
        "InternalServerError",
        f"{caller.order}/DHL1",
        "500",
        change_of("2026-01"),
    ]


# --- faults on demand ----------------------------------------------------------------------------------

ENDLESS = {"hang", "huge", "bomb"}
"""What takes its time, and is the same for each platform."""
TORN = {"drop-before", "drop-after", "reset", "truncate", "truncate-chunked"}
EFFECTS: list[dict[str, object]] = [{}, {"effect": True}, {"effect": False}]


@pytest.mark.parametrize("said", EFFECTS, ids=str)
@pytest.mark.parametrize("kind", sorted(set(KINDS) - ENDLESS))
def test_a_fault_applies_and_mails_what_its_effect_says(
    caller: Caller, kind: str, said: dict[str, object]
) -> None:
    own = {"seconds": 0.0} if "seconds" in KINDS[kind].keys else {}
    misbehave(caller.client, {"kind": kind, **own, **said})
    with pytest.raises(httpx.TransportError) if kind in TORN else nullcontext():
        caller.put()
    assert caller.applied == said.get("effect", KINDS[kind].effect)
    assert caller.sandbox.store.requests[-1].fault == kind


def test_after_a_lost_answer_the_update_is_there_and_the_connection_is_not(caller: Caller) -> None:
    misbehave(caller.client, {"kind": "drop-after", "times": 1})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        caller.put()
    assert caller.applied
    assert caller.client.get(caller.path()).json()["fulfillment"]["tracking_number"] == "DHL1"


WORDS = {
    401: ("Unauthorized", "Unauthorized"),
    404: ("RecordNotFound", "Record not found"),
    429: ("TooManyRequests", "Too Many Requests"),
    500: ("InternalServerError", "Internal Server Error"),
    503: ("ServiceUnavailable", "Service Unavailable"),
}


@pytest.mark.parametrize("status", WORDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_is_in_the_form_of_the_version_that_was_asked(
    caller: Caller, version: str, status: int
) -> None:
    misbehave(caller.client, {"kind": str(status)})
    answer = caller.put(version)
    code, message = WORDS[status]
    media_type, content = "application/json", json.dumps({"code": code, "message": message})
    if version == "2022-01":
        content = json.dumps({"errors": [message]})
    if version == "2022-01" and status == 401:
        media_type, content = "text/plain; charset=utf-8", message
    assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (status, media_type, content)
    assert answer.headers["Request-Id"]
    assert answer.headers.get("Retry-After") == ("1" if status in {429, 503} else None)
    assert not caller.applied


def test_the_same_fault_is_in_adms_form_for_adm(caller: Caller) -> None:
    misbehave(caller.client, {"kind": "429", "retry_after": "7"})
    answers = [post(caller.client), caller.put()]
    assert [answer.headers["Retry-After"] for answer in answers] == ["7", "7"]
    assert [answer.json() for answer in answers] == [
        {"error": "Too Many Requests", "message": "Too many requests were sent. Please try again later."},
        {"errors": ["Too Many Requests"]},
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_another_order_is_named_where_the_version_names_it(caller: Caller, version: str) -> None:
    def data(answer: httpx.Response) -> Any:  # noqa: ANN401 - JSON
        return answer.json() if version == "2022-01" else answer.json()["data"]

    misbehave(caller.client, {"kind": "other-order", "method": ["PUT", "GET"]})
    written = data(caller.put(version))
    written = written if version == "2024-07" else written["fulfillment"]
    orders = f"/openapi/{version}/orders"
    by_id, by_number, listed = (
        data(caller.client.get(f"{orders}/{rest}"))
        for rest in (caller.order, f"number/N{caller.number}", f"{caller.order}/fulfillments")
    )
    another = (f"{caller.order}-1", f"N{caller.number}-1")
    assert [(each["order"]["id"], each["order"]["number"]) for each in (by_id, by_number)] == [another] * 2
    assert by_id["order"]["line_items"][0]["id"] == "mug"
    for fulfillment in (written, listed["fulfillments"][0], by_id["order"]["fulfillments"][0]):
        assert (fulfillment["id"], fulfillment["order_id"]) == (FULFILLMENT, another[0])


def test_a_fault_without_effect_says_what_would_have_been(caller: Caller) -> None:
    misbehave(caller.client, {"kind": "latency", "seconds": 0, "effect": False})
    mugs = {"line_item_ids": ["mug"], "tracking_number": "T-8"}
    updated, created = caller.put(), caller.client.post(caller.path(fulfillment=""), json=mugs)
    cancelled = caller.client.post(f"{caller.path()}/cancel")
    assert updated.json()["fulfillment"]["tracking_number"] == "DHL1"
    assert created.json()["fulfillment"]["line_items"][0]["shipping_quantity"] == 2
    assert cancelled.json()["fulfillment"]["status"] == "cancelled"
    order = caller.sandbox.shop.order(caller.order)
    assert ([each.status for each in order.fulfillments], order.left) == (["shipped"], {"mug": 2})
    assert not caller.applied


def test_a_request_that_is_refused_meets_faults_too(caller: Caller) -> None:
    misbehave(caller.client, {"kind": "cut-body", "requests": [1]}, {"kind": "other-order", "requests": [2]})
    answers = [put(caller.client, order="other") for _ in range(3)]
    words = '{"errors": ["Record not found"]}'
    told = [words[: len(words) // 2], words, words]
    assert [(answer.status_code, answer.text) for answer in answers] == [(404, text) for text in told]


def test_a_text_is_mangled_as_json_is(caller: Caller) -> None:
    of_401 = {"kind": "charset", "status": 401}
    misbehave(caller.client, {**of_401, "encoding": "broken", "requests": [1]}, of_401)
    broken, in_utf_16 = caller.put(), caller.put()
    media_type = "text/plain; charset=utf-8"
    assert (broken.headers["Content-Type"], broken.content) == (media_type, b'{"note": "caf\xe9"}')
    assert in_utf_16.content == "Unauthorized".encode("utf-16")


@pytest.mark.parametrize(
    ("method", "met"),
    [
        ({}, [False, True, True]),
        ({"method": "GET"}, [True, False, False]),
        ({"method": "PUT"}, [False, True, False]),
        ({"method": ["GET", "POST"]}, [True, False, True]),
    ],
)
def test_faults_are_for_writes_unless_their_method_says_otherwise(
    caller: Caller, method: dict[str, object], met: list[bool]
) -> None:
    misbehave(caller.client, {"kind": "502", **method})
    answers = [caller.client.get(caller.path()), caller.put(), post(caller.client)]
    assert [answer.status_code == 502 for answer in answers] == met


def test_an_entry_counts_the_requests_that_it_is_for() -> None:
    entries = [{"kind": "502", "method": "GET", "requests": [2]}, {"kind": "500", "every": 3}]
    faults = Faults({"faults": entries}, "here")
    methods = ["POST", "GET", "PUT", "GET", "GET", "PUT", "DELETE", "POST"]
    found = [faults.choose((ORDER,), "T", method) for method in methods]
    kinds = [fault.kind if fault else "" for fault in found]
    assert kinds == ["", "", "", "502", "", "500", "", ""]
    assert (faults.used, faults.requests) == ([1, 1], 4)


@pytest.mark.parametrize(
    ("selectors", "met"),
    [
        ({"orders": [ORDER]}, [True, False, False]),
        ({"orders": [int(LONG_ID)]}, [False, True, False]),
        ({"orders": [LONG_ID, 7]}, [False, True, True]),
        ({"tracking_numbers": ["DHL1"]}, [True, False, False]),
        ({"tracking_numbers": [FULFILLMENT]}, [False, True, False]),
    ],
)
def test_orders_and_fulfillments_are_told_by_their_text(
    caller: Caller, selectors: dict[str, object], met: list[bool]
) -> None:
    misbehave(caller.client, {"kind": "502", **selectors})
    resent = caller.client.put(path_of(order=LONG_ID), json={"send_email": True})
    answers = [put(caller.client), resent, post(caller.client)]
    assert [answer.status_code == 502 for answer in answers] == met


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tracking_number_is_found_in_the_body_of_each_version(caller: Caller, version: str) -> None:
    misbehave(caller.client, {"kind": "502", "tracking_numbers": ["DHL1"]})
    assert caller.put(version).status_code == 502


NUMBERLESS = [[], "DHL1", {"fulfillment": []}, {"tracking_items": []}, {"tracking_items": ["DHL1"]}, {}]


@pytest.mark.parametrize("body", [*NUMBERLESS, {"tracking_number": 1}], ids=str)
def test_a_body_that_names_no_tracking_number_goes_by_the_fulfillment(caller: Caller, body: object) -> None:
    misbehave(caller.client, {"kind": "502", "tracking_numbers": [FULFILLMENT]})
    assert caller.client.put(caller.path(), json=body).status_code == 502


@pytest.mark.parametrize(
    ("method", "found"), [("DELETE", '"DELETE"'), (["GET", "HEAD"], '["GET", "HEAD"]'), ([], "[]")]
)
def test_a_method_that_meets_no_faults_is_named(method: object, found: str) -> None:
    with pytest.raises(SetupError) as error:
        Faults({"faults": [{"kind": "500", "method": method}]}, "here")
    expected = '"GET" or "PUT" or "POST" or a list of these'
    assert str(error.value) == f"here: fault 1 method: found {found}, expected {expected}"


@pytest.mark.parametrize("name", REHEARSALS)
def test_a_rehearsal_is_the_same_for_both(name: str) -> None:
    def met(method: str) -> list[str]:
        faults = rehearsal(name)
        found = [faults.choose((str(number),), "T", method) for number in range(1, 200)]
        return [fault.kind if fault else "" for fault in found]

    assert met("PUT") == met("POST")
    assert set(met("GET")) == {""}


# --- one orders file -----------------------------------------------------------------------------------


def in_file(folder: Path, document: object) -> Path:
    path = folder / "orders.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("document", "left", "orders"),
    [
        ({"orders": ORDERS, "shoplazza": SHOP}, {"A": 5}, [True, True]),
        ({"orders": ORDERS}, {"A": 5}, [False, False]),
        ({"shoplazza": SHOP}, {}, [True, True]),
    ],
)
def test_an_orders_file_has_both_platforms_or_one(
    tmp_path: Path, document: object, left: dict[str, int], orders: list[bool]
) -> None:
    store, shop = stock.from_file(in_file(tmp_path, document))
    with served(store, shop=shop) as (_, client):
        found = [client.get(f"/openapi/2022-01/orders/{name}").status_code for name in (ORDER, LONG_ID)]
        status = post(client).status_code
    assert found == [200 if there else 404 for there in orders]
    assert status == (200 if left else 404)


def test_the_file_of_one_platform_is_read_by_its_own(tmp_path: Path) -> None:
    path = in_file(tmp_path, {"order_id": "integer", "orders": ORDERS, "shoplazza": SHOP})
    assert Store.from_file(path).left("7") == {"A": 5}
    assert Shop.from_file(path).order(ORDER).number == "12"


@pytest.mark.parametrize(
    ("document", "needed", "message"),
    [
        ({}, "", "orders: found nothing, expected an array"),
        (
            {"orders": ORDERS},
            "shoplazza",
            "shoplazza: found nothing, expected an object with orders, carriers, ",
        ),
        ({"shoplazza": SHOP}, "adm", "orders: found nothing, expected an array"),
        ({"orders": ORDERS, "shoplazza": {"orders": 1}}, "", "shoplazza.orders: found 1, expected an array"),
        ({"orders": 1, "shoplazza": SHOP}, "", "orders: found 1, expected an array"),
        (
            {"shop": SHOP},
            "",
            'the file: found "shop", expected no other members than order_id, orders, shoplazza',
        ),
    ],
)
def test_what_is_wrong_in_an_orders_file_of_both_is_named(
    tmp_path: Path, document: object, needed: str, message: str
) -> None:
    path = in_file(tmp_path, document)
    with pytest.raises(SetupError) as error:
        stock.from_file(path, needed)
    assert str(error.value).startswith(f"{path}: {message}")


# --- the command line ----------------------------------------------------------------------------------


def test_the_program_serves_both_and_tells_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("BOX_TOKEN", TOKEN)
    path = in_file(tmp_path, {"orders": ORDERS, "shoplazza": SHOP})
    process = start("sandbox", path, "--port", 0, "--token-env", "BOX_TOKEN", "--leaky-bucket")
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip("\n") for _ in range(3)]
    url = lines[0].removeprefix("sandbox at ")
    try:
        with httpx.Client(base_url=url, trust_env=False) as client:
            refused = put(client).status_code
            created = post(client, **{"X-ADM-Access-Token": TOKEN}).status_code
            answered = {put(client, **{"access-token": TOKEN}).status_code for _ in range(80)}
    finally:
        process.send_signal(signal.SIGINT)
        ended = end(process)
    assert lines[1:] == [
        f"  ADM        POST {url}/fulfillments/create",
        f"  Shoplazza  PUT  {url}/openapi/2022-01/orders/ORDER/fulfillments/FULFILLMENT",
    ]
    assert (refused, created, answered) == (401, 200, {200, 429})
    assert (ended.status, ended.out, ended.err) == (0, "", "")


SHOP_HEADER = "order_id,sku,quantity,tracking_number"


def test_posting_to_the_embedded_shop_updates_its_fulfillments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle_in(tmp_path, monkeypatch)
    path = in_file(tmp_path, {"orders": ORDERS, "shoplazza": SHOP})
    rows = manifest(tmp_path / "m.csv", f"{ORDER},MUG,1,DHL12345", header=SHOP_HEADER)
    ended = here(capsys, "post", rows, "--to", "shoplazza", "--sandbox", path, "--report", "r")
    assert (ended.status, statuses(Path("r/rows.csv"))) == (0, {f"{ORDER}/DHL12345": "updated"})


def test_a_rehearsal_disturbs_the_embedded_shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle_in(tmp_path, monkeypatch)
    lines = [f"order-{number},f-{number},TRACK{number:05}" for number in range(10)]
    header = "order_id,fulfillment_id,tracking_number"
    rows = manifest(tmp_path / "m.csv", *lines, header=header)
    to_shop = ("--to", "shoplazza", "--sandbox", "--rehearse", "bad-night", "--rate", "1000/1000")
    ended = here(capsys, "post", rows, *to_shop, "--report", "r")
    assert (ended.status, set(statuses(Path("r/rows.csv")).values())) == (0, {"updated"})


def test_an_orders_file_without_the_destination_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle_in(tmp_path, monkeypatch)
    rows = manifest(tmp_path / "m.csv", f"{ORDER},MUG,1,DHL12345", header=SHOP_HEADER)
    path = in_file(tmp_path, {"orders": ORDERS})
    ended = here(capsys, "post", rows, "--to", "shoplazza", "--sandbox", path)
    assert (ended.status, "shoplazza: found nothing, expected an object with orders" in ended.err) == (
        2,
        True,
    )
