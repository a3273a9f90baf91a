"""Transfers and alerts on demand, as the account streamer tells them."""

import gc
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anyio
import pytest
from tastytrade import Account, AlertStreamer
from tastytrade.streamer import ExternalTransaction, QuoteAlert
from tastytrade.watchlists import Watchlist

from gateway.simulator.app import Simulator
from tests.simulator.broker.test_account_stream import open_stream
from tests.simulator.client import get, get_token, open_session, post, switch
from tests.waiting import eventually, scaled

MAIN = "5WX00001"
# The SDK leaves its streams to the garbage collector; collected here, no later test hears of it.
UNCLOSED = "ignore:Unclosed <MemoryObject:ResourceWarning"


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect what a test left behind before its warnings count as another's."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


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


async def test_a_public_list_changes_and_is_pushed_to_who_subscribed(closed: Simulator) -> None:
    at = closed.addresses
    async with open_stream(closed) as stream, open_stream(closed) as other:
        await stream.ask("connect", value=at.accounts)
        await stream.ask("public-watchlists-subscribe")
        await other.ask("connect", value=at.accounts)
        await switch(at, "public_list", name="Dow Jones", symbols=["KO"])
        push = await stream.hear()
        assert (push["type"], push["data"]["name"]) == ("PublicWatchlists", "Dow Jones")
        assert (await other.ask("heartbeat"))["action"] == "heartbeat"
        token = await get_token(at)
        one = await get(f"{at.rest}/public-watchlists/Dow%20Jones", token)
        assert one.json()["data"] == push["data"]
        await switch(at, "public_list", name="New", symbols=[])
        counts = await get(f"{at.rest}/public-watchlists?counts-only=true", token)
        found = {e["name"]: e["watchlist-entry-count"] for e in counts.json()["data"]["items"]}
        assert (found["Dow Jones"], found["New"]) == (1, 0)


async def test_an_alert_fires_when_the_market_moves(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_stream(simulator) as stream:
        await stream.ask("connect", value=at.accounts)
        await stream.ask("quote-alerts-subscribe")
        await switch(at, "quote_alert", symbol="KO", threshold=90)
        await switch(at, "quote", symbol="KO", bid=95, ask=96, last=95)
        assert (await stream.hear())["type"] == "QuoteAlert"


@pytest.mark.filterwarnings(UNCLOSED)
@pytest.mark.usefixtures("collected")
async def test_the_sdk_reads_all_of_it(closed: Simulator) -> None:
    at = closed.addresses
    async with open_session(at) as session:
        accounts = await Account.get(session)
        with anyio.fail_after(scaled(10)):
            async with AlertStreamer(session) as streamer:
                await streamer.subscribe_accounts(accounts)
                await streamer.subscribe_quote_alerts()
                await streamer.subscribe_public_watchlists()
                # Subscribing does not wait for the answer.
                await eventually(lambda: closed.world.journal.counts["account_messages"] >= 3)
                await switch(at, "quote_alert", symbol="KO", threshold=1)
                await switch(at, "transfer", account=MAIN, amount="-20.25")
                await switch(at, "public_list", name="Dow Jones", symbols=["KO", "/ES"])
                async for changed in streamer.listen(Watchlist):
                    assert changed.name == "Dow Jones"
                    assert changed.watchlist_entries is not None
                    assert len(changed.watchlist_entries) == 2
                    break
                async for alert in streamer.listen(QuoteAlert):
                    assert (alert.symbol, alert.threshold_numeric) == ("KO", Decimal(1))
                    assert alert.triggered_at == alert.completed_at
                    break
                async for transfer in streamer.listen(ExternalTransaction):
                    assert (transfer.amount, transfer.direction) == (Decimal("20.25"), "Outgoing")
                    assert transfer.funds_available_date > transfer.banking_date
                    break


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("transfer", {"account": MAIN, "amount": "0"}),
        ("transfer", {"account": MAIN, "amount": "Infinity"}),
        ("transfer", {"id": 1}),
        ("public_list", {"symbols": ["KO"]}),
        ("quote_alert", {"threshold": "high"}),
        ("quote_alert", {"threshold": 1, "symbol": "NOPE"}),
        ("quote_alert", {"threshold": 1, "operator": "="}),
    ],
)
async def test_what_is_refused(closed: Simulator, name: str, body: dict[str, Any]) -> None:
    answer = await post(f"{closed.addresses.control}/{name}", json=body)
    assert answer.status_code == 400
