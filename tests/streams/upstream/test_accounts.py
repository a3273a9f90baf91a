"""Balances against the simulator: at once, pushed, polled, after a gap."""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from gateway.streams.account_records import BalanceUpdate
from gateway.streams.records import Status
from gateway.streams.topics import balance_topic, status_topic
from gateway.streams.upstream.account_selection import select_accounts
from gateway.streams.upstream.sdk import AccountStream
from tests.simulation import Simulator
from tests.streams.running import Running, running
from tests.waiting import eventually


def status(up: Running) -> Status:
    record = up.hub.latest(status_topic("accounts"))
    assert isinstance(record, Status)
    return record


def balance(up: Running, account: str) -> BalanceUpdate | None:
    record = up.hub.latest(balance_topic(account))
    assert record is None or isinstance(record, BalanceUpdate)
    return record


async def test_balances_at_once_then_pushed(simulator: Simulator) -> None:
    await simulator.control("account", push_marks=True)
    async with running(simulator.settings(balance_poll_s=3600)) as up:
        accounts = simulator.hello["accounts"]
        await eventually(lambda: [b.account for b in up.hub.balances()] == sorted(accounts), 10)
        await eventually(lambda: status(up).state == "live", 10)
        await eventually(lambda: up.upstream.accounts.pushes >= 2, 10)
        await eventually(lambda: any(b.source == "account_stream" for b in up.hub.balances()), 10)
        for each in up.hub.balances():
            assert each.balance > 0
            assert each.timestamp > 1_700_000_000_000


async def test_the_balance_is_the_brokers(simulator: Simulator) -> None:
    """Frozen by a closed market, so that the two can be compared."""
    await simulator.control("market", open=False)
    account = simulator.hello["accounts"][0]
    try:
        async with running(simulator.settings(market="closed", balance_poll_s=1)) as up:
            await eventually(lambda: balance(up, account), 10)
            before = balance(up, account)
            assert before is not None
            await simulator.control("balance", account=account, cash_delta="1234.50")
            want = before.balance + Decimal("1234.50")
            await eventually(lambda: (b := balance(up, account)) and b.balance == want, 5)
            sdk = await up.upstream.session.ready()
            data = await sdk._get(f"/accounts/{account}/balances/USD")
            assert Decimal(data["net-liquidating-value"]) == want
            now = balance(up, account)
            assert now is not None
            assert now.buying_power == Decimal(data["derivative-buying-power"])
            assert now.cash == Decimal(data["cash-balance"])
    finally:
        await simulator.control("market", open=True)


async def test_after_a_gap_rest_is_read_again(simulator: Simulator) -> None:
    """The stream replays nothing: what changed while it was cut comes from REST at once."""
    await simulator.control("market", open=False)
    account = simulator.hello["accounts"][1]
    try:
        async with running(simulator.settings(market="closed", balance_poll_s=3600)) as up:
            await eventually(lambda: status(up).state == "live", 10)
            before = balance(up, account)
            assert before is not None
            await simulator.control("upgrade", status=502, target="account")
            await simulator.control("cut", target="account")
            await eventually(lambda: status(up).state == "degraded", 5)
            assert "reconnecting" in (status(up).reason or "")
            await simulator.control("balance", account=account, cash_delta="-99.25")
            await simulator.control("upgrade", status=None)
            want = before.balance - Decimal("99.25")
            await eventually(lambda: (b := balance(up, account)) and b.balance == want, 10)
            await eventually(lambda: status(up).state == "live", 5)
    finally:
        await simulator.control("market", open=True)


async def test_a_missing_value_is_null_and_never_zero(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    await simulator.control(
        "balance", account=account, omit=["derivative-buying-power", "cash-balance"]
    )
    async with running(simulator.settings(balance_poll_s=1)) as up:
        await eventually(lambda: balance(up, account), 10)
        record = balance(up, account)
        assert record is not None
        assert record.buying_power is None
        assert record.cash is None
        await simulator.control("balance", account=account, omit=["net-liquidating-value"])
        polls = up.upstream.accounts.polls
        seen = balance(up, account)
        # After two rounds of polls that began behind the switch, still nothing new.
        await eventually(lambda: up.upstream.accounts.polls >= polls + 4, 10)
        dropped = up.upstream.accounts.dropped["AccountBalance", "no value"]
        assert dropped > 0
        later = balance(up, account)
        assert seen is not None
        assert later is not None
        assert later.balance > 0


async def test_an_unauthorized_poll_refreshes_once_and_is_not_lost(simulator: Simulator) -> None:
    async with running(simulator.settings(balance_poll_s=1, refresh_s=0)) as up:
        await eventually(lambda: status(up).state == "live", 10)
        before = (await simulator.read())["counters"]["refresh_requests"]
        polls = up.upstream.accounts.polls
        await simulator.control("tokens", expire=True)
        await eventually(lambda: up.upstream.accounts.polls >= polls + 4, 10)
        assert (await simulator.read())["counters"]["refresh_requests"] == before + 1
        assert status(up).state == "live"


async def test_failing_polls_are_told_and_mended(simulator: Simulator) -> None:
    async with running(simulator.settings(balance_poll_s=1)) as up:
        await eventually(lambda: status(up).state == "live", 10)
        await simulator.control("rest", status=500, path="/accounts")
        await eventually(lambda: status(up).state == "degraded", 10)
        await simulator.control("rest", status=None)
        await eventually(lambda: status(up).state == "live", 10)


async def test_accounts_that_cannot_be_read_at_first(simulator: Simulator) -> None:
    await simulator.control("rest", status=503, path="/customers", count=3)
    async with running(simulator.settings()) as up:
        await eventually(lambda: len(up.hub.balances()) == 2, 15)


async def test_batched_pushes_are_taken_apart(simulator: Simulator) -> None:
    await simulator.control("account", batch=True, push_marks=True)
    async with running(simulator.settings(balance_poll_s=3600)) as up:
        await eventually(lambda: up.upstream.accounts.pushes >= 2, 10)


async def test_a_refusal_without_a_request_id(simulator: Simulator) -> None:
    """The SDK would wait ten seconds for an answer that has come already."""
    await simulator.control("account", bare_errors=True)
    async with running(simulator.settings(balance_poll_s=3600)) as up:
        await eventually(lambda: len(up.hub.balances()) == 2, 10)
        await simulator.control("tokens", expire=True)
        await simulator.control("cut", target="account")
        connects = up.upstream.accounts.connects
        await simulator.control("account", bare_errors=False)
        await eventually(lambda: up.upstream.accounts.connects > connects, 15)


async def test_no_task_outlives_the_run(simulator: Simulator) -> None:
    before = asyncio.all_tasks()
    async with running(simulator.settings()) as up:
        await eventually(lambda: status(up).state == "live", 10)
    assert asyncio.all_tasks() == before


def account(number: str, **extra: Any) -> dict[str, Any]:
    return {"account": {"account-number": number, "is-closed": False, **extra}}


def test_test_accounts_only_when_asked_for() -> None:
    data = {
        "items": [
            account("A1"),
            account("A2", **{"is-closed": True}),
            account("A3", **{"is-test-drive": True}),
            {"account": None},
            {},
        ]
    }
    assert select_accounts(data, ()) == (["A1"], [])
    assert select_accounts(data, ("A3", "A2", "A9")) == (["A3"], ["A2", "A9"])
    assert select_accounts({}, ()) == ([], [])


async def test_a_configured_account_that_is_not_there_is_named(simulator: Simulator) -> None:
    """Alone: nothing is followed, and nobody logs in again and again."""
    async with running(simulator.settings(tt_accounts=("5WX0001",))) as up:
        await eventually(lambda: "5WX0001" in (status(up).reason or ""), 10)
        assert status(up).state == "degraded"
        assert not up.hub.balances()
        assert up.upstream.session.refreshes == 1
        assert up.upstream.accounts.connects == 0
        for number in simulator.hello["accounts"]:
            assert number not in (status(up).reason or "")


async def test_beside_one_that_is_not_there_the_others_go_on(simulator: Simulator) -> None:
    number = simulator.hello["accounts"][0]
    async with running(simulator.settings(tt_accounts=(number, "5WX9999"))) as up:
        await eventually(lambda: status(up).state == "live", 10)
        assert "5WX9999" in (status(up).reason or "")
        assert number not in (status(up).reason or "")
        assert [each.account for each in up.hub.balances()] == [number]


async def test_an_account_that_the_stream_refuses_costs_the_others_nothing(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is polled, the others are streamed, and no new token is asked for."""
    refused, other = simulator.hello["accounts"]
    connect = AccountStream.connect

    async def connect_or_ask_wrongly(stream: AccountStream, numbers: Iterable[str]) -> None:
        asked = ["5WX99999" if each == refused else each for each in numbers]
        await connect(stream, asked)

    monkeypatch.setattr(AccountStream, "connect", connect_or_ask_wrongly)
    await simulator.control("account", push_marks=True)
    async with running(simulator.settings(balance_poll_s=3600)) as up:
        await eventually(lambda: status(up).state == "live", 15)
        assert "refuses 1 account" in (status(up).reason or "")
        assert len(up.hub.balances()) == 2
        await eventually(lambda: (b := balance(up, other)) and b.source == "account_stream", 10)
        assert up.upstream.session.refreshes == 1


async def test_a_refused_balance_is_told_with_its_status(simulator: Simulator) -> None:
    refused, other = simulator.hello["accounts"]
    await simulator.control("rest", status=403, path=f"/accounts/{refused}")
    async with running(simulator.settings(balance_poll_s=1)) as up:
        await eventually(lambda: balance(up, other), 10)
        await eventually(lambda: "status 403" in (status(up).reason or ""), 10)
        assert refused not in (status(up).reason or "")


async def test_balances_are_stale_while_the_accounts_are_not_live(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings(balance_poll_s=3600)) as up:
        await eventually(lambda: status(up).state == "live", 10)
        assert not any(each.stale for each in up.hub.balances())
        await simulator.control("upgrade", status=502, target="account")
        await simulator.control("cut", target="account")
        await eventually(lambda: (b := balance(up, account)) and b.stale, 10)
        await simulator.control("upgrade", status=None)
        await eventually(lambda: (b := balance(up, account)) and not b.stale, 15)
