"""A layout drafted from a partner's EDI: what was found where, as TOML that reads the file as well."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer import manifests
from importer.errors import ManifestError
from importer.manifests import drafting, layouts
from importer.manifests.sources import Source
from tests import program

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = Path(__file__).parents[1] / "samples"
EDI = sorted(SAMPLES.glob("edi-*/manifest.*"))


def x12(path: Path, *transactions: Sequence[str], sender: str = "ACME", code: str = "SH") -> Source:
    segments = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:15}*ZZ*{'SHOP':15}*261121*2130*U*00401*000000031*0*P*>",
        f"GS*{code}*{sender}*SHOP*20261121*2130*31*X*004010",
    ]
    for number, body in enumerate(transactions, 1):
        kind = "945" if code == "SW" else "856"
        segments += [f"ST*{kind}*{number}", *body, f"SE*{len(body) + 2}*{number}"]
    segments += [f"GE*{len(transactions)}*31", "IEA*1*000000031"]
    path.write_text("~".join([*segments, ""]), encoding="ascii")
    return Source(path.name, path)


def notice(order: str, *more: str) -> list[str]:
    return ["BSN*00*SN1*20261121*2117", "HL*1**S", f"PRF*{order}", *more]


def test_a_draft_tells_what_was_found_where_and_why(tmp_path: Path) -> None:
    source = x12(
        tmp_path / "Day 1.edi",
        notice(
            "PO-5601",
            *("TD5**2*WXYZ", "REF*BM*BL1", "HL*2*1*I", "LIN**VP*V-1*ZZ*9*SK*MUG", "SN1**2*CA"),
            "MAN*CP*1ZA45X120300041014",
        ),
        notice("PO-5602", "TD5**2*UPSN", "HL*2*1*I", "LIN**SK*CUP", "SN1**1*EA", "REF*CN*4711"),
    )

    assert drafting.draft(source) == (
        '# A draft, made from "Day 1.edi": look it through, then\n'
        "# importer check FILE --layout THIS-FILE\n"
        "# What it leaves out is as 'importer layouts show edi' has it; what stands under [edi] is for all.\n"
        "\n"
        'name = "day-1"\n'
        'title = "Whose EDI this is"\n'
        "\n"
        '# what "ACME" sends: 2 x 856\n'
        "[edi.partners.ACME]\n"
        '# every order id is like "PO-5601"; if the platform has the digits alone:\n'
        "# order_id_pattern = '^PO\\-(\\d+)$'\n"
        "\n"
        "[edi.partners.ACME.856]\n"
        '# PRF-01: 2 x, such as "PO-5601"\n'
        'order_id = ["PRF-01"]\n'
        '# SK (SKU): 2 x, such as "MUG"\n'
        '# VP (vendor\'s part): 1 x, such as "V-1"\n'
        '# ZZ (mutually agreed): 1 x, such as "9"\n'
        'sku = ["SK", "VP"]\n'
        '# MAN*CP: 1 x, such as "1ZA45X120300041014"; 1 of 1 are tracking numbers of UPS\n'
        '# REF*CN: 1 x, such as "4711"\n'
        '# BSN-02: 2 x, such as "SN1"\n'
        '# REF*BM: 1 x, such as "BL1"\n'
        'tracking = ["MAN*CP", "REF*CN"]\n'
        "\n"
        "[edi.partners.ACME.units]\n"
        "# CA = 12  # 1 x: how many pieces has one?\n"
        "\n"
        "[edi.partners.ACME.carriers]\n"
        '# WXYZ = "…"  # 1 x: whose code is it?\n'
    )


def test_tracking_numbers_at_an_unusual_place_are_found_by_what_they_look_like(tmp_path: Path) -> None:
    body = [
        "TD3*TL**1ZA45X120300041014",
        "HL*2*1*I",
        "LIN**SK*MUG",
        "SN1**1*EA",
        "REF*CN*4711",
        "REF*ZZ*X",
    ]
    text = drafting.draft(x12(tmp_path / "day.edi", notice("5601", *body)))

    partner = tomllib.loads(text)["edi"]["partners"]["ACME"]
    assert partner["856"]["tracking"] == ["TD3-03", "REF*CN"]
    assert '# TD3-03: 1 x, such as "1ZA45X120300041014"; 1 of 1 are tracking numbers of UPS\n' in text


def test_of_several_unusual_places_with_tracking_numbers_none_is_chosen(tmp_path: Path) -> None:
    number = "1ZA45X120300041014"
    text = drafting.draft(
        x12(tmp_path / "day.edi", notice("5601", f"REF*ZZ*{number}", f"REF*BX*{number}", "HL*2*1*I"))
    )

    assert "tracking" not in tomllib.loads(text)["edi"]["partners"]["ACME"]["856"]
    assert "# REF*ZZ may have the tracking number, too\n# REF*BX may have the tracking number, too\n" in text
    assert "# tracking = []  # no tracking number at any usual place; name one\n" in text


def test_what_a_warehouse_writes_is_drafted_by_its_own_segments(tmp_path: Path) -> None:
    body = ["W06*F*7701**W1*PO-1", "W27*M*FDEG", "LX*1", "MAN*CP*7123", "W12*CC*1*1*0*CA**SK*MUG", "W03*1"]
    text = drafting.draft(x12(tmp_path / "day.edi", body, sender="WMS 7", code="SW"))

    assert tomllib.loads(text)["edi"] == {
        "partners": {
            "WMS 7": {
                "945": {"order_id": ["W06-02"], "sku": ["SK"], "tracking": ["MAN*CP"]},
                "units": {},
            }
        }
    }


@pytest.mark.parametrize("path", EDI, ids=lambda path: path.parent.name)
def test_a_file_reads_by_its_draft_as_it_does_without(path: Path, tmp_path: Path) -> None:
    source, mine = Source(path.name, path), tmp_path / "mine.toml"
    mine.write_text(drafting.draft(source), encoding="utf-8")

    drafted, plain = (
        [
            [column.to_pylist() for column in block.cells]
            for block in manifests.blocks(manifests.survey(source, layouts.load(layout), (), None))
        ]
        for layout in (str(mine), None)
    )

    assert drafted == plain


def test_a_file_of_other_transactions_is_nothing_to_judge_by(tmp_path: Path) -> None:
    path = tmp_path / "answer.edi"
    path.write_text("UNB+UNOC:3+A+B+261121:2130+1'UNH+1+CONTRL:D:3:UN'UNT+2+1'UNZ+1+1'", encoding="ascii")

    with pytest.raises(ManifestError) as caught:
        drafting.draft(Source("answer.edi", path))

    assert str(caught.value) == ("answer.edi: no 856, 945, DESADV in it, so there is nothing to judge by")


def test_the_command_drafts_for_edi_as_for_any_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    ended = program.here(capsys, "layouts", "guess", SAMPLES / "edi-desadv" / "manifest.edi")

    assert (ended.status, ended.err) == (0, "")
    assert tomllib.loads(ended.out)["edi"]["partners"]["8712345000004"]["DESADV"] == {
        "order_id": ["RFF+ON"],
        "sku": ["SA", "EN"],
        "tracking": ["RFF+CN"],
    }
