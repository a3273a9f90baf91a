"""Somebody guesses tokens under forged addresses; whoever else is there notices nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import add_viewer
from tests.faults.observer import observe
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.web.running import get, post

TOKEN = "sixteen-letters!"
"""Short, so that the right one is locked out, too: nobody is to come in by guessing."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with open_simulator() as simulator:
        yield simulator


def forge(trial: Trial) -> dict[str, str]:
    """What a proxy would say of some client, as anybody can write it."""
    address = ".".join(str(trial.rng.randrange(1, 255)) for _ in range(4))
    return trial.rng.choice(
        [
            {"X-Forwarded-For": address},
            {"X-Forwarded-For": f"{address}, 127.0.0.1", "X-Forwarded-Proto": "https"},
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": f"2001:db8::{trial.rng.randrange(9999):x}"},
            {"X-Real-IP": address, "Forwarded": f"for={address}"},
            {"True-Client-IP": address, "CF-Connecting-IP": address},
        ]
    )


def guess(gateway: Gateway, trial: Trial, token: str) -> int:
    """The status of one try, by the form or as a bearer."""
    headers = forge(trial)
    if trial.rng.random() < 0.5:
        answer = post(f"{gateway.url}/login", data={"token": token}, headers=headers)
    else:
        headers["Authorization"] = f"Bearer {token}"
        answer = get(f"{gateway.url}/status", headers=headers)
    if answer.status_code == 429:
        assert 1 <= int(answer.headers["retry-after"]) <= 300
    return answer.status_code


@pytest.mark.fault(24)
def test_guesses_are_counted_whatever_they_claim(
    trial: Trial, simulator: Simulator, tmp_path: Path
) -> None:
    """
    1. Ann follows with her token, and has signed in; all are at one address.
    2. Somebody there guesses the owner's token, and then Ann's, of which the id is known.
    Result: 429 from the sixth try on, under whatever address; Ann is not refused once and her
    stream goes on; Bob comes in for the first time.
    3. The owner, who never came in from there, gives the right token.
    Result: 429, because it could have been guessed.
    """
    tries = trial.count(20, 200)
    viewers = tmp_path / "viewers.toml"
    ann, bob = (add_viewer(viewers, name, frozenset()) for name in ("ann", "bob"))
    variables = {"GATEWAY_TOKEN": TOKEN, "GATEWAY_VIEWERS": str(viewers)}
    with (
        open_served(simulator, GATEWAY_HEARTBEAT_S="0.2", **variables) as gateway,
        observe(gateway.port, "/events?symbols=SPY", token=ann) as observer,
    ):
        observer.wait_for("snapshot_end")
        answer = post(f"{gateway.url}/login", data={"token": ann})
        ways = [
            {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"},
            {"Authorization": f"Bearer {ann}"},
        ]
        taken_s: list[float] = []
        near = ann[:-1] + ("x" if ann[-1] == "y" else "y")
        for tokens in (["wrong-letters-16", "x" * 40, "y"], [near, f"{ann[:20]}{'y' * 32}"]):
            statuses = []
            for number in range(tries):
                statuses.append(guess(gateway, trial, tokens[number % len(tokens)]))
                begun_s = time.monotonic()
                assert get(f"{gateway.url}/status", headers=ways[number % 2]).status_code == 200
                taken_s.append(time.monotonic() - begun_s)
            assert statuses == [401] * 5 + [429] * (tries - 5)
        assert post(f"{gateway.url}/login", data={"token": bob}).status_code == 303
        assert guess(gateway, trial, TOKEN) == 429
        observer.wait_for("heartbeat", 3)
        assert observer.statuses == [200]
        assert not observer.lost_ns
    trial.tell(
        f"2 times {tries} tries under forged addresses: 5 got 401, {tries - 5} got 429 each time; "
        f"0 of {len(taken_s)} requests of another at that address were refused"
    )
