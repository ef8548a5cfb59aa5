"""What is measured, and how: whole processes, interleaved, medians, as ratios against a peer in the same run.

``python -m benchmarks`` prints a table and keeps no file. The peers do the same job plainly: ``plain_check``
reads, checks and reports with the csv module, a row at a time; ``plain_workbook`` has openpyxl read an .xlsx
for it; ``plain_post`` posts with one shared httpx.AsyncClient and no ledger. ``numbers`` judges tracking
numbers against a loop with a regex for each. ``edi`` times the segments of EDI beside pyx12 and pydifact, and
has ``importer check`` read an 856, for which there is no peer. ``start`` times the
help, and a check of a hundred rows beside importing pandas and pandera.
"""
