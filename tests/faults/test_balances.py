"""Balances that change while the account stream is cut: read again at once."""

import time
from decimal import Decimal

import pytest

from gateway.streams.account_records import BalanceUpdate
from gateway.streams.records import Status
from gateway.streams.topics import balance_topic, status_topic
from tests.faults.trial import Trial
from tests.simulation import open_simulator
from tests.streams.running import Running, running
from tests.waiting import eventually, scaled

READ_S = 5.0


def balance(up: Running, account: str) -> Decimal:
    record = up.hub.latest(balance_topic(account))
    assert isinstance(record, BalanceUpdate)
    return record.balance


def state(up: Running) -> str:
    record = up.hub.latest(status_topic("accounts"))
    assert isinstance(record, Status)
    return record.state


@pytest.mark.fault(11)
@pytest.mark.long
@pytest.mark.timeout(scaled(240))
async def test_what_changed_in_a_gap_is_read_after_it(trial: Trial) -> None:
    """
    1. The account stream is cut and refused; money moves meanwhile.
    2. The stream is let in again, and pushes nothing: it has no replay.
    Result: the balance is right within 5 s of the reconnect, and nobody was told `live` before.
    """
    turns = trial.count(3, 50)
    read_s: list[float] = []
    with open_simulator("--market", "closed") as simulator:
        accounts = simulator.hello["accounts"]
        async with running(simulator.settings(market="closed", balance_poll_s=3600)) as up:
            followed = up.upstream.accounts
            await eventually(lambda: len(up.hub.balances()) == len(accounts), 15)
            for _ in range(turns):
                await eventually(lambda: state(up) == "live", 10)
                account = trial.rng.choice(accounts)
                amount = Decimal(trial.rng.randrange(1, 100_000)) / 100
                want = balance(up, account) + amount
                connects = followed.connects
                await simulator.control("upgrade", status=502, target="account")
                await simulator.control("cut", target="account")
                await eventually(lambda: state(up) == "degraded")
                await simulator.control("balance", account=account, cash_delta=str(amount))
                assert balance(up, account) == want - amount
                await simulator.control("upgrade", status=None)
                await reconnect(up, connects)
                begun_s = time.monotonic()
                await become(up, account, want)
                read_s.append(time.monotonic() - begun_s)
                # A push, so that the stream is trusted again: the pauses would grow otherwise.
                await simulator.control("balance", account=account, cash_delta="0.01")
                await become(up, account, want + Decimal("0.01"))
    trial.tell(f"{turns} of {turns} changes in a gap read")
    trial.measure("right after", read_s, READ_S)


async def reconnect(up: Running, connects: int) -> None:
    """Return when the account stream is connected once more."""
    await eventually(lambda: up.upstream.accounts.connects > connects, 15)


async def become(up: Running, account: str, want: Decimal) -> None:
    """Return when the balance is this one."""
    await eventually(lambda: balance(up, account) == want, 2 * READ_S)
