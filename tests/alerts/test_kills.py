"""A process is killed while alerts fire: none is lost, none fires twice."""

import random
import select
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from gateway.alerts.states import State
from gateway.alerts.watcher import Firing
from gateway.settings import StoreSettings
from gateway.store.database import open_database
from tests.alerts.crosser import ID, OWNER
from tests.simulation import ROOT
from tests.waiting import scaled

RULE = (
    b'{"when": {"key": "quote_update:SPY", "field": "last", "op": "crosses_above", "value": 100},'
    b' "rearm": "cross"}'
)
LONGEST_S = 0.2
"""Of crossing before the kill."""


def cross_and_kill(folder: Path, rng: random.Random) -> int:
    """The last arm that was published, by a process that was killed at any instant."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.alerts.crosser", str(folder)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], scaled(30))[0], "nothing fired"
        time.sleep(rng.uniform(0, LONGEST_S))
        process.kill()
        said = process.stdout.read().decode()
    lines = said.split("\n")[:-1]  # what stands behind the last line end is half a line
    assert lines, "it ended by itself"
    return int(lines[-1])


@pytest.mark.timeout(scaled(900))
def test_no_firing_is_lost_or_doubled(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """
    1. A process's price crosses the threshold of an alert that fires at every cross.
    2. kill -9, a random while after the first firing that it published.
    3. The store is opened as a start does it, and read; the next process goes on from there.

    Result: what was published is kept; the arms that fired follow each other without a hole, each
    once, and the state's arm is the last that fired or the one behind it.
    """
    settings = StoreSettings(tmp_path)
    database = open_database(settings)
    with database.begin(writes=True) as rows:
        rows.alerts.add(ID, OWNER, RULE.decode(), msgspec.json.encode(State()).decode())
    database.close()
    rng = random.Random(request.node.name)
    kills = 100 if request.config.getoption("--full") else 4
    before = 0
    for _ in range(kills):
        published = cross_and_kill(tmp_path, rng)
        database = open_database(settings)
        with database.begin(writes=True) as rows:
            (kept,) = rows.alerts.read_all()
        database.close()
        arms = [msgspec.json.decode(each, type=Firing).arm for each in kept.firings]
        assert arms == list(range(arms[0], arms[-1] - 1, -1))
        assert arms[0] >= published > before
        assert msgspec.json.decode(kept.state, type=State).arm in (arms[0], arms[0] + 1)
        before = arms[0]
