"""Metrics of underlyings, polled: implied volatility and its rank, beta, earnings, dividends.

They change slowly, and the broker has no stream of them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.streams.backoff import Backoff
from gateway.streams.publisher import Publisher
from gateway.streams.records import MetricsUpdate, format_time
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.retry import TROUBLE, describe_error
from gateway.streams.upstream.rows import MetricsRow, list_items, read_metrics, read_rows

logger = logging.getLogger(__name__)

POLL_S = 300.0
CHECK_S = 1.0
"""Between two looks for symbols that have no metrics yet."""
MAX_SYMBOLS = 100
"""Of one request."""
RETRY_CAP_S = 60.0


class Metrics:
    """The metrics of whatever `list_symbols` names: streamer symbol to broker symbol."""

    def __init__(
        self,
        budget: RequestBudget,
        publisher: Publisher,
        list_symbols: Callable[[], Mapping[str, str]],
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._budget = budget
        self._publisher = publisher
        self._list_symbols = list_symbols
        self._clock = clock
        self._due_s: dict[str, float] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        backoff = Backoff(initial_s=1.0, cap_s=RETRY_CAP_S)
        while True:
            names = self._list_symbols()
            now_s = self._clock.monotonic_s()
            self._due_s = {each: self._due_s.get(each, now_s) for each in names}
            due = [each for each in names if self._due_s[each] <= now_s][:MAX_SYMBOLS]
            delay_s = CHECK_S
            if due:
                try:
                    await self._read({names[each]: each for each in due})
                except (*TROUBLE, ValueError) as error:
                    logger.info("metrics cannot be read: %s", describe_error(error))
                    delay_s = max(CHECK_S, backoff.next_delay_s())
                else:
                    backoff.reset()
                    self._due_s |= dict.fromkeys(due, now_s + POLL_S)
            await asyncio.sleep(delay_s)

    async def _read(self, symbols: Mapping[str, str]) -> None:
        query = [("symbols", ",".join(symbols))]
        items = list_items(await self._budget.get("quotes", "/market-metrics", query))
        rows, unreadable = read_rows(items, read_metrics)
        if unreadable:
            logger.info("the metrics of %d symbols could not be read", unreadable)
        at = format_time(self._clock.now_ms())
        for row in rows:
            if (symbol := symbols.get(row.symbol)) is not None:
                self._publisher.publish(make_metrics_update(row, symbol, at))


def make_metrics_update(row: MetricsRow, symbol: str, updated_at: str) -> MetricsUpdate:
    """Return the record of an underlying's metrics; `symbol` is its streamer symbol."""
    return MetricsUpdate(
        symbol=symbol,
        updated_at=updated_at,
        source="rest",
        implied_volatility_index=row.implied_volatility_index,
        implied_volatility_rank=row.implied_volatility_rank,
        implied_volatility_percentile=row.implied_volatility_percentile,
        beta=row.beta,
        liquidity_rating=row.liquidity_rating,
        earnings_at=None if row.earnings_on is None else row.earnings_on.isoformat(),
        earnings_time=row.earnings_time,
        dividend_ex_at=None if row.dividend_ex_on is None else row.dividend_ex_on.isoformat(),
        dividend_yield=row.dividend_yield,
        market_cap=row.market_cap,
    )


def list_plain(symbols: Iterable[str]) -> dict[str, str]:
    """Return those symbols that the broker calls as the feed does: shares and indices."""
    return {each: each for each in symbols if not set(each) & set(":{") and each[:1] not in "./"}
