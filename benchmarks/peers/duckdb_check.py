"""The peer of ``importer check`` in SQL: the same reading as text, rules, grouping, holds and rows.csv.

Usage: ``python -m benchmarks.peers.duckdb_check MANIFEST ROWS``

One script in one process. The table keeps the order of the file, so that a row's id is its place. It does
what the importer does of what a manifest of this benchmark has in it: not other encodings and delimiters,
ragged rows, layouts, check digits, messages and hints, errors.csv and a page.
"""

import sys
from pathlib import Path

import duckdb

_SCRIPT = r"""
CREATE MACRO damaged(cell) AS regexp_full_match(cell,
    '#(?:N/A|NV|N/D|I/T|[A-Z]{3,11}(?:/0)?[!?]|#+)|Err:5\d\d'
    || '|[+-]?\d(?:[.,]\d+[Ee](?:\+\d{1,3}|[1-9]\d{1,2})|[Ee]\+\d{1,3})|[1-9]\d{14}00+(?:\.0)?'
    || '|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d\d'
    || '|\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)');

CREATE TABLE manifest AS
SELECT * FROM read_csv(getvariable('manifest'), all_varchar = true, header = true, delim = ',', quote = '"',
                       escape = '"', nullstr = '\x00');

CREATE TABLE cleaned AS
SELECT rowid AS place, trim(order_id) AS order_id, trim(sku) AS sku, trim(quantity) AS quantity,
       trim(tracking_number) AS number
FROM manifest;

CREATE TABLE judged AS
SELECT *,
    CASE WHEN order_id = '' THEN 'blank-order-id'
         WHEN damaged(order_id) THEN 'spreadsheet-damage'
         WHEN NOT regexp_full_match(order_id, '0*[1-9]\d{0,18}(?:\.0)?')
              OR try_cast(order_id AS DECIMAL(38, 1)) > 9223372036854775807
              THEN 'bad-order-id' END AS of_order,
    CASE WHEN sku = '' THEN 'blank-sku'
         WHEN damaged(sku) THEN 'spreadsheet-damage'
         WHEN length(sku) > 255 OR regexp_matches(sku, '[[:cntrl:]]') THEN 'bad-sku' END AS of_sku,
    CASE WHEN quantity = '' THEN 'blank-quantity'
         WHEN regexp_full_match(quantity, '0*[1-9]\d{0,5}(?:\.0)?') THEN NULL
         WHEN regexp_full_match(quantity, '#.*') THEN 'spreadsheet-damage'
         WHEN regexp_full_match(quantity, '\d+(?:\.\d+)? [A-Z][A-Z0-9]{0,2}') THEN 'unit-of-measure'
         WHEN NOT regexp_full_match(quantity, '-?\d+(?:\.0)?') THEN 'bad-quantity'
         WHEN regexp_full_match(quantity, '-.*|0+(?:\.0)?') THEN 'quantity-below-one'
         WHEN try_cast(quantity AS DOUBLE) > 1000000 THEN 'quantity-too-large' END AS of_quantity,
    CASE WHEN number = '' THEN 'blank-tracking-number'
         WHEN damaged(number) THEN 'spreadsheet-damage'
         WHEN regexp_matches(number, '[,;/|&\s]')
              AND regexp_full_match(number,
                   '[A-Za-z0-9-](?:\s*[A-Za-z0-9-]){4,49}'
                   || '(?:\s*[,;/|&\s]+\s*[A-Za-z0-9-](?:\s*[A-Za-z0-9-]){4,49})+')
              THEN 'several-tracking-numbers'
         WHEN NOT regexp_full_match(number, '[A-Za-z0-9-](?:\s*[A-Za-z0-9-]){4,49}')
              THEN 'bad-tracking-number' END AS of_number,
    concat_ws('; ', of_order, of_sku, of_quantity, of_number) AS codes
FROM cleaned;

CREATE TABLE keyed AS
SELECT place, codes, sku, quantity,
       CASE WHEN of_order IS NULL THEN ltrim(replace(order_id, '.0', ''), '0') END AS order_id,
       CASE WHEN of_number IS NULL THEN regexp_replace(number, '\s', '', 'g') END AS number
FROM judged;

CREATE TABLE lines AS
SELECT order_id, number, sku, sum(try_cast(quantity AS DOUBLE)::INT) AS quantity, min(place) AS first
FROM keyed WHERE codes = '' GROUP BY ALL;
CREATE TABLE too_large AS SELECT order_id, number, sku FROM lines WHERE quantity > 1000000;
CREATE TABLE repeated AS
SELECT order_id, number, sku, quantity, min(place) AS first FROM keyed WHERE codes = ''
GROUP BY ALL HAVING count(*) > 1;
CREATE TABLE fulfillments AS
SELECT order_id, number, count(*) AS lines, min(first) AS first FROM lines GROUP BY ALL;
CREATE TABLE faulty AS SELECT order_id, number, min(place) AS place FROM keyed WHERE codes <> '' GROUP BY ALL;
CREATE TABLE of_parcel AS SELECT * FROM faulty WHERE order_id IS NOT NULL AND number IS NOT NULL;
CREATE TABLE of_order AS SELECT order_id, place FROM faulty WHERE order_id IS NOT NULL AND number IS NULL;
CREATE TABLE of_number AS SELECT number, place FROM faulty WHERE number IS NOT NULL AND order_id IS NULL;

CREATE TABLE told AS
SELECT keyed.place,
    CASE WHEN codes <> '' OR too_large.sku IS NOT NULL THEN 'invalid'
         WHEN coalesce(of_parcel.place, of_order.place, of_number.place) IS NOT NULL THEN 'held'
         ELSE 'ready' END AS import_status,
    CASE WHEN codes <> '' THEN codes
         WHEN too_large.sku IS NOT NULL THEN 'quantity-too-large'
         WHEN import_status = 'held' THEN 'parcel-held' ELSE '' END AS import_code,
    CASE WHEN repeated.first < keyed.place THEN 'duplicate-row' ELSE '' END AS import_warning,
    coalesce(order_id || '/' || number, '') AS import_fulfillment
FROM keyed
LEFT JOIN of_parcel USING (order_id, number)
LEFT JOIN of_order USING (order_id)
LEFT JOIN of_number USING (number)
LEFT JOIN too_large USING (order_id, number, sku)
LEFT JOIN repeated USING (order_id, number, sku, quantity);

COPY (
    SELECT manifest.*, getvariable('manifest') AS import_source, place + 2 AS import_row,
           told.* EXCLUDE (place)
    FROM manifest JOIN told ON manifest.rowid = told.place
    ORDER BY place
) TO '$rows' (HEADER);
"""


def main(manifest: Path, rows: Path) -> None:
    """Read, check, group and report."""
    with duckdb.connect() as connection:
        connection.execute("SET VARIABLE manifest = $manifest", {"manifest": str(manifest)})
        connection.execute(_SCRIPT.replace("$rows", str(rows)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
