"""Chains, histories and searches, asked of the broker in their turn and kept for a while.

What the feed knows of an option wins over REST, which is asked once for all that are shown.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import Refused
from gateway.streams.documents import (
    Back,
    BrokerUnavailable,
    ChainRow,
    Expiration,
    NetLiqHistory,
    NotListed,
    OptionChain,
    OptionQuote,
    SearchResult,
)
from gateway.streams.publisher import Publisher
from gateway.streams.records import GreeksUpdate, QuoteUpdate
from gateway.streams.topics import Owner, market_topic
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.chains import (
    ListedExpiration,
    Strike,
    pick_expiration,
    pick_strikes,
    read_chain,
    read_option,
    read_points,
    read_result,
    read_volatilities,
)
from gateway.streams.upstream.held_position import find_price
from gateway.streams.upstream.retry import TROUBLE, describe_error
from gateway.streams.upstream.rows import list_items, read_number, read_rows

CHAIN_S = 1800.0
VOLATILITY_S = 300.0
PRICES_S = 3.0
SEARCH_S = 3600.0
HISTORY_S: Mapping[Back, float] = {"1d": 30.0, "1w": 120.0}
LONG_HISTORY_S = 600.0
MAX_KEPT = 256
"""Answers; a chain of an index has some megabytes, so few of those are asked for."""
MAX_CHAINS = 16
MAX_SYMBOLS = 100
"""Of one request for market data."""
MAX_STRIKES = 200

T = TypeVar("T")


class Kept:
    """Answers that are good for a while; the oldest give way."""

    def __init__(self, most: int, now_s: Callable[[], float]) -> None:
        self._most = most
        self._now_s = now_s
        self._found: dict[Any, tuple[float, Any]] = {}

    async def get(self, key: Any, life_s: float, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer under a key, asked for again when it is too old."""
        until_s, found = self._found.get(key, (float("-inf"), None))
        if until_s <= self._now_s():
            found = await ask()
            self._found.pop(key, None)
            self._found[key] = (self._now_s() + life_s, found)
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]
        answer: T = found
        return answer


class BrokerDocuments:
    """What the broker tells when it is asked; see `Documents`. `budgets` are by login."""

    def __init__(
        self,
        budgets: Mapping[str, RequestBudget],
        main: str,
        publisher: Publisher,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._budgets = budgets
        self._main = budgets[main]
        self._latest = publisher.latest
        self._chains = Kept(MAX_CHAINS, clock.monotonic_s)
        self._kept = Kept(MAX_KEPT, clock.monotonic_s)

    async def chain(
        self,
        underlying: str,
        expiration: date | None = None,
        root: str | None = None,
        *,
        strikes: int,
    ) -> OptionChain:
        """Return a chain with so many strikes of an expiration, by default the nearest."""
        return await _ask(lambda: self._chain(underlying, expiration, root, strikes))

    async def net_liq(self, owner: Owner, back: Back) -> NetLiqHistory:
        """Return the history of an account."""
        budget = self._budgets.get(owner.login)
        if budget is None:
            raise BrokerUnavailable("this account's login is not open here")

        async def ask() -> NetLiqHistory:
            path = f"/accounts/{quote(owner.account, safe='')}/net-liq/history"
            items = list_items(await budget.get("other", path, [("time-back", back)]))
            return NetLiqHistory(account=owner.account, back=back, points=tuple(read_points(items)))

        life_s = HISTORY_S.get(back, LONG_HISTORY_S)
        return await _ask(lambda: self._kept.get(("net-liq", owner, back), life_s, ask))

    async def search(self, text: str) -> tuple[SearchResult, ...]:
        """Return what a text may mean."""

        async def ask() -> tuple[SearchResult, ...]:
            data = await self._main.get("other", f"/symbols/search/{quote(text, safe='')}")
            rows, _ = read_rows(list_items(data), read_result)
            return tuple(rows)

        return await _ask(lambda: self._kept.get(("search", text), SEARCH_S, ask))

    async def _chain(
        self, underlying: str, day: date | None, root: str | None, count: int
    ) -> OptionChain:
        listed = await self._chains.get(underlying, CHAIN_S, lambda: self._list(underlying))
        if not listed:
            raise NotListed(f"Tastytrade lists no options on {underlying}")
        picked = pick_expiration(listed, day, root)
        if picked is None:
            raise NotListed("there is no such expiration; the chain without one lists them")
        volatilities = await self._find_volatilities(underlying)
        expirations = [_with_volatility(each.expiration, volatilities) for each in listed]
        price = await self._find_price(picked.expiration.underlying)
        chosen = pick_strikes(picked.strikes, price, min(count, MAX_STRIKES))
        return OptionChain(
            underlying=underlying,
            price=price,
            expirations=tuple(expirations),
            expiration=_with_volatility(picked.expiration, volatilities),
            rows=tuple(await self._fill(chosen, is_future=underlying.startswith("/"))),
        )

    async def _list(self, underlying: str) -> list[ListedExpiration]:
        if underlying.startswith("/"):
            path = f"/futures-option-chains/{quote(underlying[1:], safe='')}/nested"
        else:
            path = f"/option-chains/{quote(underlying, safe='')}/nested"
        return read_chain(await self._main.get("chains", path), underlying)

    async def _find_volatilities(self, underlying: str) -> dict[tuple[date, str | None], Decimal]:
        async def ask() -> dict[tuple[date, str | None], Decimal]:
            try:
                query = [("symbols", underlying)]
                data = await self._main.get("quotes", "/market-metrics", query)
                return read_volatilities(data)
            except (*TROUBLE, ValueError):
                return {}  # the chain is good without

        return await self._kept.get(("volatility", underlying), VOLATILITY_S, ask)

    async def _find_price(self, underlying: str) -> Decimal | None:
        found = find_price(self._latest(market_topic("quote_update", underlying)))
        if found is not None:
            return found
        kinds = ("future",) if underlying.startswith("/") else ("equity", "index")
        rows = await self._read_prices([(kind, underlying) for kind in kinds])
        row = rows.get(underlying)
        return None if row is None else read_number(row, "mark") or read_number(row, "last")

    async def _fill(self, strikes: Sequence[Strike], *, is_future: bool) -> list[ChainRow]:
        kind = "future-option" if is_future else "equity-option"
        sides = [side for each in strikes for side in (each.call, each.put) if side is not None]
        rows: dict[str, Any] = {}
        for begin in range(0, len(sides), MAX_SYMBOLS):
            batch = [(kind, symbol) for symbol, _ in sides[begin : begin + MAX_SYMBOLS]]
            rows |= await self._read_prices(batch)

        def find(side: tuple[str, str | None] | None) -> OptionQuote | None:
            if side is None:
                return None
            broker_symbol, symbol = side
            option = read_option(rows.get(broker_symbol, {}), symbol, broker_symbol)
            return option if symbol is None else self._overlay(option, symbol)

        return [
            ChainRow(strike=each.strike, call=find(each.call), put=find(each.put))
            for each in strikes
        ]

    def _overlay(self, option: OptionQuote, symbol: str) -> OptionQuote:
        """Return an option with what the feed knows of it, which is newer."""
        quoted = self._latest(market_topic("quote_update", symbol))
        if isinstance(quoted, QuoteUpdate) and not quoted.stale:
            option = msgspec.structs.replace(option, bid=quoted.bid, ask=quoted.ask)
            if quoted.last is not None:
                option = msgspec.structs.replace(option, last=quoted.last)
        greeks = self._latest(market_topic("greeks_update", symbol))
        if isinstance(greeks, GreeksUpdate) and not greeks.stale and greeks.delta is not None:
            option = msgspec.structs.replace(
                option,
                volatility=greeks.volatility,
                delta=greeks.delta,
                gamma=greeks.gamma,
                theta=greeks.theta,
                vega=greeks.vega,
            )
        return option

    async def _read_prices(self, symbols: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the rows of market data by the broker's symbol."""

        async def ask() -> dict[str, Any]:
            items = list_items(await self._main.get("quotes", "/market-data/by-type", symbols))
            return {
                each["symbol"]: each
                for each in items
                if isinstance(each, dict) and each.get("symbol")
            }

        return await self._kept.get(("prices", tuple(symbols)), PRICES_S, ask)


def _with_volatility(
    expiration: Expiration, volatilities: Mapping[tuple[date, str | None], Decimal]
) -> Expiration:
    found = volatilities.get((expiration.date, expiration.settlement))
    if found is None:
        found = volatilities.get((expiration.date, None))
    return msgspec.structs.replace(expiration, implied_volatility=found)


async def _ask(request: Callable[[], Awaitable[T]]) -> T:
    """Return what a request returns, and its trouble as the documents tell it."""
    try:
        return await request()
    except Refused as error:
        if error.status == 404:
            raise NotListed("Tastytrade knows nothing under this name") from error
        raise BrokerUnavailable(str(error)) from error
    except (*TROUBLE, ValueError) as error:
        words = describe_error(error) if isinstance(error, TROUBLE) else str(error)
        raise BrokerUnavailable(f"Tastytrade cannot answer: {words}") from error
