-- The peer of `importer check` in one process: the same reading as text, rules, grouping and rows.csv.
-- A row's number is its rowid + 2, as the table keeps the order of the file.

CREATE TABLE raw AS
SELECT * FROM read_csv(getvariable('manifest'), all_varchar = true, header = true, delim = ',', quote = '"',
                       escape = '"', nullstr = '', null_padding = false);

CREATE MACRO damaged(cell) AS regexp_full_match(cell,
    '#(?:N/A|NV|N/D|[A-Z]{3,11}(?:/0)?[!?]|#+)|[+-]?\d(?:[.,]\d+[Ee](?:\+\d{1,3}|[1-9]\d{1,2})|[Ee]\+\d{1,3})'
    || '|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d\d|\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
    || '|[1-9]\d{14}00+(?:\.0)?');
