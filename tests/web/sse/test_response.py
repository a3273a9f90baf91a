"""The response with a server made of futures, directly and through middleware; then a real one."""

import asyncio
import logging
import socket
from functools import partial
from typing import Any

import pytest
from starlette.types import Message

from gateway.app import create_context
from gateway.streams.hub.sink import Attach
from gateway.streams.hub.subscription import subscription_for
from gateway.streams.records import Hello
from gateway.streams.sse import encode_frame
from gateway.web.sse.direct import RAW_SEND, RawSend
from gateway.web.sse.response import EventStream
from gateway.web.state import AppState
from tests.waiting import eventually, eventually_sync
from tests.web.running import Frame, make_quote, make_settings, open_gateway, parse_frames

BEGINNING = encode_frame(Hello(epoch="k3f9", mode="live", heartbeat_s=15), retry_ms=2345)
SPY = subscription_for(symbols=["SPY"])


class Server:
    """A server's side of one request, whose socket is full while `gate` is closed."""

    def __init__(self, *, is_direct: bool = True) -> None:
        self.is_direct = is_direct
        self.sent: list[Message] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.revoked = asyncio.Event()
        self.error: Exception | None = None
        self.fills_after_head = False

    async def send(self, message: Message) -> None:
        if self.error is not None:
            raise self.error
        if not self.gate.is_set():
            await self.gate.wait()
        self.sent.append(message)
        if self.fills_after_head and message["type"] == "http.response.start":
            self.gate.clear()
        if not message.get("more_body", True):
            self.revoked.set()

    async def receive(self) -> Message:
        await self.revoked.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(each["body"] for each in self.sent[1:])

    @property
    def frames(self) -> list[Frame]:
        """What followed the beginning."""
        first, *rest = parse_frames(self.body)
        assert (first.event, first.retry) == ("hello", 2345)
        return rest

    async def call(self, stream: EventStream, *, method: str = "GET") -> None:
        """Serve the stream as uvicorn would, or as seen through somebody's middleware."""
        scope: dict[str, Any] = {"type": "http", "method": method}
        if not self.is_direct:
            await stream(scope, self.receive, self.send)
            return
        raw_send = scope[RAW_SEND] = RawSend(self.send)
        await stream(scope, self.receive, raw_send)


@pytest.fixture(params=[True, False], ids=["direct", "through"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server(is_direct=request.param)


@pytest.fixture
def context() -> AppState:
    return create_context(make_settings())


def begin(context: AppState) -> tuple[bytes, Attach]:
    return BEGINNING, partial(context.hub.subscribe, SPY, after=context.hub.seq)


def publish(context: AppState, *prices: str) -> None:
    for price in prices:
        context.hub.publish(make_quote("SPY", price))
    context.hub.flush()


def start(context: AppState, server: Server, **options: Any) -> "asyncio.Task[None]":
    stream = EventStream(context, partial(begin, context), **options)
    return asyncio.create_task(server.call(stream))


def count_tasks() -> int:
    return len(asyncio.all_tasks())


async def test_what_is_published_is_sent_before_flush_returns_and_without_a_task(
    context: AppState,
) -> None:
    server = Server()
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    tasks = count_tasks()
    publish(context, "1.25", "1.26")
    assert [str(frame.data["last"]) for frame in server.frames] == ["1.25", "1.26"]
    assert count_tasks() == tasks
    assert context.streams == 1
    server.revoked.set()
    await task
    assert (context.hub.subscribers, context.streams) == (0, 0)


async def test_a_full_socket_costs_one_task_and_catches_up(
    context: AppState, server: Server
) -> None:
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    publish(context, "1.25")
    publish(context, "1.26")
    publish(context, "1.27")
    assert b"1.25" not in server.body
    server.gate.set()
    await eventually(lambda: b"1.27" in server.body)
    ids = [frame.id for frame in server.frames]
    assert ids == sorted(set(ids), key=str)
    assert len(ids) == 3
    server.revoked.set()
    await task
    assert context.hub.subscribers == 0


async def test_a_socket_full_from_the_start(context: AppState, server: Server) -> None:
    stream = EventStream(context, partial(begin, context))
    server.fills_after_head = True
    task = asyncio.create_task(server.call(stream))
    await eventually(lambda: server.sent)
    publish(context, "1.25")
    assert context.hub.subscribers == 0
    server.gate.set()
    await eventually(lambda: b"1.25" in server.body)
    assert server.body.startswith(BEGINNING)
    server.revoked.set()
    await task


async def test_closing_says_bye_and_ends(context: AppState, server: Server) -> None:
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    context.hub.close("shutdown")
    await task
    [bye] = server.frames
    assert bye.retry == bye.data["retry_ms"]
    assert (bye.kind, bye.data["reason"]) == ("bye", "shutdown")
    assert server.sent[-1]["more_body"] is False
    assert context.hub.subscribers == 0


async def test_closing_while_a_chunk_is_being_written(context: AppState, server: Server) -> None:
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    publish(context, "1.25")
    context.hub.close("shutdown")
    server.gate.set()
    await task
    assert [frame.event for frame in server.frames] == ["quote_update", "bye"]
    assert server.sent[-1]["more_body"] is False


async def test_the_end_is_said_once_however_slowly_it_is_read(
    context: AppState, server: Server
) -> None:
    """Every send suspends: the chunk and the end of the response."""
    shut = server.send

    async def send(message: Message) -> None:
        assert not server.revoked.is_set(), "uvicorn refuses what follows the end"
        await asyncio.sleep(0)
        await shut(message)

    server.send = send  # type: ignore[method-assign]
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    publish(context, "1.25")
    context.hub.close("shutdown")
    await task
    assert [frame.event for frame in server.frames] == ["quote_update", "bye"]
    assert [each.get("more_body") for each in server.sent].count(False) == 1
    await eventually(lambda: not [t for t in asyncio.all_tasks() if "write" in t.get_name()])


async def test_a_stream_that_ends_with_its_beginning(context: AppState, server: Server) -> None:
    await server.call(EventStream(context, lambda: (BEGINNING, None), is_counted=False))
    assert server.body == BEGINNING
    assert server.sent[-1]["more_body"] is False
    assert (context.streams, context.streams_opened) == (0, 0)


async def test_a_server_that_cancels_still_gets_the_bye(context: AppState, server: Server) -> None:
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [frame.event for frame in server.frames] == ["bye"]
    assert (context.hub.subscribers, context.streams) == (0, 0)


async def test_who_is_cut_off_before_its_bye_is_counted(
    context: AppState, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    publish(context, "1.25")
    context.hub.close("shutdown")
    with caplog.at_level(logging.INFO, "gateway.web.sse.response"):
        server.revoked.set()  # the server has waited long enough
        await task
    assert (context.streams_cut, context.streams_evicted) == (1, 0)
    assert "cut off before its `bye`" in caplog.text


async def test_a_client_that_is_gone_ends_its_stream_quietly(
    context: AppState, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(is_direct=False)
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    server.error = OSError("gone")
    publish(context, "1.25")
    await task
    assert (context.streams, context.hub.subscribers) == (0, 0)
    assert not caplog.records


@pytest.mark.fault(20)
async def test_a_window_that_stays_shut_is_evicted(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    context = create_context(make_settings(send_timeout_s=0.1))
    before = count_tasks()
    closed: list[int] = []
    task = start(context, server, on_close=lambda: closed.append(1))
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    with caplog.at_level(logging.INFO, "gateway.web.sse.response"):
        publish(context, "1.25")
        await task
    assert (context.streams, context.streams_evicted, context.hub.subscribers) == (0, 1, 0)
    assert closed == [1]
    assert [each.levelname for each in caplog.records] == ["INFO"]
    assert "took more than 0.1 s to read" in caplog.text
    await eventually(lambda: count_tasks() == before)


async def test_cancelled_from_outside_it_leaves_nothing(context: AppState, server: Server) -> None:
    before = count_tasks()
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    publish(context, "1.25")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (context.streams, context.hub.subscribers) == (0, 0)
    await eventually(lambda: count_tasks() == before)


@pytest.mark.parametrize("is_direct", [True, False])
async def test_one_broken_connection_does_not_end_the_round(
    context: AppState, caplog: pytest.LogCaptureFixture, is_direct: bool
) -> None:
    broken, sound = Server(is_direct=is_direct), Server(is_direct=is_direct)
    tasks = [start(context, broken), start(context, sound)]
    await eventually(lambda: context.hub.subscribers == 2)
    broken.error = RuntimeError("broken")
    publish(context, "1.25")
    await eventually(lambda: b"1.25" in sound.body)
    await tasks[0]
    assert "could not be written" in caplog.text
    publish(context, "1.26")
    await eventually(lambda: b"1.26" in sound.body)
    sound.revoked.set()
    await tasks[1]


async def test_head_opens_nothing(context: AppState, server: Server) -> None:
    closed: list[int] = []
    stream = EventStream(context, partial(begin, context), on_close=lambda: closed.append(1))
    await server.call(stream, method="HEAD")
    assert [each["type"] for each in server.sent] == ["http.response.start", "http.response.body"]
    assert (context.streams_opened, closed) == (0, [1])


@pytest.mark.fault(20)
def test_a_reader_that_stops_is_caught_up_by_a_real_server() -> None:
    """Its socket fills, the others go on; when it reads again it gets a gap and the newest."""
    with open_gateway() as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /events?symbols=SPY HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            gateway.wait_for_streams(1)
            is_suspended = False
            price = 0
            while not is_suspended:
                price += 100
                gateway.publish(*(make_quote("SPY", f"{price + i}.25") for i in range(100)))
                is_suspended = gateway.call(
                    lambda: any(
                        task.get_name() == "write to a slow client"
                        for task in asyncio.all_tasks(gateway.loop)
                    )
                )
            gateway.publish(make_quote("SPY", "987654.25"))
            body = b""
            client.settimeout(10)
            while b"987654.25" not in body:
                chunk = client.recv(65536)
                assert chunk
                body += chunk
        gateway.wait_for_streams(0)
        eventually_sync(lambda: gateway.context.streams == 0)
