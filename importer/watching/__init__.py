"""Who is not at the terminal hears of a run: nothing here ever makes one fail, and little makes it wait.

``ending`` is how a run ended, in the words of all of these: ``metrics`` is a file for Prometheus, ``pings``
ask a watchdog to miss us, ``messages`` are for people, ``logs`` for machines, and ``traces`` for those who
follow each request. The last two listen while a run posts, with its ``ears``. ``unreported`` keeps in mind of
which trouble people are to hear the end.
"""
