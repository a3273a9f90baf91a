"""Which figures an alert may rely on: what is live, and nothing else."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.alerts.figures import key_of, read_figure, topic_of
from gateway.alerts.rule import Condition
from gateway.streams.account_records import Removed
from gateway.streams.records import GreeksUpdate
from tests.streams.samples import make_balance, make_quote

OPEN = make_quote("SPY", "100", market="open", extended_last=Decimal(101))


@pytest.mark.parametrize("key", ["quote_update:SPY", "greeks_update:.SPY", "balance_update:5W1"])
def test_a_record_is_found_by_its_key(key: str) -> None:
    assert key_of(topic_of(Condition(key, "last", "above", Decimal(1)))) == key


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"market": "open"}, 100),
        ({"market": "open", "stale": True}, None),
        ({"market": "closed"}, None),
        ({"market": None}, None),
    ],
)
def test_a_quote_counts_while_its_market_is_open(values: dict[str, Any], expected: Any) -> None:
    quote = make_quote("SPY", "100", **values)
    assert read_figure(quote, "last", quote) == expected


def test_what_there_is_only_outside_hours_counts_then() -> None:
    closed = make_quote("SPY", "100", market="closed", extended_last=Decimal(101))
    assert read_figure(closed, "extended_last", closed) == 101


def test_another_record_of_a_symbol_needs_its_open_market() -> None:
    unknown: Any = dict.fromkeys(("price", "volatility", "gamma", "theta", "rho", "vega", "time"))
    greeks = GreeksUpdate(symbol="SPY", updated_at="", delta=Decimal("0.5"), **unknown)
    assert read_figure(greeks, "delta", OPEN) == Decimal("0.5")
    assert read_figure(greeks, "delta", None) is None
    assert read_figure(greeks, "theta", OPEN) is None


def test_what_is_unknown_or_gone_is_no_figure() -> None:
    assert read_figure(None, "last", None) is None
    assert read_figure(Removed(of="balance_update", account="1"), "balance", None) is None
    assert read_figure(make_quote("SPY", market="open"), "last", OPEN) is None
    assert read_figure(make_balance("1", 5), "balance", None) == 5
