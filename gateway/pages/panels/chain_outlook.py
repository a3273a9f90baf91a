"""What stands above a chain: its expirations, and how far each lets the price be expected to go."""

from collections.abc import Sequence
from decimal import Decimal
from math import sqrt
from typing import Any, ClassVar, NamedTuple

from gateway.pages.authoring.address import Address
from gateway.pages.authoring.questions import Answer
from gateway.pages.panel import FragmentPanel, Key
from gateway.pages.rendering.formats import (
    UNKNOWN,
    direction_of,
    format_number,
    format_percent,
    is_known,
)
from gateway.pages.rendering.ticks import decimals_for
from gateway.streams.documents import Expiration, OptionChain
from gateway.streams.records import QuoteUpdate, Record
from gateway.streams.topics import market_topic

YEAR_DAYS = 365


class Tab(NamedTuple):
    """An expiration as a link: the day, how far it is, and which root when there are several."""

    day: str
    days: str
    root: str
    volatility: str
    """In percent; empty while it is not known."""
    link: str
    is_chosen: bool
    is_monthly: bool
    meaning: str


def list_tabs(chain: OptionChain, address: Address, panel: str) -> list[Tab]:
    """Return the expirations, without adjusted contracts unless one of them is chosen."""
    chosen = chain.expiration
    shown = [each for each in chain.expirations if each.is_standard or _is_same(each, chosen)]
    roots = {each.root for each in shown}
    return [
        Tab(
            day=f"{each.date.day} {each.date:%b}" + (f" {each.date:%y}" if _is_far(each) else ""),
            days=UNKNOWN if each.days is None else f"{each.days}d",
            root=each.root if len(roots) > 1 else "",
            volatility=_percent(each.implied_volatility, 0),
            link=address.link(panel, "expiration", f"{each.date.isoformat()},{each.root}"),
            is_chosen=_is_same(each, chosen),
            is_monthly=each.kind == "Regular",
            meaning=_explain(each, chain.price),
        )
        for each in shown
    ]


def expect_move(
    price: Decimal | None, volatility: Decimal | None, days: int | None
) -> Decimal | None:
    """Return how far a price is expected to go, one standard deviation: S * IV * sqrt(days / 365).

    600.25, 0.15 and 30 days give 25.81; on the last day it is 0.
    """
    if price is None or volatility is None or days is None or days < 0:
        return None
    if not (price.is_finite() and volatility.is_finite()):
        return None
    return price * volatility * Decimal(sqrt(days / YEAR_DAYS))


class ChainOutlook(FragmentPanel):
    """The price of the underlying, and the volatility and expected move of the expiration."""

    template: ClassVar[str] = "panels/chain_outlook.html"
    frame: ClassVar[str] = "panels/chain_outlook_frame.html"
    pause_s: float = 0.5

    def __init__(self, id: str, underlying: str, answer: Answer | None) -> None:
        super().__init__(id)
        self._chain = answer if isinstance(answer, OptionChain) else None
        self._underlying = underlying
        # A future's chain is of its product: which contract's price it is, only the broker knows.
        is_followed = self._chain is not None and not underlying.startswith("/")
        self._keys = (market_topic("quote_update", underlying),) if is_followed else ()

    def keys(self) -> tuple[Key, ...]:
        """The underlying's quote."""
        return self._keys

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Every figure as text; nothing while there is no chain."""
        chosen = self._chain.expiration if self._chain is not None else None
        if self._chain is None or chosen is None:
            return {"price": ""}
        now = records[0] if records else None
        quote = now if isinstance(now, QuoteUpdate) and is_known(now.last) else None
        price = self._chain.price if quote is None else quote.last
        decimals = decimals_for(self._underlying, price)
        move = expect_move(price, chosen.implied_volatility, chosen.days)
        return {
            "price": format_number(price, decimals),
            "change": "" if quote is None else format_percent(quote.change_pct),
            "direction": direction_of(None if quote is None else quote.change_pct),
            "volatility": _percent(chosen.implied_volatility),
            "move": "" if move is None else format_number(move, decimals),
            "move_pct": "" if move is None or not price else format_number(100 * move / price, 1),
            "stale_since": quote.updated_at if quote is not None and quote.stale else None,
        }


def _is_same(one: Expiration, other: Expiration | None) -> bool:
    return other is not None and (one.date, one.root) == (other.date, other.root)


def _explain(expiration: Expiration, price: Decimal | None) -> str:
    settled = f"settled {expiration.settlement}" if expiration.settlement else None
    move = expect_move(price, expiration.implied_volatility, expiration.days)
    expected = f"expected move ±{format_number(move)}" if move else None
    return " · ".join(filter(None, (expiration.kind, settled, expected)))


def _is_far(expiration: Expiration) -> bool:
    return expiration.days is None or expiration.days >= YEAR_DAYS // 2


def _percent(fraction: Decimal | None, decimals: int = 1) -> str:
    text = format_number(None if fraction is None else fraction * 100, decimals)
    return "" if text == UNKNOWN else f"{text}%"
