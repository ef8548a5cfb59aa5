"""X12 945 → lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi.lines import Line
from importer.manifests.edi.partners import DEFAULT, PIECES, Partner, Places
from importer.manifests.edi.segments import Delimiters, Segment
from importer.manifests.edi.units import Fault, Place
from importer.manifests.edi.warehouse_advices import lines

X12 = Delimiters(element="*", component=":", segment="~")
W06 = "W06*F*100234*20260304*SHP-77**PO-9"
TWELVE = replace(DEFAULT, units={**PIECES, "CA": 12})


def read(text: str, partner: Partner = DEFAULT) -> list[Line | Fault]:
    """The rows of a 945 whose ST is the file's third segment; ST and SE are put around the text."""
    segments, offset = [], 200
    for position, segment in enumerate(["ST*945*0001", *text.split("~"), "SE*9*0001"], 3):
        segments.append(Segment(X12.elements(segment), position, offset))
        offset += len(segment) + 1
    return [*lines(iter(segments), X12, partner)]


def rows(text: str, partner: Partner = DEFAULT) -> list[Line]:
    return [found for found in read(text, partner) if isinstance(found, Line)]


def told(text: str, partner: Partner = DEFAULT) -> list[tuple[str, str, str, str]]:
    """What a platform gets of each row, and why it does not."""
    return [(line.sku, line.quantity, line.tracking_number, line.verdict) for line in rows(text, partner)]


def verdicts(text: str) -> list[str]:
    return [line.verdict for line in rows(text)]


def test_each_w12_is_a_line_with_the_tracking_number_of_its_carton() -> None:
    assert read(
        f"{W06}~N1*ST*A SHOP~W27*M*FDEG*FEDEX GROUND"
        "~LX*1~MAN*GM*00106141411234567897**CP*794612345678~W12*CC*3*3**EA**SK*MUG-1"
        "~LX*2~MAN*CP*794612345689~W12*CP*5*2*3*EA**VN*V-7*LOT9******UP*012345678905~W03*5"
    ) == [
        Line(
            *("100234", "MUG-1", "3", "794612345678", "FedEx", "", "EA", "3"),
            *("106141411234567897", "SHP-77", 9, "LX 1 / W12 1"),
        ),
        Line(
            *("100234", "V-7", "2", "794612345689", "FedEx", "", "EA", "5", "", "SHP-77", 12, "LX 2 / W12 1"),
        ),
    ]


def test_number_and_carrier_of_a_carton_stand_in_one_man() -> None:
    [line] = rows(f"{W06}~W27*M*ODFL~LX*1~MAN*2*UPSN**CN*1Z999AA10123456784~W12*CC*1*1**EA**SK*A")
    assert (line.tracking_number, line.tracking_company) == ("1Z999AA10123456784", "UPS")


def test_reference_of_the_item_wins_over_that_of_the_loop_and_of_the_header() -> None:
    header, loop, item = "N9*2I*HEADER1", "N9*2I*LOOP1", "N9*2I*ITEM1"
    w12 = "W12*CC*1*1**EA**SK*A"
    assert [
        line.tracking_number for line in rows(f"{W06}~{header}~LX*1~{w12}~LX*2~{loop}~{w12}~{w12}~{item}")
    ] == [
        "HEADER1",
        "LOOP1",
        "ITEM1",
    ]


def test_place_that_the_partner_prefers_wins_over_one_that_is_nearer() -> None:
    text = f"{W06}~N9*2I*GOOD1~LX*1~N9*CN*PRO1~W12*CC*1*1**EA**SK*A~N9*ZZ*NOTHING"
    places = replace(DEFAULT.places["945"], tracking=("N9*CN", "N9*2I"))
    partner = replace(DEFAULT, places={"945": places})
    assert [rows(text)[0].tracking_number, rows(text, partner)[0].tracking_number] == ["GOOD1", "PRO1"]


def test_doubtful_place_counts_only_where_it_looks_like_a_tracking_number() -> None:
    partner = replace(DEFAULT, places={"945": Places(("W06-02",), ("SK",), tracking=("MAN*SM?", "W12-09"))})
    text = f"{W06}~LX*1~MAN*SM*{{}}~W12*CC*1*1**EA**SK*A*LAST-RESORT"
    assert [
        rows(text.format(marks), partner)[0].tracking_number for marks in ("1Z999AA10123456784", "PALLET 7")
    ] == ["1Z999AA10123456784", "LAST-RESORT"]


def test_order_is_the_depositors_or_else_the_buyers() -> None:
    text = "W06*F*{}*20260304*SHP**PO-9~LX*1~W12*CC*1*1**EA**SK*A"
    assert [rows(text.format(number))[0].order_id for number in ("100234", "")] == ["100234", "PO-9"]


def test_order_id_goes_through_the_partners_pattern() -> None:
    partner = replace(DEFAULT, order_id_pattern=r"WEB-0*(\d+)")
    text = "W06*F*{}~LX*1~W12*CC*1*1**EA**SK*A"
    assert [rows(text.format(number), partner)[0].order_id for number in ("WEB-00077", "77")] == ["77", "77"]


@pytest.mark.parametrize(
    ("elements", "sku"),
    [
        ("012345678905*VN*V-7*LOT*1*2*A*L***RATE*SK*S-1", "S-1"),
        ("012345678905*VN*V-7", "V-7"),
        ("012345678905*LT*LOT-4", "012345678905"),
        ("*SKU*S-2", "S-2"),
        ("*VN**LOT*1*2*A*L***RATE*UP*012345678905", "012345678905"),
        ("", ""),
    ],
)
def test_sku_is_the_one_that_the_partner_prefers_and_the_upc_at_last(elements: str, sku: str) -> None:
    assert told(f"{W06}~LX*1~W12*CC*1*1**EA*{elements}") == [(sku, "1", "", "")]


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ("EA*VN*V-700*LOT", "W12-06 is VN, expected a UPC"),
        ("EA**WIDGET-1*SK", "W12-07 is WIDGET-1, expected a qualifier"),
        ("007117901645*UK*10071179016458", "W12-05 is 007117901645, expected a unit of measure"),
    ],
)
def test_element_that_stands_where_another_belongs_is_no_sku(elements: str, found: str) -> None:
    [line] = read(f"{W06}~LX*1~MAN*CP*794612345678~W12*CC*9*1*3*{elements}")
    assert isinstance(line, Line)
    assert (line.sku, line.verdict.split(";")[0]) == ("", f"shifted: {found}")


@pytest.mark.parametrize(
    ("elements", "partner", "quantity"),
    [
        ("*2**EA", DEFAULT, "2"),
        ("*2.0**ea", DEFAULT, "2"),
        ("*2**", DEFAULT, "2"),
        ("*2**CA", DEFAULT, "2 CA"),
        ("*2**CA", TWELVE, "24"),
        ("*2.5**EA", DEFAULT, "2.5"),
        ("***EA", DEFAULT, ""),
    ],
)
def test_quantity_is_in_pieces_or_says_its_unit(elements: str, partner: Partner, quantity: str) -> None:
    assert told(f"{W06}~LX*1~W12*CC*{elements}**SK*A", partner) == [("A", quantity, "", "")]


def test_ordered_quantity_is_told_in_the_same_pieces() -> None:
    [line] = rows(f"{W06}~LX*1~W12*CP*5*4*1*CA**SK*A", TWELVE)
    assert (line.ordered, line.quantity, line.unit, line.verdict) == ("60", "48", "CA", "")


def test_lots_of_one_sku_are_lines_of_their_own() -> None:
    lot = "W12*CC*2*2**EA**SK*A*LOT-{}~N9*LI*1"
    assert [(line.quantity, line.path) for line in rows(f"{W06}~LX*1~{lot.format(1)}~{lot.format(2)}")] == [
        ("2", "LX 1 / W12 1"),
        ("2", "LX 1 / W12 2"),
    ]


def test_line_of_which_nothing_was_shipped_says_so() -> None:
    assert verdicts(f"{W06}~LX*1~W12*BO*5*0*5*CA**SK*A~W12*BO**0.0**EA**SK*A~W12*IC*5*5**EA**SK*A") == [
        "not shipped: W12-03 is 0, W12-02 ordered 5",
        "not shipped: W12-03 is 0.0, W12-02 ordered is blank",
        "not shipped: W12-01 is IC, item cancelled",
    ]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("C", "W06-01 is C, a cancellation or a return"),
        ("Cancelled", "W06-01 is Cancelled, a cancellation"),
        ("K", "W06-01 is K, a simulation"),
    ],
)
def test_no_line_of_a_cancelled_advice_is_posted(code: str, why: str) -> None:
    text = f"W06*{code}*100234~LX*1~MAN*CP*794612345678~W12*CC*1*1**EA**SK*A~W12*BO*1*0*1*EA**SK*B"
    assert verdicts(text) == [f"cancelled: {why}", f"cancelled: {why}"]
    assert verdicts(f"W06*{code}*100234") == [f"cancelled: {why}"]


def test_advice_without_w12_gives_a_line_for_its_order() -> None:
    assert read(f"{W06}~N9*2I*794612345678~W27*M*FDEG~W03*1") == [
        Line(
            *("100234", "", "", "794612345678", "FedEx"),
            "no lines: the order has no W12, so SKU and quantity are not known",
            unit="",
            ordered="",
            sscc="",
            shipment="SHP-77",
            position=3,
            path="",
        )
    ]


def test_each_order_of_a_transaction_is_told_by_itself() -> None:
    text = "W06*F*1**S1~N9*2I*FIRST~W06*F*2**S2~LX*1~W12*CC*1*1**EA**SK*A~W03*1~W06*F*3**S3"
    assert [(line.order_id, line.tracking_number, line.shipment, line.position) for line in rows(text)] == [
        ("1", "FIRST", "S1", 3),
        ("2", "", "S2", 8),
        ("3", "", "S3", 10),
    ]


def test_several_tracking_numbers_of_one_loop_are_no_tracking_number() -> None:
    why = "split unknown: LX 4 has 2 tracking numbers, and nothing says how many pieces belong to which"
    cartons = "MAN*CP*794612345678~MAN*CP*794612345689~MAN*CP*794612345678"
    assert told(f"{W06}~LX*4~{cartons}~W12*CC*9*9**EA**SK*A") == [
        ("A", "9", "794612345678 / 794612345689", why)
    ]
    assert told(f"{W06}~LX*4~MAN*CP*794612345678~W12*CC*9*9**EA**SK*A~MAN*CP*794612345689") == [
        ("A", "9", "794612345678 / 794612345689", why)
    ]


@pytest.mark.parametrize("head", [W06, f"{W06}~LX*1"], ids=["without LX", "in one LX"])
def test_cartons_that_only_their_man_tells_apart_keep_their_own_items(head: str) -> None:
    first, second = "MAN*CP*CARTON-1~W12*CC*1*1**EA**SK*A", "MAN*CP*CARTON-2~W12*CC*2*2**EA**SK*B"
    text = f"{head}~{first}~{second}~W12*CC*3*3**EA**SK*C"
    assert told(text) == [
        ("A", "1", "CARTON-1", ""),
        ("B", "2", "CARTON-2", ""),
        ("C", "3", "CARTON-2", ""),
    ]


def test_man_behind_items_only_is_of_the_item_before_it() -> None:
    text = f"{W06}~LX*1~W12*CC*1*1**EA**SK*A~MAN*CP*CARTON-1~W12*CC*2*2**EA**SK*B~MAN*CP*CARTON-2"
    assert told(text) == [("A", "1", "CARTON-1", ""), ("B", "2", "CARTON-2", "")]


@pytest.mark.parametrize("sscc", ["MAN*GM*00106141411234567897", "MAN*AA*106141411234567897"])
def test_sscc_in_front_does_not_say_that_tracking_numbers_stand_in_front(sscc: str) -> None:
    items = "~".join(f"W12*CC*1*1**EA**SK*{sku}~MAN*CP*CARTON-{sku}" for sku in "ABC")
    assert told(f"{W06}~N9*CN*HEADER1~LX*1~{sscc}~{items}~LX*2~W12*CC*1*1**EA**SK*D") == [
        ("A", "1", "CARTON-A", ""),
        ("B", "1", "CARTON-B", ""),
        ("C", "1", "CARTON-C", ""),
        ("D", "1", "HEADER1", ""),
    ]


def test_tracking_number_between_items_may_be_of_either_where_each_has_an_sscc() -> None:
    first, second = "MAN*GM*0001~W12*CC*1*1**EA**SK*A", "MAN*AA*0002~MAN*CP*CARTON-2~W12*CC*1*1**EA**SK*B"
    why = (
        "split unknown: a MAN with the tracking number stands between two W12 and may be of either, for an "
        "SSCC (MAN*GM, MAN*AA) stands in front of the first and with it"
    )
    assert verdicts(f"{W06}~LX*1~{first}~{second}~W12*CC*1*1**EA**SK*C~LX*2~W12*CC*1*1**EA**SK*D") == [
        *(why, why, why, "")
    ]


def test_cartons_that_only_their_sscc_tells_apart_have_the_tracking_number_of_the_order() -> None:
    cartons = "MAN*GM*0001~W12*CC*1*1**EA**SK*A~MAN*GM*0002~W12*CC*1*1**EA**SK*B"
    assert [
        (line.tracking_number, line.sscc, line.verdict) for line in rows(f"{W06}~N9*CN*H1~LX*1~{cartons}")
    ] == [("H1", "0001", ""), ("H1", "0002", "")]


def test_range_of_tracking_numbers_is_no_tracking_number() -> None:
    why = "split unknown: LX 1 has 2 tracking numbers, and nothing says how many pieces belong to which"
    assert told(f"{W06}~LX*1~MAN*CP*TRK00001*TRK00005~W12*CC*9*9**EA**SK*A") == [
        ("A", "9", "TRK00001 / TRK00005", why)
    ]


def test_loop_within_an_item_is_a_part_of_it() -> None:
    nested = "LS*0330~LX*1~MAN*CP*CARTON-1~LX*2~MAN*CP*CARTON-2~LE*0330"
    first, second = rows(f"{W06}~LX*7~W12*CC*2*2**EA**SK*A~{nested}~LX*8~W12*CC*1*1**EA**SK*B")
    assert (first.path, first.tracking_number, first.verdict[:13]) == (
        "LX 7 / W12 1",
        "CARTON-1 / CARTON-2",
        "split unknown",
    )
    assert (second.path, second.tracking_number) == ("LX 8 / W12 1", "")


@pytest.mark.parametrize(
    ("header", "loop", "item", "company"),
    [
        ("W27*M*UPSN*UPS", "", "", "UPS"),
        ("W27*M**A VAN", "", "", "A VAN"),
        ("W27*M*ODFL", "MAN*2*XPOL*CP*1", "", "XPOL"),
        ("W27*M*ODFL", "MAN*2*XPOL*CP*1", "W27*M*UPSN", "UPS"),
        ("W27*M*ODFL", "", "W27*M*NONE", "ODFL"),
        ("W27*M*NONE", "", "", ""),
    ],
)
def test_carrier_is_the_nearest_and_by_the_partners_name(
    header: str, loop: str, item: str, company: str
) -> None:
    partner = replace(DEFAULT, carriers={"UPSN": "UPS"})
    [line] = rows(f"{W06}~{header}~LX*1~{loop}~W12*CC*1*1**EA**SK*A~{item}", partner)
    assert line.tracking_company == company


def test_difference_that_is_none_is_a_harmless_fault_at_its_element() -> None:
    fault, line = read(f"{W06}~LX*1~W12*CP*5*2*2*EA**SK*A")
    assert fault == Fault(
        "total",
        "W12-04 says 2, but W12-02 less W12-03, 5 less 2, is 3",
        Place(segment=6, offset=252, tag="W12", inside=4, element=4),
        "2",
    )
    assert isinstance(line, Line)
    assert line.verdict == ""


@pytest.mark.parametrize("quantities", ["5*2*3", "2*5*-3", "5*2*-3", "5*2*", "5*2*NaN", "*2*3"])
def test_difference_that_is_right_or_is_not_told_is_no_fault(quantities: str) -> None:
    assert len(read(f"{W06}~LX*1~W12*CP*{quantities}*EA**SK*A")) == 1


def test_advice_that_breaks_off_gives_what_it_had() -> None:
    segments = [
        Segment(X12.elements(text), 9, 0) for text in ("ST*945*1", W06, "LX*1", "W12*CC*1*1**EA**SK*A")
    ]
    assert len([*lines(iter(segments), X12, DEFAULT)]) == 1


words = st.text("AB1 ", max_size=4)
any_segment = st.builds(
    lambda tag, elements: "*".join([tag, *elements]),
    st.sampled_from(["W06", "LX", "MAN", "N9", "W12", "W27", "LS", "LE", "W03"]),
    st.lists(st.one_of(words, st.sampled_from(["CP", "2I", "SK", "1", "2", "C", "EA"])), max_size=9),
)


@given(st.lists(any_segment, max_size=12))
def test_every_w12_gives_one_line_whatever_stands_around_it(segments: list[str]) -> None:
    found = rows("~".join(segments)) if segments else rows("N1*ST")
    of_items = [line for line in found if not line.verdict.startswith("no lines") and "W12" in line.path]
    assert len(of_items) == sum(segment.split("*")[0] == "W12" for segment in segments)
    assert len({line.position for line in of_items}) == len(of_items)
    assert found
