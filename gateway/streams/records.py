"""The records that leave the gateway, their topics and their JSON; pure.

Every record is the full current state of its topic, so a replayed or skipped one does no harm.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from gateway.streams.account_records import ACCOUNT_TYPES, AccountRecord, Removed
from gateway.streams.alert_records import AlertUpdate
from gateway.streams.topics import MAIN_LOGIN, NOBODY, Topic, status_topic

State = Literal["connecting", "live", "stale", "degraded", "closed"]
Upstream = Literal["session", "feed", "accounts"]
INTERFACE_VERSION = "1"


class MarketRecord(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="market"
):
    """What every market data record carries.

    `updated_at` is the gateway's receive time (ISO 8601, UTC, milliseconds): API tokens get no
    quote times. `stale` says that the values are not live: the feed is lost, or silent though it
    ought to tell something.
    """

    symbol: str
    updated_at: str
    source: str = "dxfeed_stream"
    stale: bool = False
    refused: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """The fields that are null because what was sent cannot be right; absent without any."""

    @property
    def topic(self) -> Topic:
        """The topic of its type and symbol."""
        return Topic(self.__struct_config__.tag, NOBODY, self.symbol)  # type: ignore[arg-type]


class QuoteUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="quote_update"):
    """Quote, Trade and Summary of one symbol, merged; prices in the instrument's currency.

    `market` says whether the symbol's own market is in its regular hours; None when not known.
    `last`, `change` and `volume` are of regular hours. When the newest trade was outside them,
    `last_at` is "extended", `extended_last` is its price and `extended_change` its distance to
    `last`.
    """

    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal | None
    ask_size: Decimal | None
    change: Decimal | None
    change_pct: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    prev_close: Decimal | None
    volume: Decimal | None
    market: Literal["open", "closed"] | None = None
    extended_last: Decimal | None = None
    extended_change: Decimal | None = None
    last_at: Literal["regular", "extended"] | None = None


class TradeUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="trade_update"):
    """The last trade; `time` is the exchange's, in ms since the epoch."""

    price: Decimal | None
    size: Decimal | None
    volume: Decimal | None
    turnover: Decimal | None
    time: int | None
    tick_direction: str | None
    extended_hours: bool | None


class SummaryUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="summary_update"):
    """The trading day so far, and the day before."""

    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    prev_close: Decimal | None
    prev_volume: Decimal | None
    open_interest: int | None


class GreeksUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="greeks_update"):
    """An option's price, implied volatility (1.0 = 100 %) and greeks; `time` in ms."""

    price: Decimal | None
    volatility: Decimal | None
    delta: Decimal | None
    gamma: Decimal | None
    theta: Decimal | None
    rho: Decimal | None
    vega: Decimal | None
    time: int | None


class TheoUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="theo_update"):
    """An option's theoretical price and what it was computed from; `time` in ms."""

    price: Decimal | None
    underlying_price: Decimal | None
    delta: Decimal | None
    gamma: Decimal | None
    dividend: Decimal | None
    interest: Decimal | None
    time: int | None


class UnderlyingUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="underlying_update"):
    """An underlying's implied volatilities (1.0 = 100 %) and option volumes; `time` in ms."""

    volatility: Decimal | None
    front_volatility: Decimal | None
    back_volatility: Decimal | None
    call_volume: int | None
    put_volume: int | None
    option_volume: int | None
    put_call_ratio: Decimal | None
    time: int | None


class CandleUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="candle_update"):
    """The newest candle of a series such as `SPY{=5m}`; `time` is its begin in ms."""

    time: int
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal | None
    vwap: Decimal | None
    trades: int | None


class CandleHistory(MarketRecord, frozen=True, kw_only=True, gc=False, tag="candle_history"):
    """The candles before the newest, oldest first, a column each; at most 500.

    Published when a candle is complete, or corrected: the newest one is a `candle_update`.
    """

    time: tuple[int, ...]
    open: tuple[Decimal | None, ...]
    high: tuple[Decimal | None, ...]
    low: tuple[Decimal | None, ...]
    close: tuple[Decimal | None, ...]
    volume: tuple[Decimal | None, ...]


class MetricsUpdate(MarketRecord, frozen=True, kw_only=True, gc=False, tag="metrics_update"):
    """What is known of an underlying besides its price; ranks and yields are fractions of 1.

    `earnings_at` and `dividend_ex_at` are dates (ISO 8601), `earnings_time` the broker's word for
    the time of day, `beta` is against SPY.
    """

    implied_volatility_index: Decimal | None
    implied_volatility_rank: Decimal | None
    implied_volatility_percentile: Decimal | None
    beta: Decimal | None
    liquidity_rating: int | None
    earnings_at: str | None
    earnings_time: str | None
    dividend_ex_at: str | None
    dividend_yield: Decimal | None
    market_cap: Decimal | None


class Status(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="status"):
    """The state of one upstream, in the words that a viewer sees; `market` on the feed only."""

    upstream: Upstream
    state: State
    since: str
    reason: str | None
    market: Literal["open", "closed"] | None = None
    login: str = MAIN_LOGIN
    data_quality: Literal["real-time", "delayed", "demo"] | None = None
    """What upstream says of its market data, on the feed only; None when not known."""

    @property
    def topic(self) -> Topic:
        """The topic of the upstream's status."""
        return status_topic(self.upstream, self.login)


class Heartbeat(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="type",
    tag="heartbeat",
):
    """A sign of life: a real event, because comments are invisible to a browser."""

    timestamp: int
    topic: ClassVar[Topic] = Topic("heartbeat", NOBODY, "")


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """The first event of every stream."""

    version: str = INTERFACE_VERSION
    epoch: str
    mode: Literal["snapshot", "resume", "live"]
    heartbeat_s: float


class SnapshotEnd(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot_end"):
    """All that was known has been sent; what follows is live."""

    count: int
    mode: Literal["snapshot", "resume"]


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="gap"):
    """Updates were left out that cannot be given back; `skipped` is null when not countable."""

    skipped: int | None
    reason: str
    topic: ClassVar[Topic] = Topic("gap", NOBODY, "")


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="notice"):
    """Nothing is known of a symbol that this stream asked for; why, and what was probably meant.

    A hint, not an end: should values come after all, the stream carries them.
    """

    symbol: str
    reason: str
    suggestion: str | None


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="bye"):
    """The server closes this stream; come back after `retry_ms`."""

    reason: str
    retry_ms: int


MarketUpdate = (
    QuoteUpdate
    | TradeUpdate
    | SummaryUpdate
    | GreeksUpdate
    | TheoUpdate
    | UnderlyingUpdate
    | CandleUpdate
    | CandleHistory
    | MetricsUpdate
)
DataRecord = MarketUpdate | AccountRecord | AlertUpdate
Record = DataRecord | Removed | Status | Heartbeat | Gap
Control = Hello | SnapshotEnd | Gap | Notice | Bye | Status | Heartbeat

MARKET_TYPES = frozenset(
    {
        "quote_update",
        "trade_update",
        "summary_update",
        "greeks_update",
        "theo_update",
        "underlying_update",
        "candle_update",
        "candle_history",
        "metrics_update",
    }
)
DATA_TYPES = MARKET_TYPES | ACCOUNT_TYPES | {"alert"}
DEFAULT_TYPES = frozenset({"quote_update", "balance_update", "alert"})
"""What a stream carries when it does not say `types=`."""

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(record: Record | Control) -> bytes:
    """One JSON object; decimals as numbers with the digits they came with."""
    return _encoder.encode(record)


_second: tuple[int, str] = (-1, "")


def format_time(timestamp_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-11-20T15:30:00.123Z`."""
    global _second
    second, ms = divmod(timestamp_ms, 1000)
    if _second[0] != second:  # thousands of events share one second; strftime is slow
        _second = (
            second,
            datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        )
    return f"{_second[1]}.{ms:03d}Z"
