"""What a day is measured from: deposits are no profit, and the day begins at the last close."""

from decimal import Decimal

from gateway.streams.account_records import PortfolioUpdate
from gateway.streams.topics import account_topic
from tests.simulation import Simulator
from tests.streams.running import Running, running
from tests.waiting import eventually


def find(up: Running, account: str) -> PortfolioUpdate | None:
    record = up.hub.latest(account_topic("portfolio_update", account, account))
    assert record is None or isinstance(record, PortfolioUpdate)
    return record


async def test_a_deposit_is_no_profit(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][1]
    await simulator.control("market", open=False)
    try:
        async with running(simulator.settings(market="closed")) as up:

            def change() -> Decimal | None:
                record = find(up, account)
                return None if record is None else record.day_change

            await eventually(lambda: change() is not None, 10)
            before, reported = change(), find(up, account)
            assert before is not None
            assert reported is not None
            await simulator.control("balance", account=account, cash_delta="2500")
            want = (reported.net_liq_reported or 0) + 2500
            await eventually(lambda: (p := find(up, account)) and p.net_liq_reported == want, 10)
            await eventually(lambda: abs((change() or Decimal(9999)) - before) < 5, 10)
    finally:
        await simulator.control("market", open=True)
