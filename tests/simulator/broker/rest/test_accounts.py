"""Accounts over REST: filters, histories and reports, held against each other."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.client import get, get_token, switch

MAIN = "5WX00001"


async def read(simulator: Simulator, path: str, **query: Any) -> Any:
    at = simulator.addresses
    answer = await get(f"{at.rest}{path}", await get_token(at), **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def signed(body: dict[str, Any], name: str) -> Decimal:
    return Decimal(body[name]) * (-1 if body[f"{name}-effect"] == "Debit" else 1)


@pytest.mark.parametrize(
    ("query", "sub_types"),
    [
        ({"types[]": "Money Movement"}, {"Deposit", "Withdrawal"}),
        ({"type": "Money Movement", "sort": "Asc"}, {"Deposit", "Withdrawal"}),
        ({"sub-type[]": "Withdrawal"}, {"Withdrawal"}),
        ({"symbol": "XLF"}, {"Sell to Close"}),
        ({"underlying-symbol": "GLD"}, {"Buy to Open", "Sell to Close"}),
        ({"action": "Sell to Close"}, {"Sell to Close"}),
        ({"end-date": "2000-01-01"}, set()),
        ({"start-at": "2100-01-01T00:00:00+00:00"}, set()),
    ],
)
async def test_transactions_are_filtered(
    closed: Simulator, query: dict[str, str], sub_types: set[str]
) -> None:
    at = closed.addresses
    await switch(at, "balance", account=MAIN, cash_delta="500")
    await switch(at, "balance", account=MAIN, cash_delta="-20")
    filters: Any = query
    items = (await read(closed, f"/accounts/{MAIN}/transactions", **filters))["items"]
    assert {each["transaction-sub-type"] for each in items} == sub_types


async def test_cash_moves_by_what_the_transactions_say(closed: Simulator) -> None:
    at = closed.addresses
    path = f"/accounts/{MAIN}"
    before = Decimal((await read(closed, f"{path}/balances/USD"))["cash-balance"])
    known = {each["id"] for each in (await read(closed, f"{path}/transactions"))["items"]}
    fees = signed(await read(closed, f"{path}/transactions/total-fees"), "total-fees")
    await switch(at, "balance", account=MAIN, cash_delta="500")
    for symbol, quantity in (("KO", 30), ("AAPL", 10)):
        leg = {"action": "Sell to Open", "symbol": symbol, "quantity": quantity}
        order = await switch(at, "order", account=MAIN, legs=[leg], type="Market")
        await switch(at, "order", do="fill", account=MAIN, id=order["done"])
    after = Decimal((await read(closed, f"{path}/balances/USD"))["cash-balance"])
    new = [
        each
        for each in (await read(closed, f"{path}/transactions"))["items"]
        if each["id"] not in known
    ]
    assert len(new) == 3
    assert after - before == sum(signed(each, "net-value") for each in new)
    charged = signed(await read(closed, f"{path}/transactions/total-fees"), "total-fees")
    assert charged - fees == sum(signed(t, "net-value") - signed(t, "value") for t in new)


async def test_positions_are_filtered_and_closed_ones_shown_on_demand(closed: Simulator) -> None:
    path = f"/accounts/{MAIN}/positions"
    shown = {row["symbol"] for row in (await read(closed, path))["items"]}
    every = (await read(closed, path, **{"include-closed-positions": "true"}))["items"]
    assert {row["symbol"] for row in every} - shown == {"XLF"}
    query: Any = {"underlying-symbol[]": "SPY", "instrument-type": "Equity Option"}
    rows = (await read(closed, path, **query))["items"]
    assert len(rows) == 2
    assert not any("mark" in row for row in rows)
    marked = (await read(closed, path, **{"include-marks": "true"}))["items"]
    assert all(Decimal(row["mark"]) >= 0 for row in marked)


async def test_margin_by_underlying_adds_up_to_the_balance(closed: Simulator) -> None:
    report = await read(closed, f"/margin/accounts/{MAIN}/requirements")
    balance = await read(closed, f"/accounts/{MAIN}/balances/USD")
    groups = report["groups"]
    total = sum(signed(group, "maintenance-requirement") for group in groups)
    assert total == signed(report, "maintenance-requirement")
    assert -total == Decimal(balance["maintenance-requirement"])
    assert len({group["code"] for group in groups}) == len(groups)
    inner = [part for group in groups for part in group["groups"]]
    assert sum(signed(part, "margin-requirement") for part in inner) == total
    effective = await read(closed, f"/accounts/{MAIN}/margin-requirements/SPY/effective")
    assert effective["long-equity-maintenance"] == "0.25"


async def test_a_history_since_an_instant(closed: Simulator) -> None:
    path = f"/accounts/{MAIN}/net-liq/history"
    query: Any = {"start-time": "2026-01-05T00:00:00+00:00", "end-time": "2026-02-06T23:00:00Z"}
    await switch(closed.addresses, "clock", at="2026-06-01T12:00:00-04:00")
    items = (await read(closed, path, **query))["items"]
    assert items[0]["time"].startswith("2026-01-05")
    assert items[-1]["time"].startswith("2026-02-06")
    await switch(closed.addresses, "balance", account=MAIN, pending="750")
    last = (await read(closed, path, **{"time-back": "1d"}))["items"][-1]
    assert last["pending-cash-close"] == "750.0"
    assert Decimal(last["total-close"]) - Decimal(last["close"]) == 750


async def test_snapshots_newest_first_or_of_one_day(closed: Simulator) -> None:
    await switch(closed.addresses, "clock", at="2026-06-01T12:00:00-04:00")
    path = f"/accounts/{MAIN}/balance-snapshots"
    days = [each["snapshot-date"] for each in (await read(closed, path))["items"]]
    assert days == sorted(days, reverse=True)
    assert days[0] == "2026-05-29"
    assert "2026-05-25" not in days
    (only,) = (await read(closed, path, **{"snapshot-date": "2026-05-22"}))["items"]
    assert (only["snapshot-date"], only["time-of-day"]) == ("2026-05-22", "EOD")
