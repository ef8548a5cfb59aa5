"""The commands that look into EDI files, as a user meets them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from subprocess import PIPE
from textwrap import dedent

import pytest

from tests import program

SAMPLES = Path(__file__).parents[1] / "samples"
ISA = f"ISA*00*{'':10}*00*{'':10}*ZZ*{'ACME':15}*ZZ*{'SHOP':15}*261121*2130*U*00401*000000031*0*P*>"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.settle_in(tmp_path, monkeypatch)


def notice(path: Path, *more: str, count: int = 14) -> Path:
    """An 856 of one item; ``count`` is what its trailer says."""
    segments = [
        *(ISA, "GS*SH*ACME*SHOP*20261121*2130*31*X*004010", "ST*856*0001", "BSN*00*SN1*20261121*2117"),
        *("HL*1**S", "TD5**2*WXYZ", "HL*2*1*O", "PRF*PO-5601", "REF*2I*1ZA45X120300041014", "HL*3*2*I"),
        *("LIN**SK*MUG*ZZ*9", "SN1**2*CA", *more, "CTT*3", f"SE*{count}*0001", "GE*1*31", "IEA*1*000000031"),
    ]
    path.write_text("~\n".join([*segments, ""]), encoding="ascii")
    return path


def test_the_tree_tells_names_values_rows_and_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = program.here(capsys, "edi", "show", notice(tmp_path / "day.edi"))

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[2:] == [
        "     3      ST*856*0001                               transaction: ship notice",
        "              rejected: SE01 says 14 segments, counted 12 (segment 14 (SE01, byte 307))",
        "     4        BSN*00*SN1*20261121*2117                ship notice: original",
        "     5        HL*1**S                                 level: shipment",
        "     6          TD5**2*WXYZ                           -> tracking_company WXYZ  carrier: SCAC",
        "     7          HL*2*1*O                              level: order",
        "     8            PRF*PO-5601                         -> order_id PO-5601  purchase order",
        (
            "     9            REF*2I*1ZA45X120300041014           -> tracking_number 1ZA45X120300041014  "
            "reference: tracking number"
        ),
        "    10            HL*3*2*I                            level: item",
        (
            "                    row 10: order_id PO-5601, sku MUG, quantity 2 CA, "
            "tracking_number 1ZA45X120300041014, tracking_company WXYZ; "
            "rejected with its transaction, segment 3"
        ),
        "    11              LIN**SK*MUG*ZZ*9                  -> sku MUG  item: SKU, mutually agreed",
        "    12              SN1**2*CA                         -> quantity 2  quantity shipped: case",
        "    13        CTT*3                                   totals",
        "    14      SE*14*0001                                end of transaction",
        "              error: SE01 says 14 segments, counted 12 (segment 14 (SE01, byte 307))",
        "    15    GE*1*31                                     end of group",
        "    16  IEA*1*000000031                               end of interchange",
        "",
        "16 segments, 1 row, 1 error, 0 warnings",
    ]


def test_a_layout_tells_what_the_values_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = tmp_path / "acme.toml"
    layout.write_text(
        dedent("""\
            [edi.partners.ACME]
            order_id_pattern = '^PO-(\\d+)$'
            [edi.partners.ACME.units]
            CA = 6
            """),
        encoding="utf-8",
    )

    ended = program.here(
        capsys, "edi", "show", notice(tmp_path / "day.edi", count=12), "--layout", str(layout)
    )

    assert "row 10: order_id 5601, sku MUG, quantity 12, tracking_number 1ZA45X120300041014" in ended.out


def test_one_segment_is_shown_element_by_element_with_what_it_stands_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = program.here(capsys, "edi", "show", notice(tmp_path / "day.edi"), "--segment", 11)

    assert ended.out.splitlines() == [
        "segment 11, byte 271",
        "in ISA 000000031 / GS 31 / ST 0001 / HL 1 / HL 2 / HL 3",
        "    11  LIN**SK*MUG*ZZ*9                              -> sku MUG  item: SKU, mutually agreed",
        "",
        "  LIN02    kind of number              SK                      SKU",
        "  LIN03    number                      MUG                       -> sku",
        "  LIN04    kind of number              ZZ                      mutually agreed",
        "  LIN05    number                      9",
    ]


def test_components_of_one_element_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    ended = program.here(capsys, "edi", "show", SAMPLES / "edi-desadv" / "manifest.edi", "--segment", 19)

    assert [line.split()[0] for line in ended.out.splitlines()[4:]] == ["QTY01:1", "QTY01:2", "QTY01:3"]
    assert "in UNB LS20261121 / UNH 1 / CPS 1 / CPS 2 / LIN 1" in ended.out


def test_a_segment_that_is_not_there_is_a_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = program.here(capsys, "edi", "show", notice(tmp_path / "day.edi"), "--segment", 17)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "importer: --segment 17: the file has 16 segments\n"


def test_the_first_segments_alone_can_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = program.here(capsys, "edi", "show", notice(tmp_path / "day.edi"), "--lines", 5)

    lines = ended.out.splitlines()
    assert [line[:6].strip() for line in lines] == ["1", "2", "3", "", "4", "5", "and 11"]
    assert lines[-1] == "and 11 segments more"


def test_a_pipe_and_a_packed_file_are_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = notice(tmp_path / "day.edi").read_bytes()
    packed = tmp_path / "day.edi.gz"
    packed.write_bytes(gzip.compress(text))

    of_packed = program.here(capsys, "edi", "show", packed)
    of_pipe = program.end(program.start("edi", "show", "-", stdin=PIPE), text.decode())

    plain = program.here(capsys, "edi", "show", tmp_path / "day.edi")
    assert plain.out != ""
    assert of_packed.out == of_pipe.out == plain.out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "order_id,sku\n1,A\n",
            "day.edi: no EDI; expected a file that begins with ISA (X12), or UNA or UNB (EDIFACT)",
        ),
        ("ST*856*0001~SE*2*0001~", "day.edi: segment 1 (ST, byte 0): no ISA/GS envelope: "),
    ],
)
def test_a_file_that_is_no_edi_is_an_error(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "day.edi").write_text(text, encoding="ascii")

    ended = program.here(capsys, "edi", "show", "day.edi")

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith(f"importer: {told}")


def test_two_files_are_not_one_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notice(tmp_path / "1.edi")
    notice(tmp_path / "2.edi")

    ended = program.here(capsys, "edi", "show", "*.edi")

    assert (ended.status, ended.err) == (3, "importer: *.edi: 2 files; name the one to show\n")


def test_a_terminal_gets_colours_and_lines_of_its_width_and_rows_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")

    ended = program.here(capsys, "edi", "show", notice(tmp_path / "day.edi", count=12))

    plain = _ANSI.sub("", ended.out).splitlines()
    assert ended.out != "\n".join(plain) + "\n"
    assert max(map(len, plain)) <= 80
    assert plain[0] == f"     1  {ISA[:71]}…"
    assert "tracking_number 1ZA45X120300041014, tracking_company WXYZ" in " ".join(
        line.strip() for line in plain
    )


_ANSI = re.compile("\x1b\\[[0-9;]*m")


def test_what_could_steer_a_terminal_is_shown_as_an_escape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = notice(tmp_path / "day.edi", "PID*F****\x1b[31mRED")

    ended = program.here(capsys, "edi", "show", path)

    assert "PID*F****\\x1b[31mRED" in ended.out
    assert "\x1b" not in ended.out


def test_whoever_leaves_before_the_end_of_a_long_tree_is_not_told_of_an_error(tmp_path: Path) -> None:
    packs = [f"HL*{at}*2*P" for at in range(4, 20_000)]
    path = notice(tmp_path / "day.edi", *packs)

    with program.start("edi", "show", path, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()

    assert first.startswith("     1  ISA*00*")
    assert (process.returncode, told) == (0, "")


def test_rows_that_could_not_be_posted_are_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = notice(tmp_path / "day.edi", count=12)
    path.write_text(path.read_text().replace("REF*2I*1ZA45X120300041014", "REF*ZZ*9"))

    ended = program.here(capsys, "edi", "show", path)

    assert (
        "row 10: order_id PO-5601, sku MUG, quantity 2 CA, tracking_company WXYZ; needs attention: "
        "no tracking_number, quantity 2 CA is no number of pieces"
    ) in ended.out
    assert ended.out.splitlines()[-1] == (
        "16 segments, 1 row, 1 of them needs attention, 0 errors, 0 warnings"
    )
