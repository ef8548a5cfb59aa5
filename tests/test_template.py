"""``importer template``: an empty manifest for people who type."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from importer import settings
from importer.report import template
from schemas.manifest import CANONICAL
from tests.program import here, settle_in, table

Output = pytest.CaptureFixture[str]
ADM = ("order_id", "sku", "quantity", "tracking_number")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


def opened(path: str = "manifest-template.xlsx") -> Any:  # noqa: ANN401 - openpyxl has no types
    return openpyxl.load_workbook(path)


def headers(sheet: Any) -> tuple[str, ...]:  # noqa: ANN401 - openpyxl has no types
    return tuple(cell.value for cell in sheet[1])


def test_the_template_has_every_column_and_where_it_is_is_told(capsys: Output) -> None:
    ended = here(capsys, "template")

    name = "manifest-template.xlsx"
    words = f"{name}: fill it in, then see what would be posted: importer check {name}\n"
    assert (ended.status, ended.out, ended.err) == (0, words, "")
    book = opened()
    assert book.sheetnames == ["manifest", "about"]
    sheet = book["manifest"]
    assert headers(sheet) == CANONICAL
    assert (sheet.max_row, sheet.freeze_panes) == (1, "A2")


@pytest.mark.parametrize(("kind", "columns"), [("adm", ADM), ("shoplazza", CANONICAL)])
def test_a_template_for_a_destination_has_the_columns_that_it_takes(
    capsys: Output, kind: str, columns: tuple[str, ...]
) -> None:
    assert here(capsys, "template", "typed.xlsx", "--for", kind).status == 0

    assert headers(opened("typed.xlsx")["manifest"]) == columns


@pytest.mark.parametrize("name", ["t.csv", "t.xls", "t"])
def test_a_template_under_a_name_that_is_no_workbooks_is_refused(capsys: Output, name: str) -> None:
    ended = here(capsys, "template", name)

    assert ended.status == 2
    assert f"{name}: a template is a workbook; name it t.xlsx" in ended.err
    assert not Path(name).exists()


@pytest.mark.parametrize("kind", ["", *settings.KINDS])
def test_all_cells_are_text_and_each_header_has_a_note(tmp_path: Path, kind: str) -> None:
    template.write(tmp_path / "t.xlsx", kind)

    book = opened(str(tmp_path / "t.xlsx"))
    sheet = book["manifest"]
    formats = {
        at: dimension.number_format
        for dimension in sheet.column_dimensions.values()
        for at in range(dimension.min, dimension.max + 1)
    }
    assert formats == dict.fromkeys(range(1, len(headers(sheet)) + 1), "@")
    notes = {cell.value: cell.comment.text for cell in sheet[1]}
    told = [tuple(cell.value for cell in row) for row in book["about"].iter_rows()]
    first = told.index(("column", "needed", "what goes there")) + 1
    assert notes == {name: f"{needed}: {rule}" for name, needed, rule in told[first:]}


def test_the_spreadsheet_program_refuses_a_quantity_or_an_answer_that_could_not_be_imported(
    tmp_path: Path,
) -> None:
    template.write(tmp_path / "t.xlsx")

    checks = opened(str(tmp_path / "t.xlsx"))["manifest"].data_validations.dataValidation

    whole = "AND(ISNUMBER(VALUE(C2)),VALUE(C2)>=1,VALUE(C2)<=1000000,VALUE(C2)=INT(VALUE(C2)))"
    assert [(str(check.sqref), check.type, check.formula1, check.errorTitle) for check in checks] == [
        ("C2:C1048576", "custom", whole, "quantity"),
        ("I2:I1048576", "list", '"yes,no"', "notify"),
    ]
    assert all(check.allowBlank and check.showErrorMessage for check in checks)


def test_a_template_that_was_filled_in_is_imported(capsys: Output) -> None:
    here(capsys, "template", "--for", "adm")
    book = opened()
    book["manifest"].append(["1001", "007", "2", "9400100000000000000017"])
    book.save("typed.xlsx")

    assert here(capsys, "check", "typed.xlsx", "--to", "adm", "--sandbox", "--report", "R").status == 0
    assert [(row["sku"], row["import_fulfillment"]) for row in table(Path("R/rows.csv"))] == [
        ("007", "1001/9400100000000000000017")
    ]


def test_what_is_there_already_is_never_overwritten(capsys: Output) -> None:
    Path("manifest-template.xlsx").write_text("typed for hours")

    ended = here(capsys, "template")

    words = (
        "importer: manifest-template.xlsx: there is something already, and it is never overwritten; "
        "name another file\n"
    )
    assert (ended.status, ended.out, ended.err) == (2, "", words)
    assert Path("manifest-template.xlsx").read_text() == "typed for hours"


def test_a_folder_that_is_not_there_is_told(capsys: Output) -> None:
    ended = here(capsys, "template", "gone/t.xlsx")

    words = "importer: gone/t.xlsx: the template can't be written: No such file or directory\n"
    assert (ended.status, ended.err) == (4, words)


def test_a_destination_that_is_not_known_is_refused(capsys: Output) -> None:
    ended = here(capsys, "template", "--for", "amazon")

    assert ended.status == 2
    assert "'amazon' is not one of 'adm', 'shoplazza'" in ended.err
