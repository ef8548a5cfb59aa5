"""X12 856 → lines."""

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi.lines import Line
from importer.manifests.edi.partners import DEFAULT, PIECES, Partner, Places
from importer.manifests.edi.segments import Delimiters, Segment
from importer.manifests.edi.ship_notices import lines
from importer.manifests.edi.units import Fault, Place

X12 = Delimiters(element="*", component=":", segment="~")
HEAD = "BSN*00*SHP-7*20260304*1200~HL*1**S"
ORDER = "HL*2*1*O~PRF*1001"


def segments(text: str) -> Iterator[Segment]:
    """The segments of an 856 whose ST is the file's third; ST and SE are put around the text."""
    offset = 200
    for position, segment in enumerate(["ST*856*0001", *text.split("~"), "SE*9*0001"], 3):
        yield Segment(segment.split("*"), position, offset)
        offset += len(segment) + 1


def read(text: str, partner: Partner = DEFAULT) -> list[Line | Fault]:
    return [*lines(segments(text), X12, partner)]


def rows(text: str, partner: Partner = DEFAULT) -> list[Line]:
    return [found for found in read(text, partner) if isinstance(found, Line)]


def told(text: str, partner: Partner = DEFAULT) -> list[str]:
    """What a platform gets of each line, in short."""
    return [
        f"{line.order_id} {line.sku} {line.quantity} {line.tracking_number} {line.tracking_company}".rstrip()
        for line in rows(text, partner)
    ]


def verdicts(text: str, partner: Partner = DEFAULT) -> list[str]:
    return [line.verdict for line in rows(text, partner)]


def faults(text: str) -> list[tuple[str, str, str]]:
    return [(found.code, found.message, found.value) for found in read(text) if isinstance(found, Fault)]


def test_an_item_takes_what_its_pack_its_order_and_its_shipment_say() -> None:
    assert read(
        f"{HEAD}~TD5**2*UPSN*M*UPS GROUND~REF*CN*4711~{ORDER}~HL*3*2*P~MAN*GM*00106141411234567897**CP*1Z1"
        "~HL*4*3*I~LIN*1*VP*V-1*SK*MUG~SN1*1*2*EA*90*3*EA~PID*F****A MUG"
        "~HL*5*3*I~LIN*2*SK*CUP~SN1*2*1*EA~HL*6*2*P~MAN*CP*1Z2~HL*7*6*I~LIN*3*SK*JUG~SN1*3*4*EA~CTT*3*7"
    ) == [
        Line("1001", "MUG", "2", "1Z1", "UPS", "", "EA", "3", "106141411234567897", "SHP-7", 12, "HL 4"),
        Line("1001", "CUP", "1", "1Z1", "UPS", "", "EA", "", "106141411234567897", "SHP-7", 16, "HL 5"),
        Line("1001", "JUG", "4", "1Z2", "UPS", "", "EA", "", "", "SHP-7", 21, "HL 7"),
    ]


@pytest.mark.parametrize(
    ("nesting", "text"),
    [
        ("S-I", "HL*1**S~REF*2I*1Z1~PRF*1001~HL*2*1*I~LIN**SK*MUG~SN1**2*EA"),
        ("S-O-I", "HL*1**S~REF*2I*1Z1~HL*2*1*O~PRF*1001~HL*3*2*I~LIN**SK*MUG~SN1**2*EA"),
        ("S-O-I, all said by the item", "HL*1**S~HL*2*1*I~LIN**SK*MUG~SN1**2*EA~PRF*1001~MAN*CP*1Z1"),
        ("S-P-O-I", "HL*1**S~HL*2*1*P~MAN*CP*1Z1~HL*3*2*O~PRF*1001~HL*4*3*I~LIN**SK*MUG~SN1**2*EA"),
        ("S-O-I-P", "HL*1**S~HL*2*1*O~PRF*1001~HL*3*2*I~LIN**SK*MUG~SN1**2*EA~HL*4*3*P~MAN*CP*1Z1"),
        (
            "S-O-I-T-P",
            "HL*1**S~HL*2*1*O~PRF*1001~HL*3*2*I~LIN**SK*MUG~SN1**2*EA~HL*4*3*T~HL*5*4*P~MAN*CP*1Z1",
        ),
        (
            "S-T-O-P-I",
            "HL*1**S~HL*2*1*T~MAN*CP*1Z9~HL*3*2*O~PRF*1001~HL*4*3*P~MAN*CP*1Z1~HL*5*4*I~LIN**SK*MUG~SN1**2*EA",
        ),
        (
            "S-O-T-P-I with a level nobody knows",
            "HL*1**S~HL*2*1*O~PRF*1001~HL*3*2*T~MAN*CP*1Z1~HL*4*3*XX~HL*5*4*P~HL*6*5*I~LIN**SK*MUG~SN1**2*EA",
        ),
        ("no shipment", "HL*1**O~PRF*1001~REF*2I*1Z1~HL*2*1*I~LIN**SK*MUG~SN1**2*EA"),
        ("before the first HL", "REF*2I*1Z1~DTM*011*20260304~HL*1**S~PRF*1001~HL*2*1*I~LIN**SK*MUG~SN1**2"),
        ("numbers of its own", "HL*A**S~REF*2I*1Z1~HL*70*A*O~PRF*1001~HL*5*70*I~LIN**SK*MUG~SN1**2*EA"),
        ("numbers from 0", "HL*0**S~REF*2I*1Z1~HL*1*0*O~PRF*1001~HL*2*1*I~LIN**SK*MUG~SN1**2*EA"),
        ("0 for no parent", "HL*1*0*S~REF*2I*1Z1~HL*2*1*O~PRF*1001~HL*3*2*I~LIN**SK*MUG~SN1**2*EA"),
        (
            "all packs before all items",
            "HL*1**S~HL*2*1*O~PRF*1001~HL*3*2*P~MAN*CP*1Z1~HL*4*2*P~MAN*CP*1Z2~HL*5*3*I~LIN**SK*MUG~SN1**2",
        ),
    ],
)
@pytest.mark.parametrize("claimed", ["0001", "0002", "0004", ""])
def test_the_parents_tell_the_nesting_whatever_the_head_claims(nesting: str, text: str, claimed: str) -> None:
    found = read(f"BSN*00*{nesting}*20260304*1200*{claimed}~{text}")
    assert [(line.order_id, line.sku, line.quantity, line.tracking_number) for line in rows(text)] == [
        ("1001", "MUG", "2", "1Z1")
    ]
    assert [type(each) for each in found] == [Line]


def test_a_level_that_ended_can_still_hold_others() -> None:
    packs = "~".join(f"HL*{number}*2*P~MAN*CP*1Z{number}" for number in range(3, 6))
    items = "~".join(f"HL*{number}*{number - 3}*I~LIN**SK*MUG~SN1**1" for number in range(6, 9))
    again = "HL*9*3*I~LIN**SK*CUP~SN1**7~HL*10*1*O~PRF*1002~HL*11*10*I~LIN**SK*JUG~SN1**1"
    assert told(f"{HEAD}~REF*CN*99~{ORDER}~{packs}~{items}~{again}") == [
        *("1001 MUG 1 1Z3", "1001 MUG 1 1Z4", "1001 MUG 1 1Z5", "1001 CUP 7 1Z3", "1002 JUG 1 99")
    ]


def test_the_partner_says_which_place_comes_first_and_the_nearest_level_then() -> None:
    text = (
        f"{HEAD}~REF*2I*FAR~REF*CN*PRO-S~{ORDER}~REF*CO*CUSTOMER~HL*3*2*P~REF*CN*PRO-P"
        "~HL*4*3*I~LIN**UP*012345678905*VP*V-1**~SN1**1"
    )
    places = Places(order_id=("REF*CO", "PRF-01"), sku=("UP", "VP"), tracking=("REF*CN", "REF*2I"))
    assert told(text) == ["1001 V-1 1 FAR"]
    assert told(text, replace(DEFAULT, places={"856": places})) == ["CUSTOMER 012345678905 1 PRO-P"]


def test_a_place_can_be_an_element() -> None:
    places = Places(order_id=("BSN-02",), sku=("VP",), tracking=("TD3-03", "TD5-05?"))
    partner = replace(DEFAULT, places={"856": places})
    item = "HL*2*1*I~LIN**VP*MUG~SN1**1"
    assert told(f"{HEAD}~TD3*TL*ABCD*71234~TD5*****X~{item}", partner) == ["SHP-7 MUG 1 71234 X"]
    assert told(f"{HEAD}~TD3*TL~TD5*****1Z999AA10123456784~{item}", partner) == [
        "SHP-7 MUG 1 1Z999AA10123456784 1Z999AA10123456784"
    ]


def test_a_doubtful_place_counts_only_where_it_looks_like_a_tracking_number() -> None:
    def pack(number: str) -> str:
        return f"{HEAD}~REF*CN*PRO~{ORDER}~HL*3*2*P~MAN*SM*{number}~HL*4*3*I~LIN**SK*MUG~SN1**1"

    assert told(pack("1Z999AA10123456784")) == ["1001 MUG 1 1Z999AA10123456784"]
    assert told(pack("SERIAL 12")) == ["1001 MUG 1 PRO"]


def test_an_empty_pair_of_a_lin_is_passed_over() -> None:
    text = f"{HEAD}~{ORDER}~HL*3*2*I~LIN*2*VN**BP**UP*0123*SKU*SL-1~SN1**1"
    assert told(text) == ["1001 SL-1 1"]


@pytest.mark.parametrize(
    ("segments", "company"),
    [
        ("TD5**2*UPSN*M*UPS GROUND", "UPS"),
        ("TD5**2*ABCD", "ABCD"),
        ("TD5**91*0077*M*BROWN", "BROWN"),
        ("TD5**2*NONE*T*CHR", "CHR"),
        ("TD5**2*NONE", ""),
        ("TD5*****none", ""),
        ("TD5", ""),
        ("TD5**2*ABCD~TD5**2*UPSN", "ABCD"),
    ],
)
def test_the_carrier_is_the_scac_or_else_the_routing(segments: str, company: str) -> None:
    partner = replace(DEFAULT, carriers={"UPSN": "UPS"})
    text = f"{HEAD}~{segments}~{ORDER}~HL*3*2*I~LIN**SK*MUG~SN1**1"
    assert [line.tracking_company for line in rows(text, partner)] == [company]


def test_the_nearest_level_with_a_carrier_names_it() -> None:
    text = f"{HEAD}~TD5**2*ABCD~{ORDER}~TD5*****CHR*CC~HL*3*2*P~TD5**2*NONE~HL*4*3*I~LIN**SK*MUG~SN1**1"
    assert [line.tracking_company for line in rows(text)] == ["CHR"]


@pytest.mark.parametrize(
    ("tare", "pack", "sscc"),
    [
        ("", "MAN*AA*106141411234567897", "106141411234567897"),
        ("MAN*GM*00106141411234567897", "TD1*CTN*1", "106141411234567897"),
        ("MAN*GM*00106141411234567897", "MAN*GM*00106141411234567903", "106141411234567903"),
        ("", "MAN*GM*SLP-4952", "SLP-4952"),
        ("", "MAN*UC*123", ""),
    ],
)
def test_the_package_number_is_that_of_the_pack_or_of_its_pallet(tare: str, pack: str, sscc: str) -> None:
    text = f"{HEAD}~{ORDER}~HL*3*2*T~{tare}~HL*4*3*P~{pack}~HL*5*4*I~LIN**SK*MUG~SN1**1"
    assert [line.sscc for line in rows(text)] == [sscc]


@pytest.mark.parametrize(
    ("sn1", "quantity", "unit"),
    [
        ("SN1**2*CA", "24", "CA"),
        ("SN1**2*cs", "2 CS", "CS"),
        ("SN1**23*LB", "23 LB", "LB"),
        ("SN1*1*75**900", "75", ""),
        ("SN1***EA*900*80", "", "EA"),
        ("PO4*1*24*EA", "", ""),
    ],
)
def test_only_the_shipped_quantity_counts_in_pieces_where_its_unit_is_known(
    sn1: str, quantity: str, unit: str
) -> None:
    partner = replace(DEFAULT, units={**PIECES, "CA": 12})
    found = rows(f"{HEAD}~{ORDER}~HL*3*2*I~LIN**SK*MUG~{sn1}", partner)
    assert [(line.quantity, line.unit) for line in found] == [(quantity, unit)]


def test_an_item_without_a_lin_is_a_line_without_a_sku() -> None:
    assert told(f"{HEAD}~{ORDER}~HL*3*2*I~SN1**5*EA~HL*4*2*I") == ["1001  5", "1001"]


def test_several_lin_of_one_level_are_a_line_each() -> None:
    found = rows(f"{HEAD}~{ORDER}~REF*2I*1Z1~HL*3*2*I~LIN**SK*MUG~SN1**2~LIN**SK*CUP~SN1**3~LIN**SK*JUG")
    assert [(line.sku, line.quantity, line.tracking_number, line.position, line.path) for line in found] == [
        *(("MUG", "2", "1Z1", 9, "HL 3"), ("CUP", "3", "1Z1", 12, "HL 3 / LIN 2")),
        ("JUG", "", "1Z1", 14, "HL 3 / LIN 3"),
    ]


def test_a_level_of_any_letter_is_an_item_where_it_has_a_lin() -> None:
    assert told(f"{HEAD}~{ORDER}~HL*3*2*P~MAN*CP*1Z1~LIN**SK*MUG~SN1**2") == ["1001 MUG 2 1Z1"]


def test_an_item_in_an_item_is_a_line_of_its_own() -> None:
    text = f"{HEAD}~{ORDER}~HL*3*2*I~LIN**SK*SET~SN1**1~HL*4*3*I~LIN**SK*MUG~SN1**2"
    assert told(text) == ["1001 MUG 2", "1001 SET 1"]


INSIDE = "split unknown: a line inside another line; which of the two the order has is not said"
AROUND = "split unknown: another line is inside this line; which of the two the order has is not said"


@pytest.mark.parametrize("letter", ["I", "F", "K"])
def test_of_a_kit_and_its_components_it_is_unknown_which_was_ordered(letter: str) -> None:
    kit = "HL*3*2*I~LIN**SK*SET~SN1**1~HL*4*3*P~MAN*CP*1Z1"
    components = f"HL*5*4*{letter}~LIN**SK*MUG~SN1**2~HL*6*4*{letter}~LIN**SK*CUP~SN1**0"
    text = f"{HEAD}~{ORDER}~{kit}~{components}~HL*7*2*I~LIN**SK*JUG~SN1**1"
    assert [(line.sku, line.verdict) for line in rows(text)] == [
        *(("MUG", INSIDE), ("CUP", "not shipped: SN102 is 0"), ("SET", AROUND), ("JUG", "")),
    ]


def test_only_an_item_that_has_a_lin_is_a_line_inside_another() -> None:
    without = f"{HEAD}~{ORDER}~HL*3*2*I~LIN**SK*SET~SN1**1~HL*4*3*I~SN1**2"
    within = f"{HEAD}~{ORDER}~HL*3*2*I~HL*4*3*I~LIN**SK*MUG~SN1**2"
    assert verdicts(without) == ["", ""]
    assert verdicts(within) == ["", ""]


ITEM = f"{HEAD}~{ORDER}~HL*3*2*I~LIN**SK*MUG"


def test_packs_that_say_their_quantities_are_a_line_each() -> None:
    found = rows(
        f"{ITEM}~SN1**5*EA**6~HL*4*3*P~MAN*GM*00106141411234567897**CP*1Z1~SN1**2*EA"
        "~HL*5*3*P~MAN*CP*1Z2~LIN**SK*MUG~SN1**3"
    )
    assert found == [
        Line("1001", "MUG", "2", "1Z1", "", "", "EA", "", "106141411234567897", "SHP-7", 11, "HL 3 / HL 4"),
        Line("1001", "MUG", "3", "1Z2", "", "", "EA", "", "", "SHP-7", 14, "HL 3 / HL 5"),
    ]


def test_packs_under_one_tracking_number_do_not_add_to_the_quantity_of_their_item() -> None:
    text = f"{ITEM}~SN1**5~REF*2I*1Z1~HL*4*3*P~MAN*GM*A~SN1**2~HL*5*3*P~MAN*GM*B~SN1**3"
    assert told(text) == ["1001 MUG 5 1Z1"]
    assert [line.sscc for line in rows(text)] == ["A / B"]


def test_packs_give_the_quantity_where_the_item_has_none() -> None:
    text = f"{ITEM}~REF*2I*1Z1~HL*4*3*P~SN1**2~HL*5*3*P~SN1**3"
    assert told(text) == ["1001 MUG 2 1Z1", "1001 MUG 3 1Z1"]


@pytest.mark.parametrize(
    ("text", "numbers", "under"),
    [
        (f"{ITEM}~SN1**5~HL*4*3*P~MAN*CP*1Z1~HL*5*3*P~MAN*CP*1Z2", "1Z1 / 1Z2", "1Z1 and 1Z2"),
        (f"{ITEM}~SN1**5~HL*4*3*P~MAN*CP*1Z1~SN1**2~HL*5*3*P~MAN*CP*1Z2", "1Z1 / 1Z2", "1Z1 and 1Z2"),
        (f"{ITEM}~SN1**5~HL*4*3*P~MAN*CP*1Z1~HL*5*3*P", "1Z1", "1Z1 and no tracking number"),
        (f"{ITEM}~SN1**5~REF*2I*1Z1~REF*2I*1Z2~REF*2I*1Z1", "1Z1 / 1Z2", "1Z1 and 1Z2"),
        (f"{HEAD}~MAN*CP*1Z1**CP*1Z2~{ORDER}~HL*3*2*I~LIN**SK*MUG~SN1**5", "1Z1 / 1Z2", "1Z1 and 1Z2"),
        (f"{HEAD}~MAN*CP*1Z1*1Z5~{ORDER}~HL*3*2*I~LIN**SK*MUG~SN1**5", "1Z1 / 1Z5", "1Z1 and 1Z5"),
    ],
)
def test_it_is_unknown_how_an_item_is_split_where_nothing_says_so(
    text: str, numbers: str, under: str
) -> None:
    verdict = f"split unknown: it went under {under}; how many pieces under each is not said"
    assert told(text) == [f"1001 MUG 5 {numbers}"]
    assert verdicts(text) == [verdict]


def test_packs_that_hold_another_quantity_than_their_item_are_not_believed() -> None:
    text = f"{ITEM}~SN1**9~HL*4*3*P~MAN*CP*1Z1~SN1**2~HL*5*3*P~MAN*CP*1Z2~SN1**3"
    verdict = "split unknown: SN102 is 9, and those of its packs together are 5 pieces"
    assert told(text) == ["1001 MUG 2 1Z1", "1001 MUG 3 1Z2"]
    assert verdicts(text) == [verdict, verdict]


@pytest.mark.parametrize(
    ("whole", "first", "second", "held"),
    [
        ("5.0", "2.0", "3.00", ""),
        ("5.0", "2.0", "2.0", "SN102 is 5.0, and those of its packs together are 4 pieces"),
        ("2*CA", "1", "1", ""),
        ("2*CA", "12*EA", "12*EA", ""),
        ("24*EA", "1*CA", "1*CA", ""),
        ("3*CA", "1*CA", "1*CA", "SN102 is 3 CA, and those of its packs together are 24 pieces"),
        ("3*PL", "1", "1", ""),
        ("3*PL", "1*EA", "1*EA", "SN102 is 3 PL, and those of its packs together are 2 pieces"),
        ("3", "1*PL", "1", ""),
    ],
)
def test_an_item_and_its_packs_are_compared_in_pieces(whole: str, first: str, second: str, held: str) -> None:
    partner = replace(DEFAULT, units={**PIECES, "CA": 12})
    packs = f"HL*4*3*P~MAN*CP*1Z1~SN1**{first}~HL*5*3*P~MAN*CP*1Z2~SN1**{second}"
    verdict = f"split unknown: {held}" if held else ""
    assert verdicts(f"{ITEM}~SN1**{whole}~{packs}", partner) == [verdict, verdict]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}~HL*2*1*O~PRF*1001~PRF*1002~HL*3*2*I~LIN**SK*MUG~SN1**5",
        f"{HEAD}~HL*3*1*I~LIN**SK*MUG~SN1**5~HL*4*3*P~PRF*1001~HL*5*3*P~PRF*1002",
    ],
    ids=["in one level", "in the packs of an item"],
)
def test_it_is_unknown_how_an_item_of_two_orders_is_split(text: str) -> None:
    assert told(text) == ["1001 / 1002 MUG 5"]
    assert verdicts(text) == [
        "split unknown: it is of the orders 1001 and 1002; how many pieces are of each is not said"
    ]


def test_an_item_twice_in_packs_of_its_own_is_two_lines() -> None:
    text = f"{ITEM}~SN1**5~HL*4*3*P~MAN*CP*1Z1~HL*5*2*I~LIN**SK*MUG~SN1**1~HL*6*5*P~MAN*CP*1Z2"
    assert told(text) == ["1001 MUG 5 1Z1", "1001 MUG 1 1Z2"]


@pytest.mark.parametrize(
    ("sn1", "verdict"),
    [
        ("SN1**0*EA", "not shipped: SN102 is 0"),
        ("SN1**0.0*CA**3", "not shipped: SN102 is 0.0, SN105 (ordered) is 3"),
        (
            "SN1**0*EA**3***IR~SLN*1**I*3*EA",
            "not shipped: SN102 is 0, SN105 (ordered) is 3, SN108 is IR, SLN04 (cancelled) is 3",
        ),
        ("SN1**3*EA*****IR", "not shipped: SN102 is 3, SN108 is IR"),
        ("SN1**1*EA**3***CP", ""),
    ],
)
def test_a_line_of_which_nothing_is_shipped_says_so(sn1: str, verdict: str) -> None:
    assert verdicts(f"{ITEM}~{sn1}") == [verdict]


def test_the_ordered_quantity_of_a_short_shipment_is_given_in_pieces() -> None:
    partner = replace(DEFAULT, units={**PIECES, "CA": 12})
    assert [(line.quantity, line.ordered) for line in rows(f"{ITEM}~SN1**1*CA**3*CA", partner)] == [
        ("12", "36")
    ]


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ("BSN*00*S*20260304", ""),
        ("BSN*14*S*20260304", ""),
        ("BSN*01*S*20260304", "cancelled: BSN01 is 01 (cancellation)"),
        ("BSN*03*S*20260304", "cancelled: BSN01 is 03 (delete)"),
        ("BSN*04*S*20260304", "replaces: BSN01 is 04 (change)"),
        ("BSN*05*S*20260304", "replaces: BSN01 is 05 (replace)"),
        ("BSN*07*S*20260304", "replaces: BSN01 is 07 (duplicate)"),
        ("BSN*00*S*20260304*1200*0004*72*REJ", "not shipped: BSN07 is REJ (rejected)"),
    ],
)
def test_every_line_of_a_document_that_announces_no_shipment_says_so(head: str, verdict: str) -> None:
    text = "HL*1**S~HL*2*1*I~LIN**SK*MUG~SN1**1~HL*3*1*I~LIN**SK*CUP~SN1**1"
    assert verdicts(f"{head}~{text}") == [verdict, verdict]


def test_a_document_without_items_is_a_line_with_its_order() -> None:
    verdict = "no lines: there is no item (HL with LIN) in it, expected one at least"
    assert read(f"{HEAD}~{ORDER}~HL*3*2*P~MAN*CP*1Z1") == [
        Line("1001", "", "", "", "", verdict, "", "", "", "SHP-7", 3, "")
    ]
    assert verdicts("BSN*01*SHP-7*20260304") == ["cancelled: BSN01 is 01 (cancellation)"]


def test_elements_of_a_lin_that_moved_are_no_sku() -> None:
    text = f"{HEAD}~{ORDER}~HL*3*2*I~LIN*VP*ABC-1*UP*012345678905~SN1**1"
    assert told(text) == ["1001  1"]
    assert verdicts(text) == ["shifted: LIN02 is 'ABC-1', expected a qualifier of 2 characters"]


def test_a_missing_parent_is_told_by_the_nesting_of_the_levels() -> None:
    text = "HL*1**S~HL*2**O~PRF*1001~HL*3**P~MAN*CP*1Z1~HL*4**I~LIN**SK*MUG~SN1**1"
    more = "HL*5**I~LIN**SK*CUP~SN1**2~HL*6**O~PRF*1002~HL*7**I~LIN**SK*JUG~SN1**3"
    assert told(f"{text}~{more}") == ["1001 MUG 1 1Z1", "1001 CUP 2 1Z1", "1002 JUG 3"]
    assert faults(f"{text}~{more}") == [
        (
            "hl-parent-missing",
            f"HL02 is empty for level {level}, by the nesting its parent is HL {parent}",
            "",
        )
        for level, parent in [("O", 1), ("P", 2), ("I", 3), ("I", 3), ("O", 1), ("I", 6)]
    ]


def test_packs_of_orders_are_above_the_order_where_they_first_came_so() -> None:
    text = "HL*1**S~HL*2**P~MAN*CP*1Z1~HL*3**O~PRF*1001~HL*4**I~LIN**SK*MUG~SN1**1~HL*5**P~MAN*CP*1Z2"
    more = "HL*6**O~PRF*1002~HL*7**I~LIN**SK*CUP~SN1**2"
    assert told(f"{text}~{more}") == ["1001 MUG 1 1Z1", "1002 CUP 2 1Z2"]


def test_levels_above_all_others_have_no_parent_by_the_nesting() -> None:
    text = "HL*1**O~PRF*1001~HL*2*1*I~LIN**SK*MUG~SN1**1~HL*3**O~PRF*1002~HL*4*3*I~LIN**SK*CUP~SN1**1"
    assert told(text) == ["1001 MUG 1", "1002 CUP 1"]
    assert faults(text) == [
        ("hl-parent-missing", "HL02 is empty for level O, by the nesting its parent is none", "")
    ]


def test_a_fault_says_where_its_hl_stands() -> None:
    assert [found for found in read("HL*1**S~HL*2**I~LIN**SK*MUG") if isinstance(found, Fault)] == [
        Fault(
            "hl-parent-missing",
            "HL02 is empty for level I, by the nesting its parent is HL 1",
            Place(segment=5, offset=220, tag="HL", inside=3, element=2),
        )
    ]


@pytest.mark.parametrize(
    ("hl", "fault"),
    [
        (
            "HL*5*9*I",
            (
                "hl-parent",
                "HL02 is 9, and no HL before has this number; expected the HL01 of an earlier one",
                "9",
            ),
        ),
        (
            "HL*5*5*I",
            (
                "hl-parent",
                "HL02 is 5, and no HL before has this number; expected the HL01 of an earlier one",
                "5",
            ),
        ),
        (
            "HL*5*0*I",
            (
                "hl-parent",
                "HL02 is 0, and no HL before has this number; expected the HL01 of an earlier one",
                "0",
            ),
        ),
        (
            "HL*5*3*P",
            (
                "hl-parent",
                "HL02 is 3, an item that ended before; expected what is in an item right behind it",
                "3",
            ),
        ),
        ("HL*4*2*I", ("hl-repeated", "HL01 is 4 as in an earlier HL, expected a number of its own", "4")),
        (
            "HL*A*2*I~HL*A*2*I",
            ("hl-repeated", "HL01 is A as in an earlier HL, expected a number of its own", "A"),
        ),
        (
            "HL*6*2*I~HL*6*2*I",
            ("hl-repeated", "HL01 is 6 as in an earlier HL, expected a number of its own", "6"),
        ),
        ("HL**2*I", ("element-missing", "HL01 is missing, expected a number", "")),
    ],
)
def test_an_hl_that_does_not_fit_into_the_hierarchy_is_a_fault(hl: str, fault: tuple[str, str, str]) -> None:
    text = f"{ITEM}~SN1**1~HL*4*2*I~LIN**SK*CUP~SN1**1~{hl}~LIN**SK*JUG~SN1**1"
    assert faults(text) == [fault]
    assert told(text)[:2] == ["1001 MUG 1", "1001 CUP 1"]


def test_a_partners_words_for_orders_and_carriers_are_taken_as_it_means_them() -> None:
    partner = replace(DEFAULT, order_id_pattern=r"^PO(\d+)$", carriers={"UPSN": "UPS"})
    text = "HL*1**S~TD5**2*UPSN~HL*2*1*O~PRF*PO1001~PRF*PO1002~HL*3*2*I~LIN**SK*MUG~SN1**1"
    assert [(line.order_id, line.tracking_company) for line in rows(text, partner)] == [
        ("1001 / 1002", "UPS")
    ]


def test_lines_come_while_the_document_is_still_being_read() -> None:
    taken = 0

    def document() -> Iterator[Segment]:
        nonlocal taken
        items = (f"HL*{count}*1*I~LIN**SK*S{count}~SN1**1" for count in range(2, 100_000))
        for text in (HEAD, *items):
            for segment in segments(text):
                taken += 1
                yield segment

    found = [line.sku for line in islice(lines(document(), X12, DEFAULT), 3) if isinstance(line, Line)]
    assert found == ["S2", "S3", "S4"]
    assert taken < 10_000


NUMBERS = st.sampled_from(["", "0", "1", "2", "3", "4", "12", "A"])
LEVELS = st.tuples(NUMBERS, NUMBERS, st.sampled_from(["S", "O", "T", "P", "I", "X", ""]), st.booleans())


@given(st.lists(LEVELS, max_size=12))
def test_however_levels_are_numbered_every_lin_is_in_one_line(
    levels: list[tuple[str, str, str, bool]],
) -> None:
    texts, expected = ["BSN*00*SHP-7*20260304"], []
    for count, (number, parent, letter, has_lin) in enumerate(levels, start=1):
        texts.append(f"HL*{number}*{parent}*{letter}")
        if has_lin:
            texts.append(f"LIN**SK*S{count}~SN1**{count}")
            expected.append((f"S{count}", str(count)))
    found = [(line.sku, line.quantity) for line in rows("~".join(texts)) if line.sku]
    assert sorted(found) == sorted(expected)
