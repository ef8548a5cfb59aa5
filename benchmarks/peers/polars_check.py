"""The peer of ``importer check`` in polars: the same reading as text, rules, grouping, holds and rows.csv.

Usage: ``python -m benchmarks.peers.polars_check MANIFEST ROWS``

It does what ``duckdb_check`` does in SQL, and leaves out the same.
"""

import sys
from pathlib import Path

import polars as pl

_DAMAGED = (
    r"#(?:N/A|NV|N/D|I/T|[A-Z]{3,11}(?:/0)?[!?]|#+)|Err:5\d\d"
    r"|[+-]?\d(?:[.,]\d+[Ee](?:\+\d{1,3}|[1-9]\d{1,2})|[Ee]\+\d{1,3})|[1-9]\d{14}00+(?:\.0)?"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d\d"
    r"|\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_NUMBER = r"[A-Za-z0-9-](?:\s*[A-Za-z0-9-]){4,49}"
_MOST, _LARGEST_ORDER, _LONGEST_SKU = 1_000_000, 2**63 - 1, 255
_PARCEL = ["order_id", "number"]


def main(manifest: Path, rows: Path) -> None:
    """Read, check, group and report."""
    table = pl.read_csv(manifest, infer_schema=False, empty_string_is_null=False)
    told = _told(_keyed(table.lazy()).collect())
    of_manifest = [
        pl.lit(str(manifest)).alias("import_source"),
        pl.int_range(2, pl.len() + 2).alias("import_row"),
    ]
    table.with_columns(of_manifest).hstack(told).write_csv(rows)


def _keyed(table: pl.LazyFrame) -> pl.LazyFrame:
    """Each row's codes, and what its cells say where they say something."""
    order, sku = pl.col("order_id").str.strip_chars(), pl.col("sku").str.strip_chars()
    quantity, number = pl.col("quantity").str.strip_chars(), pl.col("tracking_number").str.strip_chars()
    judged = table.select(
        *(order.alias("order"), sku.alias("sku"), quantity.alias("quantity"), number.alias("number")),
        _of_order(order).alias("of_order"),
        _of_sku(sku).alias("of_sku"),
        _of_quantity(quantity).alias("of_quantity"),
        _of_number(number).alias("of_number"),
    )
    without = pl.col("order").str.replace(r"\.0$", "").str.strip_chars_start("0")
    return judged.select(
        pl.int_range(pl.len()).alias("place"),
        pl.concat_str(
            "of_order", "of_sku", "of_quantity", "of_number", separator="; ", ignore_nulls=True
        ).alias("codes"),
        pl.when(pl.col("of_order").is_null()).then(without).alias("order_id"),
        pl.when(pl.col("of_number").is_null())
        .then(pl.col("number").str.replace_all(r"\s", ""))
        .alias("number"),
        *("sku", "quantity"),
    )


def _of_order(order: pl.Expr) -> pl.Expr:
    whole = order.str.replace(r"\.0$", "").cast(pl.UInt64, strict=False)
    return (
        pl.when(order == "")
        .then(pl.lit("blank-order-id"))
        .when(_is(order, _DAMAGED))
        .then(pl.lit("spreadsheet-damage"))
        .when(~_is(order, r"0*[1-9]\d{0,18}(?:\.0)?") | (whole > _LARGEST_ORDER))
        .then(pl.lit("bad-order-id"))
    )


def _of_sku(sku: pl.Expr) -> pl.Expr:
    return (
        pl.when(sku == "")
        .then(pl.lit("blank-sku"))
        .when(_is(sku, _DAMAGED))
        .then(pl.lit("spreadsheet-damage"))
        .when((sku.str.len_chars() > _LONGEST_SKU) | sku.str.contains("[[:cntrl:]]"))
        .then(pl.lit("bad-sku"))
    )


def _of_quantity(quantity: pl.Expr) -> pl.Expr:
    return (
        pl.when(quantity == "")
        .then(pl.lit("blank-quantity"))
        .when(_is(quantity, r"0*[1-9]\d{0,5}(?:\.0)?"))
        .then(pl.lit(None, pl.String))
        .when(quantity.str.starts_with("#"))
        .then(pl.lit("spreadsheet-damage"))
        .when(_is(quantity, r"\d+(?:\.\d+)? [A-Z][A-Z0-9]{0,2}"))
        .then(pl.lit("unit-of-measure"))
        .when(~_is(quantity, r"-?\d+(?:\.0)?"))
        .then(pl.lit("bad-quantity"))
        .when(_is(quantity, r"-.*|0+(?:\.0)?"))
        .then(pl.lit("quantity-below-one"))
        .when(quantity.cast(pl.Float64, strict=False) > _MOST)
        .then(pl.lit("quantity-too-large"))
    )


def _of_number(number: pl.Expr) -> pl.Expr:
    return (
        pl.when(number == "")
        .then(pl.lit("blank-tracking-number"))
        .when(_is(number, _DAMAGED))
        .then(pl.lit("spreadsheet-damage"))
        .when(number.str.contains(r"[,;/|&\s]") & _is(number, rf"{_NUMBER}(?:\s*[,;/|&\s]+\s*{_NUMBER})+"))
        .then(pl.lit("several-tracking-numbers"))
        .when(~_is(number, _NUMBER))
        .then(pl.lit("bad-tracking-number"))
    )


def _is(cell: pl.Expr, pattern: str) -> pl.Expr:
    return cell.str.contains(f"^(?:{pattern})$")


def _told(keyed: pl.DataFrame) -> pl.DataFrame:
    """Each row's status, code, warning and fulfillment."""
    good, bad = keyed.filter(pl.col("codes") == ""), keyed.filter(pl.col("codes") != "")
    whole = pl.col("quantity").cast(pl.Float64, strict=False).cast(pl.Int64)
    line = [*_PARCEL, "sku"]
    lines = good.group_by(line).agg(whole.sum(), pl.col("place").min())
    lines.group_by(_PARCEL).agg(pl.len(), pl.col("place").min())  # the fulfillments
    again = good.group_by([*line, "quantity"]).agg(pl.col("place").min().alias("first"), pl.len())
    named = {name: pl.col(name).is_not_null() for name in _PARCEL}
    marks = {
        "is_large": (line, lines.filter(pl.col("quantity") > _MOST)),
        "of_parcel": (_PARCEL, bad.filter(named["order_id"] & named["number"])),
        "of_order": (["order_id"], bad.filter(named["order_id"] & ~named["number"])),
        "of_number": (["number"], bad.filter(named["number"] & ~named["order_id"])),
    }
    for mark, (key, found) in marks.items():
        marked = found.select(key).unique().with_columns(pl.lit(value=True).alias(mark))
        keyed = keyed.join(marked, on=key, how="left", maintain_order="left")
    repeated = again.filter(pl.col("len") > 1).select(*line, "quantity", "first")
    keyed = keyed.join(repeated, on=[*line, "quantity"], how="left", maintain_order="left")
    is_held = pl.any_horizontal(pl.col(mark).is_not_null() for mark in ("of_parcel", "of_order", "of_number"))
    is_bad, is_large = pl.col("codes") != "", pl.col("is_large").is_not_null()
    return keyed.select(
        pl.when(is_bad | is_large)
        .then(pl.lit("invalid"))
        .when(is_held)
        .then(pl.lit("held"))
        .otherwise(pl.lit("ready"))
        .alias("import_status"),
        pl.when(is_bad)
        .then("codes")
        .when(is_large)
        .then(pl.lit("quantity-too-large"))
        .when(is_held)
        .then(pl.lit("parcel-held"))
        .otherwise(pl.lit(""))
        .alias("import_code"),
        pl.when(pl.col("first") < pl.col("place"))
        .then(pl.lit("duplicate-row"))
        .otherwise(pl.lit(""))
        .alias("import_warning"),
        pl.concat_str("order_id", "number", separator="/").fill_null("").alias("import_fulfillment"),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
