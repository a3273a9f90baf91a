"""Orders and positions in words and figures."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.streams.account_records import OrderUpdate
from gateway.streams.upstream.account_updates import describe_instrument, make_order_update
from gateway.streams.upstream.rows import read_order


@pytest.mark.parametrize(
    ("instrument_type", "symbol", "words"),
    [
        ("Equity Option", "SPY   261218C00600500", "SPY 18 Dec 26 600.5 C"),
        ("Equity Option", "TSLA1 270219P00360000", "TSLA1 19 Feb 27 360 P"),
        ("Equity Option", "SPY   269918C00600500", "SPY   269918C00600500"),
        ("Future Option", "./ESU3 E3AN3 230717C5600", "E3AN3 17 Jul 23 5600 C"),
        ("Future", "/ESZ6", "/ESZ6"),
        ("Equity", "BRK/B", "BRK/B"),
        ("Tokenized Thing", "SPY   261218C00600500", "SPY   261218C00600500"),
    ],
)
def test_instruments_in_words(instrument_type: str, symbol: str, words: str) -> None:
    assert describe_instrument(instrument_type, symbol) == words


def make_leg(action: str, quantity: int, *fills: tuple[int, str], symbol: str = "KO") -> Any:
    return {
        "action": action,
        "instrument-type": "Equity",
        "symbol": symbol,
        "quantity": quantity,
        "fills": [
            {"fill-id": str(n), "quantity": count, "fill-price": price}
            for n, (count, price) in enumerate(fills)
        ],
    }


def make(*legs: Any, **fields: Any) -> OrderUpdate:
    row: dict[str, Any] = {"id": 7, "account-number": "A", "status": "Live", "size": 10}
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    order = read_order(row | {"legs": list(legs)} | named)
    return make_order_update(order, lambda kind, symbol: None, login="main", stale=False)


def test_an_average_over_executions_is_signed_like_cash() -> None:
    order = make(make_leg("Buy to Open", 10, (3, "50.00"), (1, "51.00")))
    assert (order.fill_price, order.filled) == (Decimal("-50.25"), Decimal(4))
    assert order.is_working


def test_a_spread_is_filled_as_far_as_the_leg_that_lags_behind() -> None:
    sold = make_leg("Sell to Open", 20, (10, "2.00"))
    order = make(sold, make_leg("Buy to Open", 10), size=10)
    assert order.fill_price is None
    assert order.filled == 0
    order = make(sold, make_leg("Buy to Open", 10, (5, "1.00")), size=10)
    assert (order.fill_price, order.filled) == (Decimal(3), Decimal(5))
    assert order.description == "Sell to Open 20 KO · Buy to Open 10 KO"


@pytest.mark.parametrize(
    ("status", "is_working"),
    [
        *[(each, True) for each in ("Received", "Live", "Contingent", "Levitating")],
        *[(each, False) for each in ("Filled", "Cancelled", "Canceled", "Rejected", "Expired")],
    ],
)
def test_whether_an_order_may_still_be_filled(status: str, is_working: bool) -> None:
    assert make(status=status).is_working is is_working


def test_what_has_ended_is_not_working_whatever_it_is_called() -> None:
    assert not make(status="Levitating", terminal_at="2026-11-20T15:00:00Z").is_working


def test_nothing_known_is_null_and_never_zero() -> None:
    order = make(size=None)
    found = [order.price, order.fill_price, order.filled, order.size, order.updated_at]
    assert found == [None] * 5
    without = make({"action": "Buy to Open", "instrument-type": "Equity", "symbol": "KO"})
    assert (without.legs[0].filled, without.filled) == (None, None)
