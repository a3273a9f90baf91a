"""A frame is one event for a parser that was written from the standard."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.sse import encode_frame
from tests.sse import parse
from tests.streams.samples import make_quote, make_status


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_frame_is_one_event_whatever_it_says(reason: str) -> None:
    (event,) = parse(encode_frame(make_status(reason=reason), "k3f9-7"))
    assert event.event == "status"
    assert event.id == "k3f9-7"
    assert json.loads(event.data)["reason"] == reason


def test_without_an_id_there_is_no_line_for_it() -> None:
    frame = encode_frame(make_quote(last="450.20"))
    assert b"\nid:" not in frame
    (event,) = parse(frame)
    assert event.event == "quote_update"
    assert event.id is None


@pytest.mark.parametrize("event_id", [None, "k3f9-7"])
def test_a_retry_stands_in_the_block_of_an_event(event_id: str | None) -> None:
    frame = encode_frame(make_quote(), event_id, retry_ms=1500)
    assert frame.startswith(b"retry: 1500\nevent: ")
    assert frame.count(b"\n\n") == 1
    assert len(parse(frame)) == 1
