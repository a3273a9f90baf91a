"""`gateway tail`: the parser, what is printed, and when it comes back and when it gives up."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.tail import MAX_WAIT_S, Event, Parser, TailError, follow
from gateway.streams.records import Bye, Gap, Heartbeat, Notice
from gateway.streams.sse import encode_frame
from tests.waiting import scaled
from tests.web.running import (
    TOKEN,
    make_balance,
    make_protected,
    make_quote,
    make_status,
    open_gateway,
)


def parse(*chunks: bytes) -> list[Event]:
    parser = Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def test_a_frame_of_the_gateway_is_understood() -> None:
    parser = Parser()
    (event,) = parser.feed(b"retry: 2500\n\n" + encode_frame(make_quote(), "k3-7"))
    assert event.name == "quote_update"
    assert json.loads(event.data)["symbol"] == "SPY"
    assert (parser.last_event_id, parser.retry_ms) == ("k3-7", 2500)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [Event("message", "a")]),
        (b"data:a\ndata: b\n\n", [Event("message", "a\nb")]),
        (b"data:  a\n\n", [Event("message", " a")]),
        (b"data\n\n", [Event("message", "")]),
        (b"event: x\n\ndata: a\n\n", [Event("message", "a")]),
        (b": comment\nevent: x\r\ndata: a\r\n\r\n", [Event("x", "a")]),
        (b"other: 1\ndata: a\n\n", [Event("message", "a")]),
        (b"data: a", []),
        (b"data: a\n", []),
        (b"\n\n\n", []),
        (b"data: \xff\n\n", [Event("message", "�")]),
    ],
)
def test_the_standard_is_followed(stream: bytes, events: list[Event]) -> None:
    assert parse(stream) == events


def test_ids_hold_until_another_comes_and_count_only_when_dispatched() -> None:
    parser = Parser()
    list(parser.feed(b"id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c"))
    assert parser.last_event_id == "1"
    parser.restart()
    list(parser.feed(b"\n\ndata: d\n\nid: a\0b\ndata: e\n\nretry: 1x\nretry: -1\n\n"))
    assert (parser.last_event_id, parser.retry_ms) == ("1", None)
    list(parser.feed(b"id\ndata: f\n\n"))
    assert parser.last_event_id == ""


@given(st.lists(st.sampled_from([make_quote(), make_balance(), make_status()])), st.data())
def test_chunks_may_end_anywhere(records: list[object], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(each, f"e-{n}") for n, each in enumerate(records, 1))  # type: ignore[arg-type]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(*chunks) == parse(stream)
    assert len(parse(stream)) == len(records)


class Over(Exception):
    """Ends a `follow` from the place where it would sleep."""


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, one a connection, and the requests that it had."""
    requests: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(scaled(10))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                requests.append(request.decode())
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        thread.join(scaled(10))
        listener.close()


def make_answer(body: bytes, status: str = "200 OK", kind: str = "text/event-stream") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode() + body


def follow_for(
    url: str, sleeps: int, symbols: tuple[str, ...] = (), **options: object
) -> tuple[str, list[float]]:
    """What is printed until the so-many-th sleep, and how long it would have slept."""
    out, waits = io.StringIO(), list[float]()

    def sleep(wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) == sleeps:
            raise KeyboardInterrupt

    assert follow(url, symbols, out=out, sleep=sleep, **options) == 130  # type: ignore[arg-type]
    return out.getvalue(), waits


def test_it_comes_back_with_the_last_id_when_the_server_wishes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = b"retry: 1500\n\n" + encode_frame(make_quote(), "k3-7")
    bye = b"retry: 700\n\n" + encode_frame(Bye(reason="shutdown", retry_ms=700))
    half = b"data: {"
    with scripted(
        make_answer(first + bye + half), make_answer(b"", "503 Busy"), make_answer(first)
    ) as (url, requests):
        text, waits = follow_for(url, 3, ("SPY", "/ESZ26:XCME"), as_json=True, rate=2.5)
    assert [json.loads(line)["type"] for line in text.splitlines()] == [
        "quote_update",
        "bye",
        "quote_update",
    ]
    assert requests[0].startswith("GET /events?symbol=SPY&symbol=%2FESZ26%3AXCME&rate=2.5 HTTP")
    assert "last-event-id" not in requests[0].lower()
    assert "Last-Event-ID: k3-7" in requests[1]
    assert "Last-Event-ID: k3-7" in requests[2]
    assert "text/event-stream" in requests[0]
    assert waits[0] == 0.7
    assert 0.7 <= waits[1] <= MAX_WAIT_S
    errors = capsys.readouterr().err
    assert "the stream ended; trying again in 0.7 s" in errors
    assert "the gateway answered 503" in errors


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        ("204 No Content", b"", "nothing to follow"),
        ("401 Unauthorized", b"{}", "set GATEWAY_TOKEN"),
        ("403 Forbidden", b"{}", "refuses this client"),
        ("404 Not Found", b"<html>", "no gateway at this address"),
        ("400 Bad Request", b'{"detail": "symbols: too many"}', "^symbols: too many$"),
        ("421 Misdirected", b"not json", "answered 421"),
        ("400 Bad Request", b"[]", "answered 400"),
    ],
)
def test_it_gives_up_where_asking_again_is_pointless(
    status: str, body: bytes, sentence: str
) -> None:
    with (
        scripted(make_answer(body, status, "application/problem+json")) as (url, _),
        pytest.raises(TailError, match=sentence),
    ):
        follow(url, (), sleep=_never)


def _never(wait_s: float) -> None:
    raise Over


@pytest.mark.parametrize("url", ["nonsense", "ftp://localhost", "http://[::1", ""])
def test_a_wrong_address_is_told(url: str) -> None:
    with pytest.raises(TailError, match="no address of a gateway"):
        follow(url, (), sleep=_never)


def test_nobody_at_home_is_tried_again_ever_more_slowly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    text, waits = follow_for(f"http://127.0.0.1:{port}", 12)
    assert text == ""
    assert max(waits) <= MAX_WAIT_S
    assert max(waits[:3]) <= 1.0


def test_the_token_is_sent() -> None:
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        gateway.publish(make_quote())
        with pytest.raises(TailError, match="set GATEWAY_TOKEN"):
            follow(gateway.url, (), sleep=_never)
        gateway.call(lambda: gateway.context.hub.close("shutdown"))
        text, _ = follow_for(gateway.url, 1, token=TOKEN)
    assert text == "· the gateway closed the stream: shutdown\n"


def show(*frames: bytes) -> list[str]:
    with scripted(make_answer(b"".join(frames))) as (url, _):
        text, _ = follow_for(url, 1)
    return text.splitlines()


def test_quotes_are_a_table() -> None:
    lines = show(
        encode_frame(make_quote("SPY", "450.250")),
        encode_frame(make_quote(".SPY261218C600", None, stale=True)),
    )
    assert lines[0].split() == ["symbol", "last", "change", "%", "bid", "ask", "volume"]
    assert lines[1].split() == ["SPY", "450.250", "–", "–", "–", "–", "–"]
    assert lines[2].split() == [".SPY261218C600", "–", "–", "–", "–", "–", "–", "stale"]
    assert len({line.index("–") for line in lines[2:]}) == 1


def test_a_row_has_room_in_eighty_columns() -> None:
    quote = make_quote(".SPXW261218C6000", "12345.65", change="-123.4", stale=True)
    lines = show(encode_frame(quote))
    assert max(map(len, lines)) <= 80


def test_a_symbol_that_nobody_knows_is_told_with_the_right_one() -> None:
    reason = "nothing is known under this name; did you mean /MGCG27:XCEC?"
    notice = Notice(symbol="MGC", reason=reason, suggestion="/MGCG27:XCEC")
    assert show(encode_frame(notice)) == [f"· MGC: {reason}"]


def test_a_trade_after_hours_stands_below_the_close() -> None:
    after = {"last_at": "extended", "extended_last": Decimal("300.10")}
    quote = make_quote("AAPL", "229.48", **after, extended_change=Decimal("70.62"))
    assert show(encode_frame(quote))[2].split() == ["extended", "hours", "300.10", "70.62"]


def test_the_quality_of_the_data_is_told() -> None:
    lines = show(encode_frame(make_status(data_quality="delayed")))
    assert lines == ["· feed is live, its quotes are delayed data"]


def test_the_heading_comes_again() -> None:
    lines = show(*[encode_frame(make_quote())] * 45)
    assert sum(line.startswith("symbol") for line in lines) == 2


def test_other_events_are_lines() -> None:
    status = make_status("stale")
    lines = show(
        encode_frame(make_balance(balance="1.50")),
        encode_frame(status),
        encode_frame(Gap(skipped=3, reason="slow")),
        encode_frame(Heartbeat(timestamp=1)),
        b'event: greeks_update\ndata: {"type":"greeks_update","symbol":"X","delta":0.50}\n\n',
        b'event: status\ndata: {"upstream":"feed","state":"lost","reason":"cut"}\n\n',
    )
    assert lines == [
        "5WX00001  balance 1.50  buying power 50000.00",
        "· feed is stale",
        "· updates were dropped; the newest values follow",
        "X  greeks_update  delta 0.50",
        "· feed is lost: cut",
    ]


def test_no_control_character_reaches_the_terminal() -> None:
    (_, line) = show(b'event: quote_update\ndata: {"symbol":"\\u001b[31mX","last":1}\n\n')
    assert "\x1b" not in line


def test_a_closed_pipe_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    redirected: list[Callable[[], None]] = []
    monkeypatch.setattr("os.dup2", lambda *_: redirected.append(print))
    with scripted(make_answer(encode_frame(make_quote()))) as (url, _):
        assert follow(url, (), out=Closed(), sleep=_never) == 0
    assert redirected
