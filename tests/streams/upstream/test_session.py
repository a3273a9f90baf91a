"""The session against the simulator; schedules longer than a test on an injected clock."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.clock import Clock
from gateway.errors import GrantRevoked, Unauthorized, UpstreamError
from gateway.settings import BrokerSettings
from gateway.streams.hub.hub import Hub
from gateway.streams.records import Status
from gateway.streams.topics import status_topic
from gateway.streams.upstream.sdk import Session, get, open_sdk_session
from gateway.streams.upstream.session import (
    MAX_REFUSALS,
    REFUSED_PAUSE_S,
    BrokerSession,
)
from tests.faults.trial import Trial
from tests.simulation import Simulator
from tests.waiting import eventually


def make_hub() -> Hub:
    return Hub(epoch="test")


@asynccontextmanager
async def running(session: BrokerSession) -> AsyncIterator[BrokerSession]:
    """The session with its keeper running; afterwards no task of it is left."""
    keeper = asyncio.create_task(session.run(), name="session under test")
    try:
        yield session
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await eventually(
            lambda: not [t for t in asyncio.all_tasks() if t.get_name().startswith("session")]
        )


async def get_accounts(sdk: Session) -> Any:
    return await sdk._get("/customers/me/accounts")


async def refreshes(simulator: Simulator) -> int:
    state = await simulator.read()
    return int(state["counters"].get("refresh_requests", 0))


async def test_a_fresh_token_at_once(simulator: Simulator) -> None:
    hub = make_hub()
    before = await refreshes(simulator)
    async with running(BrokerSession(simulator.settings().broker, hub)) as session:
        async with asyncio.timeout(5):
            sdk = await session.ready()
        assert sdk.session_token
        assert await refreshes(simulator) == before + 1
        status = hub.latest(status_topic("session"))
        assert isinstance(status, Status)
        assert status.state == "live"
        assert (session.report().token_expires_in_s or 0) > 800


@pytest.mark.fault(16)
async def test_one_refresh_for_a_hundred_unauthorized_calls(
    simulator: Simulator, trial: Trial
) -> None:
    turns = trial.count(1, 20)
    async with running(BrokerSession(simulator.settings().broker, make_hub())) as session:
        await session.ready()
        before = await refreshes(simulator)
        for turn in range(1, turns + 1):
            await simulator.control("tokens", expire=True)
            answers = await asyncio.gather(*(session.call(get_accounts) for _ in range(100)))
            assert all(len(answer["items"]) == 2 for answer in answers)
            assert await refreshes(simulator) == before + turn
            assert session.generation == turn + 1
    trial.tell(f"{turns} refreshes for {turns} times 100 waiting calls, none of which failed")


@pytest.mark.fault(15)
async def test_a_failing_refresh_is_tried_again_then_replaced(simulator: Simulator) -> None:
    """OAuth answers 503 four times: the old token serves meanwhile, then a new session is there."""
    made: list[Session] = []

    def make(settings: BrokerSettings) -> Session:
        made.append(open_sdk_session(settings))
        return made[-1]

    hub = make_hub()
    settings = simulator.settings(refresh_s=1).broker
    async with running(BrokerSession(settings, hub, make=make)) as session:
        first = await session.ready()
        await simulator.control("oauth", status=503, count=4)

        def is_degraded() -> bool:
            status = hub.latest(status_topic("session"))
            return isinstance(status, Status) and status.state == "degraded"

        await eventually(is_degraded, 10)
        assert len((await session.call(get_accounts))["items"]) == 2
        await eventually(lambda: session._sdk is not first and session.generation > 1, 20)
        assert len(made) > 1
        assert len((await session.call(get_accounts))["items"]) == 2
        status = hub.latest(status_topic("session"))
        assert isinstance(status, Status)
        assert status.state == "live"


@pytest.mark.fault(15)
async def test_a_revoked_grant_stops_the_trying(simulator: Simulator) -> None:
    """Three refusals, then pauses of five minutes; the status tells what to do."""
    delays: list[float] = []
    over = asyncio.Event()

    async def sleep(delay_s: float) -> None:
        delays.append(delay_s)
        if len(delays) == MAX_REFUSALS:
            over.set()
            await asyncio.Event().wait()

    hub = make_hub()
    await simulator.control("oauth", revoke=True)
    before = (await simulator.read())["counters"]
    async with running(BrokerSession(simulator.settings().broker, hub, sleep=sleep)) as session:
        async with asyncio.timeout(10):
            await over.wait()
        assert delays[-1] == REFUSED_PAUSE_S
        assert all(delay_s < 10 for delay_s in delays[:-1])
        for _ in range(5):
            with pytest.raises(GrantRevoked):
                await session.renew(session.generation)
        after = (await simulator.read())["counters"]
        assert after["grants_refused"] - before.get("grants_refused", 0) == MAX_REFUSALS
        status = hub.latest(status_topic("session"))
        assert isinstance(status, Status)
        assert status.state == "closed"
        assert "sign in again" in (status.reason or "")


class FakeSdk:
    """A session that needs no server, for schedules of hours."""

    def __init__(self, wall: Any, life_s: float) -> None:
        self._wall = wall
        self._life_s = life_s
        self.session_expiration = 0.0
        self.refreshed_at: list[float] = []

    async def __aenter__(self) -> "FakeSdk":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def refresh(self, force: bool = False) -> None:
        assert force
        self.refreshed_at.append(self._wall())
        self.session_expiration = self._wall() + self._life_s


@pytest.mark.parametrize(
    ("life_s", "period_s"), [(900.0, 600.0), (300.0, 225.0), (100_000.0, 600.0)]
)
async def test_the_schedule_over_two_hours(life_s: float, period_s: float) -> None:
    """Every ten minutes; sooner when the told life is shorter."""
    now_s = 1_000_000.0
    over = asyncio.Event()

    async def sleep(delay_s: float) -> None:
        nonlocal now_s
        now_s += delay_s
        if now_s > 1_000_000.0 + 7200:
            over.set()
            await asyncio.Event().wait()

    fake = FakeSdk(lambda: now_s, life_s)
    settings = BrokerSettings(secret=SecretStr("s"), refresh=SecretStr("r"))
    session = BrokerSession(
        settings,
        make_hub(),
        make=lambda _: fake,  # type: ignore[arg-type, return-value]
        sleep=sleep,
        clock=Clock(wall_s=lambda: now_s),
    )
    async with running(session):
        async with asyncio.timeout(5):
            await over.wait()
    expected = [1_000_000.0 + i * period_s for i in range(int(7200 // period_s) + 1)]
    assert fake.refreshed_at == expected


@pytest.mark.fault(15)
@pytest.mark.parametrize("error", [KeyError("access_token"), ValueError("not JSON"), TypeError()])
async def test_an_answer_that_cannot_be_read_is_no_reason_to_stop(error: Exception) -> None:
    """The login server says something else than a token; half a minute later it mends itself."""
    now_s = 1_000_000.0
    over = asyncio.Event()

    class Strange(FakeSdk):
        async def refresh(self, force: bool = False) -> None:
            if now_s < 1_000_030.0:
                raise error
            await super().refresh(force)
            over.set()

    async def sleep(delay_s: float) -> None:
        nonlocal now_s
        now_s += delay_s
        if over.is_set():
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    hub = make_hub()
    session = BrokerSession(
        BrokerSettings(secret=SecretStr("s"), refresh=SecretStr("r")),
        hub,
        make=lambda _: Strange(lambda: now_s, 900.0),  # type: ignore[arg-type, return-value]
        sleep=sleep,
        clock=Clock(wall_s=lambda: now_s),
    )
    async with running(session):
        async with asyncio.timeout(5):
            await session.ready()
        status = hub.latest(status_topic("session"))
        assert isinstance(status, Status)
        assert status.state == "live"
        assert now_s < 1_000_100.0


async def test_no_period_means_no_refresh_until_it_is_needed(simulator: Simulator) -> None:
    async with running(
        BrokerSession(simulator.settings(refresh_s=0).broker, make_hub())
    ) as session:
        await session.ready()
        before = await refreshes(simulator)
        await session.call(get_accounts)
        assert await refreshes(simulator) == before
        await simulator.control("tokens", expire=True)
        await session.call(get_accounts)
        assert await refreshes(simulator) == before + 1


async def test_a_call_that_stays_unauthorized_is_tried_once_more_only(
    simulator: Simulator,
) -> None:
    tries = 0

    async def refused(sdk: Session) -> None:
        nonlocal tries
        tries += 1
        raise Unauthorized("no")

    async with running(BrokerSession(simulator.settings().broker, make_hub())) as session:
        with pytest.raises(Unauthorized):
            await session.call(refused)
        assert tries == 2


async def test_no_secret_is_logged_even_at_debug(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = simulator.settings().broker
    async with running(BrokerSession(settings, make_hub())) as session:
        sdk = await session.ready()
        await session.call(get_accounts)
        assert settings.secret
        assert settings.refresh
        for secret in (
            sdk.session_token,
            settings.secret.get_secret_value(),
            settings.refresh.get_secret_value(),
        ):
            assert secret not in caplog.text


async def test_a_request_that_waited_until_the_session_was_replaced_is_no_bug(
    simulator: Simulator,
) -> None:
    """Its stage tries again, instead of being restarted as after an error of our own."""

    async def request(sdk: Session) -> dict[str, Any]:
        await sdk._client.aclose()
        return await get(sdk, "/customers/me/accounts")

    async with running(BrokerSession(simulator.settings().broker, make_hub())) as session:
        with pytest.raises(UpstreamError, match="replaced meanwhile"):
            await session.call(request)
