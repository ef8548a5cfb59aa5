"""Several destinations and accounts in one run: a plan's jobs → processes side by side → one summary.

``plan`` reads the file, ``places`` sees that jobs don't take each other's files, ``processes`` runs them
until an ``interruption``, ``reports`` reads what they wrote, ``ended`` is what came of it all, and
``terminal`` shows it.
"""
