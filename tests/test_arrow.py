"""Arrow without pandas: what it saves, and that cells are judged by pandera all the same."""

import subprocess
import sys
from pathlib import Path

from tests.program import SECONDS

_TOLD = """
import sys
import pyarrow as pa
from importer.arrow import keep_from_pandas
first = sys.meta_path[0]
keep_from_pandas()
assert sys.meta_path[0] is first
pa.array(["1"])
print("pandas" in sys.modules)
import pandas
print(pa.table({"a": ["1", None]}).to_pandas().isna().to_numpy().tolist(), pa.array(pandas.Series(["1"])))
"""
_CHECKED = """
import sys
from importer.cli import run
from importer.early import Early
status = run(["check", sys.argv[1], "--report", sys.argv[2]], Early())
print(status, "pandas" in sys.modules)
"""


def python(program: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout.splitlines()


def test_pandas_is_not_imported_for_a_list_and_comes_when_it_is_asked_for() -> None:
    first, second, *_ = python(_TOLD)

    assert first == "False"
    assert second.startswith("[[False], [True]]")


def test_odd_cells_are_judged_and_others_need_no_pandas(tmp_path: Path) -> None:
    fine, odd = tmp_path / "fine.csv", tmp_path / "odd.csv"
    header = "order_id,sku,quantity,tracking_number\n"
    fine.write_text(f"{header}1001,MUG,2,1ZE356F8YW01937117\n", encoding="utf-8")
    odd.write_text(f"{header}1001,,x,1ZE356F8YW01937117\n1002,MUG,1,\n", encoding="utf-8")

    assert python(_CHECKED, str(fine), str(tmp_path / "fine"))[-1] == "0 False"
    assert python(_CHECKED, str(odd), str(tmp_path / "odd"))[-1] == "1 True"

    codes = [line.split(",")[7] for line in (tmp_path / "odd" / "errors.csv").read_text("utf-8").splitlines()]
    assert codes[1:] == ["blank-sku; bad-quantity", "blank-tracking-number"]
