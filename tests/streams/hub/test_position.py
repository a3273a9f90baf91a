"""Positions in a stream: their ids and their order."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.hub.position import (
    BEGINNING,
    Entry,
    StreamPosition,
    count_data,
    make_position,
    parse_event_id,
)
from gateway.streams.records import Heartbeat, Record
from tests.streams.samples import make_balance, make_quote, make_status

POSITIONS = st.builds(
    StreamPosition, st.integers(0, 10**12).map(str), st.integers(0, 10**17).map(int)
)


@given(POSITIONS)
def test_an_id_names_its_position(position: StreamPosition) -> None:
    assert parse_event_id(position.event_id) == position


def test_positions_are_ordered_as_numbers() -> None:
    ordered = [StreamPosition(*each) for each in [("9", 10), ("10", 2), ("10", 11), ("100", 1)]]
    assert sorted([*reversed(ordered)], key=lambda each: each.order) == ordered
    assert all(BEGINNING.order < each.order for each in ordered)


def test_a_position_made_quickly_is_one() -> None:
    made = make_position(("k3f9", 7))
    assert isinstance(made, StreamPosition)
    assert made == StreamPosition("k3f9", 7)


def test_only_data_has_an_id_and_only_that_of_the_publisher() -> None:
    position = StreamPosition("k3f9", 7)
    assert b"\nid: k3f9-7\n" in Entry(7, make_quote(), 0.0, position).frame
    for record in (make_status(), Heartbeat(timestamp=1)):
        assert b"\nid: " not in Entry(7, record, 0.0, position).frame
    assert b"\nid: " not in Entry(7, make_quote(), 0.0, position, is_local=True).frame


def test_statuses_are_no_data() -> None:
    records: list[Record] = [make_status(), make_quote(), make_balance()]
    entries = [Entry(each, record, 0.0, BEGINNING) for each, record in enumerate(records)]
    assert count_data(entries) == 2
