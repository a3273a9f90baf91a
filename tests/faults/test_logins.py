"""Logins that end while their streams are open, and cookies that are sent once more."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from gateway.web.auth.authenticator import SIGNED_OUT
from gateway.web.auth.cookies import COOKIE
from tests.faults.observer import Observer, observe
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync
from tests.web.running import get, post

TOKEN = "a-token-of-the-tests"
LIFE_S = 2
AT_NS = time.time_ns() - time.monotonic_ns()
"""From the observer's clock to the one that logins live by."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with open_simulator() as simulator:
        yield simulator


def log_in(gateway: Gateway, before: str | None = None) -> str:
    """The cookie, as `name=value`."""
    headers = {} if before is None else {"Cookie": before}
    answer = post(f"{gateway.url}/login", data={"token": TOKEN}, headers=headers)
    assert answer.status_code == 303
    return f"{COOKIE}={answer.cookies[COOKIE]}"


def is_refused(browser: Observer) -> bool:
    return 401 in browser.statuses


def ask(gateway: Gateway, cookie: str) -> int:
    return get(f"{gateway.url}/status", headers={"Cookie": cookie}).status_code


@pytest.mark.fault(28)
@pytest.mark.parametrize("name", ["GATEWAY_LOGIN_IDLE_S", "GATEWAY_LOGIN_LIFE_S"])
def test_a_stream_ends_with_its_login(trial: Trial, simulator: Simulator, name: str) -> None:
    """
    1. A gateway with logins of two seconds runs; a script follows with the token.
    2. Browsers sign in at random instants and follow.
    Result: each hears `bye` within a second of the end of its login; its cookie gets 401 from then
    on; the script goes on.
    """
    count = trial.count(3, 50)
    variables = {"GATEWAY_TOKEN": TOKEN, "GATEWAY_HEARTBEAT_S": "0.5", name: str(LIFE_S)}
    with open_served(simulator, **variables) as gateway, ExitStack() as stack:
        port, path = gateway.port, "/events?symbols=SPY"
        script = stack.enter_context(observe(port, path, token=TOKEN))
        browsers: list[tuple[str, Observer]] = []
        for _ in range(count):
            cookie = log_in(gateway)
            opened = observe(port, path, cookie=cookie, retry_s=0.05)
            browsers.append((cookie, stack.enter_context(opened)))
            time.sleep(trial.rng.random() / 5)
        late_s = []
        for cookie, browser in browsers:
            eventually_sync(partial(is_refused, browser), 2 * LIFE_S + 2)
            [bye] = [each for each in browser.seen if each.kind == "bye"]
            assert browser.seen[-1] is bye
            assert bye.data["reason"] == SIGNED_OUT
            assert browser.statuses[0] == 200
            assert set(browser.statuses[1:]) == {401}, "the cookie was sent again"
            assert ask(gateway, cookie) == 401
            # A whole second, as in the cookie; for what is idle it began with the stream.
            began_s = int(cookie.split(".")[3])
            if "IDLE" in name:
                began_s = max(began_s, (browser.seen[0].at_ns + AT_NS) // 10**9)
            late_s.append((browser.lost_ns[0] + AT_NS) / 1e9 - began_s - LIFE_S)
        assert min(late_s) > -1.1, "none ended early"
        trial.measure(f"closed after its login's end ({name[14:-2].lower()})", late_s, at_most=1.0)
        assert script.statuses == [200]
        script.wait_for("heartbeat", 3)


@pytest.mark.fault(28)
def test_every_sign_in_is_a_session_of_its_own(trial: Trial, simulator: Simulator) -> None:
    """
    1. A browser signs in again and again, with the cookie that it had.
    2. It signs out.
    Result: another session each time; every cookie before gets 401.
    """
    count = trial.count(5, 100)
    with open_served(simulator, GATEWAY_TOKEN=TOKEN) as gateway:
        cookies = [log_in(gateway)]
        for _ in range(count - 1):
            cookies.append(log_in(gateway, cookies[-1]))
            assert (ask(gateway, cookies[-2]), ask(gateway, cookies[-1])) == (401, 200)
        sessions = {each.split(".")[2] for each in cookies}
        answer = post(f"{gateway.url}/logout", headers={"Cookie": cookies[-1]})
        assert answer.status_code == 303
        refused = [ask(gateway, each) for each in cookies].count(401)
    assert len(sessions) == refused == count
    trial.tell(f"{count} sign-ins, {len(sessions)} sessions; {refused} of {count} replayed got 401")
