"""What ADM is sent, and what each of its answers means."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.destinations import make, requests
from importer.destinations.adm import Adm
from importer.destinations.masking import masked
from importer.model import (
    Answer,
    Fulfillment,
    LineItem,
    Meaning,
    NoAnswer,
    OrderPart,
    Reach,
    Reading,
    Request,
)
from importer.settings import DestinationSettings, Secret

TRACKING_NUMBER = "1ZE356F8YW01937117"
PARCEL = Fulfillment(0, TRACKING_NUMBER, (OrderPart("450789469", (LineItem("RPBF24-1941", 1),)),))
SHARED = Fulfillment(
    0,
    TRACKING_NUMBER,
    (
        OrderPart("450789469", (LineItem("RPBF24-1941", 1), LineItem("Größe 5\u2033", 2))),
        OrderPart("450789470", (LineItem("RPBF24-1941", 3),)),
    ),
)
SETTINGS = DestinationSettings(name="adm", kind="adm", base_url="https://api.example.com/v1")
TOKEN = "canary/token"  # noqa: S105 - a canary
JSON = {"Content-Type": "application/json"}


def adm(**changes: Any) -> Adm:  # noqa: ANN401 - any of the settings
    destination = make(replace(SETTINGS, **changes))
    assert isinstance(destination, Adm)
    return destination


def answer(status: int, document: object, headers: Mapping[str, str] = JSON, *, whole: bool = True) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, headers, body, whole)


# --- what is sent --------------------------------------------------------------------------------------


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


@given(st.dictionaries(st.text(), _VALUES))
def test_a_body_and_a_digest_are_of_what_json_writes(body: dict[str, Any]) -> None:
    written = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    assert requests.write("POST", "https://api.example.com", body, "key").body == written.encode()
    escaped = json.dumps(body, separators=(",", ":"))
    assert requests.digest(body) == hashlib.sha256(escaped.encode()).hexdigest()


def test_the_request_is_the_documents_example() -> None:
    request = adm().request(PARCEL, 1)
    assert request == Request(
        "POST",
        "https://api.example.com/v1/fulfillments/create",
        {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"fulfillment-importer/{version('fulfillment-importer')} (+python)",
            "Idempotency-Key": "658f19e2938314f48bcfb618cdceb0d9bcbd8660d649a97ba2f91aea20b51120",
        },
        b'{"order_id":450789469,"line_items":[{"sku":"RPBF24-1941","quantity":1}],'
        b'"tracking_number":"1ZE356F8YW01937117"}',
    )


def test_an_order_id_is_sent_as_text_where_it_is_configured_so() -> None:
    assert json.loads(adm(order_id="string").request(PARCEL, 1).body) == {
        "order_id": "450789469",
        "line_items": [{"sku": "RPBF24-1941", "quantity": 1}],
        "tracking_number": TRACKING_NUMBER,
    }


def test_a_body_by_fulfillment_order_has_an_entry_for_each_order() -> None:
    destination = adm(body="by_fulfillment_order")
    assert destination.several_orders
    assert (
        destination.request(SHARED, 1).body
        == (
            '{"line_items_by_fulfillment_order":['
            '{"order_id":450789469,"line_items":[{"sku":"RPBF24-1941","quantity":1},'
            '{"sku":"Größe 5\u2033","quantity":2}]},'
            '{"order_id":450789470,"line_items":[{"sku":"RPBF24-1941","quantity":3}]}],'
            '"tracking_number":"1ZE356F8YW01937117"}'
        ).encode()
    )


def test_constant_fields_come_last() -> None:
    extra = {"service": "Standard Ground", "origin_address": {"zip": "97201"}}
    assert (
        adm(extra=extra)
        .request(PARCEL, 1)
        .body.endswith(
            b'"tracking_number":"1ZE356F8YW01937117","service":"Standard Ground",'
            b'"origin_address":{"zip":"97201"}}'
        )
    )


EMPTY = OrderPart("7", ())
UNSENDABLE = [
    ("flat", (EMPTY,), "order 7: no line items, which the API takes for the whole order"),
    ("by_fulfillment_order", (EMPTY,), "order 7: no line items, which the API takes for the whole order"),
    ("by_fulfillment_order", (), f"{TRACKING_NUMBER}: no orders"),
    ("flat", (), f"/{TRACKING_NUMBER}: 0 orders, but a flat body has one"),
    ("flat", SHARED.parts, f"450789469+450789470/{TRACKING_NUMBER}: 2 orders, but a flat body has one"),
]


@pytest.mark.parametrize(("body", "parts", "words"), UNSENDABLE)
def test_a_fulfillment_that_would_mean_another_thing_is_never_sent(
    body: str, parts: tuple[OrderPart, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        adm(body=body).request(Fulfillment(0, TRACKING_NUMBER, parts), 1)
    assert str(error.value) == words


def test_a_fulfillment_is_written_at_once_and_its_reply_read_for_it() -> None:
    write = adm().plan(PARCEL, 1, ())
    assert (write.request, dict(write.takes), write.mails) == (adm().request(PARCEL, 1), {}, False)
    reply = answer(200, DOCUMENTED)
    assert write.read(reply) == adm().read(PARCEL, reply)


def test_only_a_key_that_is_honoured_makes_a_request_repeatable() -> None:
    assert (adm().repeatable, adm(idempotency="key").repeatable) == (False, True)
    assert (adm().readable, adm().creates, adm().takes, adm().optional) == (False, True, (), ())


def test_the_manifest_needs_what_the_body_needs() -> None:
    assert adm().needed == ("order_id", "sku", "quantity", "tracking_number")
    assert (adm().order_id, adm(order_id="string").order_id) == ("integer", "string")
    assert not adm().several_orders


IDENTITIES = [
    ({}, "adm https://api.example.com/v1"),
    ({"account": "east"}, "adm https://api.example.com/v1 east"),
    ({"name": "another", "token": Secret(TOKEN), "concurrency": 1}, "adm https://api.example.com/v1"),
    ({"path": "v2/fulfillments"}, "adm https://api.example.com/v1"),
    ({"base_url": "https://staging.example.com/v1"}, "adm https://staging.example.com/v1"),
    ({"base_url": "http://127.0.0.1:8001", "sandbox": True}, "adm sandbox"),
    ({"base_url": "http://127.0.0.1:8002", "sandbox": True, "account": "east"}, "adm sandbox"),
]


@pytest.mark.parametrize(("changes", "identity"), IDENTITIES)
def test_destinations_are_told_apart_by_address_and_account(changes: dict[str, Any], identity: str) -> None:
    assert adm(**changes).identity == identity


line_items = st.builds(
    LineItem, st.text(alphabet='A1",[]- é', min_size=1, max_size=4), st.integers(1, 1_000_000)
)
parts = st.builds(
    OrderPart,
    st.integers(1, 10**6).map(str),
    st.lists(line_items, min_size=1, max_size=4, unique_by=lambda line: line.sku).map(tuple),
)
fulfillments = st.builds(
    Fulfillment,
    st.integers(0, 9),
    st.text(alphabet="AB12-", min_size=5, max_size=7),
    st.lists(parts, min_size=1, max_size=3, unique_by=lambda part: part.order_id).map(tuple),
)


def said_by(fulfillment: Fulfillment) -> tuple[object, ...]:
    return fulfillment.tracking_number, {part.order_id: frozenset(part.lines) for part in fulfillment.parts}


@given(fulfillments, st.randoms(use_true_random=False))
def test_content_and_key_do_not_depend_on_the_order_of_lines_and_parts(
    fulfillment: Fulfillment,
    random: Any,  # noqa: ANN401 - hypothesis has no name for its Random
) -> None:
    shuffled = [
        replace(part, lines=tuple(random.sample(part.lines, len(part.lines)))) for part in fulfillment.parts
    ]
    random.shuffle(shuffled)
    same = replace(fulfillment, index=fulfillment.index + 1, parts=tuple(shuffled))
    destination = adm(body="by_fulfillment_order")
    assert destination.content(same) == destination.content(fulfillment)
    assert key_of(destination, same, 1) == key_of(destination, fulfillment, 2)


@given(fulfillments, fulfillments)
def test_content_and_key_differ_when_anything_differs(one: Fulfillment, other: Fulfillment) -> None:
    destination = adm(body="by_fulfillment_order")
    same = said_by(one) == said_by(other)
    assert (destination.content(one) == destination.content(other)) is same
    assert (key_of(destination, one) == key_of(destination, other)) is same


CHANGED = [
    replace(PARCEL, tracking_number="1ZE356F8YW01937118"),
    replace(PARCEL, parts=(OrderPart("450789468", (LineItem("RPBF24-1941", 1),)),)),
    replace(PARCEL, parts=(OrderPart("450789469", (LineItem("RPBF24-1942", 1),)),)),
    replace(PARCEL, parts=(OrderPart("450789469", (LineItem("RPBF24-1941", 2),)),)),
    replace(PARCEL, parts=(OrderPart("450789469", (LineItem("RPBF24-1941", 1), LineItem("A", 1))),)),
    replace(PARCEL, parts=(*PARCEL.parts, OrderPart("450789470", (LineItem("A", 1),)))),
]


def test_each_part_of_a_fulfillment_counts_in_its_content_and_key() -> None:
    destination = adm(body="by_fulfillment_order")
    all_of_them = [PARCEL, *CHANGED]
    assert len({destination.content(each) for each in all_of_them}) == len(all_of_them)
    assert len({key_of(destination, each) for each in all_of_them}) == len(all_of_them)


def test_the_key_differs_between_destinations_but_the_content_does_not() -> None:
    here, there = adm(), adm(account="east", extra={"service": "Express"})
    assert key_of(here, PARCEL) != key_of(there, PARCEL)
    assert here.content(PARCEL) == there.content(PARCEL)
    assert key_of(adm(extra={"service": "Express"}), PARCEL) == key_of(here, PARCEL)


def test_content_and_key_stay_as_they_are_since_ledgers_keep_them() -> None:
    assert adm().content(PARCEL) == "2de614cbaa75ce9f5169e9ca8f8185052bfbb8c3eec5e4fb5413146ad70565dd"
    assert key_of(adm(), PARCEL) == "658f19e2938314f48bcfb618cdceb0d9bcbd8660d649a97ba2f91aea20b51120"


def key_of(destination: Adm, fulfillment: Fulfillment, attempt: int = 1) -> str:
    return destination.request(fulfillment, attempt).headers["Idempotency-Key"]


# --- what comes back -----------------------------------------------------------------------------------

DOCUMENTED = {
    "order_id": 450789469,
    "status": "created",
    "tracking_number": TRACKING_NUMBER,
    "created_at": "2024-04-30T12:00:00Z",
}
CREATED = [
    (200, DOCUMENTED),
    (201, DOCUMENTED),
    (200, {**DOCUMENTED, "order_id": "450789469"}),
    (200, {**DOCUMENTED, "status": "Created"}),
    (200, {"order_id": 450789469, "tracking_number": TRACKING_NUMBER}),
    (200, {**DOCUMENTED, "line_items": [], "weight": float("nan")}),
    (200, b"\xef\xbb\xbf" + json.dumps(DOCUMENTED).encode()),
]


@pytest.mark.parametrize(("status", "document"), CREATED)
def test_the_documented_answer_for_this_fulfillment_means_created(status: int, document: object) -> None:
    assert adm().read(PARCEL, answer(status, document)) == Reading(Meaning.CREATED, http_status=status)


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in DOCUMENTED.items() if name != key}


def came(document: object) -> str:
    """How a JSON reply is shown."""
    return f"(application/json: '{json.dumps(document)}')"


NO_JSON = " with what is no JSON object"
PENDING = {**DOCUMENTED, "status": "pending"}
EXPECTED = f"expected '{TRACKING_NUMBER}'"
OTHERS: list[tuple[dict[str, object], str]] = [
    ({}, f"no tracking_number, {EXPECTED}"),
    (without("tracking_number"), f"no tracking_number, {EXPECTED}"),
    ({**DOCUMENTED, "tracking_number": "1ZOTHER"}, f"tracking_number '1ZOTHER', {EXPECTED}"),
    ({**DOCUMENTED, "tracking_number": [TRACKING_NUMBER]}, f"tracking_number in another form, {EXPECTED}"),
    (without("order_id"), "no order_id, expected '450789469'"),
    ({**DOCUMENTED, "order_id": 450789460}, "order_id '450789460', expected '450789469'"),
    ({**DOCUMENTED, "order_id": "0450789469"}, "order_id '0450789469', expected '450789469'"),
    ({**DOCUMENTED, "order_id": 450789469.0}, "order_id in another form, expected '450789469'"),
    ({**DOCUMENTED, "order_id": None}, "order_id in another form, expected '450789469'"),
    (PENDING, "status 'pending', expected 'created'"),
    ({**DOCUMENTED, "status": None}, "status in another form, expected 'created'"),
    ({"error": "Order Not Found", "message": "No such order."}, f"no tracking_number, {EXPECTED}"),
]
DOUBTFUL = [
    *(
        (status, document, f" with {what} {came(document)}")
        for status in (200, 201)
        for document, what in OTHERS
    ),
    (200, b"", f"{NO_JSON} (application/json, empty)"),
    (200, b" \r\n", f"{NO_JSON} (application/json, empty)"),
    (200, b"<html>\n<p>Hello\x1b[0m", rf"{NO_JSON} (application/json: '<html> <p>Hello\x1b[0m')"),
    (200, [DOCUMENTED], f"{NO_JSON} {came([DOCUMENTED])}"),
    (200, b"[" * 100_000, f"{NO_JSON} (application/json: '{'[' * 2045}…')"),
    (200, b"\n" * 8000 + b"[" * 100_000, f"{NO_JSON} (application/json: '{'[' * 192}')"),
    (
        200,
        b'{"order_id": ' + b"9" * 5000 + b"}",
        f"{NO_JSON} (application/json: '{{\"order_id\": {'9' * 2032}…')",
    ),
    (202, DOCUMENTED, f" {came(DOCUMENTED)}"),
    (204, b"", " (application/json, empty)"),
    (100, b"", " (application/json, empty)"),
    (408, {"error": "Too slow"}, f" {came({'error': 'Too slow'})}"),
    (500, b"", " (application/json, empty)"),
    (500, {"error": "Server Error"}, f" {came({'error': 'Server Error'})}"),
    (500, {"error": "Server Error", "message": None}, f" {came({'error': 'Server Error', 'message': None})}"),
    (500, ["x"], f" {came(['x'])}"),
    (501, b"no", " (application/json: 'no')"),
    (502, b"<h1>Bad Gateway</h1>\r\n", " (application/json: '<h1>Bad Gateway</h1>')"),
    (503, {"error": "Busy", "message": "Later."}, f" {came({'error': 'Busy', 'message': 'Later.'})}"),
    (504, b"\xffno\x00\xc3", r" (application/json: '\xffno\x00\xc3')"),
    (599, b"", " (application/json, empty)"),
    (700, b"", " (application/json, empty)"),
    (0, b"", " (application/json, empty)"),
    (-1, b"", " (application/json, empty)"),
]


def in_doubt(status: int, what: str) -> Reading:
    return Reading(
        Meaning.UNKNOWN,
        "outcome-unknown",
        f"the destination answered {status}{what}; it is not known whether the fulfillment was created",
        status,
    )


@pytest.mark.parametrize(("status", "document", "what"), DOUBTFUL, ids=range(len(DOUBTFUL)))
def test_an_answer_that_settles_nothing_leaves_the_outcome_unknown(
    status: int, document: object, what: str
) -> None:
    assert adm().read(PARCEL, answer(status, document)) == in_doubt(status, what)


CONTENT_TYPES = [
    ({}, "no content type"),
    ({"Content-Type": ""}, "no content type"),
    ({"CONTENT-TYPE": "Text/HTML;\tcharset=utf-8"}, "Text/HTML; charset=utf-8"),
    ({"content-type": "text/html; x=\x1b[1m\u202e"}, r"text/html; x=\x1b[1m\u202e"),
    ({"content-type": "x" * 200}, f"{'x' * 97}…"),
    ({"content-type": "text/canary/token"}, "text/***"),
]


@pytest.mark.parametrize(("headers", "shown"), CONTENT_TYPES)
def test_the_content_type_is_shown_as_it_was_sent_short_and_printable(
    headers: dict[str, str], shown: str
) -> None:
    reply = answer(502, b"Bad Gateway", headers)
    assert adm(token=Secret(TOKEN)).read(PARCEL, reply) == in_doubt(502, f" ({shown}: 'Bad Gateway')")


WRONG_CHARSETS = [
    ("text/plain; charset=windows-1252", b"Gr\xf6\x81e", r"Grö\x81e"),
    ("text/plain; charset=utf-8", b"Gr\xf6\xdfe", r"Gr\xf6\xdfe"),
    ("text/plain; charset=klingon", b"Gr\xf6\xdfe", r"Gr\xf6\xdfe"),
    ("text/plain; charset=utf-16", b"\xff\xfeG\x00r\x00\xf6", "Gr\ufffd"),
]


@pytest.mark.parametrize(("content_type", "body", "shown"), WRONG_CHARSETS)
def test_bytes_that_are_none_of_the_charsets_are_shown_as_escapes(
    content_type: str, body: bytes, shown: str
) -> None:
    reply = answer(502, body, {"content-type": content_type})
    assert adm().read(PARCEL, reply) == in_doubt(502, f" ({content_type}: '{shown}')")


def test_an_answer_that_was_not_read_to_its_end_leaves_the_outcome_unknown() -> None:
    what = f" with a reply that was cut off {came(DOCUMENTED)}"
    assert adm().read(PARCEL, answer(200, DOCUMENTED, whole=False)) == in_doubt(200, what)
    documented = {"error": "Server Error", "message": "Later."}
    what = f" {came(documented)}"
    assert adm().read(PARCEL, answer(500, documented, whole=False)) == in_doubt(500, what)


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 408, 409, 422, 500, 502, 503, 504, 700])
@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (json.dumps(DOCUMENTED).encode()[:20], """(application/json: '{"order_id": 4507894')"""),
        (b'{"error": "No", "message": "no"}', """(application/json: '{"error": "No", "message": "no"}')"""),
        (b"", "(application/json, empty)"),
    ],
)
def test_a_reply_that_broke_off_leaves_the_outcome_unknown_and_is_shown(
    status: int, body: bytes, shown: str
) -> None:
    reason = "the reply was cut off"
    begun = answer(status, body, {**JSON, "Retry-After": "1"}, whole=False)
    assert adm().read(PARCEL, NoAnswer(Reach.SENT, reason, begun)) == Reading(
        Meaning.UNKNOWN,
        "outcome-unknown",
        f"{reason} {shown}; it is not known whether the fulfillment was created",
        status,
    )


def test_a_request_that_was_never_sent_created_nothing_whatever_came() -> None:
    begun = answer(500, b"<ht", whole=False)
    assert adm().read(PARCEL, NoAnswer(Reach.NEVER_SENT, "the reply was cut off", begun)) == Reading(
        Meaning.NEVER_REACHED,
        "destination-unreachable",
        "the reply was cut off (application/json: '<ht')",
        500,
    )


@pytest.mark.parametrize("status", [301, 302, 304, 308, 401, 403, 407, 429])
@pytest.mark.parametrize("reach", Reach)
def test_where_the_head_says_it_all_it_does_not_matter_that_the_rest_broke_off(
    status: int, reach: Reach
) -> None:
    begun = answer(status, b"<html><p", {"Location": "/x", "Retry-After": "7"}, whole=False)
    silence = NoAnswer(reach, "the reply was cut off", begun)
    assert adm().read(PARCEL, silence) == adm().read(PARCEL, replace(begun, whole=True))
    assert "(no content type: '<html><p')" in adm().read(PARCEL, silence).message


ENTRIES = "line_items_by_fulfillment_order"
SHARED_ANSWERS: list[tuple[dict[str, object], str]] = [
    ({"tracking_number": TRACKING_NUMBER}, ""),
    (DOCUMENTED, ""),
    ({**without("order_id"), ENTRIES: [{"order_id": 450789469}, {"order_id": "450789470"}]}, ""),
    ({**without("order_id"), ENTRIES: [{}]}, ""),
    ({**DOCUMENTED, "order_id": 1}, "order_id '1', expected '450789469 or 450789470'"),
    ({**DOCUMENTED, "order_id": None}, "order_id in another form, expected '450789469 or 450789470'"),
    (
        {**DOCUMENTED, ENTRIES: [{"order_id": 450789469}, {"order_id": 2}]},
        "order_id '2', expected '450789469 or 450789470'",
    ),
    ({**DOCUMENTED, ENTRIES: None}, f"{ENTRIES} in another form"),
    ({**DOCUMENTED, ENTRIES: [1]}, f"{ENTRIES} in another form"),
    (without("tracking_number"), f"no tracking_number, expected '{TRACKING_NUMBER}'"),
]


@pytest.mark.parametrize(("document", "what"), SHARED_ANSWERS)
def test_an_answer_for_several_orders_may_name_only_ours(document: dict[str, object], what: str) -> None:
    doubt = in_doubt(200, f" with {what} {came(document)}")
    expected = doubt if what else Reading(Meaning.CREATED, http_status=200)
    assert adm(body="by_fulfillment_order").read(SHARED, answer(200, document)) == expected


REFUSED = [
    (
        400,
        {
            "error": "Invalid SKU or Quantity",
            "message": "One or more line items have an invalid SKU or quantity specified.",
        },
        "400 Invalid SKU or Quantity: One or more line items have an invalid SKU or quantity specified.",
    ),
    (
        404,
        {"error": "Order Not Found", "message": "The order with the specified ID was not found."},
        "404 Order Not Found: The order with the specified ID was not found.",
    ),
    (
        409,
        {"error": "Item Already Fulfilled", "message": "The specified item was already fulfilled."},
        "409 Item Already Fulfilled: The specified item was already fulfilled.",
    ),
    (422, {"error": "Only this"}, "422 Only this"),
    (422, {"message": " Only\r\n that\t", "error": " "}, "422 Only that"),
    (422, {"errors": ["sku"]}, """422 Unprocessable Entity (application/json: '{"errors": ["sku"]}')"""),
    (400, {"error": "a\u202eb\ud800\x00c"}, r"400 a\u202eb\ud800\x00c"),
    (
        404,
        b"<html>\n  <h1>Nothing here</h1>",
        "404 Not Found (application/json: '<html> <h1>Nothing here</h1>')",
    ),
    (404, b"", "404 Not Found (application/json, empty)"),
    (499, b"", "499 (application/json, empty)"),
    (418, b"x" * 5000, f"418 I'm a Teapot (application/json: '{'x' * 2045}…')"),
    (418, "ä" * 5000, f"""418 I'm a Teapot (application/json: '"{"ä" * 1022}…')"""),
    (400, {"message": "x" * 5000}, f"400 {'x' * 2045}…"),
    (425, b"too early", "425 Too Early (application/json: 'too early')"),
]


@pytest.mark.parametrize(("status", "document", "words"), REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_is_told_in_the_destinations_own_words(status: int, document: object, words: str) -> None:
    body = json.dumps(document, ensure_ascii=False).encode() if isinstance(document, str) else document
    expected = Reading(Meaning.REFUSED, f"destination-{status}", words, status)
    assert replace(adm().read(PARCEL, answer(status, body)), formed=True) == expected


@pytest.mark.parametrize(
    ("body", "formed"),
    [
        (b'{"error": "Order Not Found", "message": "No such order."}', True),
        (b'{"message": "No such order."}', True),
        (b'{"detail": "Not Found"}', False),
        (b"<h1>Not Found</h1>", False),
        (b"", False),
    ],
)
def test_a_refusal_in_another_form_than_the_documented_one_is_marked(body: bytes, *, formed: bool) -> None:
    assert adm().read(PARCEL, answer(404, body)).formed is formed


CHARSETS = [
    ("application/json; charset=ISO-8859-1", "latin-1"),
    ('text/plain; charset="windows-1252"; x=y', "cp1252"),
    ("text/plain;CHARSET = utf-16", "utf-16"),
    ("text/plain; charset=UTF-8", "utf-8"),
    ("text/plain; charset=us-ascii", "utf-8"),
    ("text/plain; charset=zip", "utf-8"),
    ("text/plain; charset=undefined", "utf-8"),
    ("text/plain; charset=", "utf-8"),
    ("", "utf-8"),
]


@pytest.mark.parametrize(("content_type", "encoding"), CHARSETS)
def test_the_words_are_read_in_the_charset_that_is_named_if_there_is_such_a_one(
    content_type: str, encoding: str
) -> None:
    reply = Answer(400, {"content-type": content_type}, "Größe fehlt".encode(encoding))
    assert "'Größe fehlt'" in adm().read(PARCEL, reply).message


ADVICE = "check the token of [destinations.adm], its auth_header and auth_scheme"
PROXY_ADVICE = "check the proxy, or env_proxy of [destinations.adm]"
ADDRESS_ADVICE = (
    "correct base_url or path of [destinations.adm], which give "
    "https://api.example.com/v1/fulfillments/create"
)
NOT_THIS_ONE = """(no content type: '{"error": "No", "message": "Not this one."}')"""
STOPS: list[tuple[int, dict[str, str], str]] = [
    (401, {}, f"the destination refuses the token: 401 No: Not this one.; {ADVICE}"),
    (403, {}, f"the destination refuses the token: 403 No: Not this one.; {ADVICE}"),
    (407, {}, f"a proxy refuses the request: 407 No: Not this one.; {PROXY_ADVICE}"),
    *(
        (
            status,
            headers,
            f"the destination answered {status} and points to {place} {NOT_THIS_ONE}; {ADDRESS_ADVICE}",
        )
        for status, headers, place in (
            (301, {"location": "https://www.example.com/"}, "https://www.example.com/"),
            (302, {"Location": "/login\x1b[1m"}, r"/login\x1b[1m"),
            (304, {}, "another place that it does not name"),
            (308, {"LOCATION": "/" + "x" * 200}, "/" + "x" * 96 + "…"),
        )
    ),
]


@pytest.mark.parametrize(("status", "headers", "words"), STOPS)
def test_what_every_other_post_would_meet_too_stops_the_run(
    status: int, headers: dict[str, str], words: str
) -> None:
    expected = Reading(Meaning.STOP, f"destination-{status}", words, status)
    document = {"error": "No", "message": "Not this one."}
    assert adm().read(PARCEL, answer(status, document, headers)) == expected


NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"Retry-After": "120"}, 120.0),
    ({"retry-after": " 0 "}, 0.0),
    ({"Retry-After": "1.5"}, 1.5),
    ({"Retry-After": "-5"}, None),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "1e9"}, None),
    ({"Retry-After": "9" * 5000}, float("inf")),
    ({"Retry-After": "٣"}, None),
    ({"Retry-After": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": NOW}, 60.0),
    ({"Retry-After": "Sun, 06 Nov 1994 09:50:37 +0100", "date": NOW}, 60.0),
    ({"Retry-After": "Sun Nov  6 08:49:38 1994", "Date": NOW}, 1.0),
    ({"Retry-After": NOW, "Date": "Sun, 06 Nov 1994 08:49:38 GMT"}, None),
    ({"Retry-After": "Sun, 06 Nov 1994 08:50:37 GMT"}, None),
    ({"Retry-After": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": "today"}, None),
    ({"Retry-After": "Sun, 06 Nov 99999999999999 08:50:37 GMT", "Date": NOW}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_a_destination_that_is_too_busy_is_waited_for_as_it_tells(
    headers: dict[str, str], seconds: float | None
) -> None:
    document = {"error": "Slow", "message": "Too many requests."}
    assert adm().read(PARCEL, answer(429, document, headers)) == Reading(
        Meaning.WAIT, "destination-429", "429 Slow: Too many requests.", 429, seconds
    )
    unavailable = adm().read(PARCEL, answer(503, document, headers))
    told = any(name.lower() == "retry-after" for name in headers)
    assert unavailable == (
        Reading(Meaning.WAIT, "destination-503", "503 Slow: Too many requests.", 503, seconds)
        if told
        else in_doubt(503, f" (no content type: '{json.dumps(document)}')")
    )


def test_the_documented_server_error_is_taken_at_its_word_unless_configured_otherwise() -> None:
    document = {
        "error": "Server Error",
        "message": "An error occurred on our server. Please try again later.",
    }
    words = "Server Error: An error occurred on our server. Please try again later."
    reply = answer(500, document)
    assert adm().read(PARCEL, reply) == Reading(Meaning.TRY_AGAIN, "destination-500", f"500 {words}", 500)
    assert adm(on_500="in-doubt").read(PARCEL, reply) == in_doubt(500, f" {came(document)}")


def test_no_answer_means_what_its_reach_says() -> None:
    assert adm().read(PARCEL, NoAnswer(Reach.NEVER_SENT, "connection refused")) == Reading(
        Meaning.NEVER_REACHED, "destination-unreachable", "connection refused"
    )
    assert adm().read(PARCEL, NoAnswer(Reach.SENT, "no answer within 30 s")) == Reading(
        Meaning.UNKNOWN,
        "outcome-unknown",
        "no answer within 30 s; it is not known whether the fulfillment was created",
    )


REPEATED = [
    answer(401, {"error": "No", "message": f"Bearer {TOKEN} is not known"}),
    answer(400, f"X-ADM-Access-Token: {TOKEN}".encode()),
    answer(400, b'{"token":"canary\\/token"}'),
    answer(400, b"x" * 2042 + TOKEN.encode()),
    answer(400, b" " * 8185 + TOKEN.encode()),
    answer(400, {"message": " " * 8185 + TOKEN}),
    answer(200, {**DOCUMENTED, "tracking_number": TOKEN}),
    answer(302, b"", {"Location": f"/?token={TOKEN}"}),
    answer(302, b"", {"Location": "/?token=%63anary%2Ftoken"}),
    answer(502, TOKEN.encode()),
    answer(502, b"<p>canary&#x2F;token</p>"),
    answer(502, b"<p>canary&#047;token</p>"),
    answer(502, b"<p>canary&sol;token</p>"),
    answer(502, b'["c\\u0061nary\\u002Ftoken"]'),
    answer(502, rb"b'\x63anary/token'"),
    answer(502, TOKEN.encode("utf-16")),
    answer(502, b"no", {"content-type": f"text/html; {TOKEN}"}),
    NoAnswer(Reach.NEVER_SENT, f"bad header {TOKEN}"),
    NoAnswer(Reach.SENT, f"bad header {TOKEN}", Answer(200, {}, b"", whole=False)),
]


@pytest.mark.parametrize("reply", REPEATED, ids=range(len(REPEATED)))
def test_a_token_that_an_answer_repeats_is_not_passed_on(reply: Answer | NoAnswer) -> None:
    message = adm(token=Secret(TOKEN)).read(PARCEL, reply).message
    assert "***" in message
    assert not any(part in message for part in ("cana", "anary", "/tok"))


@pytest.mark.parametrize("body", [TOKEN.encode("utf-16"), b"\xff\xfe. " + TOKEN.encode()])
def test_a_token_does_not_hide_in_a_charset(body: bytes) -> None:
    reply = answer(502, body, {"content-type": "text/plain; charset=utf-16"})
    message = adm(token=Secret(TOKEN)).read(PARCEL, reply).message
    assert "canary" not in message
    assert b"canary" not in message.encode("utf-16-le")


TORN = [TOKEN, "canary\\/token", "canary%2Ftoken", "canary&#x2F;token", "\0".join(TOKEN), '\\u0063anary"']


@pytest.mark.parametrize("form", TORN)
def test_a_token_that_is_cut_off_is_not_passed_on_but_for_a_few_characters(form: str) -> None:
    destination = adm(token=Secret(TOKEN))
    for length in range(len(form)):
        begun = Answer(200, {}, f"Token: {form[:length]}".encode(), whole=False)
        message = destination.read(PARCEL, NoAnswer(Reach.SENT, "cut off", begun)).message
        assert message.startswith("cut off (no content type: 'Token:")
        assert not any(part in message.replace("\\x00", "") for part in ("cana", "anary", "\\u0063ana"))


def test_what_only_looks_like_the_beginning_of_a_token_is_shown() -> None:
    begun = Answer(200, {}, b"a canary, can", whole=False)
    message = adm(token=Secret(TOKEN)).read(PARCEL, NoAnswer(Reach.SENT, "cut off", begun)).message
    assert message.startswith("cut off (no content type: 'a canary, can')")
    whole = adm(token=Secret(TOKEN)).read(PARCEL, answer(502, b"a canary"))
    assert whole == in_doubt(502, " (application/json: 'a canary')")


@given(text=st.text(), secret=st.text(min_size=1), torn=st.booleans())
def test_nothing_else_is_masked(text: str, secret: str, *, torn: bool) -> None:
    # a form of the secret has each of its characters, or one that begins an escape
    if not set(text) & {secret[0], "\\", "%", "&"}:
        assert masked(text, secret, torn=torn) == text


statuses = st.one_of(st.sampled_from([200, 200, 200, 201, 204, 302, 401, 404, 429, 500, 503]), st.integers())
words = st.one_of(
    st.sampled_from([TRACKING_NUMBER, "450789469", 450789469, "created", "error", {}, []]),
    st.text(max_size=20),
    st.none(),
)
documents = st.dictionaries(
    st.sampled_from(["order_id", "tracking_number", "status", "error", "message"]), words, max_size=5
)
bodies = st.one_of(st.binary(max_size=200), documents.map(lambda document: json.dumps(document).encode()))
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Retry-After", "Date", "Location"]),
    st.one_of(
        st.text(max_size=40),
        st.sampled_from([NOW, "12", "text/html; charset=utf-16", "Sun, 31 Feb 0001 24:00:61 -9999"]),
    ),
)


@given(st.builds(Answer, statuses, headers, bodies, st.booleans()))
@example(Answer(200, {}, b'{"order_id":' * 50_000))
@example(Answer(500, {}, "é".encode() * 500_000))
@example(Answer(302, {"Location": "\ud800" * 3000}, b""))
def test_any_answer_is_read_and_only_an_echo_of_the_fulfillment_means_created(reply: Answer) -> None:
    reading = adm().read(PARCEL, reply)
    assert len(reading.message.encode()) <= 2048 + 700  # what is quoted, and our own words
    assert reading.message.isprintable()
    assert reading.http_status == reply.status
    if reading.meaning is Meaning.CREATED:
        document = json.loads(reply.body.decode("utf-16" if "utf-16" in str(reply.headers) else "utf-8-sig"))
        assert (str(document["order_id"]), document["tracking_number"]) == ("450789469", TRACKING_NUMBER)
        assert reply.whole
        assert reply.status in {200, 201}


@given(st.sampled_from(Reach), st.text())
def test_any_silence_is_read_and_never_means_created(reach: Reach, reason: str) -> None:
    meanings = {Reach.NEVER_SENT: Meaning.NEVER_REACHED, Reach.SENT: Meaning.UNKNOWN}
    reading = adm().read(PARCEL, NoAnswer(reach, reason))
    assert reading.meaning is meanings[reach]
    assert reading.message.isprintable()


@given(st.builds(Answer, statuses, headers, bodies, st.just(value=False)), st.text())
@example(Answer(200, {}, "é".encode() * 500_000), "x" * 5000)
def test_any_reply_that_broke_off_is_read_and_never_settles_anything(begun: Answer, reason: str) -> None:
    reading = adm().read(PARCEL, NoAnswer(Reach.SENT, reason, begun))
    assert reading.meaning in {Meaning.UNKNOWN, Meaning.STOP, Meaning.WAIT}
    assert len(reading.message.encode()) <= 2048 + 700  # what is quoted, and our own words
    assert reading.message.isprintable()
    assert reading.http_status == begun.status
