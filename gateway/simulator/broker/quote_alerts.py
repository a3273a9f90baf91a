"""The broker's own alerts on prices: listed, matched against the market and pushed; pure."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.simulator.broker.catalogue.naming import broker_symbol, find_book
from gateway.simulator.market.book import Book
from gateway.simulator.market.market import Market

Body = dict[str, Any]
LIFE_S = 90 * 86_400.0
FIELDS = ("Last", "Bid", "Ask", "IV")
OPERATORS = (">", "<")


@dataclass(slots=True)
class Alert:
    """One alert of a customer. It fires once; until then it has none of the times of that."""

    id: str
    external_id: str
    symbol: str
    streamer_symbol: str
    kind: str
    field: str
    operator: str
    threshold: float
    created_s: float
    fired_s: float | None = None

    def is_met(self, book: Book) -> bool:
        """Return whether the price is beyond the threshold; never when it is not known."""
        known = {"Last": book.last, "Bid": book.bid, "Ask": book.ask, "IV": book.volatility}
        value = known[self.field]
        return value > self.threshold if self.operator == ">" else value < self.threshold

    def describe(self) -> Body:
        """Return the body of REST and of the push; times are in epoch milliseconds."""
        body: Body = {
            "alert-external-id": self.id,
            "user-external-id": self.external_id,
            "symbol": self.symbol,
            "dx-symbol": self.streamer_symbol,
            "instrument-type": self.kind,
            "field": self.field,
            "operator": self.operator,
            "threshold": str(self.threshold),
            "threshold-numeric": str(self.threshold),
            "created-at": round(self.created_s * 1000),
            "expires-at": round((self.created_s + LIFE_S) * 1000),
        }
        if self.fired_s is not None:
            at_ms = round(self.fired_s * 1000)
            body |= {"triggered-at": at_ms, "completed-at": at_ms}
        return body


@dataclass(slots=True)
class QuoteAlerts:
    """The alerts of all customers, by the external id of each."""

    _all: list[Alert] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(
        self,
        market: Market,
        external_id: str,
        *,
        symbol: str,
        field: str,
        operator: str,
        threshold: float,
    ) -> Alert:
        """Add an alert. Raises: KeyError for an unknown symbol; ValueError for another field."""
        book = find_book(market, symbol)
        if book is None:
            raise KeyError(symbol)
        if field not in FIELDS or operator not in OPERATORS:
            raise ValueError(f"field is one of {FIELDS}, operator one of {OPERATORS}")
        number = next(self._numbers)
        made = Alert(
            f"7c1f5a52-0000-4000-8000-{number:012d}", external_id,
            broker_symbol(market, book.symbol), book.symbol, book.kind.value, field, operator,
            threshold, market.now,
        )  # fmt: skip
        self._all.append(made)
        return made

    def list_of(self, external_id: str) -> list[Alert]:
        """Return a customer's alerts, those that fired too."""
        return [each for each in self._all if each.external_id == external_id]

    def match(self, market: Market) -> list[Alert]:
        """Fire what the market meets now and return it."""
        fired = []
        for each in self._all:
            book = market.find(each.streamer_symbol) if each.fired_s is None else None
            if book is not None and each.is_met(book):
                each.fired_s = market.now
                fired.append(each)
        return fired
