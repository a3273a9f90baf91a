"""The records of accounts, private to whoever may see the account, and their topics; pure.

Amounts are in the account's currency, prices per unit; None where unknown, never 0. Ratios such as
the rank of a volatility are fractions of 1.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from gateway.streams.topics import MAIN_LOGIN, Owner, Topic, account_topic, balance_topic

MarkSource = Literal["last", "mid", "theo", "rest"]
Source = Literal["account_stream", "rest"]


class BalanceUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="type",
    tag="balance_update",
):
    """One account's balance.

    `balance` is the net liquidating value, `buying_power` the derivative buying power (what
    Tastytrade's own screens lead with), `timestamp` ms since the epoch.
    """

    account: str
    balance: Decimal
    buying_power: Decimal | None
    equity_buying_power: Decimal | None
    cash: Decimal | None
    currency: str
    timestamp: int
    source: Source
    login: str = MAIN_LOGIN
    stale: bool = False

    @property
    def topic(self) -> Topic:
        """The topic of the account's balance."""
        return balance_topic(self.account, self.login)


class PositionUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="position_update"
):
    """One position, valued now; greeks and amounts are of the whole position.

    `quantity` is negative when short, 0 when closed today. `symbol` is the streamer's, None while
    it is not known. `day_basis` is the price per unit that the day's gain is measured from.
    """

    account: str
    symbol: str | None
    broker_symbol: str
    instrument_type: str
    underlying: str
    description: str
    quantity: Decimal
    multiplier: Decimal
    average_open_price: Decimal | None
    day_basis: Decimal | None
    mark: Decimal | None
    mark_source: MarkSource | None
    value: Decimal | None
    pnl_open: Decimal | None
    pnl_open_pct: Decimal | None
    pnl_day: Decimal | None
    realized_day: Decimal
    delta: Decimal | None
    gamma: Decimal | None
    theta: Decimal | None
    vega: Decimal | None
    beta_delta: Decimal | None
    implied_volatility_rank: Decimal | None
    expires_at: str | None
    days_to_expiration: int | None
    updated_at: str
    source: Source
    login: str = MAIN_LOGIN
    stale: bool = False

    @property
    def is_stale(self) -> bool:
        """The same as `stale`, as valuations have it."""
        return self.stale

    @property
    def topic(self) -> Topic:
        """The topic of the position."""
        return account_topic("position_update", self.account, self.broker_symbol, self.login)


class PortfolioUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="portfolio_update"
):
    """The positions of one account together, and its net liquidating value moved by them.

    `unknown` counts the positions that have no mark and are in none of the sums, `missing_basis`
    those that are in no sum of gains, `missing_greeks` those that are in none of greeks.
    `day_change` is how far the net liquidating value is from yesterday's, without deposits and
    withdrawals.
    """

    account: str
    net_liq: Decimal | None
    net_liq_reported: Decimal | None
    cash: Decimal | None
    value: Decimal
    pnl_open: Decimal
    pnl_day: Decimal
    day_change: Decimal | None
    delta: Decimal
    theta: Decimal
    beta_delta: Decimal
    unknown: int
    missing_basis: int
    missing_greeks: int
    updated_at: str
    login: str = MAIN_LOGIN
    stale: bool = False

    @property
    def topic(self) -> Topic:
        """The topic of the account's portfolio."""
        return account_topic("portfolio_update", self.account, self.account, self.login)


class OrderLeg(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One leg of an order; `filled` is how much of `quantity` was executed."""

    action: str
    symbol: str | None
    broker_symbol: str
    quantity: Decimal | None
    filled: Decimal | None


class OrderUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="order_update"
):
    """One order; prices are signed, a credit is positive.

    An order that was replaced is removed when the one that `replaces` it arrives, so that a chain
    of replacements is one record. An unknown status stays the broker's word.
    """

    account: str
    order_id: str
    status: str
    underlying: str | None
    description: str
    legs: tuple[OrderLeg, ...]
    order_type: str | None
    time_in_force: str | None
    price: Decimal | None
    fill_price: Decimal | None
    filled: Decimal | None
    size: Decimal | None
    received_at: str | None
    updated_at: str | None
    replaces: str | None
    reject_reason: str | None
    is_working: bool
    source: Source
    login: str = MAIN_LOGIN
    stale: bool = False

    @property
    def topic(self) -> Topic:
        """The topic of the order."""
        return account_topic("order_update", self.account, self.order_id, self.login)


RemovedKind = Literal["position_update", "portfolio_update", "order_update", "balance_update"]


class Removed(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="removed"):
    """A record is no more: it is in no snapshot, and whoever knew it gets this once.

    `of` is its type; the fields of its key that do not apply are None.
    """

    of: RemovedKind
    account: str
    symbol: str | None = None
    broker_symbol: str | None = None
    order_id: str | None = None
    login: str = MAIN_LOGIN

    @property
    def topic(self) -> Topic:
        """The topic of the record that is no more."""
        subject = self.broker_symbol or self.order_id or self.account
        return Topic(self.of, Owner(self.login, self.account), subject)


def removal_of(record: "AccountRecord") -> Removed:
    """Return what says that a record is no more."""
    return Removed(
        of=record.__struct_config__.tag,  # type: ignore[arg-type]
        account=record.account,
        symbol=record.symbol if isinstance(record, PositionUpdate) else None,
        broker_symbol=record.broker_symbol if isinstance(record, PositionUpdate) else None,
        order_id=record.order_id if isinstance(record, OrderUpdate) else None,
        login=record.login,
    )


AccountRecord = BalanceUpdate | PositionUpdate | PortfolioUpdate | OrderUpdate

ACCOUNT_TYPES = frozenset({"balance_update", "position_update", "portfolio_update", "order_update"})
