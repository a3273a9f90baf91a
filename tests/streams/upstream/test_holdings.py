"""Positions and orders against the simulator: at once, pushed, after what was missed."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from gateway.streams.records import Status
from gateway.streams.topics import status_topic
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.holdings import Holdings
from gateway.streams.upstream.position_book import PositionKey
from tests.simulation import Simulator
from tests.streams.running import Running, running
from tests.waiting import eventually


def holdings(up: Running) -> Holdings:
    return up.upstream.accounts.holdings


def status(up: Running) -> Status:
    record = up.hub.latest(status_topic("accounts"))
    assert isinstance(record, Status)
    return record


async def wait_until_live(up: Running) -> None:
    await eventually(lambda: status(up).state == "live", 15)


async def read_rest(up: Running, path: str) -> list[dict[str, Any]]:
    sdk = await up.upstream.session.ready()
    data = await sdk._get(path)
    items: list[dict[str, Any]] = data["items"]
    return items


def has_read(up: Running, count: int) -> bool:
    return holdings(up).readings >= count


async def place(simulator: Simulator, account: str, symbol: str = "KO", **body: Any) -> int:
    given = {
        "account": account,
        "legs": [{"action": "Buy to Open", "symbol": symbol, "quantity": 5}],
        "price": "-10.00",
    }
    done: int = (await simulator.control("order", **given | body))["done"]
    return done


def find(up: Running, account: str, symbol: str) -> Decimal | None:
    row = holdings(up).positions.get(PositionKey(account, symbol))
    return None if row is None else row.holding.signed_quantity


async def test_everything_that_rest_lists_is_known_before_the_accounts_are_live(
    simulator: Simulator,
) -> None:
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        for account in simulator.hello["accounts"]:
            listed = await read_rest(
                up, f"/accounts/{account}/positions?include-closed-positions=true"
            )
            known = {
                row.holding.broker_symbol
                for row in holdings(up).positions.rows()
                if row.account == account
            }
            assert known == {each["symbol"] for each in listed}
            orders = await read_rest(up, f"/accounts/{account}/orders/live?per-page=200")
            replaced = {str(each.get("replaces-order-id")) for each in orders}
            assert {
                row.order_id for row in holdings(up).orders.rows() if row.account == account
            } == {str(each["id"]) for each in orders} - replaced
        assert status(up).reason is None


async def test_a_fill_changes_positions_and_orders_within_a_second(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        before = find(up, account, "KO") or Decimal(0)
        order = await place(simulator, account)
        await simulator.control("order", do="fill", account=account, id=order)
        await eventually(lambda: find(up, account, "KO") == before + 5, 1)
        rows = {row.order_id: row for row in holdings(up).orders.rows()}
        assert rows[str(order)].status == "Filled"


async def test_lost_pushes_are_noticed_and_read_again(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        before = find(up, account, "WMT") or Decimal(0)
        order = await place(simulator, account, "WMT")
        await eventually(lambda: holdings(up).pushes > 0)
        # Everything that the fill pushes is lost; what the next push shows is the hole.
        await simulator.control("account", lose=5)
        await simulator.control("order", do="fill", account=account, id=order)
        await simulator.control("account", lose=0)
        await place(simulator, account, "WMT")
        await eventually(lambda: find(up, account, "WMT") == before + 5, 10)
        assert holdings(up).holes > 0


async def test_what_changed_during_a_reconnect_is_read(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        before = find(up, account, "KO") or Decimal(0)
        await simulator.control("upgrade", status=502, target="account")
        await simulator.control("cut", target="account")
        await eventually(lambda: status(up).state == "degraded", 5)
        order = await place(simulator, account)
        await simulator.control("order", do="fill", account=account, id=order)
        await simulator.control("upgrade", status=None)
        await eventually(lambda: find(up, account, "KO") == before + 5, 10)


ODD_ROWS = [
    {"symbol": "NOTHING"},
    {"account-number": "5WX00001", "symbol": "X", "quantity-direction": "Sideways"},
    {
        "account-number": "5WX00001",
        "symbol": "NEW",
        "instrument-type": "Tokenized Thing",
        "quantity": 3,
        "quantity-direction": "Long",
        "realized-today-effect": "Debit",
    },
]


async def test_an_odd_row_costs_only_itself(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    await simulator.control("position", account=account, odd=ODD_ROWS)
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        assert status(up).reason == "2 positions could not be read"
        assert find(up, account, "NEW") == 3
        assert find(up, account, "SPY") == 200
        assert up.upstream.accounts.dropped["CurrentPosition", "malformed"] == 2
        await simulator.control("position", account=account, odd=[])
        holdings(up).read_again()
        await eventually(lambda: status(up).reason is None, 5)


async def test_an_unknown_status_and_missing_times_cost_nothing(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        order = await place(simulator, account)
        omitted = ["received-at", "live-at", "time-in-force", "order-rule"]
        body = {"status": "Levitating"}
        await simulator.control(
            "order", do="odd", account=account, id=order, set=body, omit=omitted
        )

        def found() -> str | None:
            rows = {row.order_id: row for row in holdings(up).orders.rows()}
            return rows[str(order)].status if str(order) in rows else None

        await eventually(lambda: found() == "Levitating")
        holdings(up).read_again()
        readings = holdings(up).readings
        await eventually(lambda: holdings(up).readings >= readings + 4, 10)
        assert found() == "Levitating"
        assert status(up).reason is None


async def test_orders_that_are_only_in_a_complex_order_are_known() -> None:
    tied = {"id": 8, "account-number": "A", "status": "Contingent"}
    live = {"id": 7, "account-number": "A", "status": "Live"}
    complex_order = {"id": 9, "orders": [tied, dict(live, status="Old")], "trigger-order": live}
    answers: dict[str, list[Any]] = {
        "/accounts/A/positions": [],
        "/accounts/A/orders/live": [live],
        "/accounts/A/complex-orders/live": [complex_order, "no order"],
    }

    class Budget:
        async def get(self, kind: str, path: str, *args: Any, **options: Any) -> Any:
            return {"items": answers[path]}

    budget: Any = Budget()
    holdings = Holdings(budget, DropStats())
    task = asyncio.create_task(holdings.run(["A"]))
    try:
        await eventually(lambda: holdings.is_read)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    found = {row.order_id: row.status for row in holdings.orders.rows()}
    assert found == {"7": "Live", "8": "Contingent"}
    assert holdings.find_remark() is None


@pytest.mark.parametrize("kind", ["html", "empty", "bare", "truncated", "redirect", "oversized"])
async def test_an_answer_that_is_none_is_an_error_and_not_an_empty_account(
    simulator: Simulator, kind: str
) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings()) as up:
        await wait_until_live(up)
        await simulator.control("rest", status=200, path=f"/accounts/{account}/pos", kind=kind)
        holdings(up).read_again()
        await eventually(lambda: status(up).state == "degraded", 10)
        assert (status(up).reason or "").startswith("positions cannot be read")
        assert find(up, account, "SPY") == 200
        assert not any(each.stale for each in up.hub.balances())
        await simulator.control("rest", status=None)
        await wait_until_live(up)


async def test_no_limit_of_the_broker_is_ever_passed(simulator: Simulator) -> None:
    await simulator.control("limits", rates=True, agent=True)
    counts = (await simulator.read())["counters"]
    async with running(simulator.settings(balance_poll_s=1)) as up:
        await wait_until_live(up)
        for count in range(1, 4):
            want = holdings(up).readings + 4
            holdings(up).read_again()
            await eventually(partial(has_read, up, want), 10)
            assert holdings(up).readings >= 4 * count
    after = (await simulator.read())["counters"]
    assert after.get("rate_limited", 0) == counts.get("rate_limited", 0)
    assert after.get("agents_refused", 0) == counts.get("agents_refused", 0)
