"""The rules of schemas/manifest.py as pandera schemas over text columns, and which cells fail them.

Every column is pandas' ArrowDtype string, '' for a blank cell, without nulls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pyarrow  # noqa: ICN001 - pa is pandera here
import pyarrow.compute as pc
from pandera.api.base.checks import CheckResult
from pandera.backends.pandas.checks import PandasCheckBackend
from pandera.backends.pandas.components import ColumnBackend
from pandera.backends.pandas.container import DataFrameSchemaBackend
from pandera.errors import FailureCaseMetadata

from schemas.manifest import rules

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    import numpy.typing as npt
    from pandera.errors import SchemaError

    from schemas.manifest import Test

TEXT: Final = pd.ArrowDtype(pyarrow.string())


def schema(columns: Collection[str], *, order_id: str, optional: Collection[str] = ()) -> pa.DataFrameSchema:
    """The schema for a manifest that has these canonical ``columns``.

    ``order_id`` is as for ``rules``. Cells of the ``optional`` columns may be blank.
    """
    return _Schema(
        {
            name: _Judged(TEXT, [_rule(*rule, optional=name in optional) for rule in found])
            for name, found in rules(columns, order_id=order_id).items()
        }
    )


def failures(
    judge: pa.DataFrameSchema, cells: Mapping[str, pyarrow.Array[Any]]
) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Which cells fail: column, code and a mask of them, in the schema's order.

    Raises:
        RuntimeError: a check broke down, which is a fault in the importer and not in the data.
    """
    frame = pd.DataFrame({name: pd.array(column, dtype=TEXT) for name, column in cells.items()})
    try:
        judge.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        return [_failure(error) for error in errors.schema_errors]
    return []


def _rule(code: str, test: Test, *, optional: bool) -> Rule:
    def passing(column: pd.Series[str]) -> pd.Series[bool]:
        cells = pyarrow.array(column.array)
        mask = test(cells)
        if optional:
            mask = pc.or_(mask, pc.equal(cells, ""))
        return pd.Series(mask.to_numpy(zero_copy_only=False), index=column.index)

    return Rule(passing, error=code, ignore_na=False, name=code)


def _failure(error: SchemaError) -> tuple[str, str, npt.NDArray[np.bool_]]:
    if error.check_output is None:
        raise RuntimeError(f"the check {error.check} broke down: {error}") from error
    code = str(error.check.error)
    return str(error.schema.name), code, ~error.check_output.to_numpy(dtype=bool)


class Rule(pa.Check):
    """A vectorised check whose mask is read off the error instead of a list of failure cases.

    pandera takes 1.6 µs for every failure case that it collects, and rows.py needs only where they are.
    """


class _RuleBackend(PandasCheckBackend):
    """Returns the mask itself."""

    def postprocess(self, check_obj: pd.Series[str], check_output: pd.Series[bool]) -> CheckResult:
        """Say which cells passed."""
        return CheckResult(
            check_output=check_output,
            check_passed=bool(check_output.all()),
            checked_object=check_obj,
            failure_cases=None,
        )


class _FewWords:
    """Counts and tabulates nothing of what failed: of many rules that takes longer than the rules."""

    def failure_cases_metadata(self, *_: object) -> FailureCaseMetadata:
        """Leave it to who reads the errors."""
        return FailureCaseMetadata(failure_cases=None, message={}, error_counts={})


class _Judged(pa.Column):
    """A column whose errors are read one by one."""


class _Schema(pa.DataFrameSchema):
    """The same of several columns."""


class _JudgedBackend(_FewWords, ColumnBackend):
    pass


class _SchemaBackend(_FewWords, DataFrameSchemaBackend):
    pass


Rule.register_backend(pd.Series, _RuleBackend)
Rule.register_backend(pd.DataFrame, _RuleBackend)  # pandera hands a column over as (frame, name)
_Judged.register_backend(pd.DataFrame, _JudgedBackend)
_Schema.register_backend(pd.DataFrame, _SchemaBackend)
