"""Values of EDI segments: pieces, order ids, carriers, packages, and where they sit."""

import pytest
from msgspec.structs import replace

from importer.manifests.edi import values
from importer.manifests.edi.partners import DEFAULT, PIECES
from importer.manifests.edi.values import ValuePlace

CASES = replace(DEFAULT, units={**PIECES, "CA": 12})


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        ("24", "EA", "24"),
        (" 24 ", " ea", "24"),
        ("024", "", "24"),
        ("12.0", "PC", "12"),
        ("12.", "PC", "12"),
        ("2", "CA", "24"),
        ("1.5", "CA", "18"),
        (".5", "CA", "6"),
        ("0", "CA", "0"),
        ("-2", "EA", "-2"),
        ("1.5", "EA", "1.5"),
        ("0.3", "CA", "0.3 CA"),
        ("21", "CS", "21 CS"),
        ("23.50", "LB", "23.50 LB"),
        ("", "CS", ""),
        ("many", "EA", "many"),
        ("1E3", "EA", "1E3"),
        ("²", "EA", "²"),
    ],
)
def test_a_quantity_is_in_pieces_or_keeps_its_unit(number: str, unit: str, expected: str) -> None:
    assert values.pieces(number, unit, CASES) == expected


def test_a_case_has_as_many_pieces_as_the_partner_says() -> None:
    partners = [replace(DEFAULT, units={**PIECES, "CA": each}) for each in (6, 10, 12)]
    assert [values.pieces("2", "CA", partner) for partner in (*partners, DEFAULT)] == [
        "12",
        "20",
        "24",
        "2 CA",
    ]


def test_only_a_written_nothing_is_zero() -> None:
    zeros = ["0", "00", "0.00", " 0 ", "", ".", "-", "10", "0.01", "none"]
    assert [text for text in zeros if values.is_zero(text)] == ["0", "00", "0.00", " 0 "]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", " PO1001 ", "PO1001"),
        (r"^PO(\d+)$", "PO1001", "1001"),
        (r"(\d+)", "PO1001-A", "1001"),
        (r"^PO(\d+)$", "1001", "1001"),
        (r"^PO(\d*)$", "PO", "PO"),
        (r"^PO\d+$", "PO1001", "PO1001"),
    ],
)
def test_the_partners_pattern_takes_the_order_id_out(pattern: str, text: str, expected: str) -> None:
    assert values.order_id(text, replace(DEFAULT, order_id_pattern=pattern)) == expected


def test_a_carrier_is_the_one_that_the_partners_code_means() -> None:
    partner = replace(DEFAULT, carriers={"UPSN": "UPS"})
    assert [values.carrier(text, partner) for text in ("upsn ", "FDEG", "")] == ["UPS", "FDEG", ""]


def test_an_sscc_loses_its_application_identifier_and_other_texts_nothing() -> None:
    texts = ["00106141411234567897", "106141411234567897", "01234567891011121314", "SLP-4952", ""]
    assert [values.sscc(text) for text in texts] == [
        "106141411234567897",
        "106141411234567897",
        "01234567891011121314",
        "SLP-4952",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REF*2I", ValuePlace("REF", "2I")),
        ("RFF+CN", ValuePlace("RFF", "CN")),
        ("W06-02", ValuePlace("W06", element=2)),
        ("TDT-8", ValuePlace("TDT", element=8)),
        ("TD3-10", ValuePlace("TD3", element=10)),
        ("MAN*SM?", ValuePlace("MAN", "SM", is_doubtful=True)),
        ("PCI-2?", ValuePlace("PCI", element=2, is_doubtful=True)),
    ],
)
def test_a_place_is_told_by_a_qualifier_or_by_an_element(text: str, expected: ValuePlace) -> None:
    assert ValuePlace.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "REF", "REF*", "ref*2i", "W06-0", "W06-00", "REF*2I??", "REF*2I ", "W06-100"]
)
def test_what_is_no_place_is_told_with_examples_of_places(text: str) -> None:
    with pytest.raises(ValueError, match="is no place, expected one like") as caught:
        ValuePlace.parse(text)
    assert str(caught.value) == f"{text!r} is no place, expected one like REF*2I, W06-02, RFF+CN or MAN*SM?"


@pytest.mark.parametrize(
    ("place", "segment", "expected"),
    [
        ("REF*2I", "REF*2I* 1Z1 ", ["1Z1"]),
        ("REF*2I", "REF*CN*1Z1", []),
        ("REF*2I", "REF*2I", []),
        ("REF*2I", "REF*2I*", []),
        ("REF*2I", "REF*BM*1**2I*2", []),
        ("MAN*CP", "MAN*GM*1**CP*2", ["2"]),
        ("MAN*CP", "MAN*CP*1**CP*2", ["1", "2"]),
        ("MAN*CP", "MAN*CP*1*9", ["1", "9"]),
        ("MAN*CP", "MAN*GM*0*1*CP*2*9", ["2", "9"]),
        ("MAN*CP", "MAN*CP**9*CP*", ["9"]),
        ("REF*CN", "REF*CN*1*A WORD", ["1"]),
        ("W06-02", "W06*N*100*", ["100"]),
        ("W06-02", "W06*N", []),
        ("W06-02", "W06*N* *", []),
    ],
)
def test_a_segment_has_a_value_at_a_place_or_has_none(place: str, segment: str, expected: list[str]) -> None:
    assert ValuePlace.parse(place).values(segment.split("*")) == expected


def test_texts_in_a_form_that_only_a_carrier_has_are_tracking_numbers() -> None:
    right, wrong = "1Z999AA10123456784", "1Z999AA10123456785"
    texts = [right, wrong, "1z 999 aa1 01 2345 6784", right, "SLP-4952", "123456", "123456789012", ""]
    assert values.surely_tracking(texts) == {right, wrong, "1z 999 aa1 01 2345 6784"}
    assert [values.looks_like_tracking(text) for text in (right, "123456")] == [True, False]
    assert values.surely_tracking([]) == frozenset()
