"""A survey and what became of its rows → the answers that a partner gets."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi import despatch_advices, envelopes, segments, ship_notices, warehouse_advices
from importer.manifests.edi.acks import Acknowledgment, Answered, Rejection, acknowledge
from importer.manifests.edi.partners import DEFAULT
from importer.manifests.edi.units import Fault, Interchange, Place, Survey, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from importer.manifests.edi.partners import Partner

NOW = datetime(2026, 4, 2, 7, 5, tzinfo=UTC)
READERS = {
    "856": ship_notices.lines,
    "945": warehouse_advices.lines,
    "DESADV": despatch_advices.lines,
}
ISA = f"ISA*00*{' ':10}*00*{' ':10}*ZZ*{'ACMEWMS':15}*01*{'SHOP':15}*260401*2359*U*00401*000000031*0*P*>~"
NOTICE = (
    "ST*856*0001~BSN*00*SHIP7*20260401*2359~HL*1**S~HL*2*1*O~PRF*1001~HL*3*2*I~LIN**SK*MUG~SN1**5*EA~"
    "CTT*3*5~SE*10*0001~"
)
ADVICE = "ST*945*0002~W06*F*1001*20260401*SHIP8~LX*1~W12*CC*6*6**EA**SK*MUG~W03*6~SE*6*0002~"
GROUP = f"GS*SH*ACME*SHOPGS*20260401*2359*7*X*004010~{NOTICE}GE*1*7~"
X12 = f"{ISA}{GROUP}IEA*1*000000031~"
DELIVERY = "UNH+M1+DESADV:D:96A:UN'BGM+351+DES7+9'CPS+1'LIN+1++MUG:SA'QTY+12:5'CNT+2:1'UNT+7+M1'"
UNB = "UNB+UNOC:3+ACMEWMS:14+SHOP:ZZ+260401:2359+REF31'"
EDIFACT = f"{UNB}{DELIVERY}UNZ+1+REF31'"
GROUPED = f"{UNB}UNG+DESADV+ACME:ZZ+SHOPUNG+260401:2359+G7+UN+D:96A'{DELIVERY}UNE+1+G7'UNZ+1+REF31'"
UNDELIVERABLE = Rejection(8, "bad-quantity", "quantity: found 'two'", "two", "1001/MUG", "SN1", 8, 2)
REFUSED = Rejection(8, "destination-404", "404: order 1001 not found", reference="1001")
A_FEW = Answered(3, 2, (UNDELIVERABLE, REFUSED))


def surveyed(text: str, partner: Partner = DEFAULT) -> Survey:
    return envelopes.survey(segments.read([text.encode()]), lambda _: partner, READERS)


def counter() -> Callable[[str], int]:
    """Control numbers as a ledger gives them: each series counts for itself."""
    last: Counter[str] = Counter()

    def number(series: str) -> int:
        last[series] += 1
        return last[series]

    return number


def answers(
    survey: Survey, answered: Mapping[int, Answered] | None = None, partner: Partner = DEFAULT
) -> list[Acknowledgment]:
    return acknowledge(survey, answered or {}, lambda _: partner, counter(), NOW)


def said(
    text: str, answered: Mapping[int, Answered] | None = None, partner: Partner = DEFAULT
) -> list[tuple[str, str]]:
    """Kind and text of each answer."""
    found = answers(surveyed(text, partner), answered, partner)
    return [(each.kind, each.content.decode()) for each in found]


def bodies(
    text: str, answered: Mapping[int, Answered] | None = None, partner: Partner = DEFAULT
) -> list[tuple[str, str]]:
    """Kind and segments of each answer, without envelopes and ST, SE, UNH, UNT."""
    found = []
    for kind, whole in said(text, answered, partner):
        terminator = "'" if whole.startswith("UNA") else "~"
        inner = [part for part in whole.split(terminator) if part and part[:3] not in _ENVELOPES]
        found.append((kind, terminator.join(part for part in inner if part[:3] not in {"ST*", "SE*"})))
    return found


_ENVELOPES = {"ISA", "GS*", "GE*", "IEA", "UNA", "UNB", "UNH", "UNT", "UNZ"}


def broken(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def damage(survey: Survey) -> list[Fault]:
    """All faults of a survey."""
    found = [*survey.faults]
    for interchange in survey.interchanges:
        found += interchange.faults
        for group in interchange.groups:
            found += group.faults
            for transaction in group.transactions:
                found += transaction.faults
    return found


def with_faults(survey: Survey, *faults: Fault) -> Survey:
    """The survey of one transaction, in which these are found too."""
    [interchange] = survey.interchanges
    [group] = interchange.groups
    [transaction] = group.transactions
    group = replace(group, transactions=(replace(transaction, faults=transaction.faults + faults),))
    return replace(survey, interchanges=(replace(interchange, groups=(group,)),))


def test_sound_x12_interchange_is_accepted_with_ids_swapped() -> None:
    assert answers(surveyed(X12)) == [
        Acknowledgment(
            "997-ACMEWMS-000000001.edi",
            "997",
            "ACMEWMS",
            "000000001",
            (
                f"ISA*00*{' ':10}*00*{' ':10}*01*{'SHOP':15}*ZZ*{'ACMEWMS':15}"
                "*260402*0705*U*00401*000000001*0*P*>~"
                "GS*FA*SHOPGS*ACME*20260402*0705*1*X*004010~"
                "ST*997*0001~AK1*SH*7~AK2*856*0001~AK5*A~AK9*A*1*1*1~SE*6*0001~"
                "GE*1*1~IEA*1*000000001~"
            ).encode(),
        )
    ]


def test_sound_edifact_interchange_is_accepted_with_ids_swapped() -> None:
    assert answers(surveyed(EDIFACT)) == [
        Acknowledgment(
            "CONTRL-ACMEWMS-000000001.edi",
            "CONTRL",
            "ACMEWMS",
            "000000001",
            (
                b"UNA:+.? 'UNB+UNOC:3+SHOP:ZZ+ACMEWMS:14+260402:0705+000000001++CONTRL'"
                b"UNH+1+CONTRL:D:3:UN'UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+DESADV:D:96A:UN+7'UNT+4+1'"
                b"UNZ+1+000000001'"
            ),
        )
    ]


def test_999_goes_to_the_partner_that_wants_it() -> None:
    [(kind, text)] = said(X12, partner=replace(DEFAULT, answer="999"))

    assert (kind, text.split("~")[1:-1]) == (
        "999",
        [
            "GS*FA*SHOPGS*ACME*20260402*0705*1*X*005010X231A1",
            "ST*999*0001*005010X231A1",
            "AK1*SH*7*004010",
            "AK2*856*0001",
            "IK5*A",
            "AK9*A*1*1*1",
            "SE*6*0001",
            "GE*1*1",
            "IEA*1*000000001",
        ],
    )


def test_999_has_the_notes_under_names_of_its_own() -> None:
    text = broken(X12, "HL*2*1*O", "HL*1*1*O")

    assert bodies(text, partner=replace(DEFAULT, answer="999")) == [
        (
            "999",
            (
                "AK1*SH*7*004010~AK2*856*0001~IK3*HL*4**8~IK4*1*628*7*1~IK3*HL*6**8~IK4*2*734*7*2~"
                "IK5*R*5~AK9*R*1*1*0"
            ),
        )
    ]


def test_997_from_5010_on_says_the_version_of_the_group() -> None:
    assert bodies(X12.replace("X*004010~", "X*005010UCS~")) == [
        ("997", "AK1*SH*7*005010UCS~AK2*856*0001~AK5*A~AK9*A*1*1*1")
    ]


@pytest.mark.parametrize(
    ("version", "head"),
    [
        ("003060", "GS*FA*SHOPGS*ACME*260402*0705*1*X*003060"),
        ("4", "GS*FA*SHOPGS*ACME*20260402*0705*1*X*004010"),
        ("", "GS*FA*SHOPGS*ACME*20260402*0705*1*X*004010"),
    ],
)
def test_group_of_the_answer_has_the_received_version_if_it_is_one(version: str, head: str) -> None:
    [(_, text)] = said(X12.replace("X*004010~", f"X*{version}~"))

    assert text.split("~")[1] == head


@pytest.mark.parametrize(
    ("old", "new", "body"),
    [
        ("SE*10*0001", "SE*12*0001", "AK5*R*4~AK9*R*1*1*0"),
        ("SE*10*0001", "SE*10*0009", "AK5*R*3~AK9*R*1*1*0"),
        ("SE*10*0001", "SE*12*0009", "AK5*R*4*3~AK9*R*1*1*0"),
        ("SE*10*0001~", "", "AK5*R*2~AK9*R*1*1*0"),
        ("GE*1*7", "GE*1*8", "AK5*R~AK9*R*1*1*0*4"),
        ("GE*1*7", "GE*2*7", "AK5*R~AK9*R*2*1*0*5"),
        ("GE*1*7", "GE*many*7", "AK5*R~AK9*R*1*1*0*5"),
        ("GE*1*7~", "", "AK5*R~AK9*R*1*1*0*3"),
        ("CTT*3*5", "CTT*9*5", "AK5*A~AK9*A*1*1*1"),
        ("GS*SH", "GS*SW", "AK5*A~AK9*A*1*1*1"),
    ],
)
def test_997_says_what_is_wrong_with_group_and_transaction(old: str, new: str, body: str) -> None:
    text = broken(X12, old, new)
    code = "SW" if "GS*SW" in text else "SH"

    assert bodies(text) == [("997", f"AK1*{code}*7~AK2*856*0001~{body}")]


def test_transactions_that_are_not_read_are_told_so() -> None:
    assert bodies(X12.replace("ST*856", "ST*810")) == [("997", "AK1*SH*7~AK2*810*0001~AK5*R*1~AK9*R*1*1*0")]


def test_part_of_a_group_is_accepted_when_another_part_is_not() -> None:
    more = NOTICE.replace("0001", "0002").replace("SE*10", "SE*11")
    text = broken(X12, "GE*1*7", f"{more}GE*2*7")

    assert bodies(text) == [("997", "AK1*SH*7~AK2*856*0001~AK5*A~AK2*856*0002~AK5*R*4~AK9*P*2*2*1")]


def test_segments_in_error_are_named_with_what_they_had() -> None:
    text = broken(X12, "HL*3*2*I", "HL*3*9*I")

    assert bodies(text) == [("997", "AK1*SH*7~AK2*856*0001~AK3*HL*6**8~AK4*2*734*7*9~AK5*R*5~AK9*R*1*1*0")]


def test_one_note_on_a_segment_holds_those_on_all_its_elements() -> None:
    place = Place(5, 300, "LIN", 7, 3, 2)
    survey = with_faults(
        surveyed(X12),
        Fault("element-missing", "LIN03 is empty", place),
        Fault("element-missing", "LIN04 is empty", replace(place, element=4, component=0)),
        Fault("element-missing", "SN1 has nothing", Place(6, 320, "SN1", 8)),
    )

    [answer] = answers(survey)
    assert answer.content.decode().split("~")[5:11] == [
        "AK3*LIN*7**8",
        "AK4*3>2**1",
        "AK4*4**1",
        "AK3*SN1*8**8",
        "AK5*R*5",
        "AK9*R*1*1*0",
    ]


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        ("MUG" * 40, f"*{('MUG' * 40)[:99]}"),
        ("M>G", ""),
        ("M~G", ""),
        ("M\x07G", ""),
        ("MÜG", ""),
    ],
)
def test_what_would_be_a_fault_in_the_answer_is_not_copied_into_it(value: str, copy: str) -> None:
    survey = with_faults(surveyed(X12), Fault("hl-parent", "no", Place(5, 300, "HL", 7, 2), value))

    [answer] = answers(survey)
    assert answer.content.decode().split("~")[6] == f"AK4*2*734*7{copy}"


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("IEA*1*000000031", "IEA*1*000000032", "R*001"),
        ("IEA*1*000000031", "IEA*2*000000031", "R*021"),
        ("IEA*1*000000031~", "", "R*023"),
        (GROUP, "", "R*024"),
        (GROUP, NOTICE, "R*022"),
    ],
)
def test_ta1_says_what_is_wrong_with_an_interchange_and_nothing_else_does(
    old: str, new: str, verdict: str
) -> None:
    text = broken(X12, old, new)

    assert bodies(text, {0: A_FEW}) == [("TA1", f"TA1*000000031*260401*2359*{verdict}")]


def test_ta1_is_an_interchange_without_groups() -> None:
    [(_, text)] = said(broken(X12, "IEA*1", "IEA*2"))

    assert text.split("~")[1:] == ["TA1*000000031*260401*2359*R*021", "IEA*0*000000001", ""]


def test_ta1_goes_before_the_997_where_one_is_wanted() -> None:
    accepted = [
        ("TA1", "TA1*000000031*260401*2359*A*000"),
        ("997", "AK1*SH*7~AK2*856*0001~AK5*A~AK9*A*1*1*1"),
    ]

    assert bodies(X12, partner=replace(DEFAULT, ta1=True)) == accepted
    assert bodies(broken(X12, "*0*P*>", "*1*P*>")) == accepted


def test_values_of_an_isa_that_are_none_are_not_sent_back() -> None:
    text = ISA.replace("000000031", "ABCDEFGHI").replace("*00401*", "*0040A*").replace("*260401*", "*26-4-1*")

    [(_, answer)] = said(text)
    assert (answer[82:100], answer.split("~")[1]) == (
        "U*00401*000000001*",
        "TA1*000000000*000000*2359*R*022",
    )


def test_repeated_interchange_is_answered_by_that_alone() -> None:
    x12, edifact = surveyed(broken(X12, "IEA*1", "IEA*2")), surveyed(EDIFACT)
    repeated = Fault("interchange-repeated", "UNB05 is used", Place(1, 0, "UNB", 0, 5), "REF31")

    [ta1] = answers(envelopes.with_fault(x12, 0, repeated), {0: A_FEW})
    [contrl] = answers(envelopes.with_fault(edifact, 0, repeated), {0: A_FEW})
    assert (ta1.kind, ta1.content.decode().split("~")[1]) == ("TA1", "TA1*000000031*260401*2359*R*025")
    assert (contrl.kind, contrl.content.decode().split("'")[3:5]) == (
        "CONTRL",
        ["UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+26+UNB+6", "UNT+3+1"],
    )


@pytest.mark.parametrize(
    ("old", "new", "body"),
    [
        ("UNT+7+M1", "UNT+9+M1", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+DESADV:D:96A:UN+4+29+UNT+2"),
        ("UNT+7+M1", "UNT+7+M2", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+DESADV:D:96A:UN+4+28+UNT+3"),
        ("UNT+7+M1'", "", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+DESADV:D:96A:UN+4+13+UNT"),
        ("DESADV:D:96A", "ORDERS:D:96A", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+ORDERS:D:96A:UN+4+14+UNH+3"),
        ("UNZ+1+REF31", "UNZ+2+REF31", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+29+UNZ+2"),
        ("UNZ+1+REF31", "UNZ+1+REF32", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+28+UNZ+3"),
        ("UNZ+1+REF31'", "", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+13+UNZ"),
        (DELIVERY, "", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+32+UNH"),
        (DELIVERY, f"LIN+1'{DELIVERY}", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+15"),
        ("UNOC:3", "UNOC:9", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+4+12+UNB+2:2"),
        ("CNT+2:1", "CNT+2:9", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+DESADV:D:96A:UN+7"),
    ],
)
def test_contrl_says_what_is_wrong_with_interchange_and_message(old: str, new: str, body: str) -> None:
    assert bodies(broken(EDIFACT, old, new)) == [("CONTRL", body)]


@pytest.mark.parametrize(
    ("old", "new", "body"),
    [
        ("UNE+1+G7", "UNE+1+G7", "UCF+G7+ACME:ZZ+SHOPUNG+7'UCM+M1+DESADV:D:96A:UN+7"),
        ("UNE+1+G7", "UNE+2+G7", "UCF+G7+ACME:ZZ+SHOPUNG+4+29+UNE+2"),
        ("UNE+1+G7'", "", "UCF+G7+ACME:ZZ+SHOPUNG+4+13+UNE"),
    ],
)
def test_contrl_names_groups_where_there_are_some(old: str, new: str, body: str) -> None:
    assert bodies(broken(GROUPED, old, new)) == [("CONTRL", f"UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'{body}")]


def test_contrl_counts_the_tag_of_a_segment_as_its_first_element() -> None:
    place = Place(5, 80, "QTY", 5, 1, 2)
    survey = with_faults(
        surveyed(EDIFACT),
        Fault("element-missing", "QTY01:2 is empty", place),
        Fault("element-missing", "CNT has nothing", Place(6, 90, "CNT", 6)),
    )

    [answer] = answers(survey)
    assert answer.content.decode().split("'")[4:8] == [
        "UCM+M1+DESADV:D:96A:UN+4",
        "UCS+5",
        "UCD+13+2:2",
        "UCS+6+13",
    ]


def test_rows_that_fail_leave_the_997_accepting_and_are_told_in_an_824() -> None:
    found = answers(surveyed(X12), {0: A_FEW})

    assert [(each.kind, each.control) for each in found] == [("997", "000000001"), ("824", "000000002")]
    assert found[1].content.decode().split("~")[1:-1] == [
        "GS*AG*SHOPGS*ACME*20260402*0705*2*X*004010",
        "ST*824*0001",
        "BGN*11*000000031-7-0001*20260402*0705",
        "OTI*TE*SI*SHIP7*ACME*SHOPGS*20260401*2359*7*0001*856*004010",
        "TED*848*quantity: found 'two'*SN1*8*2**two",
        "NTE*LIN*1001/MUG bad-quantity: quantity: found 'two'",
        "TED*024*404: order 1001 not found**6",
        "NTE*LIN*1001 destination-404: 404: order 1001 not found",
        "SE*8*0001",
        "GE*1*2",
        "IEA*1*000000002",
    ]


def test_rows_that_fail_leave_the_contrl_accepting_and_are_told_in_an_aperak() -> None:
    rejection = Rejection(6, "bad-quantity", "quantity: found 'two'", "two", "1001/MUG", "QTY", 5, 1)
    found = answers(surveyed(EDIFACT), {0: Answered(1, 1, (rejection, Rejection(5, "blank-sku", "no SKU")))})

    assert [each.kind for each in found] == ["CONTRL", "APERAK"]
    assert found[1].content.decode().split("'") == [
        "UNA:+.? ",
        "UNB+UNOC:3+SHOP:ZZ+ACMEWMS:14+260402:0705+000000002++APERAK",
        "UNH+1+APERAK:D:96A:UN",
        "BGM+313+REF31-M1+34",
        "DTM+137:202604020705:203",
        "RFF+AAK:DES7",
        "ERC+848::ZZZ",
        "FTX+AAO+++bad-quantity?: quantity?: found ?",
        "two?",
        "",
        "RFF+ON:1001/MUG",
        "FTX+AAO+++segment 5 QTY element 1 value ?",
        "two?",
        "",
        "ERC+848::ZZZ",
        "FTX+AAO+++blank-sku?: no SKU",
        "RFF+LI:4",
        "FTX+AAO+++segment 4",
        "UNT+13+1",
        "UNZ+1+000000002",
        "",
    ]


@pytest.mark.parametrize(
    ("accepted", "rejected", "oti", "bgm"), [(0, 2, "TR", "27"), (3, 2, "TE", "34"), (3, 0, "TA", "34")]
)
def test_how_much_of_a_document_is_accepted_is_said(accepted: int, rejected: int, oti: str, bgm: str) -> None:
    answered = {0: Answered(accepted, rejected, (UNDELIVERABLE,))}

    assert f"~OTI*{oti}*SI*" in said(X12, answered)[1][1]
    assert f"'BGM+313+REF31-M1+{bgm}'" in said(EDIFACT, answered)[1][1]


def test_document_without_a_number_is_named_by_its_control_number() -> None:
    x12 = said(broken(X12, "BSN*00*SHIP7", "BSN*00*"), {0: A_FEW})
    edifact = said(broken(EDIFACT, "BGM+351+DES7+9", "BGM+351++9"), {0: A_FEW})

    assert "~OTI*TE*TN*0001*ACME*" in x12[1][1]
    assert "'RFF+ACW:M1'" in edifact[1][1]


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        (X12, {}),
        (X12, {0: Answered(5, 0, ())}),
        (broken(X12, "SE*10", "SE*11"), {0: A_FEW}),
        (broken(X12, "GE*1", "GE*2"), {0: A_FEW}),
        (EDIFACT, {}),
        (broken(EDIFACT, "UNT+7", "UNT+8"), {0: A_FEW}),
        (broken(EDIFACT, "UNZ+1", "UNZ+2"), {0: A_FEW}),
    ],
)
def test_rows_are_told_only_of_sound_documents_in_which_some_fail(
    text: str, answered: Mapping[int, Answered]
) -> None:
    assert [kind for kind, _ in said(text, answered)] in (["997"], ["CONTRL"])


def test_long_messages_are_cut_where_they_must_be_and_whole_in_the_notes() -> None:
    words = f"order *1001* > {'is not open any more ' * 8}~"
    rejection = Rejection(8, "destination-409", words, "5~", "Größe №5…")

    [_, (_, x12)] = said(X12, {0: Answered(0, 1, (rejection,))})
    [_, (_, edifact)] = said(EDIFACT, {0: Answered(0, 1, (rejection,))})
    assert x12.split("~")[5:9] == [
        "TED*024*order 1001 is not open any more is not open any more is not**6",
        "NTE*LIN*Gro?e No5... destination-409: order 1001 is not open any more is not open any",
        "NTE*LIN*more is not open any more is not open any more is not open any more is not open",
        "NTE*LIN*any more is not open any more is not open any more",
    ]
    assert edifact.split("'")[7:9] == [
        (
            "FTX+AAO+++destination-409?: order *1001* > is not open any more is not open any:"
            "more is not open any more is not open any more is not open any more is:"
            "not open any more is not open any more is not open any more ~"
        ),
        "RFF+ON:Gro??e No5...",
    ]


def test_unoa_gets_no_lower_case() -> None:
    text = broken(EDIFACT, "UNOC:3", "UNOA:2")

    [_, (_, aperak)] = said(text, {0: Answered(0, 1, (Rejection(4, "blank-sku", "no SKU"),))})
    assert "UNB+UNOA:2+SHOP" in aperak
    assert "'FTX+AAO+++BLANK-SKU?: NO SKU'" in aperak


def test_syntax_version_4_has_years_of_four_digits_and_its_repetition_separator() -> None:
    una = "UNA:+.?*'"

    [(_, text)] = said(una + broken(EDIFACT, "UNOC:3", "UNOC:4"))
    assert text.split("'")[:2] == [
        "UNA:+.?*",
        "UNB+UNOC:4+SHOP:ZZ+ACMEWMS:14+20260402:0705+000000001++CONTRL",
    ]


def test_answers_have_the_delimiters_of_what_they_answer() -> None:
    x12 = X12.replace("~", "\n").replace("*", "|").replace(">", "^")
    edifact = "UNA#;,! %" + EDIFACT.translate(str.maketrans(":+'", "#;%"))

    assert said(x12)[0][1].splitlines()[2:4] == ["ST|997|0001", "AK1|SH|7"]
    assert said(edifact)[0][1].split("%")[:3] == [
        "UNA#;,! ",
        "UNB;UNOC#3;SHOP#ZZ;ACMEWMS#14;260402#0705;000000001;;CONTRL",
        "UNH;1;CONTRL#D#3#UN",
    ]


def test_ids_with_service_characters_are_released_again_or_blanked() -> None:
    released = broken(EDIFACT, "ACMEWMS:14", "A?+C?'ME??:14")
    nothing_releases = "UNA:+.  '" + EDIFACT

    assert "'UCI+REF31+A?+C?'ME??:14+SHOP:ZZ+7'" in said(released)[0][1]
    [_, (_, aperak)] = said(nothing_releases, {0: Answered(0, 1, (Rejection(4, "blank-sku", "it's"),))})
    assert "'FTX+AAO+++blank-sku  it s'" in aperak


def test_many_rejections_end_in_how_many_more_there_are() -> None:
    [_, (_, x12)] = bodies(X12, {0: Answered(0, 1_002, (REFUSED,))})
    [_, (_, edifact)] = bodies(EDIFACT, {0: Answered(0, 1_002, (REFUSED,))})

    assert x12.split("~")[-2:-1] == ["NTE*LIN*1001 destination-404: 404: order 1001 not found"]
    assert x12.endswith("~TED*024*and 1001 more")
    assert edifact.endswith("'ERC+024::ZZZ'FTX+AAO+++and 1001 more")


def test_a_message_is_named_as_it_named_itself() -> None:
    text = broken(EDIFACT, "DESADV:D:96A:UN'", "DESADV:D:96A:UN:EAN005'")

    [(_, contrl)] = bodies(text)
    assert contrl.endswith("'UCM+M1+DESADV:D:96A:UN:EAN005+7")


def test_the_same_interchange_twice_is_answered_once() -> None:
    assert [kind for kind, _ in said(X12 + X12)] == ["997"]
    assert [kind for kind, _ in said(EDIFACT + EDIFACT)] == ["CONTRL"]


def test_test_interchanges_get_test_answers() -> None:
    [(_, x12)] = said(broken(X12, "*0*P*>", "*0*T*>"))
    [(_, edifact)] = said(broken(EDIFACT, "REF31'UNH", "REF31++++++1'UNH"))

    assert x12.split("~")[0].endswith("*0*T*>")
    assert "+CONTRL++++1'" in edifact


def test_each_sender_of_an_interchange_has_a_group_of_answers_to_its_groups() -> None:
    other = f"GS*SW*DEPOT*SHOPGS*20260401*2359*8*X*004010~{ADVICE}GE*1*8~"
    third = GROUP.replace("*7~", "*9~").replace("*7*X", "*9*X")
    text = broken(broken(X12, GROUP, GROUP + other + third), "IEA*1", "IEA*3")

    [(_, answer)] = said(text)
    assert answer.split("~")[1:-1] == [
        "GS*FA*SHOPGS*ACME*20260402*0705*1*X*004010",
        *("ST*997*0001", "AK1*SH*7", "AK2*856*0001", "AK5*A", "AK9*A*1*1*1", "SE*6*0001"),
        *("ST*997*0002", "AK1*SH*9", "AK2*856*0001", "AK5*A", "AK9*A*1*1*1", "SE*6*0002"),
        "GE*2*1",
        "GS*FA*SHOPGS*DEPOT*20260402*0705*2*X*004010",
        *("ST*997*0003", "AK1*SW*8", "AK2*945*0002", "AK5*A", "AK9*A*1*1*1", "SE*6*0003"),
        "GE*1*2",
        "IEA*2*000000001",
    ]


def test_group_without_transactions_is_rejected() -> None:
    text = broken(
        broken(X12, GROUP, f"{GROUP}GS*SW*ACME*SHOPGS*20260401*2359*8*X*004010~GE*0*8~"), "IEA*1", "IEA*2"
    )

    assert bodies(text) == [("997", "AK1*SH*7~AK2*856*0001~AK5*A~AK9*A*1*1*1~AK1*SW*8~AK9*R*0*0*0")]


RECEIPT = "ST*997*0001~AK1*SH*7~AK9*A*1*1*1~SE*4*0001~"
REPORT = "UNH+M2+CONTRL:D:3:UN'UCI+1+SHOP+ACMEWMS+7'UNT+3+M2'"


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTICE,
        DELIVERY,
        X12.replace(NOTICE, RECEIPT),
        X12.replace(NOTICE, RECEIPT).replace("*0*P*", "*1*P*"),
        X12.replace(NOTICE, RECEIPT).replace("SE*4", "SE*5"),
        X12.replace(NOTICE, RECEIPT).replace("IEA*1", "IEA*2"),
        X12.replace(GROUP, "TA1*000000001*260401*2359*A*000~").replace("IEA*1", "IEA*0"),
        EDIFACT.replace(DELIVERY, REPORT),
        X12.replace(f"{'ACMEWMS':15}", " " * 15),
        EDIFACT.replace("SHOP:ZZ", ""),
    ],
    ids=[
        *("nothing", "no ISA", "no UNB", "997", "997 that wants a TA1", "broken 997"),
        *("997 in a broken interchange", "TA1", "CONTRL", "no sender", "no receiver"),
    ],
)
def test_there_is_no_answer_to_answers_and_to_nobody(text: str) -> None:
    assert said(text, {0: A_FEW}) == []


def test_answers_among_documents_are_not_answered() -> None:
    group = (
        GROUP.replace("GS*SH", "GS*FA").replace("*7~", "*8~").replace("*7*X", "*8*X").replace(NOTICE, RECEIPT)
    )
    x12 = broken(broken(X12, GROUP, GROUP + group), "IEA*1", "IEA*2")
    edifact = broken(broken(EDIFACT, DELIVERY, REPORT + DELIVERY), "UNZ+1", "UNZ+2")
    mixed = broken(broken(X12, NOTICE, NOTICE + RECEIPT.replace("0001", "0002")), "GE*1", "GE*2")
    group_of_reports = f"UNG+CONTRL+ACME+SHOPUNG+260401:2359+G8+UN+D:3'{REPORT}UNE+1+G8'"
    grouped = broken(GROUPED, "UNZ+1", f"{group_of_reports}UNZ+2")

    assert bodies(x12, {0: A_FEW, 1: A_FEW})[0] == ("997", "AK1*SH*7~AK2*856*0001~AK5*A~AK9*A*1*1*1")
    assert bodies(mixed) == [("997", "AK1*SH*7~AK2*856*0001~AK5*A~AK9*A*2*2*2")]
    assert [len(bodies(text, {0: A_FEW, 1: A_FEW})) for text in (x12, mixed)] == [2, 2]
    assert bodies(edifact, {0: A_FEW}) == [
        ("CONTRL", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCM+M1+DESADV:D:96A:UN+7")
    ]
    assert bodies(grouped) == [
        ("CONTRL", "UCI+REF31+ACMEWMS:14+SHOP:ZZ+7'UCF+G7+ACME:ZZ+SHOPUNG+7'UCM+M1+DESADV:D:96A:UN+7")
    ]


def test_each_answer_has_a_control_number_and_a_name_of_its_own() -> None:
    awkward = X12.replace("ACMEWMS", "ACME/WM"), X12.replace("ACMEWMS", "acme_WM"), EDIFACT
    again = broken(X12, "IEA*1", "IEA*7")
    found = answers(surveyed(X12 + "".join(awkward) + again), {0: A_FEW})

    assert [(each.name, each.partner, each.control) for each in found] == [
        ("997-ACMEWMS-000000001.edi", "ACMEWMS", "000000001"),
        ("824-ACMEWMS-000000002.edi", "ACMEWMS", "000000002"),
        ("997-ACME_WM-000000001.edi", "ACME/WM", "000000001"),
        ("997-acme_WM-000000001-2.edi", "acme_WM", "000000001"),
        ("CONTRL-ACMEWMS-000000001.edi", "ACMEWMS", "000000001"),
        ("TA1-ACMEWMS-000000003.edi", "ACMEWMS", "000000003"),
    ]


def test_control_numbers_are_asked_for_in_the_order_in_which_they_are_used() -> None:
    asked: list[str] = []

    def number(series: str) -> int:
        asked.append(series)
        return len(asked)

    acknowledge(surveyed(X12 + EDIFACT), {0: A_FEW, 1: A_FEW}, lambda _: DEFAULT, number, NOW)
    assert asked == [
        *("x12:SHOP:ACMEWMS:interchange", "x12:SHOP:ACMEWMS:group") * 2,
        *("edifact:SHOP:ACMEWMS:interchange",) * 2,
    ]


def transactions(survey: Survey) -> list[tuple[Interchange, Transaction]]:
    return [(interchange, transaction) for interchange, _, transaction in survey.transactions()]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
rejections = st.builds(
    Rejection,
    position=st.integers(0, 100),
    code=st.sampled_from(["bad-quantity", "destination-404"]),
    message=texts,
    value=texts,
    reference=texts,
    tag=st.sampled_from(["", "SN1", "QTY"]),
    inside=st.integers(0, 10),
    element=st.integers(0, 9),
)


@given(st.sampled_from([X12, EDIFACT, GROUPED]), st.lists(rejections, min_size=1, max_size=5))
def test_own_answers_are_read_back_without_a_fault_whatever_the_rejections_say(
    text: str, found: list[Rejection]
) -> None:
    for answer in answers(surveyed(text), {0: Answered(1, len(found), tuple(found))}):
        survey = surveyed(answer.content.decode())
        [(interchange, transaction)] = transactions(survey)
        assert damage(survey) == []
        assert (interchange.sender, interchange.receiver) == ("SHOP", "ACMEWMS")
        assert (interchange.control, transaction.kind) == (answer.control, answer.kind)


@given(
    st.sampled_from([X12, X12 + EDIFACT, EDIFACT, GROUPED]),
    st.integers(0, 1_000_000),
    st.characters(exclude_categories=["Cs"]),
)
def test_answers_to_damaged_interchanges_are_sound_themselves(text: str, place: int, found: str) -> None:
    at = place % len(text)
    survey = surveyed(text[:at] + found + text[at + 1 :])

    for answer in answers(survey, dict.fromkeys(range(4), A_FEW)):
        back = surveyed(answer.content.decode())
        assert damage(back) == []
        assert {interchange.control for interchange in back.interchanges} == {answer.control}
