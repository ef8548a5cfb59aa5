"""Manifest file → rows → fulfillments → posts → report.

The packages are called that: ``manifests`` reads what carriers send, ``rows`` checks it, ``fulfillments``
groups it into one fulfillment per tracking number, ``posts`` sends each at most once, and ``report`` says
per row what became of it. ``pipeline`` joins them; ``ledger`` remembers across runs.
"""
