"""What clients write is read with care: no value raises but on purpose."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.dxlink.channel import BadAction
from gateway.simulator.broker.dxlink.requests import KEEPALIVE_S, read_items, read_seconds, whole

JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(JUNK | st.lists(JUNK, max_size=2))
def test_a_time_is_positive_whatever_is_written(value: Any) -> None:
    seconds = read_seconds(value)
    assert math.isfinite(seconds)
    assert seconds > 0
    if isinstance(value, int | float) and value > 0 and not isinstance(value, bool):
        assert seconds == (float(value) if math.isfinite(value) else KEEPALIVE_S)
    else:
        assert seconds == KEEPALIVE_S


def test_whole_seconds_are_integers() -> None:
    assert isinstance(whole(60.0), int)
    assert whole(0.5) == 0.5


def test_items_keep_their_order_and_their_time() -> None:
    items = [
        {"type": "Candle", "symbol": "SPY{=5m}", "fromTime": 7},
        {"type": "Quote", "symbol": "A"},
    ]
    assert read_items(items) == [("Candle", "SPY{=5m}", 7.0), ("Quote", "A", None)]
    assert read_items(None) == []


@pytest.mark.parametrize("value", [7, "SPY", {}, [None], [{"type": "Quote"}], [{"symbol": "SPY"}]])
def test_what_is_no_list_of_items_is_refused(value: Any) -> None:
    with pytest.raises(BadAction):
        read_items(value)
