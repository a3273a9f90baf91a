"""One clock that a test moves: hours, half days, nights and other days, over real sockets."""

import time
from typing import Any

import pytest

from gateway.simulator.app import Simulator
from gateway.simulator.clock import Clock
from tests.simulator.client import fetch, get, get_token, open_feed, post, read_state, switch
from tests.waiting import eventually

MAIN = "5WX00001"
HALF_DAY = "2026-11-27"


def test_a_clock_goes_on_from_where_it_is_put() -> None:
    clock = Clock()
    assert clock.now() == pytest.approx(time.time(), abs=1)
    clock.move_to(1_000.0)
    assert 1_000.0 <= clock.now() < 1_010.0
    assert clock.at(clock.steady() + 60) == pytest.approx(clock.now() + 60, abs=1)
    clock.follow_machine()
    assert clock.now() == pytest.approx(time.time(), abs=1)


async def read(simulator: Simulator, path: str, **query: Any) -> Any:
    at = simulator.addresses
    answer = await get(f"{at.rest}{path}", await get_token(at), **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_a_half_day_ends_at_one(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "market", mode="auto")
    states = {}
    for hour in ("03:00", "08:00", "12:55", "13:05", "17:05"):
        await switch(at, "clock", at=f"{HALF_DAY}T{hour}:00-05:00")
        (session,) = (await read(simulator, "/market-time/sessions/current"))["items"]
        states[hour] = session["state"]
        assert session["close-at"] == f"{HALF_DAY}T18:00:00.000+00:00"
    assert states == {
        "03:00": "Closed",
        "08:00": "Pre-market",
        "12:55": "Open",
        "13:05": "Extended",
        "17:05": "Closed",
    }


async def test_after_hours_trades_are_extended_ones(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "clock", at="2026-11-25T16:30:00-05:00")
    await switch(at, "market", mode="auto", rate=20)
    fields = {"TradeETH": ["eventSymbol", "price", "extendedTradingHours"]}
    async with open_feed(at, fields=fields) as link:
        await link.subscribe(1, "TradeETH", "SPY")
        await link.subscribe(1, "Trade", "SPY")
        regular = await link.data(1, "Trade")
        while not (values := await link.data(1, "TradeETH"))[2]:
            pass
        assert values[0] == "SPY"
        data = (await read(simulator, "/market-data/by-type", equity="SPY"))["items"][0]
        assert data["last"] == data["close"] == str(regular[6])
        # In regular hours the last extended trade is no longer the current one.
        await switch(at, "market", mode="open")
        while (await link.data(1, "TradeETH"))[2]:
            pass


@pytest.mark.parametrize(("mode", "moves"), [("pre-market", False), ("extended", False)])
async def test_outside_regular_hours_options_and_indices_rest(
    simulator: Simulator, mode: str, moves: bool
) -> None:
    at, market = simulator.addresses, simulator.world.market
    await switch(at, "market", mode=mode, rate=20)
    spx, spy = market.find("SPX"), market.find("SPY")
    assert spx is not None
    assert spy is not None
    first, quoted = spx.sequence, spy.sequence
    await eventually(lambda: spy.sequence > quoted + 10)
    assert (spx.sequence > first) is moves
    (session,) = (await read(simulator, "/market-time/sessions/current"))["items"]
    assert session["state"] == {"pre-market": "Pre-market", "extended": "Extended"}[mode]


async def test_midnight_ends_what_was_realized(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "clock", at="2027-03-10T23:59:00-05:00")
    closed = {"include-closed-positions": "true"}
    rows = (await read(simulator, f"/accounts/{MAIN}/positions", **closed))["items"]
    assert any(row["quantity-direction"] == "Zero" for row in rows)
    done = (await switch(at, "clock", at="2027-03-11T00:01:00-05:00"))["done"]
    assert done == 0
    rows = (await read(simulator, f"/accounts/{MAIN}/positions", **closed))["items"]
    assert not any(row["quantity-direction"] == "Zero" for row in rows)
    assert {row["realized-today"] for row in rows} == {"0.0"}
    assert (await read(simulator, f"/accounts/{MAIN}/transactions/total-fees")) == {
        "total-fees": "0.0",
        "total-fees-effect": "None",
    }


async def test_a_day_far_away_begins_again(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY")
        done = (await switch(at, "clock", at="2028-06-01T11:00:00-04:00"))["done"]
        assert done == 1
        assert await link.closed() == 1012
    (chain,) = (await read(simulator, "/option-chains/SPY/nested"))["items"]
    assert chain["expirations"][0]["expiration-date"] == "2028-06-01"
    assert (await read(simulator, f"/accounts/{MAIN}/balances/USD"))["snapshot-date"] == (
        "2028-06-01"
    )
    await switch(at, "clock")
    assert (await read_state(at))["market"]["as_of"] == pytest.approx(time.time(), abs=5)


async def test_tokens_live_on_the_steady_clock(closed: Simulator) -> None:
    at = closed.addresses
    token = await get_token(at)
    await switch(at, "clock", at=closed.world.market.now + 3 * 86_400)
    assert (await fetch(f"{at.rest}/customers/me", token)).status_code == 200


@pytest.mark.parametrize("instant", ["noon", "2026-11-27T12:00:00"])
async def test_what_is_no_instant(closed: Simulator, instant: str) -> None:
    assert (
        await post(f"{closed.addresses.control}/clock", json={"at": instant})
    ).status_code == 400
