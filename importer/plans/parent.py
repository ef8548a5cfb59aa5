"""A plan's job sees when the plan has died: nobody waits for it then, and it ends as after SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

VARIABLE: Final = "IMPORTER_PLAN_PID"
"""The environment variable with the process of the plan whose job this is."""
_LOOK_SECONDS: Final = 1.0


def follow(environment: MutableMapping[str, str]) -> None:
    """Have SIGTERM sent to this process, once, when the plan that has begun it is dead.

    Without a plan there is nothing to be done. What this process starts itself is no job of the plan: the
    variable is taken out of ``environment``.
    """
    plan = environment.pop(VARIABLE, "")
    if plan.isdecimal():
        threading.Thread(target=_look, args=(int(plan),), name="plan", daemon=True).start()


def _look(plan: int) -> None:
    # Linux can send a signal when the parent dies (PR_SET_PDEATHSIG), but it sends one for each thread that
    # the parent had, and the second one ends a run at once, with what is in flight in doubt
    while os.getppid() == plan:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
