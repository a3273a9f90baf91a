"""The pushed stream: hand-driven sends with a server made of futures, then a real one."""

import asyncio
import logging
import socket
from functools import partial
from typing import Any

import pytest
from starlette.types import Message

from gateway.app import create_context
from gateway.streams.hub.subscription import subscription_for
from gateway.web.sse.push import RAW_SEND, Attach, PushedStream, _Rest
from gateway.web.state import Context
from tests.waiting import eventually, eventually_sync
from tests.web.running import Frame, make_quote, make_settings, open_gateway, parse_frames

BEGINNING = b"retry: 2345\n\n"
SPY = subscription_for(symbols=["SPY"])


class Server:
    """A server's side of one request, whose socket is full while `gate` is closed."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.revoked = asyncio.Event()
        self.error: Exception | None = None

    async def send(self, message: Message) -> None:
        if self.error is not None:
            raise self.error
        if not self.gate.is_set():
            await self.gate.wait()
        self.sent.append(message)
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
        assert first.retry == 2345
        return rest

    def scope(self, method: str = "GET") -> dict[str, Any]:
        return {"type": "http", "method": method, RAW_SEND: self.send}


@pytest.fixture
def context() -> Context:
    return create_context(make_settings())


def begin(context: Context) -> tuple[bytes, Attach]:
    return BEGINNING, partial(context.hub.push, SPY, after=context.hub.seq)


def publish(context: Context, *prices: str) -> None:
    for price in prices:
        context.hub.publish(make_quote("SPY", price))
    context.hub.flush()


def start(context: Context, server: Server, **options: Any) -> "asyncio.Task[None]":
    stream = PushedStream(context, partial(begin, context), **options)
    return asyncio.create_task(stream(server.scope(), server.receive, server.send))


def count_tasks() -> int:
    return len(asyncio.all_tasks())


async def test_what_is_published_is_sent_before_flush_returns(context: Context) -> None:
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


async def test_a_full_socket_costs_one_task_and_catches_up(context: Context) -> None:
    server = Server()
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


async def test_a_socket_full_from_the_start(context: Context) -> None:
    server = Server()
    stream = PushedStream(context, partial(begin, context))
    server.gate.clear()
    shut = server.send

    async def send(message: Message) -> None:
        server.sent.append(message)  # the head gets through

    task = asyncio.create_task(stream(server.scope() | {RAW_SEND: shut}, server.receive, send))
    await eventually(lambda: server.sent)
    publish(context, "1.25")
    assert context.hub.subscribers == 0
    server.gate.set()
    await eventually(lambda: b"1.25" in server.body)
    assert server.body.startswith(BEGINNING)
    server.revoked.set()
    await task


async def test_closing_says_bye_and_ends(context: Context) -> None:
    server = Server()
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    context.hub.close("shutdown")
    await task
    [retry, bye] = server.frames
    assert retry.retry == bye.data["retry_ms"]
    assert (bye.kind, bye.data["reason"]) == ("bye", "shutdown")
    assert server.sent[-1]["more_body"] is False
    assert context.hub.subscribers == 0


async def test_closing_while_a_chunk_is_being_written(context: Context) -> None:
    server = Server()
    task = start(context, server)
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    publish(context, "1.25")
    context.hub.close("shutdown")
    server.gate.set()
    await task
    assert [frame.event for frame in server.frames] == ["quote_update", None, "bye"]
    assert server.sent[-1]["more_body"] is False


async def test_the_end_is_said_once_however_slowly_it_is_read(context: Context) -> None:
    """Every send suspends: the chunk, the goodbye and the end of the response."""
    server = Server()
    shut = server.send

    async def send(message: Message) -> None:
        assert not server.revoked.is_set(), "uvicorn refuses what follows the end"
        await asyncio.sleep(0)
        await shut(message)

    stream = PushedStream(context, partial(begin, context))
    scope = server.scope() | {RAW_SEND: send}
    task = asyncio.create_task(stream(scope, server.receive, server.send))
    await eventually(lambda: context.hub.subscribers == 1)
    publish(context, "1.25")
    context.hub.close("shutdown")
    await task
    assert [frame.event for frame in server.frames] == ["quote_update", None, "bye"]
    assert [each.get("more_body") for each in server.sent].count(False) == 1
    await eventually(lambda: not [t for t in asyncio.all_tasks() if "write" in t.get_name()])


@pytest.mark.fault(20)
async def test_a_window_that_stays_shut_is_evicted(caplog: pytest.LogCaptureFixture) -> None:
    context = create_context(make_settings(send_timeout_s=0.1))
    server = Server()
    before = count_tasks()
    closed: list[int] = []
    task = start(context, server, on_close=lambda: closed.append(1))
    await eventually(lambda: context.hub.subscribers == 1)
    server.gate.clear()
    with caplog.at_level(logging.INFO, "gateway.web.sse.push"):
        publish(context, "1.25")
        await task
    assert (context.streams, context.streams_evicted, context.hub.subscribers) == (0, 1, 0)
    assert closed == [1]
    assert [each.levelname for each in caplog.records] == ["INFO"]
    await eventually(lambda: count_tasks() == before)


async def test_cancelled_from_outside_it_leaves_nothing(context: Context) -> None:
    server = Server()
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


async def test_one_broken_connection_does_not_end_the_round(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Server(), Server()
    tasks = [start(context, broken), start(context, sound)]
    await eventually(lambda: context.hub.subscribers == 2)
    broken.error = RuntimeError("broken")
    publish(context, "1.25")
    assert b"1.25" in sound.body
    await tasks[0]
    assert "could not be written" in caplog.text
    publish(context, "1.26")
    assert b"1.26" in sound.body
    sound.revoked.set()
    await tasks[1]


async def test_head_opens_nothing(context: Context) -> None:
    server = Server()
    closed: list[int] = []
    stream = PushedStream(context, partial(begin, context), on_close=lambda: closed.append(1))
    await stream(server.scope("HEAD"), server.receive, server.send)
    assert [each["type"] for each in server.sent] == ["http.response.start", "http.response.body"]
    assert (context.streams_opened, closed) == (0, [1])


async def test_an_error_behind_a_pause_reaches_the_coroutine() -> None:
    seen: list[str] = []
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send() -> None:
        try:
            await future
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("cleaned up")

    coroutine = send()
    rest = _Rest(coroutine, coroutine.send(None))

    async def finish() -> None:
        await rest

    task = asyncio.create_task(finish())
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert seen == ["cancelled", "cleaned up"]


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
