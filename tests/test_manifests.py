"""Manifest files → blocks of rows: columns, row numbers, what is passed over, what is taken off again."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from importer import manifests
from importer.cells import unguarded
from importer.errors import ManifestError
from importer.manifests import delimited, layouts
from importer.manifests.delimited import BAD_QUOTING, RAGGED, Misfit
from importer.manifests.sources import Source
from importer.report.lines import _guarded as guarded  # the guard itself
from schemas.manifest import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from importer.manifests import Manifest

NEEDED = ("order_id", "sku", "quantity", "tracking_number")
HEADER = "Order #,SKU,Qty,Tracking #"
GENERIC = layouts.load(None)

Quoting = Literal[0, 1, 2]
QUOTING: st.SearchStrategy[Quoting] = st.sampled_from(
    [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]
)
# The encoding that writes, and the one that the user has to name, if any.
ENCODINGS = st.sampled_from(
    [
        *(("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("utf-32", None)),
        *(
            ("utf-16-le", "utf-16-le"),
            ("utf-16-be", "utf-16-be"),
            ("gb18030", "gb18030"),
            ("cp1252", "cp1252"),
        ),
    ]
)
LETTERS = st.sampled_from([*'",;\t|\n\r\x0b\x85\u2028\ufeff aZ07=é中😀'])
LATIN_LETTERS = st.sampled_from([*'",;\t|\n\r\x0b\xa0 aZ07=éß€'])


class Read(Struct, frozen=True):
    """All rows of a manifest by number, its misfits by row number, and the numbers of its rows of totals."""

    rows: dict[int, tuple[str, ...]]
    misfits: dict[int, Misfit]
    passed_over: tuple[int, ...]


def write(folder: Path, text: str, encoding: str = "utf-8") -> Source:
    path = folder / "march.csv"
    path.write_bytes(text.encode(encoding))
    return Source("march.csv", path)


def survey(source: Source, encoding: str | None = None) -> Manifest:
    return manifests.survey(source, GENERIC, NEEDED, encoding)


def read(manifest: Manifest) -> Read:
    rows: dict[int, tuple[str, ...]] = {}
    misfits: dict[int, Misfit] = {}
    passed_over: tuple[int, ...] = ()
    for block in manifests.blocks(manifest):
        table = zip(*(column.to_pylist() for column in block.cells), strict=True)
        rows |= dict(zip(block.rows.tolist(), table, strict=True))
        misfits |= {int(block.rows[at]): misfit for at, misfit in block.misfits.items()}
        passed_over += block.passed_over
    return Read(rows, misfits, passed_over)


def read_text(folder: Path, text: str) -> Read:
    return read(survey(write(folder, text)))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        read_text(folder, text)
    return str(caught.value)


def written(rows: Iterable[tuple[str, ...]], delimiter: str, quoting: Quoting, line_end: str) -> str:
    """The rows as csv.writer writes them, which quotes both line breaks only where both end its lines."""
    text = ""
    for row in rows:
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerow(row)
        text += line.getvalue()[:-2] + line_end
    return text


@given(
    st.data(),
    ENCODINGS,
    st.sampled_from(delimited.DELIMITERS),
    QUOTING,
    st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_a_table_is_read_as_it_was_written_in_any_encoding(
    data: st.DataObject, encodings: tuple[str, str | None], delimiter: str, quoting: Quoting, line_end: str
) -> None:
    encoding, named = encodings
    header = ("Order #", "Item, SKU", "Qty; Shipped", "Tracking #", "Notes\n| more")
    letters = LATIN_LETTERS if encoding == "cp1252" else LETTERS
    cells = st.tuples(*[st.text(letters, max_size=5)] * len(header))
    rows = data.draw(st.lists(cells, max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), written([header, *rows], delimiter, quoting, line_end), encoding)
        manifest = survey(source, named)

        assert manifest.headers == header
        assert read(manifest) == Read(
            {number: row for number, row in enumerate(rows, start=2) if any(cell.strip() for cell in row)},
            {},
            (),
        )


def test_a_survey_says_how_a_manifest_is_written_and_which_columns_it_has(tmp_path: Path) -> None:
    source = write(tmp_path, "Acme\n\nSKU;Colour;Qty;Tracking #;Order #\nMUG;red;2;1Z;7001\n", "utf-8-sig")
    manifest = survey(source)

    assert (manifest.name, manifest.layout, manifest.encoded.encoding) == ("march.csv", "generic", "utf-8")
    assert manifest.form == delimited.Form(
        ";", ("SKU", "Colour", "Qty", "Tracking #", "Order #"), 3, 0, is_closed=True
    )
    assert manifest.headers == manifest.form.headers
    assert manifest.columns == {"sku": 0, "quantity": 2, "tracking_number": 3, "order_id": 4}
    assert read(manifest) == Read({4: ("MUG", "red", "2", "1Z", "7001")}, {}, ())


def test_a_survey_names_the_headers_that_gave_way(tmp_path: Path) -> None:
    source = write(tmp_path, "PO Number,Order ID,Order Number,SKU,Qty,Qty Shipped,Tracking #\n", "utf-8")
    manifest = survey(source)

    assert {column: manifest.headers[at] for column, at in manifest.columns.items()} == {
        "order_id": "Order ID",
        "sku": "SKU",
        "quantity": "Qty Shipped",
        "tracking_number": "Tracking #",
    }
    assert manifest.others == {"order_id": ("Order Number", "PO Number"), "quantity": ("Qty",)}


def test_a_column_of_the_carriers_own_is_read_though_a_report_has_one_like_it(tmp_path: Path) -> None:
    manifest = survey(write(tmp_path, f"{HEADER},Import Status, IMPORT_STATUS \n7001,MUG,2,1Z,ok,x\n"))

    assert read(manifest) == Read({2: ("7001", "MUG", "2", "1Z", "ok")}, {}, ())


def test_a_manifest_can_be_read_again_and_again(tmp_path: Path) -> None:
    manifest = survey(write(tmp_path, f"{HEADER}\n7001,MUG,2,1Z\n"))

    assert read(manifest) == read(manifest) == Read({2: ("7001", "MUG", "2", "1Z")}, {}, ())


def test_a_manifest_with_a_header_only_has_no_blocks(tmp_path: Path) -> None:
    assert list(manifests.blocks(survey(write(tmp_path, HEADER)))) == []
    assert list(manifests.blocks(survey(write(tmp_path, f"{HEADER}\n\n,,,\n")))) == []


def test_blank_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    text = f"\n{HEADER}\n\n7001,MUG,2,1Z\n,,,\n \t,\xa0,\u3000,\n,,,,,,\n7002,MUG,2,1Z\n\n"

    assert read_text(tmp_path, text) == Read(
        {4: ("7001", "MUG", "2", "1Z"), 8: ("7002", "MUG", "2", "1Z")}, {}, ()
    )


def test_a_misfit_is_the_row_that_it_is_also_below_blank_rows(tmp_path: Path) -> None:
    text = f'{HEADER}\n\n7001,MUG,2,1Z\n\n7002,MUG\n,,,\n"7003"x,MUG,2,1Z\n7004,MUG,2,1Z\n'

    assert read_text(tmp_path, text) == Read(
        {
            3: ("7001", "MUG", "2", "1Z"),
            5: ("7002", "MUG", "", ""),
            7: ('"7003"x', "MUG", "2", "1Z"),
            8: ("7004", "MUG", "2", "1Z"),
        },
        {
            5: Misfit(RAGGED, ("7002", "MUG")),
            7: Misfit(BAD_QUOTING, ('"7003"x', "MUG", "2", "1Z")),
        },
        (),
    )


def test_a_row_that_is_filled_beyond_the_header_only_is_not_blank(tmp_path: Path) -> None:
    text = f"{HEADER}\n7001,MUG,2,1Z\n,,,,7002\n7003,MUG,2,1Z\n"

    assert read_text(tmp_path, text) == Read(
        {2: ("7001", "MUG", "2", "1Z"), 3: ("", "", "", ""), 4: ("7003", "MUG", "2", "1Z")},
        {3: Misfit(RAGGED, ("", "", "", "", "7002"))},
        (),
    )


@pytest.mark.parametrize(
    "total",
    [
        *("Total", "TOTAL:", "Totals", "Grand Total", "Sub-total", "Total Qty", "Total packages:", "Sum"),
        *("Summe", "Gesamt", "Gesamtmenge:", "insgesamt", "Total général", "Totaux", "Somme", "Totale"),
        *(
            "Zwischensumme",
            "Endsumme:",
            "Totaal",
            "Suma",
            "Razem",
            "Celkem",
            "Summa",
            "Totalt",
            "Yhteensä",
            "Toplam",
            "Итого:",
        ),
        "Всего",  # noqa: RUF001 - as the Russians write it
        *("合计", "总计", "小计：", "合計", "総計", "小計", "합계", "총계"),  # noqa: RUF001 - as the Chinese write it
    ],
)
def test_a_row_of_totals_is_passed_over_and_told(tmp_path: Path, total: str) -> None:
    text = f"{HEADER}\n7001,MUG,2,1Z\n{total},,2,\n,{total},2,\n{total}\n7002,MUG,2,1Z\n"

    assert read_text(tmp_path, text) == Read(
        {2: ("7001", "MUG", "2", "1Z"), 6: ("7002", "MUG", "2", "1Z")}, {}, (3, 4, 5)
    )


@pytest.mark.parametrize(
    "row",
    [
        ("Total", "MUG", "2", "1Z"),
        ("7001", "Total", "2", ""),
        ("7001", "TOTAL-CARE", "2", ""),
        ("Totally", "", "2", ""),
        ("2", "Total", "", ""),
        ("SUM-1001", "", "2", ""),
        ("Total 75", "", "2", ""),
        ("1001", "Total 75", "2", ""),
        ("Total", "1001", "2", ""),
        ("Total packages: 12", "", "2", ""),
        ("", "", "Total", "1Z"),
    ],
)
def test_a_row_that_only_looks_like_totals_is_a_row(tmp_path: Path, row: tuple[str, ...]) -> None:
    assert read_text(tmp_path, f"{HEADER}\n{','.join(row)}\n") == Read({2: row}, {}, ())


def test_a_row_of_somebody_called_sum_is_a_row_even_without_a_tracking_number(tmp_path: Path) -> None:
    text = f"Customer,{HEADER}\nSum,7001,MUG,2,\nSum,,,2,\n"

    assert read_text(tmp_path, text) == Read({2: ("Sum", "7001", "MUG", "2", "")}, {}, (3,))


def test_a_tracking_cell_that_says_total_is_no_tracking_number(tmp_path: Path) -> None:
    text = "Tracking #,Order #,SKU,Qty\nTotal,,,5\n1Z,,,5\nTotal,7001,MUG,5\n"

    found = read_text(tmp_path, text)

    assert ([*found.rows], found.passed_over) == ([3, 4], (2,))


@pytest.mark.parametrize("line", ["Page 2", "Page 1 of 2,,,", "Seite 2 von 9,,,", "Printed by Jo on 5/1,,,"])
def test_the_end_of_a_printed_page_is_passed_over(tmp_path: Path, line: str) -> None:
    assert read_text(tmp_path, f"{HEADER}\n{line}\n7001,MUG,2,1Z\n") == Read(
        {3: ("7001", "MUG", "2", "1Z")}, {}, (2,)
    )


@pytest.mark.parametrize(
    "line", ["Page 2,MUG,1,", ",Page 2,,", "Page two,,,", "Printed mug,,,", "Page 2,,,1Z"]
)
def test_a_row_that_only_looks_like_the_end_of_a_page_is_a_row(tmp_path: Path, line: str) -> None:
    assert read_text(tmp_path, f"{HEADER}\n{line}\n").passed_over == ()


@pytest.mark.parametrize(
    "again",
    [
        "order id,sku,QTY ,tracking no.",
        "\ufeffOrder #,SKU,Qty,Tracking #",
        '\ufeff"ORDER #",Sku,Pcs,Tracking',
    ],
)
def test_a_header_is_repeated_by_other_names_of_its_columns_too(tmp_path: Path, again: str) -> None:
    found = headers_again(tmp_path, f"{HEADER}\n7001,MUG,2,1Z\n{again}\n7002,MUG,2,1Z\n")

    assert found == ([2, 4], (3,))


def headers_again(folder: Path, text: str) -> tuple[list[int], tuple[int, ...]]:
    """The numbers of the rows, and of the rows that say the header again."""
    (block,) = manifests.blocks(survey(write(folder, text)))
    return block.rows.tolist(), block.header_rows


@pytest.mark.parametrize(
    "other",
    [
        "sku,order_id,quantity,tracking_number",
        "\ufeffsku,order_id,quantity,tracking_number",
        '\ufeff"sku","order_id","quantity","tracking_number"',
        '"sku","order_id","quantity","tracking_number"',
        "Order #,SKU,Qty,Zone,Tracking #",
        "Order #,Tracking #,SKU",
        "Bestellnummer,Artikelnummer,Sendungsnummer,Menge",
    ],
)
def test_a_header_of_other_columns_between_the_rows_ends_it(tmp_path: Path, other: str) -> None:
    said = refusal(tmp_path, f"{HEADER}\n7001,MUG,2,1Z10000\n{other}\n700002,5002,1,1Z20000\n")

    shown = ", ".join(f"'{cell}'" for cell in other.strip("\ufeff").replace('"', "").split(","))
    assert said.replace('"', "") == (
        f"march.csv: a second header, with other columns, in row 3: {shown}; "
        "split the file, so that each part has one header"
    )


@pytest.mark.parametrize(
    "row",
    [
        "Order,Carrier,2,1Z10000",
        "Order #,SKU,,",
        "Item,Order,7,",
        "Order,Reference,x,SHIP-2024-11",
        "carrier,,,",
    ],
)
def test_a_row_with_words_that_are_headers_elsewhere_is_a_row(tmp_path: Path, row: str) -> None:
    assert [*read_text(tmp_path, f"{HEADER}\n{row}\n").rows] == [2]


def test_a_footer_with_a_sku_and_a_quantity_is_a_row(tmp_path: Path) -> None:
    layout = tmp_path / "ours.toml"
    layout.write_text(
        '[columns]\ntracking_company = ["Firm"]\n[footer]\nbegins = ["Total"]\n', encoding="utf-8"
    )
    text = "Text,order_id,sku,quantity,tracking_number\nTotal comfort pillow,,4711,2,\nTotal,,,2,\n"

    manifest = manifests.survey(write(tmp_path, text), layouts.load(str(layout)), NEEDED, None)

    assert read(manifest) == Read({2: ("Total comfort pillow", "", "4711", "2", "")}, {}, (3,))


def test_a_header_of_more_columns_than_a_workbook_may_have_is_refused(tmp_path: Path) -> None:
    header = ",".join(f"column {at}" for at in range(1_001))

    assert refusal(tmp_path, f"{header}\n1\n") == (
        "march.csv, row 1: the header has 1,001 columns, expected at most 1,000; "
        "delete those that are not needed"
    )


def test_a_sku_before_the_order_id_is_no_total_where_an_order_follows(tmp_path: Path) -> None:
    text = "sku,order_id,quantity,tracking_number\nTotal 75,1001,2,\nTotal,1001,2,\nTotal,,4,\n"

    assert read_text(tmp_path, text) == Read(
        {2: ("Total 75", "1001", "2", ""), 3: ("Total", "1001", "2", "")}, {}, (4,)
    )


def test_a_row_of_totals_may_say_how_many_in_a_column_of_its_own(tmp_path: Path) -> None:
    assert read_text(tmp_path, f"Notes,{HEADER}\nTotal packages: 12,,,2,\n") == Read({}, {}, (2,))


def test_a_row_of_totals_with_more_cells_than_the_header_is_a_misfit(tmp_path: Path) -> None:
    cells = ("Total", "1", "234", "", "x")

    assert read_text(tmp_path, f"{HEADER}\n{','.join(cells)}\n") == Read(
        {2: cells[:4]}, {2: Misfit(RAGGED, cells)}, ()
    )


def test_the_columns_that_a_report_adds_are_not_read_and_the_guards_are_taken_off(tmp_path: Path) -> None:
    text = written(
        [
            (*HEADER.split(","), *REPORT_COLUMNS, "'=Notes"),
            ("7001", "'-MUG", "-2", "'+1Z", *["x"] * len(REPORT_COLUMNS), "'=1+1"),
            ("", "", "", "", *["x"] * len(REPORT_COLUMNS), ""),
            ("7002", "'MUG'", "2", "''@1Z", *["x"] * len(REPORT_COLUMNS), "'\t"),
        ],
        ",",
        csv.QUOTE_MINIMAL,
        "\n",
    )
    manifest = survey(write(tmp_path, text, "utf-8-sig"))

    assert manifest.headers == ("Order #", "SKU", "Qty", "Tracking #", "=Notes")
    assert manifest.columns == {"order_id": 0, "sku": 1, "quantity": 2, "tracking_number": 3}
    assert read(manifest) == Read(
        {2: ("7001", "-MUG", "-2", "+1Z", "=1+1"), 4: ("7002", "'MUG'", "2", "'@1Z", "\t")}, {}, ()
    )


FORMULAS = st.text(st.sampled_from([*"'=+-@\t\r\n0.,5aé"]), max_size=6)


@given(st.lists(st.one_of(FORMULAS, st.text(max_size=4)), max_size=6))
def test_whatever_a_report_guards_is_read_back_unchanged(cells: list[str]) -> None:
    column = pa.array(cells, pa.string())

    assert unguarded(guarded(column)).to_pylist() == cells


def test_a_missing_column_is_named_with_the_row_the_headers_and_a_guess(tmp_path: Path) -> None:
    assert refusal(tmp_path, "March\nOrder #,SKU,Qty,Trackin Number\n7001,MUG,2,1Z\n") == (
        "march.csv, row 2: no column for tracking_number (is it 'Trackin Number'?); "
        "the headers found are 'Order #', 'SKU', 'Qty', 'Trackin Number'; "
        "rename the column, or say with --layout which it is"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{HEADER}\n7001,"MUG,2,1Z\n', 2),
        (f'{HEADER},"Notes\n7001,MUG,2,1Z,\n', 1),
        (f'"Shipments\n\n{HEADER}\n7001,MUG,2,1Z\n', 1),
        (f'sep=,\n{HEADER}\n7001,"5 inch,2,1Z\n7002,"MUG",2,1Z\n', 3),
    ],
)
def test_a_quote_that_is_never_closed_is_named_wherever_it_opens(
    tmp_path: Path, text: str, line: int
) -> None:
    assert refusal(tmp_path, text).startswith(f"march.csv, line {line}: a quote opens here")


def test_a_manifest_that_changes_between_survey_and_reading_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, f"{HEADER}\n7001,MUG,2,1Z\n")
    manifest = survey(source)
    write(tmp_path, f"{HEADER}\n7001,MUG,2,1Z\n7002,MUG,2,1Z\n")

    with pytest.raises(ManifestError) as caught:
        list(manifests.blocks(manifest))

    assert str(caught.value) == (
        "march.csv: changed while it was read; wait until it is written completely and run again"
    )


def test_a_manifest_of_several_blocks_is_numbered_throughout(tmp_path: Path) -> None:
    note = "x" * 1000
    total = 40_000
    lines = [f'{7000 + number},"MUG\n{note}",2,1Z{number}' for number in range(total)]
    lines[30_000] = "7,short"
    manifest = survey(write(tmp_path, "\n".join([HEADER, *lines])))
    blocks = list(manifests.blocks(manifest))
    numbers = [number for block in blocks for number in block.rows.tolist()]
    orders = [order for block in blocks for order in block.cells[0].to_pylist()]

    assert len(blocks) > 1
    assert numbers == list(range(2, total + 2))
    assert orders == [line.partition(",")[0] for line in lines]
    assert [int(block.rows[at]) for block in blocks for at in block.misfits] == [30_002]
