"""Chains, histories and searches as the broker writes them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.upstream.chains import (
    Strike,
    pick_expiration,
    pick_strikes,
    read_chain,
    read_option,
    read_points,
    read_result,
    read_volatilities,
)

STRIKES = [
    {
        "strike-price": "600.0",
        "call": "C",
        "put": "P",
        "call-streamer-symbol": ".C",
        "put-streamer-symbol": ".P",
    },
    {"strike-price": "590.0", "call": "C5"},
    {"strike-price": None},
    "no row",
]


def make_item(root: str, *days: str, kind: str = "Standard") -> dict[str, Any]:
    return {
        "underlying-symbol": "SPX",
        "root-symbol": root,
        "option-chain-type": kind,
        "shares-per-contract": 100,
        "expirations": [
            {
                "expiration-date": day,
                "days-to-expiration": (date.fromisoformat(day) - date(2026, 11, 20)).days,
                "settlement-type": "PM",
                "expiration-type": "Regular",
                "strikes": STRIKES,
            }
            for day in days
        ]
        + [{"expiration-date": "someday"}],
    }


def test_roots_are_merged_by_date_and_odd_rows_cost_only_themselves() -> None:
    data = {"items": [make_item("SPX", "2026-12-18"), make_item("SPXW", "2026-11-30"), "no item"]}
    found = read_chain(data, "SPX")
    assert [(str(e.expiration.date), e.expiration.root) for e in found] == [
        ("2026-11-30", "SPXW"),
        ("2026-12-18", "SPX"),
    ]
    assert found[0].strikes == (
        Strike(Decimal("590.0"), ("C5", None), None),
        Strike(Decimal("600.0"), ("C", ".C"), ("P", ".P")),
    )
    assert found[0].expiration.strikes == 2


def test_a_chain_of_futures_says_what_each_expiration_is_on() -> None:
    data = {
        "futures": [],
        "option-chains": [
            {
                "root-symbol": "/ES",
                "expirations": [
                    {
                        "underlying-symbol": "/ESZ6",
                        "option-root-symbol": "EW4",
                        "expiration-date": "2026-11-27",
                        "strikes": STRIKES,
                    }
                ],
            }
        ],
    }
    (found,) = read_chain(data, "/ES")
    assert (found.expiration.root, found.expiration.underlying) == ("EW4", "/ESZ6")
    assert found.expiration.days is None
    assert found.expiration.is_standard


@pytest.mark.parametrize("data", [[], {}, {"items": None}, None])
def test_what_is_no_chain_is_no_empty_chain(data: Any) -> None:
    with pytest.raises(ValueError, match="no list"):
        read_chain(data, "SPX")


def test_the_nearest_standard_expiration_that_is_not_over_is_picked() -> None:
    items = [
        make_item("TSLA1", "2026-11-27", kind="Non-standard"),
        make_item("TSLA", "2026-11-13", "2026-11-27", "2026-12-18"),
    ]
    listed = read_chain({"items": items}, "TSLA")

    def pick(day: date | None, root: str | None = None) -> tuple[str, str] | None:
        found = pick_expiration(listed, day, root)
        return None if found is None else (str(found.expiration.date), found.expiration.root)

    assert pick(None) == ("2026-11-27", "TSLA")
    assert pick(None, "TSLA1") == ("2026-11-27", "TSLA1")
    assert pick(date(2026, 11, 13)) == ("2026-11-13", "TSLA")
    assert pick(date(2026, 12, 19)) is None


@given(st.integers(1, 40), st.integers(1, 50), st.one_of(st.none(), st.integers(-5, 60)))
def test_the_strikes_around_the_price(size: int, count: int, price: int | None) -> None:
    strikes = [Strike(Decimal(n), None, None) for n in range(size)]
    picked = pick_strikes(strikes, None if price is None else Decimal(price), count)
    assert len(picked) == min(size, count)
    assert list(picked) == strikes[strikes.index(picked[0]) :][: len(picked)]
    if price is not None and 0 <= price < size and count > 1:
        assert strikes[price] in picked


def test_figures_of_an_option() -> None:
    row = {"bid": "1.2", "ask": "NaN", "delta": "-0.25", "open-interest": 12, "volume": "7.0"}
    option = read_option(row, ".X", "X")
    assert (option.bid, option.ask, option.delta) == (Decimal("1.2"), None, Decimal("-0.25"))
    assert (option.open_interest, option.mark) == (12, None)


def test_volatilities_by_date_and_settlement() -> None:
    rows = [
        {"expiration-date": "2026-12-18", "settlement-type": "AM", "implied-volatility": "0.2"},
        {"expiration-date": "2026-12-18", "settlement-type": "PM", "implied-volatility": "0.3"},
        {"expiration-date": None},
        7,
    ]
    data = {"items": [{"option-expiration-implied-volatilities": rows}, {}, 5]}
    day = date(2026, 12, 18)
    assert read_volatilities(data) == {(day, "AM"): Decimal("0.2"), (day, "PM"): Decimal("0.3")}


def test_a_history_reads_the_times_of_the_wire() -> None:
    rows = [
        {"time": "2023-06-08 13:35:00+00", "total-close": "101.5", "total-open": "101"},
        {"time": "2023-06-08 13:30:00+00", "total-close": "100", "close": "7"},
        {"time": "2023-06-08 13:40:00+00", "close": "7"},
        {"time": "soon", "total-close": "1"},
    ]
    points = read_points(rows)
    assert [(each.time, each.close) for each in points] == [
        ("2023-06-08T13:30:00.000Z", 100),
        ("2023-06-08T13:35:00.000Z", Decimal("101.5")),
    ]
    assert points[0].open is None


def test_a_search_result_may_know_only_its_symbol() -> None:
    assert read_result({"symbol": "SPY", "options": "yes"}).has_options is None
    assert read_result({"symbol": "SPY", "options": True}).has_options is True
