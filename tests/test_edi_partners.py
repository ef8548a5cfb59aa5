"""What a layout says of a partner's EDI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec import to_builtins
from msgspec.structs import asdict, replace

from importer.errors import SetupError
from importer.manifests import layouts
from importer.manifests.edi.partners import DEFAULT, PIECES, Partner, Partners, Places
from importer.manifests.edi.standards import READ

if TYPE_CHECKING:
    from pathlib import Path

TWO = """
[edi]
order_id_pattern = '^SHOP-(\\d+)$'
answer = "999"
[edi.units]
ca = 12
[edi.carriers]
abcd = "Abbey Cartage"
[edi.856]
sku = "VP"
[edi.partners.ACME]
order_id_pattern = ""
ta1 = true
accepts_unpadded = true
accepts_tests = false
[edi.partners.ACME.units]
CA = 6
PL = 48
[edi.partners.ACME.856]
tracking = ["REF*2I", "MAN*SM?", "TD3-03"]
[edi.partners."8712345000004".DESADV]
tracking = ["GIN+BJ", "TDT-8"]
"""


def partners(folder: Path, text: str) -> Partners:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return layouts.load(str(path)).edi


def test_a_layout_that_says_nothing_of_edi_means_what_the_shipped_one_says(tmp_path: Path) -> None:
    shipped = layouts.load("edi").edi

    assert partners(tmp_path, '[columns]\nsku = ["Ware"]\n') == shipped == Partners(DEFAULT, {})
    assert layouts.load(None).edi == shipped
    assert shipped.of("ANYBODY") is shipped.others


def test_the_shipped_layout_looks_for_everything_in_each_kind_that_is_read() -> None:
    assert {*DEFAULT.places} == {*READ}
    assert [kind for kind, places in DEFAULT.places.items() if not all(asdict(places).values())] == []
    assert (DEFAULT.units["EA"], DEFAULT.units[""], "CA" in DEFAULT.units) == (1, 1, False)
    assert (DEFAULT.carriers["UPSN"], DEFAULT.carriers["FDEG"]) == ("UPS", "FedEx")
    assert (DEFAULT.order_id_pattern, DEFAULT.answer) == ("", "997")
    assert not DEFAULT.ta1
    assert not DEFAULT.accepts_unpadded
    assert DEFAULT.accepts_tests


def test_what_a_table_says_goes_before_what_holds_for_all_and_that_before_what_is_shipped(
    tmp_path: Path,
) -> None:
    ours = partners(tmp_path, TWO)
    own, all_places = DEFAULT.places["856"], DEFAULT.places

    others = Partner(
        places={**all_places, "856": replace(own, sku=("VP",))},
        units={**PIECES, "CA": 12},
        carriers={**DEFAULT.carriers, "ABCD": "Abbey Cartage"},
        order_id_pattern=r"^SHOP-(\d+)$",
        answer="999",
    )
    acme = replace(
        others,
        places={
            **all_places,
            "856": Places(own.order_id, ("VP",), ("REF*2I", "MAN*SM?", "TD3-03")),
        },
        units={**PIECES, "CA": 6, "PL": 48},
        order_id_pattern="",
        ta1=True,
        accepts_unpadded=True,
        accepts_tests=False,
    )
    despatched = replace(all_places["DESADV"], tracking=("GIN+BJ", "TDT-8"))
    assert ours.of("SOMEBODY") == others
    assert ours.of("ACME") == acme
    assert ours.of("8712345000004") == replace(others, places={**others.places, "DESADV": despatched})
    assert {*ours.by_sender} == {"ACME", "8712345000004"}


def test_partners_that_were_kept_as_json_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(TWO, encoding="utf-8")
    kept = layouts.load(str(path))

    assert layouts.from_json(json.loads(json.dumps(to_builtins(kept)))) == kept


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("edi = 3", ": [edi]: found 3, expected a table"),
        ("[edi]\nanswers = '997'", ": [edi]: unknown key 'answers'; did you mean 'answer'?"),
        (
            "[edi]\nzone = 1",
            (
                ": [edi]: unknown key 'zone'; known are 856, 945, DESADV, order_id_pattern, answer, ta1, "
                "accepts_unpadded, accepts_tests, units, carriers, partners"
            ),
        ),
        ("[edi]\nanswer = '824'", ': [edi] answer: found \'824\', expected "997" or "999"'),
        ("[edi]\nta1 = 1", ": [edi] ta1: found 1, expected true or false"),
        (
            "[edi]\norder_id_pattern = '^PO'",
            (
                ": [edi] order_id_pattern: found '^PO', expected a regular expression with a group for the "
                r"order id, such as '^PO(\d+)$'"
            ),
        ),
        ("[edi]\norder_id_pattern = 7", ": [edi] order_id_pattern: found 7, expected a regular expression "),
        (
            "[edi]\norder_id_pattern = '(PO'",
            ": [edi] order_id_pattern: found '(PO', which is no regular expression: missing ), ",
        ),
        (
            "[edi.units]\nCA = 0",
            ": [edi.units] CA: found 0, expected how many pieces it has, a whole number from 1 to 1000000",
        ),
        ("[edi.units]\nCA = 1.5", ": [edi.units] CA: found 1.5, expected how many pieces it has, "),
        ("[edi.units]\nCA = true", ": [edi.units] CA: found True, expected how many pieces it has, "),
        ("[edi]\nunits = 12", ": [edi.units]: found 12, expected a table"),
        ("[edi.carriers]\nUPSN = ' '", ": [edi.carriers] UPSN: found ' ', expected the name of a carrier"),
        ("[edi.856]\nskus = ['SK']", ": [edi.856]: unknown key 'skus'; did you mean 'sku'?"),
        (
            "[edi.856]\nsku = ['SKU1']",
            ": [edi.856] sku: found 'SKU1', expected a qualifier such as SK or VP",
        ),
        ("[edi.945]\nsku = []", ": [edi.945] sku: found [], expected a text or a list of texts"),
        ("[edi.945]\ntracking = 'REF 2I'", ": [edi.945] tracking: 'REF 2I' is no place, expected one like "),
        ("[edi.DESADV]\norder_id = [1]", ": [edi.DESADV] order_id: '1' is no place, expected one like "),
        ("[edi]\npartners = 1", ": [edi.partners]: found 1, expected a table"),
        ("[edi.partners.X]\npartners = 1", ": [edi.partners.X]: unknown key 'partners'; did you mean "),
        ("[edi.partners.X.units]\nCA = 0", ": [edi.partners.X.units] CA: found 0, expected how many "),
    ],
)
def test_a_layout_that_says_of_edi_what_it_may_not_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        partners(tmp_path, text)

    assert str(caught.value).startswith(f"layout {tmp_path / 'ours.toml'}{told}")
