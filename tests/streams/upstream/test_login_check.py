"""Every way to the broker is tried once; a wrong grant is told from a dead network."""

from pydantic import SecretStr

from gateway.settings import BrokerSettings
from gateway.streams.upstream.login_check import check_login
from tests.simulation import Simulator


async def test_all_is_well(simulator: Simulator) -> None:
    found = await check_login(simulator.settings().broker)
    assert [(each.step, each.outcome) for each in found] == [
        ("log in", "works"),
        ("read the accounts", "works"),
        ("get a quote token", "works"),
        ("follow market data", "works"),
        ("follow the accounts", "works"),
    ]


async def test_a_wrong_grant_is_refused_and_never_shown(simulator: Simulator) -> None:
    [result] = await check_login(simulator.settings(tt_refresh=SecretStr("x" * 40)).broker)
    assert (result.step, result.outcome) == ("log in", "refused")
    assert "TT_REFRESH" in result.words
    assert "x" * 40 not in result.words


async def test_without_a_network_nothing_is_said_of_the_grant() -> None:
    nowhere = BrokerSettings(
        secret=SecretStr("s" * 40),
        refresh=SecretStr("r" * 40),
        simulator_rest="http://127.0.0.1:1",
        simulator_account_ws="ws://127.0.0.1:1",
    )
    [result] = await check_login(nowhere)
    assert (result.step, result.outcome) == ("log in", "no answer")
    assert "network" in result.words
    assert "TT_REFRESH" not in result.words


async def test_an_account_that_is_not_there_is_named(simulator: Simulator) -> None:
    number = simulator.hello["accounts"][0]
    found = await check_login(simulator.settings(tt_accounts=("5WX9999", number)).broker)
    result = next(each for each in found if each.step == "read the accounts")
    assert result.outcome == "wrong setting"
    assert "5WX9999" in result.words
    assert number not in result.words


async def test_no_right_to_quotes(simulator: Simulator) -> None:
    await simulator.control("rest", status=403, path="/api-quote-tokens")
    found = {each.step: each for each in await check_login(simulator.settings().broker)}
    assert found["get a quote token"].outcome == "refused"
    assert "status 403 on /api-quote-tokens" in found["get a quote token"].words
    assert "follow market data" not in found
    assert found["follow the accounts"].is_ok
