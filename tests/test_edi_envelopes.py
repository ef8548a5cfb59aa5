"""Interchanges, groups and transactions → what is wrong with each, and which are read all the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi import envelopes, segments
from importer.manifests.edi.lines import Line
from importer.manifests.edi.partners import DEFAULT
from importer.manifests.edi.standards import Standard
from importer.manifests.edi.units import Fault, Interchange, Place, Survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters, Segment

ISA = f"ISA*00*{' ':10}*00*{' ':10}*ZZ*{'ACMEWMS':15}*01*{'SHOP':15}*260402*0023*U*00401*000000031*1*T*>~"
NOTICE = (
    "ST*856*0001~BSN*00*SHIP7*20260402*0023~HL*1**S~HL*2*1*O~PRF*1001~HL*3*2*I~LIN**SK*MUG~SN1**5*EA~"
    "CTT*3*5~SE*10*0001~"
)
X12 = f"{ISA}GS*SH*ACME*SHOP*20260402*0023*7*X*004010~{NOTICE}GE*1*7~IEA*1*000000031~"
ADVICE = (
    "ST*945*0002~W06*F*1001*20260402*SHIP8~LX*1~W12*CC*6*5*1*EA**SK*MUG~W12*CC*2*2**EA**SK*CUP~"
    "W03*7~SE*7*0002~"
)
DELIVERY = "UNH+M1+DESADV:D:96A:UN:EAN005'BGM+351+DES7+9'CPS+1'LIN+1++MUG:SA'QTY+12:5'CNT+2:1'UNT+7+M1'"
UNB = "UNB+UNOC:3+ACMEWMS:14+SHOP:ZZ+260402:0023+REF31++DESADV++1++1'"
EDIFACT = f"{UNB}{DELIVERY}UNZ+1+REF31'"
GROUPED = f"{UNB}UNG+DESADV+ACME+SHOP+260402:0023+G7+UN+D:96A'{DELIVERY}UNE+1+G7'UNZ+1+REF31'"


def lines(segments: Iterator[Segment], delimiters: Delimiters, partner: Partner) -> Iterator[Line | Fault]:
    """A row for each LIN or W12, and a complaint of each HL whose level is ``?``."""
    assert partner is DEFAULT or partner.accepts_unpadded
    for inside, segment in enumerate(segments, 1):
        if segment.elements[0] in {"LIN", "W12"}:
            sku = delimiters.plain(segment.elements[-1])
            yield Line("1001", sku, "1", "T1", "", "", "EA", "", "", "", segment.position, "")
        if segment.elements[0] == "HL" and segment.elements[-1] == "?":
            place = Place(segment.position, segment.offset, "HL", inside, 2)
            yield Fault("hl-parent-missing", "HL02 is empty", place)


READERS = {"856": lines, "945": lines, "DESADV": lines}


def surveyed(text: str, partner: Partner = DEFAULT) -> Survey:
    return envelopes.survey(segments.read([text.encode()]), lambda _: partner, READERS)


def faults(survey: Survey) -> list[tuple[str, str, str, str, str]]:
    """All of them: the level, then what a person or a partner is told."""
    levels = [("file", survey.faults)]
    for interchange in survey.interchanges:
        levels.append(("interchange", interchange.faults))
        for group in interchange.groups:
            levels.append(("group", group.faults))
            levels += [("transaction", transaction.faults) for transaction in group.transactions]
    return [
        (level, fault.code, fault.place.words, fault.value, fault.message)
        for level, found in levels
        for fault in found
    ]


def verdicts(survey: Survey) -> list[str]:
    """Why each transaction is rejected, "" where it is not."""
    found = [envelopes.verdict(*units) for units in survey.transactions()]
    return [fault.code if fault else "" for fault in found]


def units(text: str) -> list[tuple[int, list[list[str]]]]:
    return [
        (number, [segment.elements for segment in found])
        for number, _, found in envelopes.transactions(segments.read([text.encode()]))
    ]


def broken(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


@pytest.mark.parametrize("text", [X12, EDIFACT, GROUPED], ids=["x12", "edifact", "grouped"])
def test_nothing_is_wrong_with_a_sound_interchange(text: str) -> None:
    survey = surveyed(text)

    assert (faults(survey), verdicts(survey)) == ([], [""])


def test_an_x12_interchange_says_who_sent_what() -> None:
    survey = surveyed(X12)

    (interchange,) = survey.interchanges
    (group,) = interchange.groups
    (transaction,) = group.transactions
    assert (interchange.standard, interchange.version, interchange.control) == (
        Standard.X12,
        "00401",
        "000000031",
    )
    assert (interchange.sender_qualifier, interchange.sender) == ("ZZ", "ACMEWMS")
    assert (interchange.receiver_qualifier, interchange.receiver) == ("01", "SHOP")
    assert (interchange.wants_answer, interchange.is_test) == (True, True)
    assert (group.code, group.control, group.version, group.declared) == ("SH", "7", "004010", "1")
    assert group.head == ("GS", "SH", "ACME", "SHOP", "20260402", "0023", "7", "X", "004010")
    assert (transaction.number, transaction.kind, transaction.control) == (0, "856", "0001")
    assert (transaction.version, transaction.reference) == ("004010", "SHIP7")
    assert (transaction.segments, transaction.rows) == (10, 1)
    assert transaction.place == Place(3, X12.index("ST*"), "ST", 1)
    assert survey.segments == 14


def test_an_edifact_interchange_says_who_sent_what() -> None:
    (interchange,) = surveyed(EDIFACT).interchanges

    (group,) = interchange.groups
    (message,) = group.transactions
    assert (interchange.standard, interchange.version) == (Standard.EDIFACT, "UNOC:3")
    assert (interchange.sender_qualifier, interchange.sender) == ("14", "ACMEWMS")
    assert (interchange.receiver_qualifier, interchange.receiver) == ("ZZ", "SHOP")
    assert (interchange.control, interchange.wants_answer, interchange.is_test) == ("REF31", True, True)
    assert (group.head, group.code, group.declared) == ((), "", "")
    assert (message.kind, message.version, message.control) == ("DESADV", "D:96A", "M1")
    assert (message.reference, message.segments, message.rows) == ("DES7", 7, 1)


def test_a_group_of_edifact_messages_has_its_own_head() -> None:
    (interchange,) = surveyed(GROUPED).interchanges

    (group,) = interchange.groups
    assert (group.code, group.control, group.version, group.declared) == ("DESADV", "G7", "D:96A", "1")


def test_text_with_release_characters_is_said_as_it_is_meant() -> None:
    text = broken(broken(EDIFACT, "ACMEWMS", "ACME?+CO"), "DES7", "DES?:7")

    (interchange,) = surveyed(text).interchanges

    assert interchange.sender == "ACME+CO"
    assert interchange.groups[0].transactions[0].reference == "DES:7"


BROKEN = {
    # what is broken: the text, what stands there, what stands there now, and what is said of it
    "ISA13 and IEA02 differ": (
        X12,
        "IEA*1*000000031",
        "IEA*1*000000032",
        "interchange",
        "interchange-control-number",
        "IEA02",
        "000000032",
        "IEA02 is '000000032', expected '000000031' as in ISA13",
    ),
    "IEA counts too many groups": (
        X12,
        "IEA*1*",
        "IEA*2*",
        "interchange",
        "interchange-count",
        "IEA01",
        "2",
        "IEA01 says 2 groups, counted 1",
    ),
    "IEA counts nothing": (
        X12,
        "IEA*1*",
        "IEA**",
        "interchange",
        "interchange-count",
        "IEA01",
        "",
        "IEA01 says no number of groups, counted 1",
    ),
    "GS06 and GE02 differ": (
        X12,
        "GE*1*7",
        "GE*1*8",
        "group",
        "group-control-number",
        "GE02",
        "8",
        "GE02 is '8', expected '7' as in GS06",
    ),
    "GE counts too many transactions": (
        X12,
        "GE*1*",
        "GE*2*",
        "group",
        "group-count",
        "GE01",
        "2",
        "GE01 says 2 transactions, counted 1",
    ),
    "ST02 and SE02 differ": (
        X12,
        "SE*10*0001",
        "SE*10*0002",
        "transaction",
        "transaction-control-number",
        "SE02",
        "0002",
        "SE02 is '0002', expected '0001' as in ST02",
    ),
    "no SE02": (
        X12,
        "SE*10*0001",
        "SE*10",
        "transaction",
        "transaction-control-number",
        "SE02",
        "",
        "SE02 is '', expected '0001' as in ST02",
    ),
    "SE counts too many segments": (
        X12,
        "SE*10*",
        "SE*11*",
        "transaction",
        "segment-count",
        "SE01",
        "11",
        "SE01 says 11 segments, counted 10",
    ),
    "a count that is no number": (
        X12,
        "SE*10*",
        "SE*TEN*",
        "transaction",
        "segment-count",
        "SE01",
        "TEN",
        "SE01 says TEN segments, counted 10",
    ),
    "no SE": (
        X12,
        "SE*10*0001~",
        "",
        "transaction",
        "transaction-trailer",
        "GE",
        "",
        "SE is missing before GE",
    ),
    "no GE": (X12, "GE*1*7~", "", "group", "group-trailer", "IEA", "", "GE is missing before IEA"),
    "no IEA": (
        X12,
        "IEA*1*000000031~",
        "",
        "interchange",
        "interchange-trailer",
        "GE",
        "",
        "IEA is missing: the file ends here",
    ),
    "a sender without a name": (
        X12,
        "ACMEWMS ",
        "        ",
        "interchange",
        "interchange-head",
        "ISA06",
        "",
        "ISA06 has '', expected the sender's id",
    ),
    "neither test nor production": (
        X12,
        "*T*>",
        "*X*>",
        "interchange",
        "interchange-head",
        "ISA15",
        "X",
        "ISA15 has 'X', expected P or T",
    ),
    "a transaction that is not read": (
        X12,
        "ST*856*",
        "ST*810*",
        "transaction",
        "unknown-transaction",
        "ST01",
        "810",
        "ST01 is '810', expected 856 or 945",
    ),
    "a group of something else": (
        X12,
        "GS*SH*",
        "GS*IN*",
        "group",
        "group-code",
        "GS01",
        "IN",
        "GS01 is 'IN', expected SH for 856",
    ),
    "CTT counts too many": (
        X12,
        "CTT*3*5",
        "CTT*4*5",
        "transaction",
        "total",
        "CTT01",
        "4",
        "CTT01 says 4, counted 3 HL and 1 LIN",
    ),
    "CTT adds up wrong": (
        X12,
        "CTT*3*5",
        "CTT*3*6",
        "transaction",
        "total",
        "CTT02",
        "6",
        "CTT02 says 6, SN102 add up to 5",
    ),
    "the two 0020 differ": (
        EDIFACT,
        "UNZ+1+REF31",
        "UNZ+1+REF32",
        "interchange",
        "interchange-control-number",
        "UNZ02",
        "REF32",
        "UNZ02 is 'REF32', expected 'REF31' as in UNB05",
    ),
    "UNZ counts too many messages": (
        EDIFACT,
        "UNZ+1+",
        "UNZ+2+",
        "interchange",
        "interchange-count",
        "UNZ01",
        "2",
        "UNZ01 says 2 messages, counted 1",
    ),
    "UNZ counts too many groups": (
        GROUPED,
        "UNZ+1+",
        "UNZ+2+",
        "interchange",
        "interchange-count",
        "UNZ01",
        "2",
        "UNZ01 says 2 groups, counted 1",
    ),
    "the two 0048 differ": (
        GROUPED,
        "UNE+1+G7",
        "UNE+1+G8",
        "group",
        "group-control-number",
        "UNE02",
        "G8",
        "UNE02 is 'G8', expected 'G7' as in UNG05",
    ),
    "UNE counts too many messages": (
        GROUPED,
        "UNE+1+",
        "UNE+2+",
        "group",
        "group-count",
        "UNE01",
        "2",
        "UNE01 says 2 messages, counted 1",
    ),
    "the two 0062 differ": (
        EDIFACT,
        "UNT+7+M1",
        "UNT+7+M2",
        "transaction",
        "transaction-control-number",
        "UNT02",
        "M2",
        "UNT02 is 'M2', expected 'M1' as in UNH01",
    ),
    "UNT counts too many segments": (
        EDIFACT,
        "UNT+7+",
        "UNT+8+",
        "transaction",
        "segment-count",
        "UNT01",
        "8",
        "UNT01 says 8 segments, counted 7",
    ),
    "no UNT": (
        EDIFACT,
        "UNT+7+M1'",
        "",
        "transaction",
        "transaction-trailer",
        "UNZ",
        "",
        "UNT is missing before UNZ",
    ),
    "no UNE": (GROUPED, "UNE+1+G7'", "", "group", "group-trailer", "UNZ", "", "UNE is missing before UNZ"),
    "no UNZ": (
        EDIFACT,
        "UNZ+1+REF31'",
        "",
        "interchange",
        "interchange-trailer",
        "UNT",
        "",
        "UNZ is missing: the file ends here",
    ),
    "a syntax version of the future": (
        EDIFACT,
        "UNOC:3",
        "UNOC:9",
        "interchange",
        "interchange-head",
        "UNB01:2",
        "9",
        "UNB01 has '9', expected a syntax version from 1 to 4",
    ),
    "a message that is not read": (
        EDIFACT,
        "+DESADV:D",
        "+INVOIC:D",
        "transaction",
        "unknown-transaction",
        "UNH02",
        "INVOIC",
        "UNH02 is 'INVOIC', expected DESADV",
    ),
    "a message of the other standard": (
        EDIFACT,
        "+DESADV:D",
        "+856:D",
        "transaction",
        "unknown-transaction",
        "UNH02",
        "856",
        "UNH02 is '856', expected DESADV",
    ),
    "CNT counts too many": (
        EDIFACT,
        "CNT+2:1",
        "CNT+2:3",
        "transaction",
        "total",
        "CNT01:2",
        "3",
        "CNT+2 says 3, counted 1 LIN",
    ),
}
HARMLESS = {"group-code", "total"}


@pytest.mark.parametrize(
    ("text", "old", "new", "level", "code", "where", "value", "message"), BROKEN.values(), ids=BROKEN
)
def test_one_broken_thing_is_one_fault_at_its_place(
    text: str, old: str, new: str, level: str, code: str, where: str, value: str, message: str
) -> None:
    text = broken(text, old, new)

    survey = surveyed(text)

    ends = [end.start() for end in re.finditer("[~']", text)]
    starts = [0, *(end + 1 for end in ends[:-1])]
    tag = re.match("[A-Z]+", where)
    assert tag is not None
    number, start = next((n, at) for n, at in enumerate(starts, 1) if re.match(rf"{tag[0]}[*+]", text[at:]))
    assert faults(survey) == [(level, code, f"segment {number} ({where}, byte {start})", value, message)]
    assert verdicts(survey) == ["" if code in HARMLESS else code]


def test_a_place_inside_of_a_transaction_is_counted_from_its_first_segment() -> None:
    survey = surveyed(broken(broken(X12, "SE*10*", "SE*11*"), "CTT*3*5", "CTT*3*6"))

    (_, _, transaction), *_ = survey.transactions()
    assert [(fault.place.inside, fault.place.element) for fault in transaction.faults] == [(10, 1), (9, 2)]


def test_control_numbers_of_interchanges_and_groups_are_numbers() -> None:
    assert faults(surveyed(broken(broken(X12, "IEA*1*000000031", "IEA*1*31"), "GE*1*7", "GE*01*0007"))) == []


def test_the_last_segment_may_lack_its_terminator_which_is_said() -> None:
    survey = surveyed(X12.removesuffix("~"))

    assert [each[1] for each in faults(survey)] == ["terminator-missing"]
    assert verdicts(survey) == [""]


def test_an_advice_of_a_warehouse_adds_up_what_was_shipped() -> None:
    text = broken(broken(X12, NOTICE, ADVICE), "GS*SH", "GS*SW")

    survey = surveyed(broken(text, "W03*7", "W03*8"))

    (_, _, transaction), *_ = survey.transactions()
    assert (transaction.reference, transaction.rows) == ("SHIP8", 2)
    assert faults(surveyed(text)) == []
    assert [fault[3:] for fault in faults(survey)] == [("8", "W0301 says 8, W1203 add up to 7")]


def test_a_total_may_be_of_items_and_leave_out_how_packs_divide_them() -> None:
    packs = "SN1**5*EA~HL*4*3*P~SN1**2*EA~HL*5*3*P~SN1**3*EA~"
    divided = broken(broken(X12, "SN1**5*EA~", packs), "SE*10*", "SE*14*")

    for total, said in (("5", []), ("10", []), ("7", ["CTT02 says 7, SN102 add up to 10"])):
        survey = surveyed(broken(divided, "CTT*3*5", f"CTT*5*{total}"))
        assert [fault[-1] for fault in faults(survey)] == said


def test_quantities_that_are_no_numbers_have_no_total() -> None:
    assert faults(surveyed(broken(X12, "SN1**5*", "SN1**FIVE*"))) == []


def three(text: str, old: str, new: str) -> str:
    """Three transactions in one group, of which the second is broken."""
    second, third = NOTICE.replace("*0001", "*0002"), NOTICE.replace("*0001", "*0003")
    return broken(broken(text, NOTICE, NOTICE + broken(second, old, new) + third), "GE*1*", "GE*3*")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("SE*10*0002", "SE*9*0002", "segment-count"),
        ("SE*10*0002", "SE*10*0003", "transaction-control-number"),
        ("SE*10*0002~", "", "transaction-trailer"),
        ("ST*856*0002", "ST*850*0002", "unknown-transaction"),
        ("ST*856*", "ST*997*", ""),
    ],
)
def test_a_broken_transaction_is_rejected_alone(old: str, new: str, code: str) -> None:
    assert verdicts(surveyed(three(X12, old, new))) == ["", code, ""]


def test_a_broken_group_is_rejected_alone() -> None:
    group = X12[X12.index("GS*") : X12.index("IEA*")]
    text = broken(X12, group, broken(group, "GE*1*7", "GE*1*8") + group.replace("*7", "*9"))

    survey = surveyed(broken(text, "IEA*1*", "IEA*2*"))

    assert verdicts(survey) == ["group-control-number", ""]


@pytest.mark.parametrize("between", ["", "\r\n", "\n\n   "])
def test_a_broken_interchange_is_rejected_alone(between: str) -> None:
    other = X12.replace("000000031", "000000032")
    texts = [broken(X12, "IEA*1*", "IEA*3*"), other, EDIFACT, broken(GROUPED, "UNZ+1+", "UNZ+3+")]

    survey = surveyed(between.join(texts))

    assert verdicts(survey) == ["interchange-count", "", "", "interchange-count"]


def test_an_interchange_that_breaks_off_does_not_spoil_the_next() -> None:
    begun = X12[: X12.index("SN1*")]

    survey = surveyed(begun + X12.replace("000000031", "000000032"))

    place = f"segment 10 (ISA, byte {len(begun)})"
    assert faults(survey) == [
        ("interchange", "interchange-trailer", place, "", "IEA is missing before ISA"),
        ("group", "group-trailer", place, "", "GE is missing before ISA"),
        ("transaction", "transaction-trailer", place, "", "SE is missing before ISA"),
    ]
    assert verdicts(survey) == ["interchange-trailer", ""]


def test_a_number_that_two_transactions_have_rejects_the_second() -> None:
    survey = surveyed(broken(broken(X12, NOTICE, NOTICE + NOTICE), "GE*1*", "GE*2*"))

    place = f"segment 13 (ST02, byte {X12.index('ST*') + len(NOTICE)})"
    message = "ST02 is '0001', as in an earlier transaction of the group"
    assert faults(survey) == [("transaction", "transaction-repeated", place, "0001", message)]
    assert verdicts(survey) == ["", "transaction-repeated"]


def test_a_sender_uses_a_control_number_once() -> None:
    survey = surveyed(X12 + X12.replace("SK*MUG", "SK*CUP"))

    place = f"segment 15 (ISA13, byte {len(X12)})"
    message = "ISA13 is '000000031', as in segment 1: with other content"
    assert faults(survey) == [("interchange", "interchange-repeated", place, "000000031", message)]
    assert verdicts(survey) == ["", "interchange-repeated"]


def test_the_same_interchange_again_is_no_fault_but_counts_once() -> None:
    survey = surveyed(X12 + X12.replace("~", "~\n"))

    place = f"segment 15 (ISA13, byte {len(X12)})"
    message = "ISA13 is '000000031', as in segment 1: the same interchange again"
    assert faults(survey) == [("interchange", "interchange-again", place, "000000031", message)]
    assert verdicts(survey) == ["", ""]
    assert [envelopes.repetition(one) is not None for one in survey.interchanges] == [False, True]


@pytest.mark.parametrize("party", ["ACMEWMS", "SHOP   "])
def test_others_may_use_the_same_control_number(party: str) -> None:
    other = X12.replace(party, "OTHERS "[: len(party)])

    assert verdicts(surveyed(X12 + other)) == ["", ""]


def test_a_sound_interchange_may_follow_its_broken_first_try() -> None:
    assert verdicts(surveyed(broken(X12, "IEA*1*", "IEA*2*") + X12)) == ["interchange-count", ""]


def test_the_content_is_the_same_whatever_stands_between_segments() -> None:
    def content(text: str) -> str:
        return surveyed(text).interchanges[0].content

    assert content(X12) == content(X12.replace("~", "~\r\n  ")) == content(f"\ufeff{X12}\x1a")
    assert content(X12) != content(X12.replace("MUG", "CUP"))
    assert content(X12 + EDIFACT) == content(X12)


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (
            X12,
            "ST*856*0001~",
            "",
            [
                ("group", "9 segments from BSN on stand outside of any transaction, expected ST before"),
            ],
        ),
        (
            X12,
            "GE*1*7~",
            "GE*1*7~REF*ZZ~",
            [
                ("interchange", "REF stands outside of any transaction, expected ST before"),
            ],
        ),
        (
            X12,
            "GE*1*7~",
            "GE*1*7~GE*1*7~",
            [
                ("interchange", "GE stands outside of any transaction, expected ST before"),
            ],
        ),
        (
            X12,
            "GS*SH*ACME*SHOP*20260402*0023*7*X*004010~",
            "",
            [
                ("interchange", "ST stands outside of any group, expected GS before"),
                ("interchange", "GE stands outside of any transaction, expected ST before"),
            ],
        ),
        (
            GROUPED,
            "UNE+1+G7'",
            f"UNE+1+G7'{DELIVERY}",
            [
                ("interchange", "UNH stands outside of any group, expected UNG before"),
            ],
        ),
        (
            EDIFACT,
            "UNT+7+M1'",
            "UNT+7+M1'FTX+1'",
            [
                ("interchange", "FTX stands outside of any transaction, expected UNH before"),
            ],
        ),
    ],
)
def test_what_stands_where_nothing_can_is_told(
    text: str, old: str, new: str, told: list[tuple[str, str]]
) -> None:
    survey = surveyed(broken(text, old, new))

    stray = [(level, message) for level, code, _, _, message in faults(survey) if code == "stray-segment"]
    assert stray == told
    assert "" not in verdicts(survey)


def test_a_head_that_has_swallowed_the_next_segment_is_no_head() -> None:
    survey = surveyed(broken(EDIFACT, "++1++1'UNH", "++1++1\u2019UNH"))

    assert [fault[:2] + fault[4:] for fault in faults(survey)] == [
        (
            "interchange",
            "interchange-head",
            "UNB has 13 elements, expected 5 to 11: a separator or terminator is lost",
        ),
        (
            "interchange",
            "stray-segment",
            "6 segments from BGM on stand outside of any transaction, expected UNH before",
        ),
        ("interchange", "interchange-empty", "there is no UNH in it"),
        ("interchange", "interchange-count", "UNZ01 says 1 messages, counted 0"),
    ]


def test_a_head_without_its_tag_is_the_files_own_fault() -> None:
    survey = surveyed("UNA:+.? '" + broken(EDIFACT, "UNB+", "UNB "))

    message = "9 segments from UNB UNOC:3 on stand outside of any interchange, expected ISA or UNB before"
    assert faults(survey) == [
        ("file", "stray-segment", "segment 1 (UNB UNOC:3, byte 9)", "UNB UNOC:3", message)
    ]
    assert survey.interchanges == ()
    assert units("UNA:+.? '" + broken(EDIFACT, "UNB+", "UNB ")) == []


def test_an_interchange_without_transactions_is_empty() -> None:
    group = X12[X12.index("GS*") : X12.index("IEA*")]

    survey = surveyed(broken(broken(X12, group, ""), "IEA*1", "IEA*0"))

    message = "there is no ST in it"
    assert faults(survey) == [("interchange", "interchange-empty", "segment 1 (ISA, byte 0)", "", message)]


def test_acknowledgments_are_nothing_to_complain_of() -> None:
    ta1 = "TA1*000000005*260402*0023*A*000~"
    group = X12[X12.index("GS*") : X12.index("IEA*")]
    answer = "GS*FA*ACME*SHOP*20260402*0023*7*X*004010~ST*997*0001~AK1*SH*7~AK9*A*1*1*1~SE*4*0001~GE*1*7~"

    alone = surveyed(broken(broken(X12, group, ta1), "IEA*1", "IEA*0"))
    both = surveyed(broken(X12, group, ta1 + answer))

    assert (faults(alone), verdicts(alone)) == ([], [])
    assert (faults(both), verdicts(both)) == ([], [""])
    assert [transaction.rows for _, _, transaction in both.transactions()] == [0]


UNPADDED = re.sub(" +", "", X12)


def test_unpadded_elements_of_isa_are_read_only_from_partners_who_may_send_them() -> None:
    strict, lenient = surveyed(UNPADDED), surveyed(UNPADDED, replace(DEFAULT, accepts_unpadded=True))

    assert verdicts(strict) == ["interchange-head"]
    assert ([fault[1] for fault in faults(lenient)], verdicts(lenient)) == (["interchange-unpadded"], [""])
    assert [fault[2:] for fault in faults(lenient)] == [fault[2:] for fault in faults(strict)]
    assert [one.control for one in lenient.interchanges] == ["000000031"]


@pytest.mark.parametrize(
    "before", ["", X12, X12[: X12.index("GE*")]], ids=["alone", "behind one", "behind half"]
)
def test_what_can_not_even_be_opened_is_the_files_own_fault(before: str) -> None:
    survey = surveyed(f"{before}UNA:+.?'{EDIFACT}")

    assert [fault[:2] for fault in faults(survey) if fault[0] == "file"] == [("file", "interchange-head")]
    assert len(survey.interchanges) == bool(before)


def test_a_file_that_ends_in_a_bare_tag_ends_in_a_broken_interchange() -> None:
    survey = surveyed(X12[: X12.index("IEA*")] + "ISA")

    assert verdicts(survey) == ["interchange-trailer"]
    assert [(one.control, one.groups) for one in survey.interchanges[1:]] == [("", ())]
    assert faults(survey)[-1][:2] == ("interchange", "interchange-trailer")


def test_damage_ends_the_units_that_it_stands_in() -> None:
    text = broken(X12, "SN1**5*EA~", "SN1**" + "5" * 2 * segments.LONGEST_SEGMENT_BYTES)

    survey = surveyed(text)

    cut = f"after 'SN1**{'5' * 35}' there is no segment terminator '~' for 1 MiB"
    assert [fault[:2] + fault[4:] for fault in faults(survey)] == [
        ("interchange", "damaged", cut),
        ("interchange", "interchange-trailer", "IEA is missing: the file ends here"),
        ("group", "group-trailer", "GE can't be found in what is damaged"),
        ("transaction", "transaction-trailer", "SE can't be found in what is damaged"),
    ]
    assert verdicts(survey) == ["damaged"]


def test_what_the_rows_reader_finds_is_the_transactions() -> None:
    survey = surveyed(broken(X12, "HL*3*2*I~", "HL*3**?~"))

    place = f"segment 8 (HL02, byte {X12.index('HL*3')})"
    assert faults(survey) == [("transaction", "hl-parent-missing", place, "", "HL02 is empty")]
    assert verdicts(survey) == [""]


def test_a_partner_who_errs_a_thousand_times_is_told_so_a_hundred_times() -> None:
    levels = "".join(f"HL*{number}**?~" for number in range(10, 1010))
    text = broken(broken(X12, "CTT*3*5", f"{levels}CTT*1003*5"), "SE*10*", "SE*1010*")

    messages = [fault[-1] for fault in faults(surveyed(text))]

    assert messages == [*["HL02 is empty"] * 99, "HL02 is empty (and 900 more like this)"]


def test_rows_are_read_while_the_file_still_comes_in() -> None:
    given_out: list[int] = []
    seen: list[int] = []

    def chunks() -> Iterator[bytes]:
        yield X12[: X12.index("CTT*")].encode()
        for number in range(50):
            given_out.append(number)
            yield b"LIN**SK*MUG~SN1**1*EA~" * 1000
        yield X12[X12.index("CTT*") :].encode()

    def counting(found: Iterator[Segment], _: Delimiters, __: Partner) -> Iterator[Line | Fault]:
        next(found)
        seen.append(len(given_out))
        yield from ()

    survey = envelopes.survey(segments.read(chunks()), lambda _: DEFAULT, {"856": counting})

    assert seen[0] < 50
    assert survey.segments == 14 + 100_000


def test_the_second_pass_gives_the_same_transactions_under_the_same_numbers() -> None:
    stray = "REF*ZZ~SE*1*1~"
    text = three(X12, "SE*10*0002~", "") + f"{stray}\n{EDIFACT}" + broken(GROUPED, "UNE+1+G7'", stray)

    surveyed_units = [
        (transaction.number, transaction.segments) for _, _, transaction in surveyed(text).transactions()
    ]

    assert [(number, len(found)) for number, found in units(text)] == surveyed_units
    assert [number for number, _ in surveyed_units] == [0, 1, 2, 3, 4]
    assert [found[0][1] for _, found in units(text)] == ["856", "856", "856", "M1", "M1"]


def test_the_second_pass_goes_on_behind_a_transaction_that_nobody_reads() -> None:
    found = envelopes.transactions(segments.read([(three(X12, "0023~", "0024~") + EDIFACT).encode()]))

    assert [(number, delimiters.element) for number, delimiters, _ in found] == [
        (0, "*"),
        (1, "*"),
        (2, "*"),
        (3, "+"),
    ]


def test_a_fault_can_be_added_to_an_interchange() -> None:
    survey = surveyed(X12 + EDIFACT)
    fault = Fault(
        "interchange-repeated", "UNB05 is 'REF31', as in an earlier file", Place(15, len(X12), "UNB")
    )

    told = envelopes.with_fault(survey, 1, fault)

    assert [one.faults for one in told.interchanges] == [(), (fault,)]
    assert verdicts(told) == ["", "interchange-repeated"]
    assert verdicts(survey) == ["", ""]


CONTROL_VALUES = [
    (text, found.start(1), found.end(1))
    for text, pattern in (
        (
            X12,
            r"\*(000000031)\*|IEA\*(1)\*|IEA\*1\*(\d+)|\*(7)\*X|GE\*(1)|GE\*1\*(7)|856\*(\d+)|SE\*(\d+)|SE\*10\*(\d+)",
        ),
        (
            GROUPED,
            r"\+REF(31)\+|UNZ\+(1)|UNZ\+1\+REF(31)|\+G(7)\+UN|UNE\+(1)|UNE\+1\+G(7)|UNH\+M(1)|UNT\+(7)|UNT\+7\+M(1)",
        ),
    )
    for each in pattern.split("|")
    for found in re.finditer(each, text)
]


@given(where=st.sampled_from(CONTROL_VALUES), number=st.integers(0, 999_999_999))
def test_any_other_control_value_is_noticed(where: tuple[str, int, int], number: int) -> None:
    text, start, end = where
    other = f"{number % 10 ** (end - start):0{end - start}}"
    assume(other != text[start:end])

    assert "" not in verdicts(surveyed(text[:start] + other + text[end:]))


@pytest.mark.parametrize(("text", "terminator"), [(X12, "~"), (EDIFACT, "'"), (GROUPED, "'")])
def test_a_segment_that_is_lost_or_doubled_is_noticed_wherever_it_stood(text: str, terminator: str) -> None:
    whole = text.split(terminator)[:-1]
    for at in range(len(whole)):
        for now in ([*whole[:at], *whole[at + 1 :]], [*whole[: at + 1], *whole[at:]]):
            found = surveyed("".join(segment + terminator for segment in now))
            told = [*found.faults, *(fault for one in found.interchanges for fault in _all(one))]
            assert not all(map(envelopes.is_harmless, told)), now


def _all(interchange: Interchange) -> Iterator[Fault]:
    yield from interchange.faults
    for group in interchange.groups:
        yield from group.faults
        for transaction in group.transactions:
            yield from transaction.faults


@given(at=st.integers(0, len(X12) - 2), text=st.sampled_from([X12, EDIFACT, GROUPED]))
def test_a_file_that_breaks_off_anywhere_gives_no_transaction_to_read(at: int, text: str) -> None:
    assert "" not in verdicts(surveyed(text[: min(at, len(text) - 2)]))


@given(
    at=st.integers(0, len(X12) - 1),
    byte=st.binary(min_size=1, max_size=1),
    text=st.sampled_from([X12, GROUPED]),
)
def test_any_byte_may_be_another_one(at: int, byte: bytes, text: str) -> None:
    at %= len(text)
    content = text.encode()[:at] + byte + text.encode()[at + 1 :]

    survey = envelopes.survey(segments.read([content]), lambda _: DEFAULT, READERS)
    again = envelopes.transactions(segments.read([content]))

    assert [(number, sum(1 for _ in found)) for number, _, found in again] == [
        (transaction.number, transaction.segments) for _, _, transaction in survey.transactions()
    ]
