"""EDIFACT DESADV → lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi.despatch_advices import lines
from importer.manifests.edi.lines import Line
from importer.manifests.edi.partners import DEFAULT, PIECES, Partner, Places
from importer.manifests.edi.segments import Delimiters, Segment

EDIFACT = Delimiters(element="+", component=":", segment="'", release="?")
HEAD = "BGM+351+DES-9+9'RFF+ON:4711"
TRACKED = f"{HEAD}'RFF+CN:1Z-HEADER"
CARTONS = replace(DEFAULT, units={**PIECES, "CT": 6})


def by_tracking(*places: str) -> Partner:
    """A partner whose tracking numbers sit there."""
    return replace(DEFAULT, places={"DESADV": replace(DEFAULT.places["DESADV"], tracking=places)})


def rows(text: str, partner: Partner = DEFAULT, delimiters: Delimiters = EDIFACT) -> list[Line]:
    """The rows of a DESADV whose UNH is the file's second segment; UNH and UNT are put around the text."""
    texts = ["UNH+1+DESADV:D:96A:UN", *text.split("'"), "UNT+9+1"]
    segments = [
        Segment(delimiters.elements(segment), position, 0) for position, segment in enumerate(texts, 2)
    ]
    found = [*lines(iter(segments), delimiters, partner)]
    assert all(isinstance(line, Line) for line in found)
    return [line for line in found if isinstance(line, Line)]


def told(text: str, partner: Partner = DEFAULT) -> list[tuple[str, str, str, str]]:
    """What a platform gets of each row, and why it does not."""
    return [(line.sku, line.quantity, line.tracking_number, line.verdict) for line in rows(text, partner)]


def verdicts(text: str) -> list[str]:
    return [line.verdict for line in rows(text)]


def test_each_lin_is_a_line_with_the_tracking_number_of_its_carton() -> None:
    assert rows(
        f"{HEAD}'NAD+SU+4012345000009::9'TDT+20++30+31+DHLDE::ZZZ:DHL PAKET'CPS+1'PAC+1++201"
        "'CPS+2+1'PAC+1++CT'PCI+33E'RFF+CN:00340434161094021501'GIN+BJ+00376123450000000018"
        "'LIN+1++4012345678901:EN'PIA+1+MUG-1:SA'QTY+21:3:PCE'QTY+12:3:PCE"
        "'CPS+3+1'PAC+1++CT'PCI+33E'RFF+CN:00340434161094021518'LIN+2++4012345678918:EN'QTY+12:1:PCE'CNT+2:2"
    ) == [
        Line(
            *("4711", "MUG-1", "3", "00340434161094021501", "DHLDE", "", "PCE", "3"),
            *("376123450000000018", "DES-9"),
            position=14,
            path="CPS 2 / LIN 1",
        ),
        Line(
            *("4711", "4012345678918", "1", "00340434161094021518", "DHLDE", "", "PCE", ""),
            *("", "DES-9"),
            position=22,
            path="CPS 3 / LIN 2",
        ),
    ]


@pytest.mark.parametrize(
    ("package", "line", "order"),
    [("", "", "4711"), ("RFF+ON:4712", "", "4712"), ("RFF+ON:4712", "RFF+ON:4713:7", "4713")],
)
def test_order_of_the_line_wins_over_that_of_the_package_and_of_the_header(
    package: str, line: str, order: str
) -> None:
    [found] = rows(f"{HEAD}'CPS+1'{package}'PAC+1'LIN+1++A:SA'QTY+12:1'{line}")
    assert found.order_id == order


def test_several_orders_above_a_line_that_names_none_are_no_order() -> None:
    assert [
        (line.order_id, line.verdict)
        for line in rows(f"{HEAD}'RFF+ON:4712'CPS+1'LIN+1++A:SA'QTY+12:1'LIN+2++B:SA'QTY+12:1'RFF+ON:4712")
    ] == [
        (
            "4711 / 4712",
            "split unknown: the line has 2 order numbers, and nothing says how many pieces belong to which",
        ),
        ("4712", ""),
    ]


@pytest.mark.parametrize(
    ("line", "sku"),
    [
        ("LIN+1++4012345678901:EN'PIA+1+B-1:IN::92+S-1:SA", "S-1"),
        ("LIN+1++4012345678901:EN'PIA+4+S-2:SA", "4012345678901"),
        ("LIN+1++BUYERS:BP'PIA+5+V-1:VP", "V-1"),
        ("LIN+1'PIA+5+9780738507330", "9780738507330"),
        ("LIN+1'PIA+5+PLAIN'PIA+1+:SA+KNOWN:IN", "KNOWN"),
        ("LIN+1++X:ZZ", ""),
        ("LIN+1++A?+B?:C??:SA", "A+B:C?"),
    ],
)
def test_sku_is_the_number_whose_qualifier_the_partner_prefers(line: str, sku: str) -> None:
    assert told(f"{TRACKED}'CPS+1'{line}'QTY+12:1") == [(sku, "1", "1Z-HEADER", "")]


def test_numbers_of_one_element_may_be_repeated() -> None:
    syntax_4 = replace(EDIFACT, repetition="*")
    [line] = rows(f"{TRACKED}'CPS+1'LIN+1'PIA+5+B-1:IN*S-1:SA'QTY+12:1", delimiters=syntax_4)
    assert line.sku == "S-1"


def test_article_number_that_stands_where_its_qualifier_belongs_is_no_sku() -> None:
    [line] = rows(f"{TRACKED}'CPS+1'LIN+1++:4012345678901:EN'QTY+12:1")
    assert (line.sku, line.verdict) == (
        "",
        "shifted: 7143 of LIN or PIA is 4012345678901, expected a qualifier such as SA",
    )


@pytest.mark.parametrize(
    ("quantities", "partner", "quantity", "ordered"),
    [
        ("QTY+12:2'QTY+21:3'QTY+46:9", DEFAULT, "2", "3"),
        ("QTY+12:2.000:pce", DEFAULT, "2", ""),
        ("QTY+12:2:CT", DEFAULT, "2 CT", ""),
        ("QTY+12:2:CT'QTY+21:3:CT", CARTONS, "12", "18"),
        ("QTY+12:2'QTY+12:3", DEFAULT, "5", ""),
        ("QTY+12:2:CT'QTY+12:12:PCE", CARTONS, "12", ""),
        ("QTY+12:2:CT'QTY+12:3:PCE", CARTONS, "12 + 3", ""),
        ("QTY+12:two'QTY+12:3", DEFAULT, "two + 3", ""),
        ("QTY+21:3", DEFAULT, "", "3"),
    ],
)
def test_quantity_is_what_was_despatched(
    quantities: str, partner: Partner, quantity: str, ordered: str
) -> None:
    [line] = rows(f"{TRACKED}'CPS+1'LIN+1++A:SA'{quantities}", partner)
    assert (line.quantity, line.ordered, line.verdict) == (quantity, ordered, "")


def test_decimal_mark_is_that_of_the_interchange() -> None:
    comma = replace(EDIFACT, decimal=",")
    [line] = rows(f"{TRACKED}'CPS+1'LIN+1++A:SA'QTY+12:2,0", delimiters=comma)
    assert line.quantity == "2"


def test_line_of_which_nothing_was_despatched_says_so() -> None:
    assert verdicts(
        f"{TRACKED}'CPS+1'LIN+1++A:SA'QTY+21:5:PCE'QTY+12:0:PCE'LIN+2++B:SA'QTY+12:0:CT"
        "'LIN+3+2+C:SA'QTY+12:1'LIN+4+7+D:SA'QTY+12:1'LIN+5+1+E:SA'QTY+12:1"
    ) == [
        "not shipped: QTY+12 is 0, QTY+21 ordered 5",
        "not shipped: QTY+12 is 0, QTY+21 ordered is not there",
        "not shipped: LIN 1229 is 2, deleted",
        "not shipped: LIN 1229 is 7, not accepted",
        "",
    ]


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        ("+1", "cancelled: BGM 1225 is 1, cancellation"),
        ("+5", "replaces: BGM 1225 is 5, replace"),
        ("+04", "replaces: BGM 1225 is 4, change"),
        ("+53", "cancelled: BGM 1225 is 53, test"),
        ("+7", "replaces: BGM 1225 is 7, duplicate"),
        ("+31", "replaces: BGM 1225 is 31, copy"),
        ("+9", ""),
        ("", ""),
    ],
)
def test_no_line_of_a_cancelled_or_replacing_message_is_posted(function: str, verdict: str) -> None:
    text = f"BGM+351+DES-9{function}'RFF+ON:1'CPS+1'LIN+1++A:SA'QTY+12:1'LIN+2++B:SA'QTY+12:2"
    assert verdicts(text) == [verdict, verdict]


@pytest.mark.parametrize("sub_line", ["1", "1:1", ":1", ":001"])
def test_of_a_line_and_its_sub_lines_it_is_unknown_which_was_ordered(sub_line: str) -> None:
    inside = "split unknown: a line inside another line; which of the two the order has is not said"
    around = "split unknown: another line is inside this line; which of the two the order has is not said"
    assert told(
        f"{TRACKED}'CPS+1'LIN+1++SET:SA'QTY+12:1'LIN+2++A:SA+{sub_line}'QTY+12:2"
        f"'LIN+3++B:SA+{sub_line}'QTY+12:0'LIN+4++C:SA'QTY+12:1'LIN+5++D:SA+2'QTY+12:1"
    ) == [
        ("SET", "1", "1Z-HEADER", around),
        ("A", "2", "1Z-HEADER", inside),
        ("B", "0", "1Z-HEADER", "not shipped: QTY+12 is 0, QTY+21 ordered is not there"),
        ("C", "1", "1Z-HEADER", ""),
        ("D", "1", "1Z-HEADER", ""),
    ]


def test_line_before_a_sub_line_of_another_one_is_a_line_of_its_own() -> None:
    text = f"{TRACKED}'CPS+1'LIN+7++A:SA'QTY+12:1'LIN+8++B:SA+1:3'QTY+12:1"
    assert [verdict[:13] for verdict in verdicts(text)] == ["", "split unknown"]


def test_message_without_lin_gives_one_line() -> None:
    assert rows(f"{TRACKED}'TDT+20++++GLS'CPS+1'PAC+1") == [
        Line(
            *("4711", "", "", "1Z-HEADER", "GLS"),
            "no lines: the message has no LIN, so SKU and quantity are not known",
            unit="",
            ordered="",
            sscc="",
            shipment="DES-9",
            position=2,
            path="",
        )
    ]


def test_what_is_said_of_a_package_holds_for_those_in_it() -> None:
    text = (
        f"{TRACKED}'CPS+1'RFF+CN:PALLET-1'CPS+2'RFF+CN:LORRY-2'PAC+1'PCI+33E'RFF+CN:PALLET-2"
        "'CPS+3+2'PAC+1'LIN+1++A:SA'QTY+12:1'CPS+4+3'LIN+2++B:SA'QTY+12:1"
        "'CPS+5+1'PAC+1'RFF+CN:CARTON-5'LIN+3++C:SA'QTY+12:1'CPS+6+9'LIN+4++D:SA'QTY+12:1"
    )
    assert [(line.path, line.tracking_number) for line in rows(text)] == [
        ("CPS 3 / LIN 1", "PALLET-2"),
        ("CPS 4 / LIN 2", "PALLET-2"),
        ("CPS 5 / LIN 3", "CARTON-5"),
        ("CPS 6 / LIN 4", "1Z-HEADER"),
    ]


def test_cartons_that_follow_a_pallet_without_a_cps_of_their_own_have_their_own_lines() -> None:
    text = (
        f"{HEAD}'CPS+1'PAC+1++201'PCI+33E'GIN+AW+376123450000000018"
        "'PAC+1++CT'PCI+33E'GIN+AW+376123450000000025'RFF+CN:CARTON-1'LIN+1++A:SA'QTY+12:1'LIN+2++B:SA'QTY+12:2"
        "'PAC+1++CT'PCI+33E'GIN+AW+376123450000000032'RFF+CN:CARTON-2'LIN+3++A:SA'QTY+12:3"
    )
    assert [(line.quantity, line.tracking_number, line.sscc) for line in rows(text)] == [
        ("1", "CARTON-1", "376123450000000025"),
        ("2", "CARTON-1", "376123450000000025"),
        ("3", "CARTON-2", "376123450000000032"),
    ]


def test_cartons_told_by_pci_alone_have_their_own_lines() -> None:
    text = (
        f"{TRACKED}'CPS+1'PCI+33E'RFF+CN:CARTON-1'LIN+1++A:SA'QTY+12:1"
        "'PCI+33E'RFF+CN:CARTON-2'LIN+2++B:SA'QTY+12:2"
    )
    assert told(text) == [("A", "1", "CARTON-1", ""), ("B", "2", "CARTON-2", "")]


def test_several_cartons_in_front_of_a_line_leave_open_what_is_in_which() -> None:
    text = f"{HEAD}'CPS+1'PAC+2++CT'PCI+33E'RFF+CN:CARTON-1'PCI+33E'RFF+CN:CARTON-2'LIN+1++A:SA'QTY+12:5"
    why = "split unknown: the line has 2 tracking numbers, and nothing says how many pieces belong to which"
    assert told(text) == [("A", "5", "CARTON-1 / CARTON-2", why)]


def test_line_whose_parts_have_their_quantities_is_split() -> None:
    text = (
        f"{TRACKED}'CPS+1'LIN+1++A:SA'QTY+21:5'QTY+12:5"
        "'PCI+33E'QTY+12:3'RFF+CN:CARTON-1'PCI+33E'QTY+12:2'RFF+CN:CARTON-2'LIN+2++B:SA'QTY+12:1"
    )
    assert [
        (line.quantity, line.ordered, line.tracking_number, line.verdict, line.position, line.path)
        for line in rows(text)
    ] == [
        ("3", "", "CARTON-1", "", 10, "CPS 1 / LIN 1 / PCI 1"),
        ("2", "", "CARTON-2", "", 13, "CPS 1 / LIN 1 / PCI 2"),
        ("1", "", "1Z-HEADER", "", 16, "CPS 1 / LIN 2"),
    ]


@pytest.mark.parametrize(
    "parts",
    [
        "PCI+33E'RFF+CN:CARTON-1'PCI+33E'RFF+CN:CARTON-2",
        "PCI+33E'QTY+12:3'RFF+CN:CARTON-1'PCI+33E'RFF+CN:CARTON-2",
        "PCI+33E'QTY+12:3'RFF+CN:CARTON-1'PCI+33E'QTY+12:1'RFF+CN:CARTON-2",
    ],
    ids=["no quantities", "one quantity", "another sum"],
)
def test_line_whose_parts_do_not_make_it_up_is_not_split(parts: str) -> None:
    [line] = rows(f"{HEAD}'CPS+1'LIN+1++A:SA'QTY+12:5'{parts}")
    assert (line.quantity, line.tracking_number, line.verdict[:13]) == (
        "5",
        "CARTON-1 / CARTON-2",
        "split unknown",
    )


def test_parts_under_one_tracking_number_make_one_line() -> None:
    parts = "PCI+33E'QTY+12:3'PCI+33E'QTY+12:2"
    assert told(f"{TRACKED}'CPS+1'LIN+1++A:SA'{parts}'LIN+2++B:SA'QTY+12:5'{parts}") == [
        ("A", "5", "1Z-HEADER", ""),
        ("B", "5", "1Z-HEADER", ""),
    ]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("GIN+BJ", "PARCEL-1"),
        ("TDT-8", "PARCEL-2"),
        ("FTX+ZZZ", "PARCEL-3"),
        ("PCI-2", "PARCEL-4"),
        ("RFF+AAS", "PARCEL-5"),
        ("RFF+CN", ""),
        ("RFF+UC", ""),
    ],
)
def test_tracking_number_is_taken_from_where_the_partner_puts_it(place: str, found: str) -> None:
    text = (
        f"{HEAD}'RFF+AAS:PARCEL-5'RFF+UC'TDT+20+++30::ITF+UPS+++PARCEL-2:146'CPS+1'PAC+1'PCI+17+PARCEL-4:MARKS"
        "'LIN+1++A:SA'QTY+12:1'GIN+BJ+PARCEL-1'FTX+ZZZ+++PARCEL-3:MORE"
    )
    assert told(text, by_tracking(place)) == [("A", "1", found, "")]


def test_doubtful_place_counts_only_where_it_looks_like_a_tracking_number() -> None:
    text = f"{TRACKED}'CPS+1'PAC+1'PCI+17+{{}}'LIN+1++A:SA'QTY+12:1"
    partner = by_tracking("PCI-2?", "RFF+CN")
    assert [
        rows(text.format(marks), partner)[0].tracking_number for marks in ("1Z999AA10123456784", "FRAGILE")
    ] == ["1Z999AA10123456784", "1Z-HEADER"]


def test_range_of_package_numbers_is_several_tracking_numbers() -> None:
    text = f"{HEAD}'CPS+1'PAC+9'PCI+33E'GIN+BJ+PARCEL-1:PARCEL-9'LIN+1++A:SA'QTY+12:9"
    [line] = rows(text, by_tracking("GIN+BJ"))
    assert (line.tracking_number, line.verdict[:13]) == ("PARCEL-1 / PARCEL-9", "split unknown")


@pytest.mark.parametrize(
    ("carriers", "company"),
    [
        ("TDT+20++30+31+DHLDE::ZZZ:DHL PAKET", "DHLDE"),
        ("TDT+20++30+31+X1::ZZZ:Gls", "GLS Germany"),
        ("TDT+++++:::DPD", "DPD"),
        ("TDT+10++++FIRST'TDT+20++++MAIN", "MAIN"),
        ("NAD+CA+4012345000016::9++HERMES", "HERMES"),
        ("NAD+CA+4012345000023::9", "UPS"),
        ("NAD+CA+4012345000016::9'TDT+20++++NONE", "4012345000016"),
        ("NAD+SU+4012345000016::9", ""),
    ],
)
def test_carrier_is_that_of_the_main_carriage_and_by_the_partners_name(carriers: str, company: str) -> None:
    partner = replace(DEFAULT, carriers={"GLS": "GLS Germany", "4012345000023": "UPS"})
    [line] = rows(f"{TRACKED}'{carriers}'CPS+1'LIN+1++A:SA'QTY+12:1", partner)
    assert line.tracking_company == company


def test_lines_without_packages_and_without_numbers_have_a_path() -> None:
    assert [line.path for line in rows(f"{TRACKED}'LIN'PIA+5+A:SA'QTY+12:1'LIN'PIA+5+B:SA'QTY+12:1")] == [
        "LIN 1",
        "LIN 2",
    ]


def test_places_of_orders_are_tried_as_the_partner_prefers() -> None:
    partner = replace(
        DEFAULT,
        places={"DESADV": Places(order_id=("RFF+VN", "RFF+ON"), sku=("SA",), tracking=("RFF+CN",))},
        order_id_pattern=r"S-(\d+)",
    )
    text = "'CPS+1'LIN+1++A:SA'QTY+12:1"
    assert [rows(f"{HEAD}{more}{text}", partner)[0].order_id for more in ("", "'RFF+VN:S-88")] == [
        "4711",
        "88",
    ]


words = st.text("AB1 :?+", max_size=5)
any_segment = st.builds(
    lambda tag, elements: "+".join([tag, *elements]),
    st.sampled_from(["CPS", "PAC", "PCI", "GIN", "RFF", "LIN", "PIA", "QTY", "TDT", "NAD", "FTX", "CNT"]),
    st.lists(st.one_of(words, st.sampled_from(["12:1", "CN:T1", "ON:7", "BJ", "1", "2"])), max_size=5),
)


@given(st.lists(any_segment, max_size=12))
def test_every_lin_gives_a_line_whatever_stands_around_it(segments: list[str]) -> None:
    found = rows("'".join(["BGM+351+1+9", *segments]), by_tracking("GIN+BJ", "PCI-2?", "RFF+CN"))
    of_lines = [line for line in found if "LIN" in line.path]
    wholes = [line for line in of_lines if "PCI" not in line.path or line.path.endswith("PCI 1")]
    assert len(wholes) == sum(EDIFACT.elements(segment)[0] == "LIN" for segment in segments)
    assert len({line.position for line in of_lines}) == len(of_lines)
    assert found
