"""Shoplazza through the program: each operation against a shop on loopback, and what goes wrong there."""

import json
import re
import shlex
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from importer.sandbox import Sandbox, Store
from importer.sandbox.faults import Faults
from importer.sandbox.shops import Bucket, Shop
from importer.settings import SHOPLAZZA_VERSIONS
from tests.program import (
    Ended,
    Platform,
    Reply,
    Seen,
    end,
    here,
    manifest,
    settle_in,
    start,
    statuses,
    table,
    wait_until,
)
from tests.shoplazza import BODY, CARRIERS, FULFILLMENT_ID, NOT_FOUND, ORDER_ID, REMOTE, echo

Output = pytest.CaptureFixture[str]
CANARY = "canary/3f9c+Zq81=w7"
BY_ID = "order_id,fulfillment_id,tracking_number"
BY_LOOK_UP = "order_id,sku,quantity,tracking_number"
Q = "633130-000000{}"
FAST = "1000/1000"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("SHOP_TOKEN", CANARY)


def order(number: int, *fulfillments: dict[str, object], **units: int) -> dict[str, object]:
    """An order with lines, and fulfillments that are there already."""
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in units.items()]
    return {
        "order_id": Q.format(number),
        "number": f"#10{number}",
        "line_items": lines,
        "fulfillments": list(fulfillments),
    }


def waiting(name: str, number: str = "", /, **units: int) -> dict[str, object]:
    """A fulfillment; without a number it waits for one."""
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in units.items()]
    return {"id": name, "tracking_number": number, "line_items": lines}


def mugs(count: int) -> list[dict[str, object]]:
    """Orders from 11 on with a fulfillment ``f-11`` and so on, each of one mug."""
    return [order(number, waiting(f"f-{number}", MUG=1), MUG=1) for number in range(11, 11 + count)]


def by_id(count: int) -> list[str]:
    """Their manifest, fulfillments named."""
    return [f"{Q.format(number)},f-{number},TRACK00{number}" for number in range(11, 11 + count)]


def by_look_up(count: int) -> list[str]:
    """Their manifest, SKUs named."""
    return [f"{Q.format(number)},MUG,1,TRACK00{number}" for number in range(11, 11 + count)]


@contextmanager
def served(
    orders: Sequence[object],
    *faults: Mapping[str, object],
    bucket: Bucket | None = None,
    **settings: Any,  # noqa: ANN401 - any of the configuration
) -> Iterator[Sandbox]:
    """A shop that outlives the runs, with the token; the configuration names it."""
    shop = Shop.of({"shoplazza": {"orders": orders, "carriers": CARRIERS}}, "the orders")
    broken = Faults({"seed": 7, "faults": list(faults)}, "the faults")
    with Sandbox(Store(()), CANARY, shop=shop, faults=broken, bucket=bucket) as sandbox:
        configured(sandbox.url, **settings)
        yield sandbox


def configured(url: str, **settings: object) -> None:
    values = {"kind": "shoplazza", "base_url": url, "token_env": "SHOP_TOKEN", "rate": FAST, **settings}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    Path("importer.toml").write_text("\n".join(["[destinations.shop]", *lines, ""]), encoding="utf-8")


def run(output: Output, command: str, report: str, *options: object) -> Ended:
    return here(output, command, "m.csv", "--to", "shop", "--report", report, "--json", *options)


def post(output: Output, *options: object, report: str = "first") -> Ended:
    return run(output, "post", report, *options)


def rows(report: str = "first") -> list[dict[str, str]]:
    return table(Path(report, "rows.csv"))


def ends(report: str = "first") -> list[str]:
    """Status and code of each row."""
    return [f"{row['import_status']} {row['import_code']}".rstrip() for row in rows(report)]


def asked(sandbox: Sandbox) -> Counter[str]:
    """How often each method was used."""
    return Counter(request.method for request in sandbox.store.requests)


def numbers(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Which fulfillment got which number, in the order of the writes."""
    return [
        (written.fulfillment.fulfillment_id, written.fulfillment.trackings[0].tracking_number)
        for written in sandbox.shop.written
    ]


# --- what the README shows -----------------------------------------------------------------------------


ROOT = Path(__file__).parents[1]
SHOWN = re.findall(
    r"```text\n\$ importer (.*shoplazza-.*)\n((?:.*\n)*?)```",
    (ROOT / "README.md").read_text(encoding="utf-8"),
)


def test_each_use_shows_what_the_readme_shows(capsys: Output) -> None:
    Path("samples").symlink_to(ROOT / "samples")
    for command, shown in SHOWN:
        ended = here(capsys, *shlex.split(command))
        assert timeless(ended.out).startswith(timeless(shown))
    assert [Path(command.split(" --sandbox ")[1]).parent.name for command, _ in SHOWN] == [
        "shoplazza-update",
        "shoplazza-look-up",
        "shoplazza-create",
        "shoplazza-resend",
    ]


def timeless(text: str) -> str:
    return re.sub(r"run \S+, \S+ s$", "run", text, flags=re.MULTILINE)


# --- the page "Update Fulfillment", over a real connection --------------------------------------------


EXAMPLE = f"{ORDER_ID},{FULFILLMENT_ID},DHL1231232113,DHL,dhl,https://tracking.url,yes"
ANSWERED = (
    f"{REMOTE['order_id']},{REMOTE['id']},11111111111,燕文物流,DJ-11343,https://tracking.example.com,no"
)
ALL_OF_IT = (
    "order_id,fulfillment_id,tracking_number,tracking_company,tracking_company_code,tracking_url,notify"
)


def test_the_pages_examples_are_sent_and_answered_exactly_so(capsys: Output) -> None:
    manifest(Path("m.csv"), EXAMPLE, ANSWERED, header=ALL_OF_IT)

    def answer(seen: Seen) -> Reply:
        fulfillment = REMOTE if str(REMOTE["id"]) in seen.path else {**echo(), **BODY}
        return Reply(200, json.dumps({"fulfillment": fulfillment}))

    with Platform(answer) as platform:
        configured(platform.url, check_carriers=False)
        ended = post(capsys)

    assert [(seen.method, seen.path, seen.body) for seen in platform.seen] == [
        (
            "PUT",
            "/openapi/2022-01/orders/633130-00000012/fulfillments/49a731b0-1b7e-47c3-94d9-6d688f36201e",
            {
                "tracking_number": "DHL1231232113",
                "tracking_company": "DHL",
                "tracking_company_code": "dhl",
                "tracking_url": "https://tracking.url",
                "send_email": True,
            },
        ),
        (
            "PUT",
            "/openapi/2022-01/orders/633130-00000007/fulfillments/51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d",
            {
                "tracking_number": "11111111111",
                "tracking_company": "燕文物流",
                "tracking_company_code": "DJ-11343",
                "tracking_url": "https://tracking.example.com",
            },
        ),
    ]
    assert {seen.headers["access-token"] for seen in platform.seen} == {CANARY}
    assert (ended.status, ended.summary["mails"], ends()) == (0, 1, ["updated", "updated"])
    assert [row["import_message"] for row in rows()] == [
        f"fulfillment {name} shipped, updated 2024-04-22T08:37:12Z" for name in (FULFILLMENT_ID, REMOTE["id"])
    ]


REFUSALS = [
    (400, "Bad Request", "400 Bad Request"),
    (400, '{"errors": ["invalid line_item id"]}', "400 invalid line_item id"),
    (404, json.dumps(NOT_FOUND), "404 Record not found"),
]


@pytest.mark.parametrize(("status", "body", "words"), REFUSALS)
def test_the_pages_refusals_are_told_in_its_words_and_the_run_goes_on(
    capsys: Output, status: int, body: str, words: str
) -> None:
    manifest(Path("m.csv"), *by_id(2), header=BY_ID)
    with Platform(lambda _: Reply(status, body)) as platform:
        configured(platform.url)
        first = post(capsys)
        again = post(capsys, report="again")

    assert (first.status, again.status, len(platform.seen)) == (1, 1, 2)
    assert ends() == ends("again") == [f"rejected destination-{status}"] * 2
    assert {row["import_message"] for row in rows()} == {words}


STOPS = [
    (400, "Unauthorized", "destination-401", "the destination refuses the token: 400 Unauthorized; "),
    (401, "Unauthorized", "destination-401", "the destination refuses the token: 401 Unauthorized; "),
    (400, '{"errors": ["Unauthorized"]}', "destination-401", "the destination refuses the token: 400 "),
    (400, '{"error": "store is not active"}', "run-stopped", "the destination says: 400 store is not active"),
    (403, '{"error": "store is not active"}', "run-stopped", "the destination says: 403 store is not active"),
]


@pytest.mark.parametrize("header", [BY_ID, BY_LOOK_UP], ids=["at a write", "at a look"])
@pytest.mark.parametrize(("status", "body", "code", "words"), STOPS)
def test_what_any_request_would_meet_stops_the_run_after_one_request_4(
    capsys: Output, status: int, body: str, code: str, words: str, header: str
) -> None:
    lines = by_id(3) if header == BY_ID else by_look_up(3)
    manifest(Path("m.csv"), *lines, header=header)
    with Platform(lambda _: Reply(status, body)) as platform:
        configured(platform.url)
        ended = post(capsys)

    assert (ended.status, len(platform.seen)) == (4, 1)
    assert ended.summary["stopped_because"].startswith(words)
    assert ends() == [f"not-sent {code}", *["not-sent run-stopped"] * 2]
    assert "same command again" in rows()[0]["import_hint"]


def test_a_wrong_token_is_told_after_one_request_and_the_same_command_carries_on(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest(Path("m.csv"), *by_id(3), header=BY_ID)
    with served(mugs(3)) as sandbox:
        monkeypatch.setenv("SHOP_TOKEN", "another")
        refused = post(capsys)
        requests = len(sandbox.store.requests)
        monkeypatch.setenv("SHOP_TOKEN", CANARY)
        carried_on = post(capsys, report="again")

        assert (refused.status, requests, carried_on.status) == (4, 1, 0)
        assert numbers(sandbox) == [(f"f-{number}", f"TRACK00{number}") for number in (11, 12, 13)]


# --- each operation, in each version -------------------------------------------------------------------


OPERATIONS = {
    "update": ["updated", "updated", "rejected no-fulfillment"],
    "create": ["created", "rejected exceeds-remaining", "created"],
    "auto": ["updated", "updated", "created"],
}


EACH_VERSION_AND_OPERATION = [
    ("2022-01", "update"),
    ("2024-07", "create"),
    *((version, "auto") for version in SHOPLAZZA_VERSIONS),
]


@pytest.mark.parametrize(("version", "operation"), EACH_VERSION_AND_OPERATION)
def test_each_operation_does_in_each_version_what_the_order_allows(
    capsys: Output, version: str, operation: str
) -> None:
    orders = [
        order(11, waiting("f-11", MUG=1), MUG=2),
        order(12, waiting("f-12", TEA=2), TEA=2),
        order(13, MUG=1, TEA=1),
    ]
    lines = [f"{Q.format(11)},MUG,1,TRACK0011", f"{Q.format(12)},TEA,2,TRACK0012"]
    lines += [f"{Q.format(13)},MUG,1,TRACK0013", f"{Q.format(13)},TEA,1,TRACK0013"]
    manifest(Path("m.csv"), *lines, header=BY_LOOK_UP)
    with served(orders, version=version, operation=operation) as sandbox:
        post(capsys)
        sent = [request.path for request in sandbox.store.requests if request.method != "GET"]
        again = post(capsys, report="again")

        first, second, third = OPERATIONS[operation]
        assert ends() == [first, second, third, third]
        done = [end for end in (first, second, third) if " " not in end]
        assert len(sandbox.shop.written) == len(sent) == len(done)
        assert all(path.startswith(f"/openapi/{version}/orders/{Q[:7]}") for path in sent)
        assert again.summary["fulfillments"]["skipped"] == len(done)
        shipped = sandbox.shop.order(Q.format(13)).fulfillments
        units = [[each.quantity for each in fulfillment.units] for fulfillment in shipped]
        assert units == ([[1, 1]] if third == "created" else [])


@pytest.mark.parametrize("version", SHOPLAZZA_VERSIONS)
def test_orders_may_be_named_by_their_numbers(capsys: Output, version: str) -> None:
    manifest(Path("m.csv"), "#1011,f-11,TRACK0011", "#1012,,TRACK0012", "#1099,,TRACK0099", header=BY_ID)
    with served(mugs(2), version=version, order_id_is="number") as sandbox:
        ended = post(capsys)

        assert (ended.status, numbers(sandbox)) == (1, [("f-11", "TRACK0011"), ("f-12", "TRACK0012")])
    assert ends() == ["updated", "updated", "rejected destination-404"]
    assert rows()[2]["import_fulfillment"] == "#1099/TRACK0099"


def test_an_order_or_fulfillment_that_is_not_there_is_refused_in_the_platforms_words(capsys: Output) -> None:
    lines = [f"{Q.format(11)},gone,TRACK0011", f"{Q.format(98)},f-11,TRACK0098", f"{Q.format(99)},,TRACK0099"]
    manifest(Path("m.csv"), *lines, header=BY_ID)
    with served(mugs(1)) as sandbox:
        ended = post(capsys)

        assert (ended.status, asked(sandbox), sandbox.shop.written) == (1, {"PUT": 2, "GET": 1}, [])
    assert {(row["import_message"], row["import_http_status"]) for row in rows()} == {
        ("404 Record not found", "404")
    }


def test_the_same_command_again_sends_nothing_at_all(capsys: Output) -> None:
    manifest(Path("m.csv"), *by_look_up(3), header=BY_LOOK_UP)
    with served(mugs(3)) as sandbox:
        post(capsys, "--notify")
        requests = len(sandbox.store.requests)
        again = post(capsys, "--notify", report="again")

        assert len(sandbox.store.requests) == requests
        assert (again.status, again.summary["mails"], len(sandbox.shop.mails)) == (0, 0, 3)
    assert ends("again") == ["skipped already-posted"] * 3


def test_with_another_ledger_what_is_there_is_neither_sent_nor_mailed_again(capsys: Output) -> None:
    manifest(Path("m.csv"), *by_look_up(3), header=BY_LOOK_UP)
    with served(mugs(3)) as sandbox:
        post(capsys, "--notify")
        again = post(capsys, "--notify", "--ledger", "other.db", report="again")

        assert (again.status, again.summary["mails"], len(sandbox.shop.mails)) == (0, 0, 3)
        assert asked(sandbox)["PUT"] == 3
    assert ends("again") == ["skipped already-there"] * 3
    assert {row["import_message"].partition("; ")[2] for row in rows("again")} == {
        "the customer is not mailed for it"
    }


# --- mails -----------------------------------------------------------------------------------------------


MAILS: list[tuple[tuple[str, ...], dict[str, Any], list[str]]] = [
    ((), {}, ["f-11"]),
    (("--notify",), {}, ["f-11", "f-13"]),
    ((), {"send_email": True}, ["f-11", "f-13"]),
    (("--no-notify",), {"send_email": True}, ["f-11"]),
]


@pytest.mark.parametrize(("options", "settings", "mailed"), MAILS)
def test_customers_are_mailed_whom_the_manifest_the_command_or_the_configuration_names(
    capsys: Output, options: tuple[str, ...], settings: dict[str, Any], mailed: list[str]
) -> None:
    lines = [f"{line},{notify}" for line, notify in zip(by_id(3), ("yes", "no", ""), strict=True)]
    manifest(Path("m.csv"), *lines, header=f"{BY_ID},notify")
    with served(mugs(3), **settings) as sandbox:
        dry, asking = run(capsys, "check", "dry", *options), run(capsys, "check", "ask", "--ask", *options)
        assert asked(sandbox)["PUT"] == 0
        real, again = post(capsys, *options), post(capsys, *options, report="again")

        assert [mail.fulfillment_id for mail in sandbox.shop.mails] == mailed
    told = [each.summary["mails"] for each in (dry, asking, real, again)]
    assert told == [len(mailed), len(mailed), len(mailed), 0]


def test_how_many_are_mailed_is_said(capsys: Output) -> None:
    manifest(Path("m.csv"), *by_id(2), header=BY_ID)
    command = ("m.csv", "--to", "shop", "--notify")
    with served(mugs(2)):
        dry, real = here(capsys, "check", *command), here(capsys, "post", *command)

    assert "\n  the destination would be asked to mail 2 customers\n" in dry.out
    assert "\n  the destination was asked to mail 2 customers\n" in real.out


def test_customers_are_mailed_again_without_tracking_numbers_each_once(capsys: Output) -> None:
    lines = [f"{Q.format(number)},f-{number}" for number in (11, 12, 99)]
    manifest(Path("m.csv"), *lines, header="order_id,fulfillment_id")
    orders = [order(number, waiting(f"f-{number}", f"OLD{number}", MUG=1), MUG=1) for number in (11, 12)]
    with served(orders) as sandbox:
        ended, again = post(capsys, "--notify"), post(capsys, "--notify", report="again")

        bodies = [request.body for request in sandbox.store.requests]
        assert bodies == [{"send_email": True}] * 3
        assert [mail.tracking_number for mail in sandbox.shop.mails] == ["OLD11", "OLD12"]
        assert [number for _, number in numbers(sandbox)] == ["OLD11", "OLD12"]
    assert (ended.status, ended.summary["mails"], again.summary["mails"]) == (1, 2, 0)
    assert ends() == ["updated", "updated", "rejected destination-404"]


def test_who_creates_mails_nobody_and_is_told_so(capsys: Output) -> None:
    manifest(Path("m.csv"), f"{Q.format(11)},MUG,1,TRACK0011", header=BY_LOOK_UP)
    with served([order(11, MUG=1)], operation="create") as sandbox:
        refused = post(capsys, "--notify")
        configured(sandbox.url, operation="auto")
        ended = post(capsys, "--notify")

        assert (refused.status, ended.status, ends()) == (2, 0, ["created"])
        assert (ended.summary["mails"], sandbox.shop.mails) == (0, [])
    assert "--notify: the destination shop, as it is configured, mails no customers" in refused.err
    assert rows()[0]["import_message"].endswith(
        "the customer was not mailed: the API has no field for it when it creates"
    )


# --- asking ----------------------------------------------------------------------------------------------


VARIED = [
    order(11, waiting("f-11", MUG=1), MUG=1),
    order(12, waiting("f-12", "TRACK0012", MUG=1), MUG=1),
    order(13, MUG=3),
    order(14, waiting("a", MUG=1), waiting("b", MUG=1), MUG=3),
    order(15, waiting("c", MUG=1), waiting("d", TEA=1), MUG=2, TEA=2),
]
VARIED_LINES = [
    f"{Q.format(number)},{sku},{quantity},{tracking},{code}"
    for number, sku, quantity, tracking, code in (
        (11, "MUG", 1, "TRACK0011", "dhl"),
        (12, "MUG", 1, "TRACK0012", ""),
        (13, "MUG", 2, "TRACK0013", ""),
        (13, "MUG", 2, "TRACK0113", ""),
        (14, "MUG", 1, "TRACK0014", ""),
        (15, "MUG", 1, "TRACK0015", ""),
        (15, "TEA", 1, "TRACK0115", ""),
        (15, "CUP", 1, "TRACK0215", ""),
        (16, "MUG", 1, "TRACK0016", ""),
        (17, "MUG", 0, "TRACK0017", ""),
        (11, "MUG", 1, "TRACK0111", "dhll"),
    )
]


@pytest.mark.parametrize(
    ("version", "operation"),
    [*(("2022-01", operation) for operation in OPERATIONS), ("2024-07", "auto"), ("2026-07", "auto")],
)
def test_asking_writes_nothing_and_says_of_every_row_what_a_post_then_does(
    capsys: Output, version: str, operation: str
) -> None:
    manifest(Path("m.csv"), *VARIED_LINES, header=f"{BY_LOOK_UP},tracking_company_code")
    with served(VARIED, version=version, operation=operation) as sandbox:
        run(capsys, "check", "asked", "--ask", "--ledger", "ledger.db")
        assert (set(asked(sandbox)), Path("ledger.db").exists()) == ({"GET"}, False)
        post(capsys, "--ledger", "ledger.db")

    done = {"updated": "ready", "created": "ready"}
    foretold = [done.get(each, each) for each in ends()]
    assert ends("asked") == foretold
    refused = [at for at, each in enumerate(foretold) if each != "ready"]
    texts = ("import_message", "import_hint", "import_http_status")
    told = [[[row[name] for name in texts] for row in rows(report)] for report in ("asked", "first")]
    assert [told[0][at] for at in refused] == [told[1][at] for at in refused]
    assert {"ready", "skipped already-there", "invalid quantity-below-one"} <= set(foretold)


def test_asking_says_what_would_stop_the_run_4(capsys: Output) -> None:
    manifest(Path("m.csv"), *by_look_up(3), header=BY_LOOK_UP)
    with served(mugs(3)) as sandbox:
        sandbox.shop.active = False
        ended = run(capsys, "check", "asked", "--ask")

        assert (ended.status, len(sandbox.store.requests)) == (4, 1)
    assert ends("asked") == ["not-sent run-stopped"] * 3


# --- look-ups and carriers -------------------------------------------------------------------------------


def test_the_parcels_of_an_order_share_its_look_ups(capsys: Output) -> None:
    orders = [order(number, MUG=5) for number in (11, 12)]
    lines = [
        f"{Q.format(number)},MUG,1,TRACK{number}{parcel},dhl" for number in (11, 12) for parcel in range(1, 6)
    ]
    manifest(Path("m.csv"), *lines, header=f"{BY_LOOK_UP},tracking_company_code")
    with served(orders, operation="create", concurrency=1) as sandbox:
        post(capsys)

        looks = Counter(request.path for request in sandbox.store.requests if request.method == "GET")
        prefix = "/openapi/2022-01"
        assert looks == {
            f"{prefix}/tracking-codes": 1,
            **{f"{prefix}/orders/{Q.format(number)}": 1 for number in (11, 12)},
            **{f"{prefix}/orders/{Q.format(number)}/fulfillments": 1 for number in (11, 12)},
        }
        assert asked(sandbox)["POST"] == len(sandbox.shop.written) == 10
    assert ends() == ["created"] * 10


def test_many_fulfillments_of_an_order_get_their_numbers_from_one_look_up(capsys: Output) -> None:
    names = [f"f-{number:03}" for number in range(12)]
    skus = {name: f"SKU-{name}" for name in names}
    units = dict.fromkeys(skus.values(), 1)
    orders = [order(11, *(waiting(name, "", **{skus[name]: 1}) for name in names), **units)]
    lines = [f"{Q.format(11)},{skus[name]},1,TRACK-{name}" for name in names]
    manifest(Path("m.csv"), *lines, header=BY_LOOK_UP)
    for version in SHOPLAZZA_VERSIONS:
        with served(orders, version=version) as sandbox:
            post(capsys, "--ledger", f"{version}.db", report=version)

            assert numbers(sandbox) == [(name, f"TRACK-{name}") for name in names]
            assert asked(sandbox)["GET"] == 1


CARRIED = [
    ("DHL,dhl", "updated", ""),
    ("DHL,DHL", "rejected carrier-not-known", "found 'DHL', which is not on the platform's list; did you "),
    ("DHL Pakett,", "updated", "tracking_company 'DHL Pakett' is not on the platform's list; did you mean "),
    ("CLE,dhl", "rejected carrier-not-known", "is that of DHL, but tracking_company is 'CLE'; did you mean "),
    ("可络客国际物流,DJ-10001", "updated", ""),
    ("Bicycle Couriers,", "updated", ""),
]


@pytest.mark.parametrize("version", ["2022-01", "2026-01"])
def test_carriers_are_compared_with_the_platforms_list(capsys: Output, version: str) -> None:
    lines = [f"{line},{carrier}" for line, (carrier, *_) in zip(by_id(6), CARRIED, strict=True)]
    manifest(Path("m.csv"), *lines, header=f"{BY_ID},tracking_company,tracking_company_code")
    with served(mugs(6), version=version) as sandbox:
        ended = post(capsys)

        assert (ended.status, asked(sandbox)) == (1, {"GET": 1, "PUT": 4})
    assert ends() == [status for _, status, _ in CARRIED]
    told = zip(CARRIED, rows(), strict=True)
    assert [words for (*_, words), row in told if words not in row["import_message"]] == []
    hinted = ["did you mean" in row["import_message"] for row in rows()]
    assert hinted == ["; did you " in words for *_, words in CARRIED]


UNREADABLE: list[dict[str, object]] = [
    {"kind": "404", "method": "GET"},
    {"kind": "500", "method": "GET"},
    {"kind": "html", "method": "GET"},
    {"kind": "drop-before", "method": "GET"},
]


@pytest.mark.parametrize("fault", UNREADABLE, ids=[str(fault["kind"]) for fault in UNREADABLE])
def test_a_list_of_carriers_that_can_not_be_read_lets_any_pass(
    capsys: Output, fault: dict[str, object]
) -> None:
    lines = [f"{line},DHL,no-such-code" for line in by_id(2)]
    manifest(Path("m.csv"), *lines, header=f"{BY_ID},tracking_company,tracking_company_code")
    with served(mugs(2), fault) as sandbox:
        ended = post(capsys)

        assert (ended.status, asked(sandbox)["PUT"]) == (0, 2)
    assert ends() == ["updated"] * 2


# --- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2022-01", "2026-01"])
def test_a_platform_that_is_too_busy_is_waited_for_at_looks_and_writes(capsys: Output, version: str) -> None:
    faults = [{"kind": "429", "method": method, "requests": [2], "retry_after": "0"} for method in METHODS]
    manifest(Path("m.csv"), *by_look_up(4), header=BY_LOOK_UP)
    with served(mugs(4), *faults, version=version, concurrency=1) as sandbox:
        ended = post(capsys, "--notify")

        assert (ended.status, len(sandbox.shop.written), len(sandbox.shop.mails)) == (0, 4, 4)
        assert asked(sandbox) == {"GET": 6, "PUT": 5}  # after a wait, all is looked up anew
    assert [row["import_attempts"] for row in rows()].count("1") <= 3


METHODS = ("GET", "PUT")


def test_what_is_over_the_leaky_bucket_waits_its_turn(capsys: Output) -> None:
    manifest(Path("m.csv"), *by_id(8), header=BY_ID)
    with served(mugs(8), bucket=Bucket(depth=6, leak=50.0)) as sandbox:
        ended = post(capsys, "--notify", "--max-attempts", 20)

        assert (ended.status, len(sandbox.shop.written), len(sandbox.shop.mails)) == (0, 8, 8)
    assert ended.summary["mails"] == 8


LOST = ["drop-after", "truncate", "empty", "504", "other-order", "reset", "502", "500-html"]


NOT_DONE = {"reset", "502", "500-html"}


def lost(method: str, *kinds: str) -> list[dict[str, object]]:
    """For each order from 12 on a kind, which its first write meets."""
    each = {"method": method, "times": 1}
    return [{"kind": kind, "orders": [Q.format(12 + at)], **each} for at, kind in enumerate(kinds)]


@pytest.mark.parametrize("header", [BY_ID, BY_LOOK_UP], ids=["by id", "by look-up"])
def test_an_update_of_unknown_outcome_ends_updated_and_mails_at_most_once(
    capsys: Output, header: str
) -> None:
    lines = by_id(9) if header == BY_ID else by_look_up(9)
    manifest(Path("m.csv"), *lines, header=header)
    with served(mugs(9), *lost("PUT", *LOST)) as sandbox:
        ended, again = post(capsys, "--notify"), post(capsys, "--notify", report="again")

        assert asked(sandbox)["PUT"] == 9 + len(LOST if header == BY_ID else NOT_DONE)
        assert set(numbers(sandbox)) == {(f"f-{number}", f"TRACK00{number}") for number in range(11, 20)}
        mailed = ["f-11", *(f"f-{12 + at}" for at, kind in enumerate(LOST) if kind not in NOT_DONE)]
        assert sorted(mail.fulfillment_id for mail in sandbox.shop.mails) == mailed
    assert (ended.status, again.status, ends()) == (0, 0, ["updated"] * 9)
    assert ended.summary["mails"] == 9
    silent = [row["import_message"].partition("; the customer was ")[2][:20] for row in rows()]
    assert silent.count("not mailed by this t") == asked(sandbox)["PUT"] - 9


@pytest.mark.parametrize("version", SHOPLAZZA_VERSIONS)
def test_a_creation_of_unknown_outcome_ends_created_and_is_not_doubled(capsys: Output, version: str) -> None:
    kinds = (*LOST, "500")
    orders = [order(number, MUG=9) for number in range(11, 21)]
    manifest(Path("m.csv"), *by_look_up(10), header=BY_LOOK_UP)
    with served(orders, *lost("POST", *kinds), operation="create", version=version) as sandbox:
        ended, again = post(capsys, "--timeout", 2), post(capsys, report="again")

        shipped = Counter(
            (written.fulfillment.trackings[0].tracking_number, sum(each.quantity for each in units))
            for written in sandbox.shop.written
            for units in (written.fulfillment.units,)
        )
        assert shipped == {(f"TRACK00{number}", 1): 1 for number in range(11, 21)}
        assert asked(sandbox)["POST"] == 10 + len(NOT_DONE) + 1
    assert (ended.status, again.status, ends()) == (0, 0, ["created"] * 10)
    assert ends("again") == ["skipped already-posted"] * 10


def test_a_look_that_is_lost_is_asked_again_and_one_that_stays_lost_writes_nothing(capsys: Output) -> None:
    orders, lost = mugs(3), {"kind": "drop-before", "method": "GET"}
    faults = ({**lost, "orders": [Q.format(11)], "times": 1}, {**lost, "orders": [Q.format(12)]})
    manifest(Path("m.csv"), *by_look_up(3), header=BY_LOOK_UP)
    with served(orders, *faults) as sandbox:
        ended = post(capsys, "--max-attempts", 2)

        assert set(numbers(sandbox)) == {("f-11", "TRACK0011"), ("f-13", "TRACK0013")}
        assert asked(sandbox)["PUT"] == 2
    assert (ended.status, ends()) == (1, ["updated", "failed look-up-failed", "updated"])
    with served(orders):
        again = post(capsys, report="again")
    assert (again.status, ends("again")[1]) == (0, "updated")


# --- killed ----------------------------------------------------------------------------------------------


def killed(sandbox: Sandbox, writes: int, *options: str) -> None:
    """Post until the shop has done so many writes and holds the answer to the last, and kill the process."""
    process = start("post", "m.csv", "--to", "shop", *options)
    wait_until(lambda: len(sandbox.shop.written) == writes, process)
    process.kill()
    assert end(process).status == -signal.SIGKILL


def held(method: str) -> dict[str, object]:
    """The answer to the second write is held for good."""
    return {"kind": "hang", "requests": [2], "method": method}


@pytest.mark.parametrize("header", [BY_ID, BY_LOOK_UP], ids=["by id", "by look-up"])
def test_an_update_that_was_in_flight_at_a_kill_is_finished_and_not_mailed_twice(
    capsys: Output, header: str
) -> None:
    lines = by_id(3) if header == BY_ID else by_look_up(3)
    manifest(Path("m.csv"), *lines, header=header)
    with served(mugs(3), held("PUT"), concurrency=1) as sandbox:
        killed(sandbox, 2, "--notify")
        ended = post(capsys, "--notify")

        assert set(numbers(sandbox)) == {(f"f-{number}", f"TRACK00{number}") for number in (11, 12, 13)}
        assert [mail.fulfillment_id for mail in sandbox.shop.mails] == ["f-11", "f-12", "f-13"]
        assert asked(sandbox)["PUT"] == 3 + (header == BY_ID)
    assert (ended.status, ended.summary["mails"]) == (0, 1)
    assert ends() == ["skipped already-posted", "updated", "updated"]


@pytest.mark.parametrize("version", ["2022-01", "2026-01"])
def test_a_creation_that_was_in_flight_at_a_kill_is_looked_up_and_not_doubled(
    capsys: Output, version: str
) -> None:
    lines = [f"{Q.format(11)},MUG,1,TRACK00{number}" for number in (11, 12, 13)]
    manifest(Path("m.csv"), *lines, header=BY_LOOK_UP)
    with served([order(11, MUG=9)], held("POST"), operation="create", version=version) as sandbox:
        killed(sandbox, 2)
        ended, again = post(capsys), post(capsys, report="again")

        names = [each.trackings[0].tracking_number for each in sandbox.shop.order(Q.format(11)).fulfillments]
        assert (names, asked(sandbox)["POST"]) == (["TRACK0011", "TRACK0012", "TRACK0013"], 3)
    assert (ended.status, again.status) == (0, 0)
    assert ends() == ["skipped already-posted", "created", "created"]


def test_a_mail_that_was_in_flight_at_a_kill_is_in_doubt_and_not_asked_for_again_6(capsys: Output) -> None:
    lines = [f"{Q.format(number)},f-{number}" for number in (11, 12, 13)]
    manifest(Path("m.csv"), *lines, header="order_id,fulfillment_id")
    with served(mugs(3), held("PUT"), concurrency=1) as sandbox:
        killed(sandbox, 2, "--notify")
        ended, again = post(capsys, "--notify"), post(capsys, "--notify", report="again")

        assert [mail.fulfillment_id for mail in sandbox.shop.mails] == ["f-11", "f-12", "f-13"]
    assert (ended.status, again.status) == (6, 6)
    assert ends() == ["skipped already-posted", "in-doubt outcome-unknown", "updated"]


def test_what_was_held_when_the_platform_had_done_nothing_is_sent_after_a_look(capsys: Output) -> None:
    manifest(Path("m.csv"), *by_look_up(3), header=BY_LOOK_UP)
    with served(mugs(3), {**held("PUT"), "effect": False}, concurrency=1) as sandbox:
        process = start("post", "m.csv", "--to", "shop")
        wait_until(lambda: asked(sandbox)["PUT"] == 2, process)
        process.kill()
        end(process)
        ended = post(capsys)

        assert numbers(sandbox) == [(f"f-{number}", f"TRACK00{number}") for number in (11, 12, 13)]
    assert (ended.status, ends()) == (0, ["skipped already-posted", "updated", "updated"])


# --- the token -------------------------------------------------------------------------------------------


def test_the_token_is_nowhere(capsys: Output) -> None:
    header = f"{BY_LOOK_UP},tracking_company_code"
    manifest(Path("m.csv"), *(f"{line},dhl" for line in by_look_up(4)), header=header)
    kinds = ("drop-after", "500", "truncate", "other-order")
    faults = lost("PUT", *kinds) + lost("GET", *kinds[:2])
    with served(mugs(4), *faults) as sandbox:
        outputs = [run(capsys, "check", "asked", "--ask"), post(capsys)]
        outputs += [here(capsys, "-v", "post", "m.csv", "--to", "shop", "--retry-in-doubt")]
        outputs += [here(capsys, "runs", *more) for more in ((), ("--json",))]
        assert asked(sandbox)["PUT"] >= 4
    with Platform(lambda seen: Reply(401, f"{seen.headers}")) as platform:
        configured(platform.url)
        outputs += [here(capsys, "-v", "post", "m.csv", "--to", "shop")]

    assert [each.status for each in outputs] == [0, 0, 0, 0, 0, 4]
    assert statuses(Path("first/rows.csv")).keys() == statuses(Path("asked/rows.csv")).keys()
    forms = [form.encode() for form in (CANARY, CANARY.replace("/", "\\/"), CANARY[:-4], CANARY[4:])]
    said = [f"{each.out}{each.err}".encode() for each in outputs]
    files = [path.read_bytes() for path in Path().rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [text for text in (*said, *files) if any(form in text for form in forms)] == []
