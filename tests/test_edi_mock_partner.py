"""A trading partner (mock-edi) sends shipments, and understands our answers.

The partner listens on a port of this machine, and its clock stands still.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from mockedi.testing import Mock

from importer.manifests.edi import despatch_advices, envelopes, segments, ship_notices
from importer.manifests.edi.acks import Answered, Rejection, acknowledge
from importer.manifests.edi.lines import Line
from importer.manifests.edi.partners import DEFAULT
from importer.manifests.edi.standards import Standard

if TYPE_CHECKING:
    from collections.abc import Iterator

READERS = {"856": ship_notices.lines, "DESADV": despatch_advices.lines}
NOW = datetime(2026, 4, 2, 7, 5, tzinfo=UTC)


class Customer(NamedTuple):
    """Who orders from the partner, how, and which kinds of document then come and go.

    ``miscounted`` is what the answer to a shipment has that says a wrong number of segments.
    """

    name: str
    order: str
    shipment: str
    answer: str
    miscounted: str


X12 = Customer(
    "ACME",
    f"ISA*00*{' ':10}*00*{' ':10}*ZZ*{'ACME':15}*ZZ*{'MOCKEDI':15}*260401*2359*U*00401*000000031*0*T*>~"
    "GS*PO*ACME*MOCKEDI*20260401*2359*7*X*004010~ST*850*0001~BEG*00*SA*1001**20260401~"
    "PO1*1*10*EA*12.50**SK*WIDGET-001~PO1*2*4*EA*13.75**SK*WIDGET-002~CTT*2~SE*6*0001~GE*1*7~"
    "IEA*1*000000031~",
    "856",
    "997",
    "~AK2*856*0003~AK5*R*4~AK9*R*1*1*0~",
)
EDIFACT = Customer(
    "EURODIS",
    "UNB+UNOC:3+EURODIS:14+MOCKEDI:ZZ+260401:2359+31++++++1'UNH+1+ORDERS:D:96A:UN'BGM+220+1001+9'"
    "DTM+137:20260401:102'NAD+BY+EURODIS::92'NAD+SU+MOCKEDI::92'LIN+1++WIDGET-001:SA'QTY+21:10:PCE'"
    "PRI+AAA:12.50'LIN+2++WIDGET-002:SA'QTY+21:4:PCE'PRI+AAA:13.75'UNS+S'CNT+2:2'UNT+14+1'UNZ+1+31'",
    "DESADV",
    "CONTRL",
    "'UCI+3+MOCKEDI:ZZ+EURODIS:14+7'UCM+3+DESADV:D:96A:UN+4+29+UNT+2'",
)
customers = pytest.mark.parametrize("customer", [X12, EDIFACT], ids=["x12", "edifact"])


@pytest.fixture(name="running", scope="module")
def _running() -> Iterator[Mock]:
    with Mock.start(start_at="2026-04-02T07:05:00Z", timeout=10.0) as mock:
        yield mock


@pytest.fixture(name="partner")
def _partner(running: Mock) -> Mock:
    """The partner, which remembers nothing of other tests."""
    running.reset()
    return running


def shipped(partner: Mock, customer: Customer, behaviour: str = "accept") -> str:
    """The shipment that the partner sends for the customer's order."""
    if behaviour != "accept":
        partner.behaviour(customer.name, behaviour)
    assert partner.send(customer.order)["accepted"]
    [found] = partner.mailbox(customer.name, "despatch")
    return str(found["payload"])


def lines(text: str) -> list[tuple[str, str, str, str, str]]:
    """What is read of a shipment: order, SKU, quantity, tracking number, verdict."""
    found = []
    stretches = [*segments.read([text.encode()])]
    reader = READERS["856" if stretches[0].standard is Standard.X12 else "DESADV"]
    for _, delimiters, body in envelopes.transactions(stretches):
        for line in reader(body, delimiters, DEFAULT):
            assert isinstance(line, Line)
            found.append((line.order_id, line.sku, line.quantity, line.tracking_number, line.verdict))
    return found


def answers(text: str, answered: Answered | None = None) -> list[tuple[str, str]]:
    """Kind and text of what is answered to a file."""
    last: Counter[str] = Counter()

    def number(series: str) -> int:
        last[series] += 1
        return last[series]

    survey = envelopes.survey(segments.read([text.encode()]), lambda _: DEFAULT, READERS)
    found = acknowledge(survey, {0: answered} if answered else {}, lambda _: DEFAULT, number, NOW)
    return [(each.kind, each.content.decode()) for each in found]


def told(partner: Mock, answer: str) -> list[tuple[str, str, str, bool]]:
    """What the partner takes from a sound answer: document, status, note, whether it sent the document."""
    said: dict[str, Any] = partner.send(answer)
    assert (said["accepted"], [each["findings"] for each in said["transactionSets"]]) == (True, [[]])
    return [(each["code"], each["status"], each["note"], each["matched"]) for each in said["acknowledged"]]


def awaited(partner: Mock) -> set[str]:
    return {each["code"] for each in partner.unacknowledged()}


@customers
@pytest.mark.parametrize(
    ("behaviour", "quantities"),
    [
        ("accept", ("10", "4")),
        ("short-ship", ("8", "3")),
        ("out-of-order", ("10", "4")),
        ("over-ship", ("13", "6")),
    ],
)
def test_shipment_is_read_and_the_partner_learns_that_it_is_accepted(
    partner: Mock, customer: Customer, behaviour: str, quantities: tuple[str, str]
) -> None:
    text = shipped(partner, customer, behaviour)
    [(kind, answer)] = answers(text)

    assert lines(text) == [
        ("1001", sku, quantity, "1Z999AA1008000002", "")
        for sku, quantity in zip(("WIDGET-001", "WIDGET-002"), quantities, strict=True)
    ]
    assert kind == customer.answer
    assert told(partner, answer) == [(customer.shipment, "accepted", "", True)]
    assert customer.shipment not in awaited(partner)


@customers
def test_partner_that_miscounts_its_segments_learns_that_they_are_rejected(
    partner: Mock, customer: Customer
) -> None:
    [(_, answer)] = answers(shipped(partner, customer, "corrupt"))

    assert customer.miscounted in answer
    assert told(partner, answer) == [(customer.shipment, "rejected", "", True)]


def test_partner_finds_the_element_that_is_wrong(partner: Mock) -> None:
    [(_, answer)] = answers(shipped(partner, X12).replace("HL*4*2*I", "HL*4*9*I"))

    note = "HL at segment 20: Segment has data element errors; HL02 (element 2): Invalid code value ('9')"
    assert told(partner, answer) == [("856", "rejected", note, True)]


@customers
def test_everything_that_the_partner_sends_is_answered_but_its_own_answers(
    partner: Mock, customer: Customer
) -> None:
    shipped(partner, customer)
    text = "".join(each["payload"] for each in partner.mailbox(customer.name))

    found = [each for _, answer in answers(text) for each in told(partner, answer)]
    response, invoice = ("855", "810") if customer is X12 else ("ORDRSP", "INVOIC")
    assert found == [
        (response, "rejected", "", True),
        (customer.shipment, "accepted", "", True),
        (invoice, "rejected", "", True),
    ]
    assert awaited(partner) == set()


@customers
def test_rows_that_fail_leave_the_shipment_accepted(partner: Mock, customer: Customer) -> None:
    refused = Rejection(8, "destination-404", "404: order 1001 not found", reference="1001")
    (kind, answer), (advice, _) = answers(shipped(partner, customer), Answered(1, 1, (refused,)))

    # The partner knows neither 824 nor APERAK.
    assert (kind, advice) in {("997", "824"), ("CONTRL", "APERAK")}
    assert told(partner, answer) == [(customer.shipment, "accepted", "", True)]
