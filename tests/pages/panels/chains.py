"""Option chains as the broker answers, for tests of what shows them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from gateway.streams.documents import ChainRow, Expiration, OptionChain, OptionQuote

DAY = date(2026, 12, 18)


def make_option(side: str, strike: int, day: date = DAY, bid: str | None = None) -> OptionQuote:
    """An option of which nothing is known but its bid."""
    return OptionQuote(
        symbol=f".SPY{day:%y%m%d}{side}{strike}",
        broker_symbol=f"SPY   {day:%y%m%d}{side}{strike * 1000:08}",
        bid=None if bid is None else Decimal(bid),
    )


def make_expiration(day: date = DAY, root: str = "SPY", *, is_standard: bool = True) -> Expiration:
    """A monthly expiration."""
    return Expiration(
        date=day,
        days=28,
        root=root,
        kind="Regular",
        settlement="PM",
        is_standard=is_standard,
        shares_per_contract=Decimal(100),
        underlying="SPY",
        implied_volatility=Decimal("0.15"),
        strikes=120,
    )


def make_chain(
    day: date = DAY,
    strikes: Sequence[int] = (590, 600, 610),
    bid: str | None = "1.25",
    others: Sequence[Expiration] = (),
) -> OptionChain:
    """SPY at 600.25, an expiration, and these strikes of it."""
    rows = tuple(
        ChainRow(
            strike=Decimal(each),
            call=make_option("C", each, day, bid),
            put=make_option("P", each, day, bid),
        )
        for each in strikes
    )
    chosen = make_expiration(day)
    return OptionChain(
        underlying="SPY",
        price=Decimal("600.25"),
        expirations=(chosen, *others),
        expiration=chosen,
        rows=rows,
    )
