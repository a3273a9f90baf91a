"""Transfers and alerts on demand, as the account streamer tells them."""

from typing import Any

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.broker.test_account_stream import open_stream
from tests.simulator.client import get, get_token, post, switch

MAIN = "5WX00001"


async def test_a_transfer_is_pending_and_then_comes(closed: Simulator) -> None:
    at = closed.addresses
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=at.accounts)
        begun = await switch(at, "transfer", account=MAIN, amount="500")
        told, balance = await stream.hear(), await stream.hear()
        assert (told["type"], told["data"]["amount"]) == ("ExternalTransaction", "500.0")
        assert (balance["type"], balance["data"]["pending-cash"]) == ("AccountBalance", "500.0")
        await switch(at, "transfer", id=begun["done"])
        told, balance = await stream.hear(), await stream.hear()
        assert told["data"]["state"] == "Completed"
        assert balance["data"]["pending-cash"] == "0.0"
        assert balance["data"]["cash-balance"] == "41750.37"


async def test_an_alert_is_pushed_once_to_who_subscribed(closed: Simulator) -> None:
    at = closed.addresses
    async with open_stream(closed) as stream, open_stream(closed) as other:
        await stream.ask("connect", value=at.accounts)
        await stream.ask("quote-alerts-subscribe")
        await other.ask("connect", value=at.accounts)
        await switch(at, "quote_alert", symbol="KO", operator=">", threshold=1, field="Last")
        push = await stream.hear()
        assert (push["type"], push["data"]["symbol"]) == ("QuoteAlert", "KO")
        assert push["data"]["triggered-at"]
        for each in (stream, other):
            assert (await each.ask("heartbeat"))["action"] == "heartbeat"
    answer = await get(f"{at.rest}/quote-alerts", await get_token(at))
    waiting, fired = answer.json()["data"]["items"]
    assert "triggered-at" not in waiting
    assert fired == push["data"]


async def test_an_alert_fires_when_the_market_moves(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_stream(simulator) as stream:
        await stream.ask("connect", value=at.accounts)
        await stream.ask("quote-alerts-subscribe")
        await switch(at, "quote_alert", symbol="KO", threshold=90)
        await switch(at, "quote", symbol="KO", bid=95, ask=96, last=95)
        assert (await stream.hear())["type"] == "QuoteAlert"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("transfer", {"account": MAIN, "amount": "0"}),
        ("transfer", {"account": MAIN, "amount": "Infinity"}),
        ("transfer", {"id": 1}),
        ("quote_alert", {"threshold": "high"}),
        ("quote_alert", {"threshold": 1, "symbol": "NOPE"}),
        ("quote_alert", {"threshold": 1, "operator": "="}),
    ],
)
async def test_what_is_refused(closed: Simulator, name: str, body: dict[str, Any]) -> None:
    answer = await post(f"{closed.addresses.control}/{name}", json=body)
    assert answer.status_code == 400
