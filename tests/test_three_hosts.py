"""Three hosts post one inbox over one ledger, one is killed, and the others finish its work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.three_hosts import CONCURRENCY, HOSTS

pytestmark = pytest.mark.postgresql
ROOT = Path(__file__).parents[1]
SECONDS = 300
"""More than it takes on any machine; what takes longer hangs."""


def test_what_a_killed_host_has_left_of_thousands_is_finished_by_the_others_and_nothing_is_doubled() -> None:
    command = [sys.executable, "-m", "tests.three_hosts", "--fulfillments=2000", "--lease=3s", "--json"]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=SECONDS)

    result = json.loads(ended.stdout)
    assert {name: result[name] for name in ("fulfillments", "doubled", "lost", "faults")} == {
        "fulfillments": 2000,
        "doubled": 0,
        "lost": 0,
        "faults": [],
    }
    assert ended.returncode == 0
    assert result["shares"].keys() == {*HOSTS}
    assert min(result["shares"].values()) > 0
    assert sum(result["shares"].values()) + result["in_doubt"] == 2000
    assert result["in_doubt"] <= result["in_flight"] <= CONCURRENCY
