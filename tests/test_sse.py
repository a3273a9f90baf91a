"""The independent parser reads what the standard's own examples say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sse import Event, Parser, parse


def test_examples_of_the_standard() -> None:
    assert parse(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [
        Event("message", "YHOO\n+2\n10", None, None)
    ]
    # A comment; an id; an empty id, which resets it; a block without data, which is no event.
    parser = Parser()
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third"
    assert parser.feed(stream + b" event\n\nevent: none\n\n") == [
        Event("message", "first event", "1", None),
        Event("message", "second event", "", None),
        Event("message", " third event", None, None),
    ]
    assert parser.comments == [" test stream"]
    assert parse(b"data\n\ndata\ndata\n\n") == [
        Event("message", "", None, None),
        Event("message", "\n", None, None),
    ]


def test_byte_order_mark_line_ends_and_retry() -> None:
    stream = "\ufeffretry: 12\r\revent: a\r\ndata: \ufeffé\r\n\r\nretry: 7\ndata: x\n\n"
    assert parse(stream.encode()) == [
        Event("a", "\ufeffé", None, 12),
        Event("message", "x", None, 7),
    ]


@pytest.mark.parametrize("line", ["retry: 1s", "retry: -1", "retry: ²", "id: a\0b", "other: x"])
def test_what_a_client_ignores_is_kept(line: str) -> None:
    parser = Parser()
    (event,) = parser.feed(f"{line}\ndata: x\n\n".encode())
    assert event == Event("message", "x", None, None)
    assert parser.ignored == [line]
    assert parser.last_event_id == ""
    with pytest.raises(AssertionError, match="would ignore"):
        parse(f"{line}\ndata: x\n\n".encode())


@pytest.mark.parametrize("stream", [b"data: x\n", b"data: x", b"data: x\n\n\xc3"])
def test_an_incomplete_stream_is_an_error(stream: bytes) -> None:
    with pytest.raises(AssertionError, match="inside an event"):
        parse(stream)


@given(st.text(st.sampled_from(":\r\n\0 adeitv1é")), st.data())
def test_pieces_do_not_matter(text: str, data: st.DataObject) -> None:
    stream = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    whole, pieces = Parser(), Parser()
    events = whole.feed(stream)
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += pieces.feed(stream[begin:end])
    assert (found, pieces.ignored) == (events, whole.ignored)
