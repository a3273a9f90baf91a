"""The chart panel: candles or a line from the feed's history, then live; drawn in the browser.

The server sends figures, as text in two live elements: what is complete, seldom, and the newest
candle, four times a second. `chart.js` draws them with uPlot, and computes nothing else.
"""

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import msgspec
from markupsafe import Markup

from gateway.pages.authoring.builder import PageError, check_symbols, current_builder
from gateway.pages.panel import FragmentPanel
from gateway.pages.rendering.formats import UNKNOWN, format_number, format_quantity
from gateway.pages.rendering.ticks import decimals_for
from gateway.streams.records import CandleHistory, CandleUpdate, Record
from gateway.streams.sessions import candle_day
from gateway.streams.symbols import parse_symbol
from gateway.streams.topics import Topic, market_topic

INTERVALS = ("1m", "5m", "1h", "1d")
KINDS = ("candles", "line")
HOURS = ("regular", "all")

_encode = msgspec.json.Encoder(decimal_format="number").encode


def chart(
    symbol: str,
    *,
    interval: str = "5m",
    kind: str = "candles",
    hours: str = "regular",
    title: str | None = None,
) -> None:
    """Place a chart of a symbol: its history, and the newest candle as it grows.

    `interval` is 1m, 5m, 1h or 1d, `kind` candles or line, `hours` regular or all.
    """
    builder = current_builder("chart")
    (checked,) = check_symbols("chart", (symbol,), "QQQ")
    for name, value, values in (
        ("interval", interval, INTERVALS),
        ("kind", kind, KINDS),
        ("hours", hours, HOURS),
    ):
        if value not in values:
            raise PageError(
                f'chart("{checked}"): {name} is one of {", ".join(values)}, not {value!r}: '
                f'write chart("{checked}", {name}="{values[0]}")'
            )
    attributes = interval if hours == "all" else f"{interval},tho=true"
    series = parse_symbol(f"{checked}{{={attributes}}}")
    id = builder.new_id("chart")
    options = {
        "id": id,
        "symbol": checked,
        "interval": interval,
        "kind": kind,
        "title": title or checked,
    }
    with builder.open_group("chart", "containers/chart.html", options):
        builder.add(ChartNow(f"{id}-now", series, checked))
        builder.add(ChartHistory(f"{id}-history", series))


class ChartHistory(FragmentPanel):
    """The complete candles as columns of numbers; sent when one is complete."""

    template: ClassVar[str] = "panels/chart_history.html"
    frame: ClassVar[str] = "panels/chart_history_frame.html"

    def __init__(self, id: str, series: str) -> None:
        super().__init__(id)
        self._series = series

    @property
    def kind(self) -> Hashable:
        """Its series."""
        return (type(self), self._series)

    def keys(self) -> tuple[Topic, ...]:
        """The history."""
        return (market_topic("candle_history", self._series),)

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Time in s, open, high, low, close, volume, and the day as days since 1970-01-01."""
        history = records[0] if isinstance(records[0], CandleHistory) else None
        if history is None:
            return {"columns": "[]"}
        columns = [
            [each // 1000 for each in history.time],
            *(history.open, history.high, history.low, history.close, history.volume),
            [candle_day(self._series, each) for each in history.time],
        ]
        # Numbers, brackets and null: nothing in it could end a text.
        return {"columns": Markup(_encode(columns).decode())}


class ChartNow(FragmentPanel):
    """The newest candle, for people and for the drawing."""

    template: ClassVar[str] = "panels/chart_now.html"
    frame: ClassVar[str] = "panels/chart_now_frame.html"

    def __init__(self, id: str, series: str, symbol: str) -> None:
        super().__init__(id)
        self.symbol = symbol
        self._series = series

    @property
    def kind(self) -> Hashable:
        """Its series."""
        return (type(self), self._series)

    def keys(self) -> tuple[Topic, ...]:
        """The newest candle, and whether there is a history at all."""
        return (
            market_topic("candle_update", self._series),
            market_topic("candle_history", self._series),
        )

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Every figure as text, and all of them for the drawing."""
        newest, history = records
        if not isinstance(newest, CandleUpdate):
            words = "No candles for this symbol" if history else "Waiting for candles…"
            figures = dict.fromkeys(("O", "H", "L", "C", "V"), UNKNOWN)
            return {"figures": figures, "value": "[]", "words": words, "stale_since": None}
        prices = (newest.open, newest.high, newest.low, newest.close)
        decimals = decimals_for(self.symbol, *prices)
        figures = {
            name: format_number(price, decimals)
            for name, price in zip(("O", "H", "L", "C"), prices, strict=True)
        }
        value = [newest.time // 1000, *prices, newest.volume, decimals]
        value.append(candle_day(self._series, newest.time))
        return {
            "figures": {**figures, "V": format_quantity(newest.volume)},
            "value": _encode(value).decode(),
            "words": "",
            "stale_since": newest.updated_at if newest.stale else None,
        }
