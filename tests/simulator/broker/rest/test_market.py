"""Routes of the market whose symbols, names and queries are unusual."""

from typing import Any

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.client import get, get_token, post, switch


async def read(simulator: Simulator, path: str, **query: Any) -> tuple[int, Any]:
    at = simulator.addresses
    answer = await get(f"{at.rest}{path}", await get_token(at), **query)
    return answer.status_code, answer.json().get("data")


@pytest.mark.parametrize(
    ("path", "symbol"),
    [
        ("/instruments/equities/BRK%2FB", "BRK/B"),
        ("/instruments/futures/%2FESZ6", None),
        ("/instruments/cryptocurrencies/BTC%2FUSD", "BTC/USD"),
        ("/market-data/Equity/BRK%2FB", "BRK/B"),
        ("/instruments/warrants/SIMWW", "SIMWW"),
    ],
)
async def test_symbols_with_a_slash(closed: Simulator, path: str, symbol: str | None) -> None:
    if symbol is None:
        found = closed.world.market.universe.by_broker_symbol
        symbol = next(name for name in found if name.startswith("/ES"))
        path = f"/instruments/futures/%2F{symbol[1:]}"
    status, body = await read(closed, path)
    assert (status, body["symbol"]) == (200, symbol)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/option-chains/NOPE/nested", 404),
        ("/option-chains/NOPE/compact", 404),
        ("/futures-option-chains/XX/nested", 404),
        ("/instruments/future-products/CME/XX", 404),
        ("/instruments/future-option-products/XX", 404),
        ("/instruments/warrants/XX", 404),
        ("/watchlists/Nope", 404),
        ("/public-watchlists/Nope", 404),
        ("/pairs-watchlists/Nope", 404),
        ("/market-time/sessions/current?instrument-collections[]=Moon", 400),
        ("/market-time/futures/holidays/Moon", 404),
        ("/market-time/equities/sessions/never", 404),
        ("/market-time/sessions?from-date=soon", 400),
        ("/accounts/5WX00001/nothing/here", 404),
        ("/accounts/5WX00001/orders/abc", 404),
        ("/accounts/5WX00001/net-liq/history", 400),
        ("/accounts/5WX00001/net-liq/history?time-back=2d", 400),
        ("/accounts/5WX00001/net-liq/history?time-back=1w&interval=soon", 400),
        ("/accounts/5WX00001/net-liq/history?time-back=1w&interval=1h", 200),
        ("/instruments/future-options?option-root-symbol=ES&strike-price=high", 400),
        ("/market-data/SPY", 404),
        ("/watchlists/", 404),
        ("/accounts/5WX00001/balance-snapshots?time-of-day=noon", 400),
        ("/accounts/5WX00001/transactions?type=Trade&types[]=Trade", 400),
        ("/accounts/5WX00001/transactions/1", 404),
        ("/accounts/5WX00001/margin-requirements/NOPE/effective", 404),
    ],
)
async def test_what_is_not_there(closed: Simulator, path: str, status: int) -> None:
    assert (await read(closed, path))[0] == status


@pytest.mark.parametrize(
    "path",
    ["/watchlists", "/watchlists/Tech", "/quote-alerts/1", "/margin/accounts/5WX00001/dry-run"],
)
async def test_nothing_is_written(closed: Simulator, path: str) -> None:
    at = closed.addresses
    headers = {"Authorization": await get_token(at)}
    answer = await post(f"{at.rest}{path}", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_permitted")


async def test_ranges_and_neighbours_of_sessions(closed: Simulator) -> None:
    query: Any = {"from-date": "2026-11-23", "to-date": "2026-11-30"}
    _, body = await read(closed, "/market-time/sessions", **query)
    assert [each["session-date"][-2:] for each in body["items"]] == ["23", "24", "25", "27", "30"]
    for which, day in (("next", "2026-11-27"), ("previous", "2026-11-24")):
        path = f"/market-time/equities/sessions/{which}"
        _, body = await read(closed, path, date="2026-11-25")
        assert body["session-date"] == day
    _, body = await read(closed, "/market-time/futures/sessions/current/CME")
    assert body["instrument-collection"] == "CME"


async def test_active_equities_are_shares(closed: Simulator) -> None:
    query: Any = {"lendability": "Easy To Borrow", "per-page": 10}
    _, body = await read(closed, "/instruments/equities/active", **query)
    assert len(body["items"]) == 10
    assert not any(each["is-index"] for each in body["items"])
    _, body = await read(closed, "/instruments/equities/active", lendability="Locate Required")
    assert body["items"] == []
    _, body = await read(closed, "/instruments/search", query="gold", type="Future")
    assert {each["symbol"][:3] for each in body["items"]} == {"/GC"}


async def test_public_lists_with_counts_only(closed: Simulator) -> None:
    _, body = await read(closed, "/public-watchlists", **{"counts-only": "true"})
    assert all(each["watchlist-entry-count"] > 0 for each in body["items"])
    assert not any("watchlist-entries" in each for each in body["items"])


async def test_quote_tokens_have_a_level(closed: Simulator) -> None:
    at = closed.addresses
    _, token = await read(closed, "/api-quote-tokens")
    assert (token["level"], token["dxlink-url"]) == ("api", at.dxlink_ws)
    await switch(at, "quote_tokens", level="demo")
    _, token = await read(closed, "/api-quote-tokens")
    assert token["level"] == "demo"
    assert token["dxlink-url"].endswith("/delayed")
    await switch(at, "customer", set={"has-delayed-quotes": True})
    assert (await read(closed, "/customers/me"))[1]["has-delayed-quotes"] is True


async def test_odd_rows_stand_beside_positions(closed: Simulator) -> None:
    odd = {"symbol": "???", "instrument-type": "Perpetual", "quantity": "3"}
    await switch(closed.addresses, "position", account="5WX00001", odd=[odd])
    _, body = await read(closed, "/accounts/5WX00001/positions")
    assert body["items"][-1] == odd
    await switch(closed.addresses, "reset")
    _, body = await read(closed, "/accounts/5WX00001/positions")
    assert odd not in body["items"]


async def test_options_by_name_in_both_spellings(closed: Simulator) -> None:
    name = next(iter(closed.world.market.universe.options.values())).occ
    for key in ("symbol[]", "symbols[]", "symbols"):
        query: Any = {key: name}
        _, body = await read(closed, "/instruments/equity-options", **query)
        assert [each["symbol"] for each in body["items"]] == [name]
    _, body = await read(closed, "/instruments/equity-options")
    assert body["items"] == []
