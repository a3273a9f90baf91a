"""A gateway of another release on the same Valkey: not joined while it publishes (row 55)."""

import pytest

from gateway.streams.backplane.scripts import FORMAT, FORMAT_KEY, LEASE, NEWEST, OLD_LEASE, POSITION
from tests.faults.trial import Trial
from tests.processes import Process
from tests.valkey import open_valkey
from tests.waiting import eventually_sync, scaled
from tests.world import open_world

TOLD = "a gateway of another release publishes on this server"

MARKS = {
    "first": (OLD_LEASE, "somebody/1/old", "format 1 instead of"),
    "later": (FORMAT_KEY, str(FORMAT + 1), f"format {FORMAT + 1} instead of"),
}
"""What releases in other formats leave behind: the key, its value, and what is said of it."""

READY = {"serve": "live on ", "feed": "standing by"}


@pytest.mark.fault(55)
@pytest.mark.timeout(scaled(60))
@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("feed",)], ids=["web", "feed"])
def test_another_release_that_publishes_is_not_joined(
    command: tuple[str, ...], name: str, trial: Trial
) -> None:
    """
    1. A Valkey on which a gateway of an earlier, or a later, release publishes.
    2. A web process, or a feed process, is started on it.
    Result: it says so and what to do, in one line; it publishes nothing and touches nothing of the
    other's; when the other is gone it joins by itself.
    """
    key, value, said = MARKS[name]
    with open_valkey() as valkey:
        valkey.redis.set(key, value)
        process = Process(
            *command,
            REDIS_URL=valkey.url,
            GATEWAY_TOKEN="a-token-of-the-tests",
            TT_SECRET="none",
            TT_REFRESH="none",
        )
        try:
            line = process.wait_for(TOLD, 20)
            assert said in line
            assert "stop it, or use another database number" in line
            process.wait_for(READY[command[0]], 20)
            assert valkey.redis.get(key) == value.encode()
            assert not valkey.redis.exists(LEASE, NEWEST, POSITION)
            valkey.redis.delete(key)
            if command[0] == "feed":
                eventually_sync(lambda: valkey.redis.exists(LEASE), 20)
            else:
                process.wait_for("the server answers again", 20)
            assert len([each for each in process.log if TOLD in each]) == 1
        finally:
            process.kill()
        assert not [each for each in process.log if "Traceback" in each]
    trial.tell(f"{command[0]} beside the {name} format: told in one line, joined when it is gone")


@pytest.mark.fault(55)
@pytest.mark.timeout(scaled(90))
def test_records_of_a_later_release_are_left_out(trial: Trial) -> None:
    """
    1. A feed and a web process are live.
    2. The newest records get one of a kind that nobody here knows, as a later release writes it.
    3. Another web process is started.
    Result: it is live with all that it can read, and counts what it cannot.
    """
    with open_world() as world:
        world.open_leader()
        first = world.open_web()
        eventually_sync(first.is_live, 15)
        records = [bytes(each) for each in world.valkey.redis.hvals(NEWEST)]  # type: ignore[arg-type]
        sample = next(each for each in records if b"quote_update" in each)
        world.valkey.redis.hset(
            NEWEST, "a later record", sample.replace(b"quote_update", b"later_update")
        )
        second = world.open_web()
        eventually_sync(second.is_live, 15)
        assert second.read_metrics()["unreadable_total"] >= 1
        assert {each["type"] for each in second.snapshot()["quotes"]} == {"quote_update"}
        assert first.is_live()
    trial.tell("a record of an unknown kind: left out and counted, all others live")
