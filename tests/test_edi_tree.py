"""An EDI file as a tree: depths, names, values that rows have, faults at their place."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi import envelopes, segments, tree
from importer.manifests.edi.manifest import READERS
from importer.manifests.edi.partners import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.tree import Entry
    from importer.manifests.edi.units import Fault, Survey

ISA = f"ISA*00*{'':10}*00*{'':10}*ZZ*{'ACME':15}*ZZ*{'SHOP':15}*261121*2130*U*00401*000000031*0*P*>"
UNB = "UNB+UNOC:3+ACME:14+SHOP:14+261121:2130+77"


def x12(*body: str, code: str = "SH") -> str:
    """An interchange of one group with these segments in it."""
    sets = sum(text.startswith("ST*") for text in body)
    return "~".join(
        [ISA, f"GS*{code}*ACME*SHOP*20261121*2130*31*X*004010", *body, f"GE*{sets}*31", "IEA*1*000000031", ""]
    )


def notice(*body: str, control: str = "0001") -> list[str]:
    head = [f"ST*856*{control}", "BSN*00*SN1*20261121*2117*0001"]
    return [*head, *body, f"SE*{len(head) + len(body) + 1}*{control}"]


def edifact(*body: str) -> str:
    return "'".join([UNB, "UNH+1+DESADV:D:96A:UN", *body, f"UNT+{len(body) + 2}+1", "UNZ+1+77", ""])


def show(text: str, partner: Partner = DEFAULT) -> list[Entry]:
    data = text.encode()
    found = envelopes.survey(segments.read([data]), lambda _: partner, READERS)
    return [*tree.show(segments.read([data]), found, lambda _: partner)]


def outline(entries: Sequence[Entry]) -> list[str]:
    """Each segment's path, indented by its depth."""
    return ["  " * entry.depth + entry.path for entry in entries if entry.elements]


def used(entries: Sequence[Entry]) -> list[str]:
    """The values that rows have: segment, element, column."""
    return [
        f"{entry.elements[0]}{value.element:02} {value.column}={value.text}"
        for entry in entries
        for value in entry.values
        if value.column
    ]


SHIPPED = x12(
    *notice(
        "HL*1**S",
        "TD5**2*UPSN",
        "REF*CN*4711",
        "N1*ST*ANNA",
        "N4*PORTLAND",
        "HL*2*1*O",
        "PRF*5601",
        "HL*3*2*P",
        "MAN*GM*00006141410000000012**CP*1Z1",
        "HL*4*3*I",
        "LIN*1*SK*MUG*UP*012345678905",
        "SN1*1*2*EA",
        "HL*5*2*P",
        "CTT*5",
    )
)


def test_levels_stand_in_their_parents_and_segments_in_their_levels() -> None:
    assert outline(show(SHIPPED)) == [
        "ISA 000000031",
        "  GS 31",
        "    ST 0001",
        "      BSN 00",
        "      HL 1",
        "        TD5",
        "        REF CN",
        "        N1 ST",
        "          N4 PORTLAND",
        "        HL 2",
        "          PRF 5601",
        "          HL 3",
        "            MAN GM",
        "            HL 4",
        "              LIN 1",
        "              SN1 1",
        "          HL 5",
        "      CTT 5",
        "    SE 0001",
        "  GE 31",
        "IEA 000000031",
    ]


def test_a_value_that_a_row_has_tells_its_column_and_one_that_gave_way_does_not() -> None:
    assert used(show(SHIPPED)) == [
        "TD503 tracking_company=UPSN",
        "PRF01 order_id=5601",
        "MAN05 tracking_number=1Z1",
        "LIN03 sku=MUG",
        "SN102 quantity=2",
    ]


def test_a_row_stands_at_the_segment_that_reports_name_it_by() -> None:
    rows = [
        (entry.path, row.position, row.order_id, row.sku) for entry in show(SHIPPED) for row in entry.rows
    ]

    assert rows == [("HL 4", 14, "5601", "MUG")]


def test_what_the_partner_means_decides_which_values_are_used() -> None:
    places = replace(DEFAULT.places["856"], order_id=("PRF-01",), sku=("UP",), tracking=("REF*CN",))
    partner = replace(DEFAULT, places={**DEFAULT.places, "856": places}, order_id_pattern=r"^56(\d+)$")

    assert used(show(SHIPPED, partner)) == [
        "TD503 tracking_company=UPSN",
        "REF02 tracking_number=4711",
        "PRF01 order_id=5601",
        "LIN05 sku=012345678905",
        "SN102 quantity=2",
    ]


def test_segments_elements_and_codes_have_names() -> None:
    entries = [entry for entry in show(SHIPPED) if entry.path in {"HL 4", "MAN GM"}]

    names = {entry.path: (entry.name, [value[3:5] for value in entry.values]) for entry in entries}
    assert names == {
        "HL 4": ("level", [("number", ""), ("parent", ""), ("level", "item")]),
        "MAN GM": (
            "marks and numbers",
            [
                ("kind of number", "SSCC with identifier 00"),
                ("number", ""),
                ("kind of number", "carrier's package number"),
                ("number", ""),
            ],
        ),
    }


def test_a_segment_of_nobody_s_dictionary_is_shown_without_a_name() -> None:
    (entry,) = (one for one in show(x12(*notice("HL*1**S", "ZZQ*A*B"))) if one.path == "ZZQ A")

    assert (entry.name, entry.elements, entry.separator) == ("", ("ZZQ", "A", "B"), "*")


def test_a_level_whose_parent_is_closed_or_missing_stands_where_its_like_stood() -> None:
    levels = ["HL*1**S", "HL*2*1*O", "HL*3*2*P", "HL*4*2*P", "HL*5*3*I", "HL*6**O", "HL*7*9*I"]

    assert [line for line in outline(show(x12(*notice(*levels)))) if "HL" in line] == [
        "      HL 1",
        "        HL 2",
        "          HL 3",
        "          HL 4",
        "            HL 5",
        "        HL 6",
        "          HL 7",
    ]


def test_a_warehouse_advice_is_told_by_its_cartons_and_items() -> None:
    text = x12(
        *("ST*945*0001", "W06*F*7701**W1*PO-1", "N1*ST*PIET", "W27*M*FDEG*FEDEX GROUND", "LX*1"),
        *("MAN*2*UPSN**CN*1Z1", "W12*CC*2*2*0*EA**SK*MUG", "N9*LI*1", "LX*2", "MAN*CP*1Z2"),
        *("W12*CC*1*1*0*EA*012345678905", "W03*3", "SE*13*0001"),
        code="SW",
    )
    entries = show(text)

    assert outline(entries)[2:15] == [
        "    ST 0001",
        "      W06 F",
        "      N1 ST",
        "      W27 M",
        "      LX 1",
        "        MAN 2",
        "        W12 CC",
        "          N9 LI",
        "      LX 2",
        "        MAN CP",
        "        W12 CC",
        "      W03 3",
        "    SE 0001",
    ]
    assert used(entries) == [
        *("W0602 order_id=7701", "W2702 tracking_company=FDEG", "MAN02 tracking_company=UPSN"),
        *("MAN05 tracking_number=1Z1", "W1203 quantity=2", "W1208 sku=MUG"),
        *("MAN02 tracking_number=1Z2", "W1203 quantity=1", "W1206 sku=012345678905"),
    ]


def test_a_despatch_advice_is_told_by_its_packages_and_lines() -> None:
    entries = show(
        edifact(
            *("BGM+351+LS-1+9", "RFF+ON:8801", "NAD+BY+1", "CTA+OC", "TDT+20++30+31+:::POSTNL", "CPS+1"),
            *("CPS+2+1", "PAC+1", "PCI+33E", "GIN+BJ+006141410000000210", "RFF+CN:RR1NL"),
            *("LIN+1++8712345000110:EN", "PIA+1+A?+B:SA", "QTY+12:2:PCE", "CPS+3+1", "CNT+2:1"),
        )
    )

    assert outline(entries) == [
        *("UNB 77", "  UNH 1", "    BGM 351", "    RFF ON", "    NAD BY", "      CTA OC", "    TDT 20"),
        *("    CPS 1", "      CPS 2", "        PAC 1", "          PCI 33E", "            GIN BJ"),
        *("            RFF CN", "        LIN 1", "          PIA 1", "          QTY 12", "      CPS 3"),
        *("    CNT 2", "  UNT 1", "UNZ 77"),
    ]
    assert used(entries) == [
        *("RFF01 order_id=8801", "TDT05 tracking_company=POSTNL", "RFF01 tracking_number=RR1NL"),
        *("PIA02 sku=A+B", "QTY01 quantity=2"),
    ]


def test_numbers_in_gin_and_at_an_element_are_used_where_the_partner_says_so() -> None:
    places = replace(DEFAULT.places["DESADV"], tracking=("GIN+BJ", "TDT-8"))
    partner = replace(DEFAULT, places={**DEFAULT.places, "DESADV": places})
    head = ("BGM+351+LS-1+9", "TDT+20++30+++++1Z2")
    line = ("LIN+1++A:EN", "QTY+12:2", "GIN+BJ+1Z1")

    assert used(show(edifact(*head, *line), partner)) == [
        *("LIN03 sku=A", "QTY01 quantity=2", "GIN02 tracking_number=1Z1")
    ]
    assert used(show(edifact(*head, *line[:2]), partner)) == [
        *("TDT08 tracking_number=1Z2", "LIN03 sku=A", "QTY01 quantity=2")
    ]


def test_messages_in_a_group_stand_one_deeper() -> None:
    text = "'".join(
        [
            UNB,
            "UNG+DESADV+ACME+SHOP+261121:2130+5+UN+D:96A",
            *("UNH+1+DESADV:D:96A:UN", "BGM+351+1+9", "UNT+3+1", "UNE+1+5"),
            *("UNZ+1+77", ""),
        ]
    )

    assert outline(show(text)) == [
        *("UNB 77", "  UNG 5", "    UNH 1", "      BGM 351", "    UNT 1", "  UNE 5", "UNZ 77")
    ]


def test_an_acknowledgment_is_a_tree_too_and_makes_no_rows() -> None:
    text = x12(
        *("ST*997*0001", "AK1*SH*31", "AK2*856*0001", "AK3*LIN*12**8", "AK4*3*234*7*MUG", "AK5*R*5"),
        *("AK9*R*1*1*0", "SE*8*0001"),
        code="FA",
    )
    entries = show(text)

    assert outline(entries)[2:10] == [
        *("    ST 0001", "      AK1 SH", "      AK2 856", "        AK3 LIN", "          AK4 3"),
        *("        AK5 R", "      AK9 R", "    SE 0001"),
    ]
    assert (used(entries), [row for entry in entries for row in entry.rows]) == ([], [])


def test_what_is_wrong_stands_at_its_segment_and_the_transaction_says_that_it_is_rejected() -> None:
    text = x12(
        *notice("HL*1**S", "REF*2I*1Z1", "PRF*1", "HL*2*7*I", "LIN**SK*MUG", "SN1**1*EA"),
        *notice("HL*1**S", "REF*2I*1Z1", "PRF*1", "HL*2**I", "LIN**SK*MUG", "SN1**1*EA", control="2"),
    )

    entries = show(text)

    assert [(entry.path, fault.code) for entry in entries for fault in entry.faults] == [
        ("HL 2", "hl-parent"),
        ("HL 2", "hl-parent-missing"),
    ]
    assert [entry.refusal for entry in entries if entry.path.startswith("ST")] == [
        (
            "rejected: HL02 is 7, and no HL before has this number; expected the HL01 of an earlier one "
            "(segment 8 (HL02, byte 215))"
        ),
        "",
    ]
    assert [row.verdict for entry in entries for row in entry.rows] == [
        "rejected with its transaction, segment 3",
        "",
    ]


def test_what_is_wrong_behind_the_last_segment_or_between_two_is_told_beside_them() -> None:
    text = x12(*notice("HL*1**S")) + "\nPAGE 1 OF 1"

    last = show(text)[-1]

    assert (last.elements, [fault.code for fault in last.faults]) == ((), ["stray-segment"])


def test_each_interchange_is_read_by_its_own_delimiters_and_partner() -> None:
    senders: list[str] = []

    def partner_of(sender: str) -> Partner:
        senders.append(sender)
        return DEFAULT

    data = (SHIPPED + edifact("BGM+351+1+9")).encode()
    found = envelopes.survey(segments.read([data]), lambda _: DEFAULT, READERS)
    entries = [*tree.show(segments.read([data]), found, partner_of)]

    assert senders == ["ACME", "ACME"]
    assert {entry.separator for entry in entries} == {"*", "+"}
    assert outline(entries)[-5:] == ["UNB 77", "  UNH 1", "    BGM 351", "  UNT 1", "UNZ 77"]


def test_a_row_that_ends_far_below_its_first_segment_is_told_as_soon_as_it_is_known() -> None:
    packs = ["HL*4*3*P"] * 25_000
    text = x12(*notice("HL*1**S", "REF*2I*1Z1", "PRF*1", "HL*3*1*I", "LIN**SK*MUG", "SN1**1*EA", *packs))

    entries = show(text)

    told = [at for at, entry in enumerate(entries) if entry.rows]
    assert [(entries[at].elements, entries[at].rows[0].position) for at in told] == [((), 8)]
    assert told[0] > 1_000
    assert sum(bool(entry.elements) for entry in entries) == len(packs) + 13


@given(at=st.integers(min_value=0), byte=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_shown_segment_by_segment_and_each_fault_once(
    *, at: int, byte: int, cut: bool
) -> None:
    data = bytearray(SHIPPED.encode())
    data[at % len(data)] = byte
    damaged = bytes(data[: at % len(data)] if cut else data)
    found = envelopes.survey(segments.read([damaged]), lambda _: DEFAULT, READERS)

    entries = [*tree.show(segments.read([damaged]), found, lambda _: DEFAULT)]

    positions = [entry.position for entry in entries if entry.elements]
    faults = [fault for entry in entries for fault in entry.faults]
    assert positions == [*range(1, found.segments + 1)]
    assert len(faults) == len([*faults_of(found)])


def faults_of(found: Survey) -> Iterator[Fault]:
    yield from found.faults
    for interchange in found.interchanges:
        yield from interchange.faults
        for group in interchange.groups:
            yield from group.faults
            for transaction in group.transactions:
                yield from transaction.faults


def test_the_tree_of_a_long_transaction_begins_before_its_end_is_read() -> None:
    count = 60_000
    items = (f"HL*{at}*1*I~LIN**SK*S{at}~SN1**1*EA~" for at in range(2, count))
    head = f"{ISA}~GS*SH*ACME*SHOP*20261121*2130*31*X*004010~ST*856*1~BSN*00*1~HL*1**S~PRF*1~REF*2I*1Z1~"
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        yield head.encode()
        for at, item in enumerate(items):
            read.append(at)
            yield item.encode()

    stretches = segments.read(chunks())
    found = envelopes.survey(segments.read([head.encode()]), lambda _: DEFAULT, READERS)

    first = [*islice(tree.show(stretches, found, lambda _: DEFAULT), 20)]

    assert len(first) == 20
    assert len(read) < count // 2
