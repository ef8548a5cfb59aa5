"""Delimited text → text columns: every cell as written, every row with a spreadsheet's number."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from importer.errors import ManifestError
from importer.manifests import delimited, layouts
from importer.manifests.delimited import BAD_QUOTING, RAGGED, Form, Misfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NEEDED = ("order_id", "sku", "quantity", "tracking_number")
GENERIC = layouts.load(None)
HEADER = ("Order #", "Item SKU", "Qty Shipped", "Tracking #")
LIMIT = 131_072

Quoting = Literal[0, 1, 2]
CHARACTERS = st.sampled_from([*"\",;\t|\n\r\x0b\x0c\x1c\x85\u2028\ufeff\0 aZ07'=é中😀"])
CELLS = st.text(CHARACTERS, max_size=6)
QUOTING: st.SearchStrategy[Quoting] = st.sampled_from(
    [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]
)
LINE_ENDS = st.sampled_from(["\r\n", "\n", "\r"])
CUTS = st.lists(st.integers(0, 2000), max_size=8)


class Read(Struct, frozen=True):
    """All that was read: the rows by number, and the misfits by row number."""

    rows: dict[int, tuple[str, ...]]
    misfits: dict[int, Misfit]


def read(chunks: Iterable[bytes], form: Form, span: delimited.Span | None = None) -> Read:
    rows: dict[int, tuple[str, ...]] = {}
    misfits: dict[int, Misfit] = {}
    for records in delimited.read(chunks, form, "march.csv", span):
        table = zip(*(column.to_pylist() for column in records.columns), strict=True)
        rows |= {records.first_row + at: cells for at, cells in enumerate(table)}
        misfits |= {records.first_row + at: misfit for at, misfit in records.misfits.items()}
    return Read(rows, misfits)


def read_text(text: str, header: Sequence[str] = ("a", "b"), delimiter: str = ",", offset: int = 0) -> Read:
    return read([text.encode()], Form(delimiter, tuple(header), 1, offset))


def refusal(text: str, form: Form | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        read([text.encode()], form or Form(",", ("a", "b"), 1, 0))
    return str(caught.value)


def detect(text: str) -> Form:
    return delimited.detect(text, GENERIC, NEEDED)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(ends)]


def written(row: Sequence[str], delimiter: str, quoting: Quoting, line_end: str) -> str:
    """One row as csv.writer writes it, which quotes both line breaks only where both end its lines."""
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerow(row)
    return line.getvalue()[:-2] + line_end


@st.composite
def tables(draw: st.DrawFn, *, ragged: bool) -> tuple[Form, str, list[tuple[str, ...]]]:
    """The form, the text, and the cells of each row; a row without cells is a blank line."""
    delimiter = draw(st.sampled_from(delimited.DELIMITERS))
    line_end = draw(LINE_ENDS)
    width = draw(st.integers(1, 4))
    header = tuple(draw(st.lists(CELLS, min_size=width, max_size=width)))
    sizes = st.integers(0, 6) if ragged else st.sampled_from((0, width))
    rows = [
        tuple(draw(st.lists(CELLS, min_size=size, max_size=size)))
        for size in draw(st.lists(sizes, max_size=6))
    ]
    text = "".join(written(row, delimiter, draw(QUOTING), line_end) for row in (header, *rows))
    return Form(delimiter, header, 1, 0), text, rows


def fitted(rows: Iterable[tuple[str, ...]], width: int) -> dict[int, tuple[str, ...]]:
    return {number: (*row, *("",) * width)[:width] for number, row in enumerate(rows, start=2)}


@given(tables(ragged=False), CUTS)
def test_a_table_is_read_as_it_was_written_however_its_bytes_come_in(
    table: tuple[Form, str, list[tuple[str, ...]]], cuts: list[int]
) -> None:
    form, text, rows = table
    expected = Read(fitted(rows, len(form.headers)), {})

    assert read([text.encode()], form) == expected
    assert read(cut(text.encode(), cuts), form) == expected
    assert read(cut(text.encode(), range(2000)), form) == expected


@given(tables(ragged=False))
def test_a_row_is_read_the_same_whether_or_not_another_has_a_fault(
    table: tuple[Form, str, list[tuple[str, ...]]],
) -> None:
    form, text, rows = table
    width = len(form.headers)
    fault = ('"x"y', "z")

    beside = read([f"{text}{form.delimiter.join(fault)}\n".encode()], form)

    assert beside == Read(fitted([*rows, fault], width), {len(rows) + 2: Misfit(BAD_QUOTING, fault)})


@given(st.one_of(st.text(CHARACTERS, max_size=60), tables(ragged=True).map(lambda table: table[1])))
def test_the_quick_reader_and_the_tolerant_one_give_the_same_of_any_mess(mess: str) -> None:
    fault = '"x"y,z'  # in the first row, it has all that comes with it read row by row
    torn = Read({1: ('"x"y', "z")}, {1: Misfit(BAD_QUOTING, ('"x"y', "z"))})

    quick, tolerant = outcome(mess, above=1), outcome(f"{fault}\n{mess}", above=2)

    expected = (
        Read(torn.rows | quick.rows, torn.misfits | quick.misfits) if isinstance(quick, Read) else quick
    )
    assert tolerant == expected


def outcome(text: str, *, above: int) -> Read | str:
    """What is read of the text, or why not; rows and lines are counted without so many ``above``."""
    try:
        found = read_text(f"a,b\n{text}")
    except ManifestError as error:
        return re.sub(r"line (\d+)", lambda line: f"line {int(line[1]) - above}", str(error))
    return Read(
        {number - above + 1: cells for number, cells in found.rows.items()},
        {number - above + 1: misfit for number, misfit in found.misfits.items()},
    )


@given(tables(ragged=True), CUTS)
def test_a_row_with_more_or_fewer_cells_is_a_misfit_and_the_rest_is_read_on(
    table: tuple[Form, str, list[tuple[str, ...]]], cuts: list[int]
) -> None:
    form, text, rows = table
    width = len(form.headers)
    misfits = {
        number: Misfit(RAGGED, row)
        for number, row in enumerate(rows, start=2)
        if len(row) != width
        and any(cell.strip() for cell in (row[form.named :] if len(row) == form.named else row))
    }

    assert read(cut(text.encode(), cuts), form) == Read(fitted(rows, width), misfits)


@pytest.mark.parametrize("quote", ["", '"'])
def test_columns_without_a_header_at_the_end_may_be_missing_and_blank_cells_behind_be_too_many(
    quote: str,
) -> None:
    lines = ["1,A,1,T1", "2,A,1,T2,,", f"{quote}3{quote},A,1,T3,,,,,", "4,A,1,T4,x", "5,A,1,T5,,,x", "6,A,1"]
    header = "Order #,SKU,Qty,Tracking #"

    for head, misfits in ((f"{header},,", {5, 6, 7}), (header, {5, 6, 7})):
        form = detect(head + "\n")

        found = read([("\n".join([head, *lines]) + "\n").encode()], form)

        assert {*found.misfits} == misfits


def test_blank_cells_behind_a_column_that_may_be_blank_may_be_a_shifted_row() -> None:
    form = detect("Order #,SKU,Tracking #,Qty,Notes\n")

    found = read([b"Order #,SKU,Tracking #,Qty,Notes\n1,A,T1,1,234,\n2,A,T2,1,,\n"], form)

    assert {*found.misfits} == {2, 3}


@given(st.text(st.sampled_from('",a\n\r'), max_size=30), CUTS)
@example('h,h\na,"b\nc"d\n', [])
@example('h,h\na,"b\n"', [12])
@example('h,h\n"a"b,"c\nd",e\n', [9])
def test_any_text_is_read_the_same_however_its_bytes_come_in(text: str, cuts: list[int]) -> None:
    form = Form(",", ("a", "b"), 1, 0)

    def told(chunks: list[bytes]) -> Read | str:
        try:
            return read(chunks, form)
        except ManifestError as error:
            return str(error)

    whole = told([text.encode()])

    assert told(cut(text.encode(), cuts)) == whole
    assert told(cut(text.encode(), range(2000))) == whole


def read_in_spans(data: bytes, cuts: list[int], form: Form, size: int) -> Read:
    """What is read where each span of ``size`` bytes or more is read alone."""
    found = Read({}, {})
    for span in delimited.spans(cut(data, cuts), form, "march.csv", size):
        part = read([data[span.start : span.stop]], form, span)
        assert not found.rows.keys() & part.rows.keys()
        found.rows.update(part.rows)
        found.misfits.update(part.misfits)
    return found


@given(
    st.one_of(
        st.text(st.sampled_from('",a\n\r'), max_size=30),
        st.text(CHARACTERS, max_size=60),
        tables(ragged=True).map(lambda table: table[1]),
    ),
    CUTS,
    st.integers(1, 20),
)
@example('h,h\na,"b\nc"d\n', [], 1)
@example('h,h\na,b\r\n"c\r\n\n",d\r\n\r\n"e"",f"\n', [5, 9], 1)
def test_any_text_is_read_the_same_when_stretches_of_it_are_read_alone(
    text: str, cuts: list[int], size: int
) -> None:
    form = Form(",", ("a", "b"), 1, 0)

    def told(how: Callable[[], Read]) -> Read | str:
        try:
            return how()
        except ManifestError as error:
            return str(error)

    whole = told(lambda: read([text.encode()], form))

    assert told(lambda: read_in_spans(text.encode(), cuts, form, size)) == whole
    assert told(lambda: read_in_spans(text.encode(), [*range(2000)], form, size)) == whole


@pytest.mark.parametrize("delimiter", delimited.DELIMITERS)
def test_the_delimiter_is_found_together_with_the_header_row(delimiter: str) -> None:
    text = f"{delimiter.join(HEADER)}\n{delimiter.join(('7001', 'MUG', '2', '1Z999'))}\n"

    assert detect(text) == Form(delimiter, HEADER, 1, 0, is_closed=True)


@pytest.mark.parametrize("delimiter", delimited.DELIMITERS)
def test_delimiters_inside_the_cells_of_a_file_do_not_deceive(delimiter: str) -> None:
    others = "".join(other for other in delimited.DELIMITERS if other != delimiter) * 5
    header = (*HEADER[:3], f"Tracking # {others}")
    text = written(header, delimiter, csv.QUOTE_MINIMAL, "\n") + delimiter.join([f'"{others}"'] * 4)

    assert detect(text) == Form(delimiter, header, 1, 0, is_closed=True)


def test_delimiters_in_quotes_do_not_count() -> None:
    assert detect('"Order #";"SKU, ours";"Qty, total";SKU;Qty;Tracking #\n').delimiter == ";"


@pytest.mark.parametrize(
    ("above", "header_row"),
    [
        ("", 1),
        ("\n\r\n\n", 4),
        ("Shipments of March, with tracking\n", 2),
        ("Acme Inc.,,,\nShipments,from 1 March,to 31 March,\n\n", 4),
        ('"Shipments\nof March",\n', 2),
        ('Order,"of" March\n', 2),
        ("Tracking #\n", 2),
        ("x\n" * 49, 50),
    ],
)
def test_what_stands_above_the_header_is_looked_over_and_counted(above: str, header_row: int) -> None:
    text = f"{above}{','.join(HEADER)}\n1,A,2,1Z\n"
    form = detect(text)

    assert form == Form(",", HEADER, header_row, 0, is_closed=True)
    assert read([text.encode()], form) == Read({header_row + 1: ("1", "A", "2", "1Z")}, {})


def test_a_header_with_quotes_line_breaks_and_its_delimiter_is_one_row() -> None:
    text = '"Order\n#","Item ""SKU""","Qty, Shipped",Tracking #\n1,A,2,1Z\n'
    form = detect(text)

    assert form == Form(",", ("Order\n#", 'Item "SKU"', "Qty, Shipped", "Tracking #"), 1, 0, is_closed=True)
    assert read([text.encode()], form) == Read({2: ("1", "A", "2", "1Z")}, {})


@pytest.mark.parametrize("first", ["sep=;\r\n", "sep=;\n", "sep=;\r", "SEP=;\n", '"sep=;"\r\n'])
def test_a_line_that_names_the_separator_is_honoured_and_not_counted(first: str) -> None:
    text = f"{first}{';'.join(HEADER)}\n1;A;2;1Z\n"
    form = detect(text)

    assert form == Form(";", HEADER, 1, 1, is_closed=True)
    assert read(cut(text.encode(), range(2000)), form) == Read({2: ("1", "A", "2", "1Z")}, {})


def test_where_no_row_has_the_needed_columns_the_one_with_most_of_them_is_the_header() -> None:
    assert detect("March,,\nOrder #;SKU;Colour\n1;A;red\n") == Form(";", ("Order #", "SKU", "Colour"), 2, 0)


@pytest.mark.parametrize("text", ["", "\n\n\n", "hello"])
def test_a_text_without_a_header_has_none_of_the_columns(text: str) -> None:
    assert layouts.match(detect(text).headers, GENERIC).columns == {}


def test_a_header_is_known_although_its_quote_is_never_closed_and_the_line_is_named() -> None:
    text = 'March\nOrder #,SKU,"Qty,Tracking #\n1,A,2,1Z\n'
    form = detect(text)

    assert form.header_row == 2
    with pytest.raises(ManifestError) as caught:
        delimited.check_header([text.encode()], form, "march.csv")
    assert str(caught.value) == (
        "march.csv, line 2: a quote opens here and is never closed, or not within 131,072 characters: "
        """'"Qty,Tracking #'; """
        "close it, or, if it belongs to the text, put the cell in quotes and write it twice"
    )


def test_a_header_that_ends_is_fine_whatever_stands_below_it() -> None:
    text = ",".join(HEADER) + '\n1,A,"2,1Z\n'

    delimited.check_header(cut(text.encode(), range(2000)), detect(text), "march.csv")


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "007",
            "1E5",
            "NA",
            "N/A",
            "null",
            "NULL",
            "true",
            "None",
            "nan",
            "-0",
            "1.0",
            "+1",
            "#N/A",
            "1_000",
        ),
        *(
            "2024-01-01",
            "12:30",
            "0x1F",
            " 7 ",
            "\xa07",
            "1,5",
            '5" pipe',
            "'=1",
            "",
            " ",
            "Zoë",
            "\ufeff",
            "#",
        ),
        *("\x00", "\\", "\\n", "--", "''"),
    ],
)
def test_a_cell_is_text_exactly_as_written(cell: str) -> None:
    assert read_text(f"a;b\n{cell};x\n", delimiter=";") == Read({2: (cell, "x")}, {})


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_last_line_needs_no_end(line_end: str) -> None:
    assert read_text(line_end.join(["a,b", "1,2", "3,4"])) == Read({2: ("1", "2"), 3: ("3", "4")}, {})


def test_only_line_breaks_end_a_line() -> None:
    odd = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

    assert read_text(f"a,b\n1{odd}1,2\n3,4\n") == Read({2: (f"1{odd}1", "2"), 3: ("3", "4")}, {})


def test_line_ends_may_be_mixed() -> None:
    assert read_text("a,b\r\n1,2\r3,4\n\r\n5,6") == Read(
        {2: ("1", "2"), 3: ("3", "4"), 4: ("", ""), 5: ("5", "6")}, {}
    )


def test_blank_lines_and_rows_of_separators_count_as_rows() -> None:
    assert read_text("a,b\n\n,\n , \n1,2\n,,,,\n3,4\n").rows == {
        2: ("", ""),
        3: ("", ""),
        4: (" ", " "),
        5: ("1", "2"),
        6: ("", ""),
        7: ("3", "4"),
    }


def test_a_row_with_line_breaks_in_a_cell_is_one_row() -> None:
    assert read_text('a,b\n"1\n1\r\n1",2\n3,4\n') == Read({2: ("1\n1\r\n1", "2"), 3: ("3", "4")}, {})


def test_a_file_may_have_one_column() -> None:
    assert read_text('a\n1\n\n"2,2"\n""\n3', header=["a"]) == Read(
        {2: ("1",), 3: ("",), 4: ("2,2",), 5: ("",), 6: ("3",)}, {}
    )


def test_nothing_but_a_header_has_no_rows() -> None:
    assert read_text("a,b\n") == read_text("a,b") == Read({}, {})


def test_a_quote_inside_an_unquoted_cell_is_a_quote() -> None:
    assert read_text('a,b\n5" pipe,6"x8"\n3, "4"\n') == Read({2: ('5" pipe', '6"x8"'), 3: ("3", ' "4"')}, {})


def test_ragged_rows_are_never_shifted_and_the_rest_is_read_on() -> None:
    assert read_text("a,b\n1\n2,3\n4,5,6\n7,8\n") == Read(
        {2: ("1", ""), 3: ("2", "3"), 4: ("4", "5"), 5: ("7", "8")},
        {2: Misfit(RAGGED, ("1",)), 4: Misfit(RAGGED, ("4", "5", "6"))},
    )


def test_a_quoted_cell_that_goes_on_after_its_closing_quote_is_a_fault_of_its_row() -> None:
    assert read_text('a,b\n"5" pipe,2\n"3","4"\n') == Read(
        {2: ('"5" pipe', "2"), 3: ("3", "4")}, {2: Misfit(BAD_QUOTING, ('"5" pipe', "2"))}
    )


def test_a_row_with_a_fault_in_its_quoting_is_split_at_each_delimiter() -> None:
    assert read_text('a,b\n1,"5" pipe, long"\n').misfits == {
        2: Misfit(BAD_QUOTING, ("1", '"5" pipe', ' long"'))
    }


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ('a,b\n1,"2\n', 2, '"2'),
        ('a,b\n1,"2', 2, '"2'),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', 3, '"4'),
        ('a,b\n"1\n1\n1",2\n3,"4\n5,6\n', 5, '"4'),
        ('a,b\n"1\n1\n1","2\n5,6\n', 4, '"2'),
        ('a,b\r\n"1\r\n1\r1",2\r\n3,"4""\r\n5,6\r\n', 5, '"4""'),
        ('a,b\r1,2\r"3,4\r', 3, '"3,4'),
        ('a,b\n5" x,"2\n', 2, '"2'),
        ('a,"b\n1,2\n', 1, '"b'),
    ],
)
def test_a_quote_that_is_never_closed_is_named_by_the_line_where_it_opens(
    text: str, line: int, shown: str
) -> None:
    expected = (
        f"march.csv, line {line}: a quote opens here and is never closed, or not within 131,072 characters: "
        f"{shown!r}; close it, or, if it belongs to the text, put the cell in quotes and write it twice"
    )

    assert refusal(text) == expected
    with pytest.raises(ManifestError) as caught:
        read(cut(text.encode(), range(2000)), Form(",", ("a", "b"), 1, 0))
    assert str(caught.value) == expected


def test_a_quote_that_the_next_quoted_cell_seems_to_close_is_named_where_it_opens() -> None:
    assert refusal('a,b\n1,"5 inch\n3,4\n5,"6"\n7,8\n') == (
        "march.csv, line 2: a quote opens here, and text follows the quote that closes it, some lines below: "
        """'"5 inch'; close it, or, if it belongs to the text, put the cell in quotes and write it twice"""
    )


def test_a_line_that_names_the_separator_counts_as_a_line() -> None:
    text = 'sep=;\na;b\n1;"2\n'

    assert refusal(text, Form(";", ("a", "b"), 1, 1)).startswith("march.csv, line 3: a quote opens here")


@pytest.mark.parametrize("rows", [40_000, 400_000])
def test_a_quote_that_is_never_closed_in_a_long_file_is_named_where_it_opens(rows: int) -> None:
    text = 'a,b\n"1",2\n3,"4\n' + "5,6\n" * rows

    assert refusal(text).startswith("march.csv, line 3: a quote opens here and is never closed")


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("letter", ["x", "中"])
@pytest.mark.parametrize("beside", ["1,2\n", "1\n"], ids=["with good rows", "with a ragged row"])
def test_a_cell_may_have_131072_characters_and_no_more(quote: str, letter: str, beside: str) -> None:
    longest = f"a,b\n{beside}3,{quote}{letter * LIMIT}{quote}\n"
    too_long = f"a,b\n{beside}3,{quote}{letter * (LIMIT + 1)}{quote}\n"

    assert read_text(longest).rows[3] == ("3", letter * LIMIT)
    assert refusal(too_long) == (
        "march.csv, line 3: a cell of more than 131,072 characters begins here: "
        f"{(quote + letter * 60)[:60]!r}; shorten it, or look for the quote or line break that is missing"
    )


@pytest.mark.parametrize(
    "end", ["\n1001,MUG,m.csv,3\n", '\n1,"5" pipe,m.csv,3\n'], ids=["strict", "not strict"]
)
def test_in_a_report_a_cell_may_have_all_that_stood_in_a_torn_row(end: str) -> None:
    header = ("Order #", "SKU", "import_source", "import_row")
    torn = '1002,"' + "x" * LIMIT + '""x""' + "中" * LIMIT + '"'
    text = ",".join(header) + "\n" + '"' + torn.replace('"', '""') + '",,m.csv,2' + end

    found = read_text(text, header)
    assert (found.rows[2], found.rows[3][2:]) == ((torn, "", "m.csv", "2"), ("m.csv", "3"))
    assert csv.field_size_limit() == LIMIT


def test_doubled_quotes_count_once_for_the_length_of_a_cell() -> None:
    text = "a,b\n1\n3," + '"' + '""' * LIMIT + '"\n'

    assert read_text(text).rows[3] == ("3", '"' * LIMIT)


def test_a_file_without_line_breaks_is_refused_before_it_fills_the_memory() -> None:
    chunks = (b"1,2," * 4_000_000 for _ in range(1000))

    with pytest.raises(ManifestError) as caught:
        read(chunks, Form(",", ("a", "b"), 1, 0))

    assert str(caught.value) == (
        "march.csv, line 1: a row of more than 64 MiB begins here; a manifest has a row per line"
    )


def test_a_byte_order_mark_in_a_cell_stays_wherever_a_block_begins() -> None:
    text = "a,b\n\ufeff1,2\n\ufeff3,4\n"
    expected = Read({2: ("\ufeff1", "2"), 3: ("\ufeff3", "4")}, {})

    assert read_text(text) == expected
    assert read(cut(text.encode(), range(2000)), Form(",", ("a", "b"), 1, 0)) == expected


def test_a_header_may_be_longer_than_a_chunk() -> None:
    header = tuple(f"column {number}" for number in range(500))
    text = ",".join(header) + "\n" + ",".join("7" * 500) + "\n"

    assert read(cut(text.encode(), range(0, 2000, 100)), Form(",", header, 1, 0)) == Read(
        {2: ("7",) * 500}, {}
    )


def test_faults_far_apart_in_a_long_file_stay_in_their_rows() -> None:
    rows = [(f"{number:09}", 'quoted ""cell"", with\nall') for number in range(30_000)]
    lines = [f'{order},"{cell}"\n' for order, cell in rows]
    expected: dict[int, tuple[str, ...]] = {
        number: (order, cell.replace('""', '"')) for number, (order, cell) in enumerate(rows, 2)
    }
    for number in (2, 9_000, 9_001, 30_001):
        lines[number - 2] = f'{number},"5" pipe\n'
        expected[number] = (str(number), '"5" pipe')
    lines[20_000 - 2] = '5" pipe,6" pipe\n'
    expected[20_000] = ('5" pipe', '6" pipe')
    lines[25_000 - 2] = "ragged\n"
    expected[25_000] = ("ragged", "")

    assert read_text("a,b\n" + "".join(lines)) == Read(
        expected,
        {number: Misfit(BAD_QUOTING, expected[number]) for number in (2, 9_000, 9_001, 30_001)}
        | {25_000: Misfit(RAGGED, ("ragged",))},
    )
