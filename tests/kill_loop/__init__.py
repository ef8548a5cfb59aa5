"""The guarantee, put to the proof: importers are ended at random moments, and a witness counts what they did.

``python -m tests.kill_loop`` ends hundreds of them in a minute and prints a table; with more ``--seconds``,
``--kills`` and ``--parcels`` it goes on for as long as one likes. ``witness`` is the platform, ``processes``
starts importers quickly, ``loop`` is what a scenario has to do with, ``scenarios`` are the ways to end a run,
and ``verdict`` compares the platform, the ledger and the report.
"""
