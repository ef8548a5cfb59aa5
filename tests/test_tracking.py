"""What is said of tracking numbers, and what is left unsaid."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from importer.tracking import CARRIERS, judge

FINE = (False, False)
WRONG = (True, False)
OTHER = (False, True)

# Numbers that carriers and tool makers publish as examples; each has the right check digit.
RIGHT = (
    ("1Z5R89390357567127", "", "UPS"),
    ("1Z879E930346834440", "UPS", "UPS"),
    ("1Z410E7W0392751591", "UPS Ground", "UPS"),
    ("1Z8V92A70367203024", "United Parcel Service", "UPS"),
    ("1ZE356F8YW01937117", "UPS", "UPS"),
    ("1ZXX3150YW44070023", "UPS SurePost", "UPS"),
    ("1z999aa10123456784", "", "UPS"),
    ("RB123456785GB", "Royal Mail", "Royal Mail"),
    ("RB123456785US", "", "USPS"),
    ("RB123456785CA", "", "Canada Post"),
    ("CP473124829DE", "", ""),
    ("9400111202555842332669", "USPS", "USPS"),
    ("9505511069605048600624", "", "USPS"),
    ("9101123456789000000013", "", "USPS"),
    ("9361289878700317633795", "USPS", "USPS"),
    ("92748931507708513018050063", "UPS Mail Innovations", "USPS"),
    ("420221539101026837331000039521", "", "USPS"),
    ("4201002334249200190132607600833457", "", "USPS"),
    ("4201028200009261290113185417468510", "DHL eCommerce", "USPS"),
    ("4201234592748931507708513018050063", "", "USPS"),
    ("42012345678992748931507708513018050063", "", "USPS"),
    ("71123456789123456787", "USPS", ""),
    ("03071790000523483741", "USPS", ""),
    ("71969010756003077385", "USPS", ""),
    ("986578788855", "FedEx", ""),
    ("581190049992", "FedEx Priority Overnight", ""),
    ("041441760228964", "FedEx Ground", ""),
    ("377101283611590", "FedEx Home Delivery", ""),
    ("9611020987654312345672", "FedEx", ""),
    ("9622001560001234567100794808390594", "FedEx", ""),
    ("1001921334250001000300779017972697", "FedEx", ""),
    ("3318810025", "DHL Express", ""),
    ("8487135506", "DHL", ""),
    ("0073938000549297", "Canada Post", ""),
    ("7023210039414604", "Canada Post Expedited Parcel", ""),
    ("TBA502887274000", "Amazon Logistics", "Amazon Logistics"),
    ("TBC010000000000", "Amazon", "Amazon Logistics"),
)

WRONG_CHECK_DIGIT = (
    ("1Z1111111111111111", ""),
    ("1Z54242X0357922222", "UPS"),
    ("1ZE356F8YW01937118", "Some Courier"),
    ("RB123456786US", ""),
    ("CP473124820DE", "Deutsche Post"),
    ("9400111202555842332660", "USPS"),
    ("9200000000000000000000", ""),
    ("9261292700768711948020", "FedEx SmartPost"),
    ("92748931507708513018050064", "UPS Mail Innovations"),
    ("420000009200000000000000000000", ""),
    ("4201028200009261290113185417468511", ""),
    ("71123456789123456780", "USPS"),
    ("996578788855", "FedEx"),
    ("568283610012732", "FedEx Ground"),
    ("9611020987654312345673", "FedEx"),
    ("9622001560001234567100794808390595", "FedEx"),
    ("3318810034", "DHL Express"),
    ("0073938000549292", "Canada Post"),
)

# Each would be wrong if it were read as a form that another company, or none, has.
UNSAID = (
    ("", ""),
    ("", "UPS"),
    ("ORDER-10023", "UPS"),
    ("633130-00000012", "FedEx"),
    ("12345678901234", "FedEx"),
    ("996578788855", ""),
    ("996578788855", "UPS"),
    ("996578788855", "FedEx Freight"),
    ("568283610012732", ""),
    ("3318810034", ""),
    ("3318810034", "DHL eCommerce"),
    ("3318810034", "DHL Paket"),
    ("0073938000549292", "Royal Mail"),
    ("71123456789123456780", ""),
    ("70123456789123456780", "USPS"),
    ("9400111202555842332660", "Seur"),
    ("9611020987654312345673", "UPS"),
    ("1Z999AA1012345678X", "UPS"),
    ("1Z-999-AA1-0123456", "UPS"),
    ("T1234567890", "UPS"),
    ("RB123456786XX", ""),
    ("JB123456786US", ""),
    ("GE123456786WW", "TNT"),
    ("TBA50288727400A", "UPS"),
    ("TBB502887274000", "UPS"),
    ("1Z999AA1012345678", "UPS"),
)

MISMATCHES = (
    ("1Z5R89390357567127", "USPS", "UPS"),
    ("1Z5R89390357567127", "FedEx", "UPS"),
    ("1Z5R89390357567127", "DHL Express Worldwide", "UPS"),
    ("1Z5R89390357567127", "Canada Post", "UPS"),
    ("1ZE356F8YW01937117", "FedEx Ground", "UPS"),
    ("9400111202555842332669", "UPS", "USPS"),
    ("9400111202555842332669", "FedEx 2Day", "USPS"),
    ("9505511069605048600624", "DHL Express", "USPS"),
    ("TBA502887274000", "UPS", "Amazon Logistics"),
    ("TBM502887274000", "U.S. Postal Service", "Amazon Logistics"),
)

NO_MISMATCH = (
    ("9400111202555842332669", "DHL eCommerce", "USPS"),
    ("9400111202555842332669", "UPS Mail Innovations", "USPS"),
    ("9400111202555842332669", "UPS SurePost", "USPS"),
    ("9400111202555842332669", "FedEx SmartPost", "USPS"),
    ("9400111202555842332669", "FedEx Ground Economy", "USPS"),
    ("9400111202555842332669", "Pitney Bowes", "USPS"),
    ("9400111202555842332669", "Stamps.com", "USPS"),
    ("9400111202555842332669", "-", "USPS"),
    ("9261292700768711948021", "FedEx", "USPS"),
    ("92748931507708513018050063", "UPS", "USPS"),
    ("1ZE356F8YW01937117", "USPS", "UPS"),
    ("1Z5R89390357567127", "Amazon", "UPS"),
    ("1Z5R89390357567127", "UPS or USPS", "UPS"),
    ("1Z5R89390357567127", "ShipStation", "UPS"),
    ("1Z5R89390357567127", "Upstate Couriers", "UPS"),
    ("RB123456785US", "Royal Mail", "USPS"),
    ("RB123456785GB", "DHL", "Royal Mail"),
    ("9400111202555842332669", "Upstate Couriers", "USPS"),
)

# What stands in the cells, and the carrier it must be taken for: "" for none that is known.
COMPANIES = (
    ("UPS", "UPS"),
    ("ups", "UPS"),
    ("U.P.S.", "UPS"),
    ("UPS®", "UPS"),
    ("UPS Ground", "UPS"),
    ("ups_next_day_air_saver", "UPS"),
    ("UPS 2nd Day Air A.M.", "UPS"),
    ("United Parcel Service", "UPS"),
    ("UPS SurePost", "UPS SurePost"),
    ("UPS Mail Innovations", "UPS Mail Innovations"),
    ("FedEx", "FedEx"),
    ("FEDEX_GROUND", "FedEx"),
    ("FedEx Home Delivery", "FedEx"),
    ("Fedex2Day", "FedEx"),
    ("Federal Express", "FedEx"),
    ("FedEx SmartPost", "FedEx SmartPost"),
    ("FedEx Ground Economy", "FedEx SmartPost"),
    ("USPS", "USPS"),
    ("US Postal Service", "USPS"),
    ("United States Postal Service", "USPS"),
    ("USPS First-Class Package Service", "USPS"),
    ("USPS Ground Advantage", "USPS"),
    ("DHL", "DHL"),
    ("DHL Express", "DHL Express"),
    ("DHL EXPRESS WORLDWIDE", "DHL Express"),
    ("DHL eCommerce", "DHL eCommerce"),
    ("DHL eCommerce Solutions", "DHL eCommerce"),
    ("Canada Post", "Canada Post"),
    ("Canada Post Xpresspost", "Canada Post"),
    ("Royal Mail", "Royal Mail"),
    ("Royal Mail Tracked 48", "Royal Mail"),
    ("Amazon", "Amazon"),
    ("Amazon Logistics", "Amazon Logistics"),
    ("AMZL", "Amazon Logistics"),
    ("Pitney Bowes", "Pitney Bowes"),
    ("UPS Freight", ""),
    ("UPS/FedEx", ""),
    ("Upsell Logistics", ""),
    ("DHL Paket", ""),
    ("DHL Freight", ""),
    ("EasyPost", ""),
    ("联邦快递", ""),
)

# What is said of these tells the carriers apart that a row may name.
PROBES = (
    "1Z5R89390357567127",
    "1ZE356F8YW01937117",
    "9400111202555842332669",
    "TBA502887274000",
    "9400111202555842332660",
    "996578788855",
    "3318810034",
    "71123456789123456780",
    "0073938000549292",
)


def judged(*rows: tuple[str, str]) -> list[tuple[bool, bool, str]]:
    numbers = pa.array([number for number, _ in rows], pa.string())
    companies = pa.array([company for _, company in rows], pa.string())
    return listed(numbers, companies)


def listed(numbers: pa.Array[Any], companies: pa.Array[Any] | None) -> list[tuple[bool, bool, str]]:
    opinion = judge(numbers, companies)
    columns = (opinion.wrong_check_digit, opinion.other_carrier, opinion.carrier)
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


@pytest.mark.parametrize(("number", "company", "carrier"), RIGHT)
def test_a_real_number_passes(number: str, company: str, carrier: str) -> None:
    assert judged((number, company)) == [(*FINE, carrier)]


@pytest.mark.parametrize(("number", "company"), WRONG_CHECK_DIGIT)
def test_a_wrong_check_digit_is_found(number: str, company: str) -> None:
    assert judged((number, company)) == [(*WRONG, "")]


@pytest.mark.parametrize(("number", "company"), UNSAID)
def test_nothing_is_said_of_what_may_be_any_carriers(number: str, company: str) -> None:
    assert judged((number, company)) == [(*FINE, "")]


@pytest.mark.parametrize(("number", "company", "carrier"), MISMATCHES)
def test_a_number_of_another_carrier_than_the_row_names_is_found(
    number: str, company: str, carrier: str
) -> None:
    assert judged((number, company)) == [(*OTHER, carrier)]


@pytest.mark.parametrize(("number", "company", "carrier"), NO_MISMATCH)
def test_a_carrier_that_may_bear_the_number_is_no_mismatch(number: str, company: str, carrier: str) -> None:
    assert judged((number, company)) == [(*FINE, carrier)]


@pytest.mark.parametrize(("company", "carrier"), COMPANIES)
def test_a_company_is_judged_as_the_carrier_it_spells(company: str, carrier: str) -> None:
    plain = CARRIERS[carrier][0] if carrier else "someone else"

    assert judged(*((probe, company) for probe in PROBES)) == judged(*((probe, plain) for probe in PROBES))


def test_the_probes_tell_a_known_carrier_from_an_unknown_one() -> None:
    unknown = judged(*((probe, "someone else") for probe in PROBES))
    alike = [
        name for name, (first, *_) in CARRIERS.items() if judged(*((p, first) for p in PROBES)) == unknown
    ]

    assert alike == []


def test_every_spelling_is_folded_and_stands_once() -> None:
    spellings = [spelling for several in CARRIERS.values() for spelling in several]

    assert spellings == ["".join(filter(str.isalnum, spelling.casefold())) for spelling in spellings]
    assert len(spellings) == len(set(spellings))


def test_without_a_company_column_rows_are_judged_as_rows_that_name_none() -> None:
    numbers = [number for number, *_ in RIGHT + WRONG_CHECK_DIGIT]

    assert listed(pa.array(numbers), None) == judged(*((number, "") for number in numbers))


def test_no_rows_give_an_empty_opinion() -> None:
    nothing = pa.array([], pa.string())
    opinion = judge(nothing, nothing)

    assert listed(nothing, None) == []
    assert [opinion.wrong_check_digit.type, opinion.other_carrier.type, opinion.carrier.type] == [
        pa.bool_(),
        pa.bool_(),
        pa.string(),
    ]
    assert judge(pa.chunked_array([], pa.string()), None).carrier.to_pylist() == []


def test_chunks_slices_nulls_and_large_strings_are_judged_alike() -> None:
    numbers = ["1Z5R89390357567127", None, "RB123456786US", "1Z5R89390357567127", "9400111202555842332669"]
    companies = ["USPS", "UPS", None, "UPS", "UPS"]
    expected = [(*OTHER, "UPS"), (*FINE, ""), (*WRONG, ""), (*FINE, "UPS"), (*OTHER, "USPS")]

    whole = judge(pa.array(numbers), pa.array(companies))
    assert listed(pa.array(numbers), pa.array(companies)) == expected
    assert listed(pa.array(numbers, pa.large_string()), pa.array(companies, pa.large_string())) == expected
    assert listed(pa.array(["", *numbers])[1:], pa.array(["FedEx", *companies])[1:]) == expected
    chunks = pa.chunked_array([numbers[:2], numbers[2:]], pa.string())
    assert judge(chunks, pa.chunked_array([companies[:3], companies[3:]])).carrier == whole.carrier


DIGITS = "0123456789"
LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + DIGITS


def weighted(text: str, *weights: int) -> int:
    """Sum the digits (UPS: and letters) of ``text`` by ``weights``, which start again when they run out."""
    values = [int(c) if c.isdigit() else (ord(c) - 63) % 10 for c in text]
    return sum(value * weights[place % len(weights)] for place, value in enumerate(values))


def with_another_digit(number: str, places: range, but: int = 0) -> list[str]:
    """Replace each digit at ``places`` in turn by every other, ``but`` for those that differ by so much."""
    return [
        number[:place] + digit + number[place + 1 :]
        for place in places
        for digit in DIGITS
        if number[place].isdigit() and abs(int(number[place]) - int(digit)) not in {0, but}
    ]


@settings(max_examples=25)
@given(st.text(LETTERS_AND_DIGITS, min_size=15, max_size=15))
def test_one_changed_digit_of_a_ups_number_is_found(body: str) -> None:
    number = f"1Z{body}{-weighted(body, 1, 2) % 10}"
    # UPS doubles every second digit without carrying, so that 2 and 7, five apart, come to the same there.
    changed = [
        *with_another_digit(number, range(2, 17, 2)),
        *with_another_digit(number, range(3, 17, 2), but=5),
        *with_another_digit(number, range(17, 18)),
    ]

    assert judged((number, "")) == [(*FINE, "UPS")]
    assert judged(*((one, "") for one in changed)) == [(*WRONG, "")] * len(changed)


@settings(max_examples=25)
@given(st.sampled_from(["RA", "CP", "EE", "LX", "UV"]), st.text(DIGITS, min_size=8, max_size=8))
def test_one_changed_digit_of_an_s10_number_is_found(service: str, serial: str) -> None:
    check = {10: 0, 11: 5}.get(rest := 11 - weighted(serial, 8, 6, 4, 2, 3, 5, 9, 7) % 11, rest)
    assume(check != 5)  # which stands for two remainders
    number = f"{service}{serial}{check}GB"
    changed = with_another_digit(number, range(2, 11))

    assert judged((number, "")) == [(*FINE, "Royal Mail")]
    assert judged(*((one, "") for one in changed)) == [(*WRONG, "")] * len(changed)


@settings(max_examples=25)
@given(st.sampled_from(["91", "92", "93", "94", "95"]), st.text(DIGITS, min_size=19, max_size=19))
def test_one_changed_digit_of_a_usps_number_is_found(channel: str, rest: str) -> None:
    number = f"{channel}{rest}{-weighted(channel + rest, 3, 1) % 10}"
    changed = with_another_digit(number, range(2, 22))

    assert judged((number, "USPS")) == [(*FINE, "USPS")]
    assert judged(*((one, "USPS") for one in changed)) == [(*WRONG, "")] * len(changed)


KNOWN_NUMBERS = tuple(number for number, *_ in RIGHT + WRONG_CHECK_DIGIT + UNSAID)
KNOWN_COMPANIES = tuple(company for company, _ in COMPANIES)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(KNOWN_NUMBERS)
        | st.text(LETTERS_AND_DIGITS + "-é", max_size=40)
        | st.text(max_size=40),
        st.sampled_from(KNOWN_COMPANIES) | st.text(max_size=20),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(ROWS, ROWS)
def test_any_text_is_judged_row_by_row(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> None:
    assert judged(*first, *second) == judged(*first) + judged(*second)
