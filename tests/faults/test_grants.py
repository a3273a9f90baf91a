"""Viewers whose grants change while they watch, over real sockets from the broker's to theirs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from gateway.web.auth.authenticator import ACCESS_CHANGED
from gateway.web.auth.viewers import add_viewer, remove_viewer
from tests.faults.observer import Observer, observe
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync
from tests.web.running import get

TOKEN = "a-token-of-the-tests"
ACCOUNTS = ("5WX00001", "5WY00002")
PATH = f"/events?types=balance_update&accounts={','.join(ACCOUNTS)}"


@dataclass(slots=True)
class Watcher:
    """Somebody who asks for both accounts and was granted these."""

    name: str
    granted: frozenset[str]
    token: str
    observer: Observer


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with open_simulator("--rate", "5") as simulator:
        simulator.control_sync("account", push_s=0.1, push_marks=True)
        yield simulator


def accounts_of(observer: Observer) -> set[str]:
    return {each.data["account"] for each in observer.seen if each.kind == "balance_update"}


def is_told_more(observer: Observer, count: int) -> bool:
    return count_frames(observer) > count


def count_frames(observer: Observer) -> int:
    return sum(each.kind == "balance_update" for each in observer.seen)


@pytest.mark.fault(2)
def test_a_grant_that_is_taken_back_ends_the_stream(
    trial: Trial, simulator: Simulator, tmp_path: Path
) -> None:
    """
    1. The owner and viewers with either account, both or none follow; all ask for both accounts.
    2. One after the other is removed, and comes back as somebody new with other grants, with the
       last id that the owner was given.
    Result: `bye` and the end within a second; refused from then on; nobody is given anything of an
    account that is not granted, live, in a snapshot or resumed.
    """
    rounds = trial.count(3, 40)
    viewers = tmp_path / "viewers.toml"
    choices = [frozenset(), frozenset(ACCOUNTS[:1]), frozenset(ACCOUNTS[1:]), frozenset(ACCOUNTS)]
    took_s: list[float] = []
    frames = 0

    def come(gateway: Gateway, stack: ExitStack, number: int, path: str) -> Watcher:
        name, granted = f"viewer-{number}", choices[number % len(choices)]
        gateway.log.clear()
        token = add_viewer(viewers, name, granted)
        gateway.wait_for(f"read the viewers file again; viewers: {min(number + 1, 4)}")
        # Not to come back by itself: what then is refused counts as guesses from this address.
        observer = stack.enter_context(observe(gateway.port, path, token=token, retry_s=600))
        observer.wait_for("hello")
        return Watcher(name, granted, token, observer)

    variables = {"GATEWAY_TOKEN": TOKEN, "GATEWAY_VIEWERS": str(viewers)}
    with open_served(simulator, **variables) as gateway, ExitStack() as stack:
        owner = stack.enter_context(observe(gateway.port, PATH, token=TOKEN))
        eventually_sync(lambda: accounts_of(owner) == set(ACCOUNTS), 15)
        watchers = [come(gateway, stack, number, PATH) for number in range(4)]
        for number in range(4, 4 + rounds):
            before = count_frames(owner)
            eventually_sync(partial(is_told_more, owner, before))
            watcher = watchers.pop(trial.rng.randrange(len(watchers)))
            remove_viewer(viewers, watcher.name)
            removed_ns = time.monotonic_ns()
            observer = watcher.observer
            eventually_sync(partial(getattr, observer, "lost_ns"))
            took_s.append((observer.lost_ns[0] - removed_ns) / 1e9)
            assert observer.seen[-1].data["reason"] == ACCESS_CHANGED
            headers = {"Authorization": f"Bearer {watcher.token}"}
            status = get(f"{gateway.url}/api/snapshot", headers=headers).status_code
            assert status in {401, 429}, "from the sixth on it counts as guessing"
            last = next(each.event.id for each in reversed(owner.seen) if each.event.id)
            path = f"{PATH}&last_event_id={last}" if number % 2 else PATH
            watchers.append(come(gateway, stack, number, path))
            assert accounts_of(observer) <= watcher.granted
            frames += count_frames(observer)
        for watcher in watchers:
            assert accounts_of(watcher.observer) <= watcher.granted
            frames += count_frames(watcher.observer)
            headers = {"Authorization": f"Bearer {watcher.token}"}
            found = get(f"{gateway.url}/api/snapshot", headers=headers).json()["balances"]
            assert {each["account"] for each in found} == watcher.granted
        assert owner.statuses == [200]
    trial.measure("ended after a grant was taken back", took_s, at_most=1.0)
    trial.tell(f"0 of {frames:,} frames of real processes without a grant")
