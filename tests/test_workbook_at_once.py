"""Workbooks that are read many cells at a time: it comes to the same as where a parser reads cell by cell."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import openpyxl
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from importer import manifests
from importer.errors import ManifestError
from importer.manifests import layouts
from importer.manifests.sources import Source
from importer.manifests.workbook import formats, openxml, safety, shared, sheetdata, swift
from tests import workbooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GENERIC = layouts.load(None)
PACKED = datetime.fromisoformat("2026-11-02T08:30")
COLUMNS = ("order_id", "sku", "quantity", "tracking_number")
HEADER = "".join(
    f'<c r="{letter}1" t="inlineStr"><is><t>{name}</t></is></c>'
    for letter, name in zip("ABCDE", (*COLUMNS, "Note"), strict=True)
)
STRINGS = (
    "<si><t>MUG</t></si>",
    '<si><t xml:space="preserve"> 007 </t></si>',
    "<si><t>A &amp; B &lt;C&gt;</t></si>",
    "<si><t></t></si>",
    '<si><r><rPr><b/></rPr><t xml:space="preserve">TRACK </t></r><r><t>1002</t></r></si>',
    "<si><t>東京</t><rPh sb='0' eb='2'><t>とうきょう</t></rPh></si>",
)
CODES = ("General", "yyyy-mm-dd", "0.00E+00", "000000000", "[h]:mm", '0" pcs"', "m/d/yyyy hh:mm", "#,##0.00")
STYLES = "<styleSheet><numFmts>{}</numFmts><cellXfs>{}</cellXfs></styleSheet>".format(
    "".join(
        f'<numFmt numFmtId="{200 + at}" formatCode="{code.replace(chr(34), "&quot;")}"/>'
        for at, code in enumerate(CODES)
    ),
    "".join(f'<xf numFmtId="{200 + at}"/>' for at in range(len(CODES))) + '<xf numFmtId="14"/>',
)
PARTS = {"xl/sharedStrings.xml": f"<sst>{''.join(STRINGS)}</sst>", "xl/styles.xml": STYLES}
FAMILIAR = (
    *("<c {}/>", "<c {}></c>", "<c {}><v></v></c>", "<c {}><v>12</v></c>", "<c {}><v>0012</v></c>"),
    *("<c {}><v>-3.25</v></c>", "<c {}><v>1E3</v></c>", "<c {}><v>123456789012345678</v></c>"),
    *('<c {} t="n"><v>450000001</v></c>', "<c {}><v>0.1</v></c>", "<c {}><v>45000.75</v></c>"),
    *(f'<c {{}} t="s"><v>{at}</v></c>' for at in range(len(STRINGS))),
    *('<c {} t="str"><v>a &amp; b</v></c>', '<c {} t="str"><v></v></c>', '<c {} t="str"><f>A1</f></c>'),
    *('<c {} t="inlineStr"><is><t>0123456</t></is></c>', '<c {} t="inlineStr"><is><t></t></is></c>'),
    '<c {} t="inlineStr"><is><t xml:space="preserve"> ü </t></is></c>',
    *('<c {} t="b"><v>1</v></c>', '<c {} t="b"><v>0</v></c>', '<c {} t="e"><v>#N/A</v></c>'),
    *('<c {} t="e"/>', '<c {} t="e"></c>', "<c {}><f>A1+1</f><v>7</v></c>", "<c {}><f>A1</f><v></v></c>"),
    *('<c {}><f t="shared" si="0"/><v>8</v></c>', '<c {}><f t="shared" si="0"/></c>', "<c {}><f>A1</f></c>"),
    *(
        "<c {}><f>A1</f><v/></c>",
        "<c {} ><v>5</v></c>",
        "<c {} />",
        '<c {} t="s"><v></v></c>',
        '<c {} t="b"><f>A1</f><v></v></c>',
    ),
)
UNFAMILIAR = (
    *(
        "<c {}><v> 5</v></c>",
        "<c {}><v>abc</v></c>",
        '<c {} t="str"><v>a&#10;b</v></c>',
    ),
    *(
        '<c {} t="inlineStr"><is><t> x</t></is></c>',
        '<c {} t="str"><v>_x000D_</v></c>',
        "<c {}> <v>5</v></c>",
    ),
    *('<c {} t="inlineStr"><is><r><t>a</t></r></is></c>', '<c {} t="d"><v>2026-01-02</v></c>'),
    *('<c {} t="s"><v>99</v></c>', '<c {} t="b"><v>true</v></c>', '<c {} t="e"><v>#SPILL!</v></c>'),
    *("<c {}><v>1e400</v></c>", '<c {} t="inlineStr"><v>5</v></c>', '<c {} t="str"><v>a\rb</v></c>'),
)
styles = st.one_of(st.just(""), st.integers(0, len(CODES)).map(' s="{}"'.format))


@st.composite
def sheets(draw: st.DrawFn, cells: tuple[str, ...]) -> str:
    """The XML of some rows below a header, with gaps between rows and cells."""
    rows = [f'<row r="1">{HEADER}</row>']
    number = 1
    for _ in range(draw(st.integers(0, 5))):
        number += draw(st.sampled_from((1, 1, 1, 3)))
        filled = [letter for letter in "ABCDEFAB" if draw(st.booleans())]
        row = "".join(
            draw(st.sampled_from(cells)).format(f'r="{letter}{number}"{draw(styles)}')
            for letter in sorted(set(filled))
        )
        hidden = draw(st.sampled_from(("", ' hidden="1"')))
        rows.append(f'<row r="{number}"{hidden}>{row}</row>' if row else f'<row r="{number}"{hidden}/>')
    return "".join(rows)


def told(path: Path) -> Any:  # noqa: ANN401 - whatever becomes of it is compared
    """All that is read of a workbook, or why it is not."""
    try:
        manifest = manifests.survey(Source("m.xlsx", path), GENERIC, COLUMNS, None)
        blocks = [*manifests.blocks(manifest)]
    except ManifestError as error:
        return str(error)
    return (
        manifest.headers,
        manifest.notes,
        [
            (
                block.rows.tolist(),
                [column.to_pylist() for column in block.cells],
                {key: mask.tolist() for key, mask in block.doubts.items()},
            )
            for block in blocks
        ],
    )


def is_read_at_once(path: Path) -> bool:
    source = Source(path.name, path)
    with safety.opened(source) as archive:
        book = swift.Workbook(source, archive)
        return all(book.read(tab.name, 50_000) is not None for tab in book.tabs)


def both(folder: Path, rows: str) -> tuple[Path, Path]:
    """The same sheet as programs write it, and with a comment in it, which only a parser understands."""
    (folder / "parsed").mkdir(exist_ok=True)
    at_once = workbooks.xlsx_of(folder / "m.xlsx", f"<sheetData>{rows}</sheetData>", PARTS)
    parsed = f"<sheetData><!-- -->{rows}</sheetData>"
    return at_once, workbooks.xlsx_of(folder / "parsed" / "m.xlsx", parsed, PARTS)


@given(rows=sheets(FAMILIAR))
def test_what_programs_write_is_read_at_once_as_a_parser_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: str
) -> None:
    at_once, parsed = both(tmp_path_factory.mktemp("book"), rows)

    assert not is_read_at_once(parsed)
    assert told(at_once) == told(parsed)


@given(rows=sheets((*FAMILIAR, *UNFAMILIAR)))
def test_whatever_is_in_a_sheet_it_is_read_as_a_parser_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: str
) -> None:
    at_once, parsed = both(tmp_path_factory.mktemp("book"), rows)

    assert told(at_once) == told(parsed)


@pytest.mark.parametrize("cell", FAMILIAR)
def test_a_cell_as_programs_write_it_is_read_at_once(tmp_path: Path, cell: str) -> None:
    rows = f'<row r="1">{HEADER}</row><row r="2">{cell.format("r=" + chr(34) + "B2" + chr(34))}</row>'

    assert is_read_at_once(both(tmp_path, rows)[0])


@pytest.mark.parametrize("cell", UNFAMILIAR)
def test_a_cell_that_is_written_in_another_way_is_left_to_a_parser(tmp_path: Path, cell: str) -> None:
    rows = f'<row r="1">{HEADER}</row><row r="2">{cell.format("r=" + chr(34) + "B2" + chr(34))}</row>'

    assert not is_read_at_once(both(tmp_path, rows)[0])


@given(rows=sheets(FAMILIAR), size=st.integers(1, 400), rows_at_once=st.integers(1, 4))
def test_where_the_file_is_cut_and_how_many_rows_are_read_at_once_is_no_matter(
    rows: str, size: int, rows_at_once: int
) -> None:
    xml = f'<cols><col min="2" max="3" hidden="1"/></cols><sheetData>{rows}</sheetData><x/>'.encode()
    pieces = [xml[at : at + size] for at in range(0, len(xml), size)]

    assert in_rows(pieces, rows_at_once) == in_rows([xml], 1000)


def in_rows(pieces: list[bytes], rows_at_once: int) -> tuple[list[tuple[tuple[str, int], ...]], Any]:
    """The rows as far as they are filled, each cell's text and kind, and what is odd."""
    looks = openxml.Styles({b"2": formats.SCIENTIFIC, b"3": formats.PADDED}, frozenset(), frozenset())
    reader = sheetdata.Reader(looks, lambda: pa.array(["MUG", "", "1", "2", "3", "4"]))
    rows: list[tuple[tuple[str, int], ...]] = []
    for block in reader.blocks(pieces, rows_at_once):
        columns = [
            [*zip(column.text.to_pylist(), column.kinds.tolist(), strict=True)]
            for column in block[: reader.width]
        ]
        rows += zip(*columns, strict=True)
    return [tuple(cell for cell in row if cell != ("", 0)) for row in rows[: reader.rows]], reader.odd


def test_texts_that_cells_share_are_read_in_order_however_many_there_are(tmp_path: Path) -> None:
    texts = [f"Note {at} & more than a few letters" for at in range(100_000)]
    shared_texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    workbooks.xlsx_of(tmp_path / "m.xlsx", "", {"xl/sharedStrings.xml": f"<sst>{shared_texts}</sst>"})

    with zipfile.ZipFile(tmp_path / "m.xlsx") as archive:
        assert archive.getinfo("xl/sharedStrings.xml").file_size > safety.PIECE_BYTES
        assert shared.read(archive).to_pylist() == texts


def by_xlsxwriter(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        fill(book)


def by_xlsxwriter_row_by_row(path: Path) -> None:
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        fill(book)


def fill(book: xlsxwriter.Workbook) -> None:
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, (*COLUMNS, "Ship Date", "Packed"))
    sheet.write_row(1, 0, (1001, " A & B ", 2, "TRACK10001"))
    sheet.write_datetime(1, 4, date(2026, 11, 2), book.add_format({"num_format": "yyyy-mm-dd"}))
    sheet.write_datetime(1, 5, PACKED, book.add_format({"num_format": "d/m/yyyy hh:mm"}))
    book.add_worksheet("empty")


def by_openpyxl(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append((*COLUMNS, "Ship Date", "Packed"))
    book.active.append((1001, " A & B ", 2, "TRACK10001", date(2026, 11, 2), PACKED))
    book.create_sheet("empty")
    book.save(path)


@pytest.mark.parametrize("write", [by_xlsxwriter, by_xlsxwriter_row_by_row, by_openpyxl])
def test_what_these_libraries_write_is_read_at_once(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "m.xlsx")

    assert is_read_at_once(tmp_path / "m.xlsx")
    assert told(tmp_path / "m.xlsx")[2] == [
        (
            [2],
            [["1001"], [" A & B "], ["2"], ["TRACK10001"], ["2026-11-02"], ["2026-11-02 08:30:00"]],
            {("leading-zeros-lost", column): [False] for column in ("order_id", "sku", "tracking_number")},
        )
    ]


def test_rows_that_are_only_formatted_make_no_rows_and_need_no_room(tmp_path: Path) -> None:
    blank = "".join(f'<row r="{row}"><c r="A{row}" s="1"/></row>' for row in range(3, 120_003))
    cells = '<c r="A2"><v>1001</v></c><c r="B2" t="s"><v>0</v></c>'
    path = workbooks.xlsx_of(
        tmp_path / "m.xlsx",
        f'<sheetData><row r="1">{HEADER}</row><row r="2">{cells}</row>{blank}</sheetData>',
        PARTS,
    )

    manifest = manifests.survey(Source("m.xlsx", path), GENERIC, COLUMNS, None)

    assert manifest.sheet is not None
    assert manifest.sheet.cells is not None
    assert len(manifest.sheet.cells.blocks) == 1
    assert [block.rows.tolist() for block in manifests.blocks(manifest)] == [[2]]


def test_a_number_beyond_all_hours_in_a_cell_of_hours_is_told(tmp_path: Path) -> None:
    cell = '<c r="E2" s="4"><v>123456789012345678</v></c>'
    at_once, parsed = both(tmp_path, f'<row r="1">{HEADER}</row><row r="2">{cell}</row>')

    assert told(at_once) == told(parsed)
    assert told(at_once) == (
        "m.xlsx: a cell that is formatted as hours has a number beyond all hours; give it another format in "
        "a spreadsheet program and save it again"
    )


@pytest.mark.parametrize("first", ["", "<!-- -->"])
def test_what_is_below_the_cells_is_looked_at_as_well(tmp_path: Path, first: str) -> None:
    below = " " * 9_000_000 + '<!ENTITY a "b">'
    rows = f'<sheetData>{first}<row r="1">{HEADER}</row></sheetData>'
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", rows + below)

    assert told(path) == (
        "m.xlsx: xl/worksheets/sheet1.xml in the workbook has a document type definition, which no "
        "spreadsheet program writes; open it in one and save it again"
    )
