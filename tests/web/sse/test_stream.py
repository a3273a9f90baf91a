"""One stream as an ASGI server sees it: what is closed, counted and told, however it ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from starlette.types import Message

from gateway.app import create_context
from gateway.web.sse.stream import EventStream, encode_bye
from gateway.web.state import Context
from tests.web.running import make_settings, parse_frames

GET = {"type": "http", "method": "GET", "path": "/events", "headers": []}


class Client:
    """The other side of an ASGI call: what it was sent, and when it goes."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self.started = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.started.set()


class Content:
    """A stream's content that remembers how it ended."""

    def __init__(self, chunks: int | None = None) -> None:
        self.is_closed = False
        self.is_started = False
        self._chunks = chunks

    async def generate(self) -> AsyncGenerator[bytes, None]:
        self.is_started = True
        try:
            count = 0
            while self._chunks is None or count < self._chunks:
                yield b"data: {}\n\n"
                count += 1
                await asyncio.sleep(0)
        finally:
            self.is_closed = True


@pytest.fixture
def context() -> Context:
    return create_context(make_settings())


def make_stream(
    context: Context, content: Content, on_close: Callable[[], None], **options: Any
) -> EventStream:
    return EventStream(context, content.generate(), on_close=on_close, **options)


@pytest.fixture
def closed() -> list[int]:
    return []


def count_streams(context: Context) -> tuple[int, int, int]:
    return context.streams, context.streams_opened, context.streams_evicted


async def test_content_that_ends_ends_the_stream(context: Context, closed: list[int]) -> None:
    client, content = Client(), Content(3)
    stream = make_stream(context, content, lambda: closed.append(context.streams))
    await stream(dict(GET), client.receive, client.send)
    assert [each.get("body") for each in client.sent[1:]] == [b"data: {}\n\n"] * 3 + [b""]
    assert client.sent[-1]["more_body"] is False
    assert content.is_closed
    assert (closed, count_streams(context)) == ([0], (0, 1, 0))


async def test_a_client_that_goes_ends_it(context: Context, closed: list[int]) -> None:
    client, content = Client(), Content()
    stream = make_stream(context, content, lambda: closed.append(1))
    task = asyncio.create_task(stream(dict(GET), client.receive, client.send))
    await client.started.wait()
    assert count_streams(context) == (1, 1, 0)
    client.gone.set()
    await task
    assert content.is_closed
    assert (closed, count_streams(context)) == ([1], (0, 1, 0))


async def test_a_server_that_cancels_ends_it(context: Context, closed: list[int]) -> None:
    client, content = Client(), Content()
    stream = make_stream(context, content, lambda: closed.append(1))
    task = asyncio.create_task(stream(dict(GET), client.receive, client.send))
    await client.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert content.is_closed
    assert (closed, count_streams(context)) == ([1], (0, 1, 0))


@pytest.mark.parametrize("fails_at", [0, 1, 5])
async def test_a_send_that_fails_ends_it(
    context: Context, closed: list[int], fails_at: int
) -> None:
    client, content = Client(), Content()

    async def send(message: Message) -> None:
        if len(client.sent) == fails_at:
            raise OSError("gone")
        await client.send(message)

    stream = make_stream(context, content, lambda: closed.append(1))
    with pytest.raises(OSError, match="gone"):
        await stream(dict(GET), client.receive, send)
    assert content.is_closed is content.is_started
    assert (closed, count_streams(context)) == ([1], (0, 1, 0))


async def test_a_window_that_stays_shut_is_evicted(
    closed: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    context = create_context(make_settings(send_timeout_s=0.1))
    client, content = Client(), Content()

    async def send(message: Message) -> None:
        if len(client.sent) == 3:
            await asyncio.Event().wait()
        await client.send(message)

    stream = make_stream(context, content, lambda: closed.append(1))
    with caplog.at_level(logging.INFO, "gateway.web.sse.stream"):
        await stream(dict(GET), client.receive, send)
    assert content.is_closed
    assert (closed, count_streams(context)) == ([1], (0, 1, 1))
    assert [each.levelname for each in caplog.records] == ["INFO"]


async def test_head_opens_nothing(context: Context, closed: list[int]) -> None:
    client, content = Client(), Content()
    stream = make_stream(context, content, lambda: closed.append(1))
    await stream({**GET, "method": "HEAD"}, client.receive, client.send)
    assert not content.is_started
    assert (closed, count_streams(context)) == ([1], (0, 0, 0))
    assert [each["type"] for each in client.sent] == ["http.response.start", "http.response.body"]


async def test_a_refusal_is_not_counted(context: Context) -> None:
    client, content = Client(), Content(1)
    stream = EventStream(context, content.generate(), counted=False)
    await stream(dict(GET), client.receive, client.send)
    assert count_streams(context) == (0, 0, 0)


async def test_the_shutdown_that_sse_starlette_sees_closes_the_hub(context: Context) -> None:
    stream = EventStream(context, Content(1).generate())
    assert stream._shutdown_event is not None
    stream._shutdown_event.set()
    assert context.hub.closing == "shutdown"
    context.hub.close("another reason")
    stream._shutdown_event.set()
    assert context.hub.closing == "another reason"
    await stream._content.aclose()


def test_goodbyes_are_spread() -> None:
    frames = [parse_frames(encode_bye("shutdown")) for _ in range(200)]
    waits = {each[1].data["retry_ms"] for each in frames}
    assert len(waits) > 100
    assert 500 <= min(waits) < 1500 < 4000 < max(waits) <= 5000
    assert all(each[0].retry == each[1].data["retry_ms"] for each in frames)
