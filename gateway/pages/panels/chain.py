"""`chain("SPY")`: calls and puts of one expiration by strike, around the money.

Which strikes there are is asked when the page is described, and so are the values that are shown
until the feed brings newer ones, or because the market is closed.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from gateway.pages.authoring.address import Address, link_chain
from gateway.pages.authoring.builder import PageError, current_builder, plain_id
from gateway.pages.authoring.questions import Answer, ChainQuestion
from gateway.pages.panel import Cells, Key, RowChange, TablePanel
from gateway.pages.panels.chain_outlook import ChainOutlook, Tab, list_tabs
from gateway.pages.rendering.formats import (
    MIN_DECIMALS,
    MINUS,
    UNKNOWN,
    decimals_of,
    format_number,
    format_quantity,
    is_known,
)
from gateway.streams.account_records import PositionUpdate
from gateway.streams.documents import OptionChain, OptionQuote
from gateway.streams.records import GreeksUpdate, QuoteUpdate, Record
from gateway.streams.topics import NOBODY, Topic, TopicPattern, market_topic

STRIKES = 16
MOST_STRIKES = 64
"""Each is two symbols that the gateway follows."""

LINE = "chain_line"
"""The kind of the topics of lines: no record is published under it."""

_UNDERLYING = re.compile(r"/?[A-Z0-9][A-Z0-9./$^]{0,15}\Z")

LEAST_DELTA = Decimal("0.01")

SIDE_CELLS = 5
BLANK: Cells = ("", "", *["", UNKNOWN] * (SIDE_CELLS - 1))


def chain(
    underlying: str,
    expiration: date | str | None = None,
    strikes: int = STRIKES,
    title: str | None = None,
) -> None:
    """Place the option chain of a stock, an index or a future, with its expirations as tabs.

    `expiration` is the day that is shown first, a date or "2026-12-18"; without one it is the
    monthly that is nearest to 45 days from now.
    """
    builder = current_builder("chain")
    name = str(underlying).strip().upper()
    if not _UNDERLYING.match(name):
        raise PageError(
            f'chain: {underlying!r} is no underlying: write chain("SPY") or chain("/ES")'
        )
    if not 1 <= strikes <= MOST_STRIKES:
        raise PageError(f"chain: strikes is 1 to {MOST_STRIKES}, not {strikes!r}")
    own = _check_expiration(expiration)
    id = builder.new_id("chain")
    address = builder.address
    day, root = _read_expiration(address.choice(id, "expiration")) or (own, None)
    count = _read_count(address.choice(id, "strikes"), strikes)
    answer = builder.ask(ChainQuestion(name, day, root, count))
    heading = title or f"Options on {name}"
    # Of a future the name is a product's, which is no symbol.
    options = {"title": heading, "link": "" if name[0] == "/" else link_chain(name)}
    with builder.open_group("chain", "containers/chain.html", options):
        builder.add(ChainOutlook(f"{id}-outlook", name, answer))
        builder.add(ChainPanel(id, name, answer, count, address, heading))


def _check_expiration(expiration: date | str | None) -> date | None:
    if expiration is None or isinstance(expiration, date):
        return expiration
    try:
        return date.fromisoformat(expiration)
    except (TypeError, ValueError):
        raise PageError(
            f'chain: {expiration!r} is no day: write chain("SPY", expiration="2026-12-18")'
        ) from None


def _read_expiration(chosen: str) -> tuple[date, str | None] | None:
    day, _, root = chosen.partition(",")
    try:
        return date.fromisoformat(day), root or None
    except ValueError:
        return None


def _read_count(chosen: str, own: int) -> int:
    count = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 4 else own
    return max(1, min(count, MOST_STRIKES))


class Side(NamedTuple):
    """A call or a put now; `held` is how many the viewer holds."""

    bid: Decimal | None
    ask: Decimal | None
    delta: Decimal | None
    open_interest: int | None
    held: Decimal
    is_stale: bool


class Line(NamedTuple):
    """A strike now."""

    strike: Decimal
    call: Side | None
    put: Side | None
    price: Decimal | None
    """Of the underlying."""
    is_first_above: bool


class ChainPanel(TablePanel):
    """A line for each strike: calls to the left, puts to the right. Private for what is held."""

    frame: ClassVar[str] = "panels/chain.html"
    empty: ClassVar[str] = "panels/chain_empty.html"
    is_private: bool = True

    def __init__(
        self,
        id: str,
        underlying: str,
        answer: Answer | None,
        strikes: int,
        address: Address,
        title: str,
    ) -> None:
        super().__init__(id)
        self.title = title
        self.problem = answer if isinstance(answer, str) else None
        self._chain = answer if isinstance(answer, OptionChain) else None
        self._address = address
        self._strikes = strikes
        self._lines = {
            Topic(LINE, NOBODY, f"{row.strike:f}"): row
            for row in (self._chain.rows if self._chain else ())
        }
        self._underlying = None if underlying.startswith("/") else underlying
        keys: list[Key] = []
        if self._lines and self._underlying is not None:
            keys.append(market_topic("quote_update", self._underlying))
        for row in self._lines.values():
            for side in (row.call, row.put):
                if side is not None and side.symbol is not None:
                    keys.append(market_topic("quote_update", side.symbol))
                    keys.append(market_topic("greeks_update", side.symbol))
        self._keys = (*keys, TopicPattern("position_update", None)) if keys else ()

    @property
    def tabs(self) -> list[Tab]:
        """The expirations as links."""
        return [] if self._chain is None else list_tabs(self._chain, self._address, self.id)

    @property
    def more(self) -> str:
        """The link to twice as many strikes; empty when all are shown."""
        chosen = self._chain.expiration if self._chain else None
        if chosen is None or len(self._lines) >= min(chosen.strikes, MOST_STRIKES):
            return ""
        return self._address.link(self.id, "strikes", str(min(2 * self._strikes, MOST_STRIKES)))

    @property
    def cell_tags(self) -> tuple[str, ...]:
        """The call, the strike, the put."""
        return (*["td"] * SIDE_CELLS, 'th scope="row"', *["td"] * SIDE_CELLS)

    def keys(self) -> tuple[Key, ...]:
        """Quotes and greeks of every option, the underlying's quote, and what is held."""
        return self._keys

    def row_id(self, key: Topic) -> str:
        """The panel's id and the strike."""
        return f"{self.id}-{plain_id(key.subject)}"

    def row_value(self, record: Any) -> None:
        """Nothing flashes: a chain moves all over at once."""
        return

    def summaries(
        self, topics: Sequence[Topic], records: Sequence[Record | None]
    ) -> Mapping[Topic, Line]:
        """The lines, each made of four records and of what is held."""
        known = {
            (topic.kind, topic.subject): each for topic, each in zip(topics, records, strict=True)
        }
        held: dict[str, Decimal] = {}
        for each in records:
            if isinstance(each, PositionUpdate) and each.symbol is not None:
                held[each.symbol] = held.get(each.symbol, Decimal(0)) + each.quantity
        price = self._chain.price if self._chain else None
        now = known.get(("quote_update", self._underlying or ""))
        if isinstance(now, QuoteUpdate) and is_known(now.last):
            price = now.last
        lines, was_below = {}, True
        for topic, row in self._lines.items():
            is_above = price is not None and row.strike >= price
            lines[topic] = Line(
                row.strike,
                _read_side(row.call, known, held),
                _read_side(row.put, known, held),
                price,
                is_above and was_below,
            )
            was_below = not is_above
        return lines

    def order(self, records: Sequence[Any]) -> Sequence[int]:
        """The lines alone."""
        return range(len(records) - len(self._lines), len(records))

    def row_cells(self, key: Topic, record: Any, move: RowChange) -> Cells:
        """Held, open interest, delta, bid and ask of the call; the strike; the put as a mirror."""
        if not isinstance(record, Line):
            return ()
        strike, price = record.strike, record.price
        call = _write_side(record.call, is_itm=price is not None and strike < price)
        put = _write_side(record.put, is_itm=price is not None and strike > price)
        held, interest, delta, bid, ask = zip(put[::2], put[1::2], strict=True)
        mirrored = (*bid, *ask, *delta, *interest, *held)
        css = "atm" if record.is_first_above else ""
        text = format_number(strike, max(decimals_of(strike.normalize()), MIN_DECIMALS))
        return (*call, css, text, *mirrored)


def _read_side(
    seed: OptionQuote | None,
    known: Mapping[tuple[str, str], Record | None],
    held: Mapping[str, Decimal],
) -> Side | None:
    """Return an option with what the feed knows of it; else as the broker answered."""
    if seed is None:
        return None
    symbol = seed.symbol or ""
    now = known.get(("quote_update", symbol))
    greeks = known.get(("greeks_update", symbol))
    prices = (now.bid, now.ask) if isinstance(now, QuoteUpdate) else (seed.bid, seed.ask)
    return Side(
        *prices,
        greeks.delta if isinstance(greeks, GreeksUpdate) and is_known(greeks.delta) else seed.delta,
        seed.open_interest,
        held.get(symbol, Decimal(0)),
        isinstance(now, QuoteUpdate) and now.stale,
    )


def _write_delta(delta: Decimal | None) -> str:
    """Return a delta in two decimals; what is nearer to 0 than that is written as such."""
    if delta is None or not is_known(delta) or abs(delta) >= LEAST_DELTA or not delta:
        return format_number(delta)
    return f"&lt;{LEAST_DELTA}" if delta > 0 else f"&gt;{MINUS}{LEAST_DELTA}"


def _write_side(side: Side | None, *, is_itm: bool) -> Cells:
    if side is None:
        return BLANK
    css = " ".join(filter(None, ("itm" if is_itm else "", "old" if side.is_stale else "")))
    decimals = decimals_of(side.bid, side.ask)
    interest = side.open_interest
    return (
        f"held {css}".strip() if side.held else css,
        format_quantity(side.held) if side.held else "",
        css,
        UNKNOWN if interest is None else format_quantity(Decimal(interest)),
        css,
        _write_delta(side.delta),
        css,
        format_number(side.bid, decimals),
        css,
        format_number(side.ask, decimals),
    )
