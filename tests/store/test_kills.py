"""A process is killed while it writes: nothing acknowledged is lost, nothing is there twice."""

import random
import select
import subprocess
import sys
import time

import pytest

from gateway.settings import StoreSettings
from gateway.store.database import open_database
from tests.simulation import ROOT
from tests.store.writer import LIST, OWNER
from tests.waiting import scaled

LONGEST_S = 0.08
"""Of writing before the kill; a write takes a millisecond or two."""


def write_and_kill(settings: StoreSettings, first: int, rng: random.Random) -> int:
    """The last number that was acknowledged, by a process that was killed at any instant."""
    address = "" if settings.database_url is None else settings.database_url.get_secret_value()
    arguments = [str(settings.folder), address, str(first)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer", *arguments], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], scaled(30))[0], "it wrote nothing"
        time.sleep(rng.uniform(0, LONGEST_S))
        process.kill()
        said = process.stdout.read().decode()
    lines = said.split("\n")[:-1]  # what stands behind the last line end is half a line
    assert lines, "it ended by itself"
    return int(lines[-1])


@pytest.mark.timeout(scaled(900))
def test_nothing_acknowledged_is_lost(
    settings: StoreSettings, request: pytest.FixtureRequest
) -> None:
    """
    1. A process appends to a list, and in the same transaction keeps a preference and a secret.
    2. kill -9, a random while after its first acknowledgement.
    3. The store is opened as a start does it, and read; the next process goes on from there.

    Result: all that was acknowledged is there, once, in its order; at most one more, which was
    kept and not yet acknowledged; list, preference and secret agree.
    """
    rng = random.Random(request.node.name)
    kills = 200 if request.config.getoption("--full") else 5
    first, unacknowledged = 0, 0
    for _ in range(kills):
        acknowledged = write_and_kill(settings, first, rng)
        database = open_database(settings)
        with database.begin(writes=True) as transaction:
            found = transaction.watchlists.read(OWNER, LIST)
            newest = transaction.preferences.read_all(OWNER)["newest"]
            secret = transaction.secrets.read(OWNER, "newest")
        database.close()
        assert found is not None
        kept = len(found.symbols)
        assert found.symbols == tuple(f"S{number}" for number in range(kept))
        assert kept - 1 in (acknowledged, acknowledged + 1)
        assert newest == secret == str(kept - 1)
        unacknowledged += kept - 1 - acknowledged
        first = kept
    sys.stdout.write(f"{kills} kills, {first} writes, {unacknowledged} not yet acknowledged\n")
    assert first >= kills
