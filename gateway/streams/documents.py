"""Documents that only the broker can fill: chains, histories, searches; their form, pure.

Prices keep the digits of the wire, what is not known is None.
"""

from datetime import date
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from gateway.errors import GatewayError
from gateway.streams.topics import Owner

Back = Literal["1d", "1w", "1m", "3m", "6m", "1y", "all"]


class NotListed(GatewayError):
    """The broker knows nothing under that name."""


class BrokerUnavailable(GatewayError):
    """The broker cannot be asked now; the message says why, for people."""


class OptionQuote(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a chain; `symbol` is the streamer's, volatility a fraction (1.0 = 100 %)."""

    symbol: str | None
    broker_symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    mark: Decimal | None = None
    volatility: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    theta: Decimal | None = None
    vega: Decimal | None = None
    open_interest: int | None = None
    volume: Decimal | None = None


class ChainRow(msgspec.Struct, frozen=True, kw_only=True):
    """One strike of an expiration."""

    strike: Decimal
    call: OptionQuote | None
    put: OptionQuote | None


class Expiration(msgspec.Struct, frozen=True, kw_only=True):
    """One expiration of one root; `underlying` is what its options are on."""

    date: date
    days: int | None
    root: str
    kind: str | None
    """Regular, Weekly, Quarterly or End-Of-Month, in the broker's words."""
    settlement: str | None
    is_standard: bool
    """Whether a contract delivers what it usually does; adjusted ones do not."""
    shares_per_contract: Decimal | None
    underlying: str
    implied_volatility: Decimal | None = None
    strikes: int = 0


class OptionChain(msgspec.Struct, frozen=True, kw_only=True):
    """The expirations on an underlying, and the strikes of one of them around its price."""

    underlying: str
    price: Decimal | None
    expirations: tuple[Expiration, ...]
    expiration: Expiration | None
    """The one that `rows` are of."""
    rows: tuple[ChainRow, ...]


class NetLiqPoint(msgspec.Struct, frozen=True, kw_only=True):
    """An account's net liquidating value with pending cash, over a period that begins at `time`."""

    time: str
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal


class NetLiqHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Points oldest first."""

    account: str
    back: Back
    points: tuple[NetLiqPoint, ...]


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument that a text may mean; `symbol` is how the broker writes it."""

    symbol: str
    description: str | None
    instrument_type: str | None
    market: str | None
    has_options: bool | None


class Documents(Protocol):
    """Whoever can ask the broker. A request may wait for its turn.

    Each raises `NotListed` for what does not exist, `BrokerUnavailable` when it cannot be asked.
    """

    async def chain(
        self,
        underlying: str,
        expiration: date | None = None,
        root: str | None = None,
        *,
        strikes: int,
    ) -> OptionChain:
        """Return a chain with so many strikes of an expiration, by default the nearest."""

    async def net_liq(self, owner: Owner, back: Back) -> NetLiqHistory:
        """Return the history of an account."""

    async def search(self, text: str) -> tuple[SearchResult, ...]:
        """Return what a text may mean."""
