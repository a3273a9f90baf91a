"""DXLink over a websocket: handshake, authorization, channels and keep-alive of one connection.

Source: dxFeed's AsyncAPI document of DXLink, v1.0.2. What a channel subscribes and sends is
in `channel.py`. Where the document is silent the connection stays open and gets an ERROR.
"""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.simulator.broker.dxlink.channel import (
    CONTRACTS,
    BadAction,
    FeedChannel,
    Frame,
    Message,
)
from gateway.simulator.broker.dxlink.requests import (
    KEEPALIVE_S,
    read_items,
    read_seconds,
    whole,
)
from gateway.simulator.broker.sockets import is_clean_close, set_stalled
from gateway.simulator.world import World

VERSION = "1.0-1.2.1-simulator"
ALIVE = '{"type":"KEEPALIVE","channel":0}'

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Farewell(Exception):
    """Ends a connection with an ERROR and a close code."""

    def __init__(self, error: str, text: str, code: int = 1008) -> None:
        super().__init__(text)
        self.error = error
        self.code = code


class FeedConnection:
    """One client of the feed. Replies and data leave in the order in which they were decided."""

    def __init__(self, socket: ServerConnection, world: World) -> None:
        self.muted_here = False
        self._socket = socket
        self._world = world
        self._channels: dict[int, FeedChannel] = {}
        self._is_set_up = False
        self._is_authorized = False
        self._token = ""
        self._token_end_s = math.inf
        self._promise_s = KEEPALIVE_S  # we send something at least this often
        self._patience_s = KEEPALIVE_S  # and expect something from the client this often
        self._sent_s = self._heard_s = time.monotonic()
        self._order = asyncio.Lock()
        self._wake = asyncio.Event()
        self._moving = asyncio.Event()
        self._moving.set()
        self._actions: dict[str, Callable[[Message], Coroutine[Any, Any, None]]] = {
            "SETUP": self._setup,
            "AUTH": self._authorize,
            "KEEPALIVE": self._stay,
            "ERROR": self._stay,
            "CHANNEL_REQUEST": self._open,
        }
        self._channel_actions: dict[
            str, Callable[[FeedChannel, Message], Coroutine[Any, Any, None]]
        ] = {
            "CHANNEL_CANCEL": self._cancel,
            "FEED_SETUP": self._configure,
            "FEED_SUBSCRIPTION": self._subscribe,
        }

    # --- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the client until it leaves or must go."""
        self._world.feeds.add(self)
        self._world.journal.counts["feed_connections"] += 1
        if self._world.faults.stall_feed:
            self.stall(True)
        pump = asyncio.create_task(self._pump(), name="dxlink-pump")
        try:
            await self._read()
        except Farewell as farewell:
            await self._say_error(0, farewell.error, str(farewell))
            await self._socket.close(farewell.code)
        except ConnectionClosed as closed:
            self._world.journal.counts["feed_clean_closes"] += is_clean_close(closed)
        finally:
            pump.cancel()
            self._world.feeds.discard(self)
            for channel in self._channels.values():
                channel.reset()
            await asyncio.gather(pump, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(max(self._patience_s - self._silent_s(), 0.01)):
                    raw = await self._socket.recv()
            except TimeoutError:
                if self._silent_s() < self._patience_s:
                    continue
                seconds = f"{self._patience_s:g}"
                raise Farewell("TIMEOUT", f"No message received for {seconds}s", 1000) from None
            self._heard_s = time.monotonic()
            await self._moving.wait()
            await self._act(raw)

    def _silent_s(self) -> float:
        return time.monotonic() - self._heard_s

    async def _pump(self) -> None:
        """Send the frames that are due, and KEEPALIVE when nothing else was sent."""
        try:
            while True:
                idle = self._sent_s + self._promise_s / 2 - time.monotonic()
                try:
                    async with asyncio.timeout(max(idle, 0.01)):
                        await self._wake.wait()
                except TimeoutError:
                    await self._keep_alive()
                    continue
                self._wake.clear()
                await self._moving.wait()
                if time.monotonic() >= self._token_end_s:
                    await self.deauthorize()
                for channel in list(self._channels.values()):
                    if self._is_authorized and channel.due_s <= time.monotonic():
                        await self._flush(channel)
        except ConnectionClosed:
            pass

    async def _flush(self, channel: FeedChannel) -> None:
        async with self._order:
            for frame in channel.take(time.monotonic()):
                # A cancelled channel gets no more frames, not even the rest of a batch.
                if self._channels.get(channel.number) is channel:
                    await self._send_frame(frame)

    async def _send_frame(self, frame: Frame) -> None:
        faults = self._world.faults
        if self._is_muted() or frame.event_type in faults.mute_types:
            self._world.journal.counts["frames_muted"] += 1
            return
        now_ns = time.monotonic_ns()
        self._sent_s = now_ns / 1e9
        await self._socket.send(frame.payload, text=True)
        self._world.journal.counts["frames_sent"] += 1
        if frame.rows:
            self._world.journal.note(now_ns, frame.event_type, frame.rows)

    async def _keep_alive(self) -> None:
        muted = self._is_muted() and not self._world.faults.mute_keeps_keepalive
        self._sent_s = time.monotonic()
        if self._moving.is_set() and not muted:
            self._world.journal.counts["keepalives_sent"] += 1
            await self._socket.send(ALIVE)

    def _is_muted(self) -> bool:
        return self.muted_here or self._world.faults.is_muted

    async def _say(self, message: Message) -> None:
        async with self._order:
            if self._is_muted():
                self._world.journal.counts["frames_muted"] += 1
                return
            self._sent_s = time.monotonic()
            self._world.journal.counts["frames_sent"] += 1
            await self._socket.send(_encode(message), text=True)

    async def _say_error(self, channel: int, error: str, text: str) -> None:
        self._world.journal.counts["errors_sent"] += 1
        await self._say({"type": "ERROR", "channel": channel, "error": error, "message": text})

    # --- what the client asks ------------------------------------------------------------------

    async def _act(self, raw: str | bytes) -> None:
        try:
            message = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            await self._say_error(0, "INVALID_MESSAGE", "Message is not valid JSON")
            return
        kind = message.get("type") if isinstance(message, dict) else None
        number = message.get("channel") if isinstance(message, dict) else None
        if not isinstance(kind, str) or isinstance(number, bool) or not isinstance(number, int):
            await self._say_error(0, "INVALID_MESSAGE", "A message has a type and a channel")
            return
        if not self._is_set_up and kind != "SETUP":
            raise Farewell("BAD_ACTION", "SETUP is expected first")
        action = self._actions.get(kind)
        if action is not None:
            await action(message)
            return
        channel_action = self._channel_actions.get(kind)
        if channel_action is None:
            await self._say_error(number, "INVALID_MESSAGE", f"Unknown message type {kind}")
            return
        channel = self._channels.get(number)
        if channel is None:
            await self._say_error(number, "BAD_ACTION", f"Channel {number} is not opened")
            return
        try:
            await channel_action(channel, message)
        except BadAction as bad:
            await self._say_error(number, "BAD_ACTION", str(bad))

    async def _setup(self, message: Message) -> None:
        version = message.get("version")
        if not isinstance(version, str) or version.partition(".")[0] not in ("0", "1"):
            raise Farewell("UNSUPPORTED_PROTOCOL", "Unsupported protocol version")
        was_set_up, self._is_set_up = self._is_set_up, True
        limit = self._world.faults.keepalive_s
        self._patience_s = min(read_seconds(message.get("keepaliveTimeout")), limit)
        self._promise_s = min(read_seconds(message.get("acceptKeepaliveTimeout")), KEEPALIVE_S)
        self._wake.set()  # the pump has to use a shorter promise at once
        await self._say(
            {
                "type": "SETUP",
                "channel": 0,
                "keepaliveTimeout": whole(self._promise_s),
                "acceptKeepaliveTimeout": whole(self._patience_s),
                "version": VERSION,
            }
        )
        if not was_set_up:
            await self._say({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"})

    async def _authorize(self, message: Message) -> None:
        token = message.get("token")
        if not isinstance(token, str):
            await self._say_error(0, "INVALID_MESSAGE", "AUTH has a token")
            return
        world, refuse = self._world, self._world.faults.refuse_quote_tokens
        world.journal.counts["auth_requests"] += 1
        if refuse or not world.tokens.is_quote(token, world.now()):
            self._is_authorized = False
            world.journal.counts["auth_refused"] += 1
            await self._say({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"})
            if refuse != "silent":
                raise Farewell("UNAUTHORIZED", "Authorization failed")
            return
        if self._is_authorized and token == self._token:
            # Sent behind SETUP and again when AUTH_STATE came: one AUTHORIZED answers both.
            return
        others = sum(1 for feed in world.feeds if feed is not self and is_authorized(feed))
        if 0 < world.faults.session_limit <= others:
            text = "The number of user sessions has exceeded the configured limit"
            raise Farewell("UNKNOWN", f"{text} of {world.faults.session_limit}")
        self._is_authorized, self._token = True, token
        self._token_end_s = world.tokens.quote_end(token)
        self._wake.set()
        await self._say(
            {"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "U0000000001"}
        )

    async def _stay(self, message: Message) -> None:
        """KEEPALIVE and a client's ERROR need no answer."""

    async def _open(self, message: Message) -> None:
        number = message["channel"]
        parameters = message.get("parameters") or {}
        contract = parameters.get("contract", "AUTO") if isinstance(parameters, dict) else None
        problem = ""
        if not self._is_authorized:
            await self._say_error(number, "UNAUTHORIZED", "Authorization is required")
            return
        if number <= 0 or number % 2 == 0:
            problem = "Channels that a client opens have odd numbers"
        elif number in self._channels:
            problem = f"Channel {number} is already opened"
        elif message.get("service") != "FEED":
            problem = f"Unknown service {message.get('service')}"
        elif contract not in CONTRACTS:
            problem = f"Unknown contract {contract}"
        if problem:
            await self._say_error(number, "BAD_ACTION", problem)
            return
        channel = FeedChannel(number, str(contract), self._world.market)
        channel.is_compact = not self._world.faults.has_full_format
        self._channels[number] = channel
        await self._say(
            {
                "type": "CHANNEL_OPENED",
                "channel": number,
                "service": "FEED",
                "parameters": {"contract": contract, "subFormat": "LIST"},
            }
        )

    async def _cancel(self, channel: FeedChannel, message: Message) -> None:
        await self._close_channel(channel)

    async def _configure(self, channel: FeedChannel, message: Message) -> None:
        # What is waiting was promised in the old format, so it goes first.
        await self._flush(channel)
        if not self._world.faults.has_full_format:
            message = message | {"acceptDataFormat": "COMPACT"}
        await self._say(channel.setup(message))

    async def _subscribe(self, channel: FeedChannel, message: Message) -> None:
        now = time.monotonic()
        if message.get("reset") is True:
            channel.reset()
        for kind, symbol, _ in read_items(message.get("remove")):
            channel.remove(kind, symbol)
        faults = self._world.faults
        held = len(self.list_subscriptions())
        for kind, symbol, from_ms in read_items(message.get("add")):
            if faults.drops_add():
                self._world.journal.counts["adds_dropped"] += 1
                continue
            if kind in faults.withheld_types:
                continue  # accepted without a word, and without data
            held += 1
            if held > faults.subscription_limit:
                raise BadAction("The number of subscriptions has exceeded the configured limit")
            channel.add(kind, symbol, from_ms, now)
        self._wake.set()

    async def _close_channel(self, channel: FeedChannel) -> None:
        del self._channels[channel.number]
        channel.reset()
        await self._say({"type": "CHANNEL_CLOSED", "channel": channel.number})

    # --- what the market and the control ask ---------------------------------------------------

    @property
    def is_authorized(self) -> bool:
        """Whether the client sent a good token."""
        return self._is_authorized

    def note_changes(self, changed: dict[str, int], now: float) -> None:
        """Note what changed in the market; `now` is the steady clock."""
        for channel in self._channels.values():
            if changed:
                channel.note_changes(changed, now)
            if channel.due_s <= now:
                self._wake.set()
        if now >= self._token_end_s:
            self._wake.set()

    def list_subscriptions(self) -> list[tuple[str, str]]:
        """Return (type, symbol) of everything subscribed."""
        return [
            pair for channel in self._channels.values() for pair in channel.list_subscriptions()
        ]

    def list_channels(self, event_type: str | None) -> list[tuple[int, bool]]:
        """Return (number, is compact) of the channels that hold a type."""
        return [
            (number, channel.is_compact)
            for number, channel in self._channels.items()
            if event_type is None
            or any(kind == event_type for kind, _ in channel.list_subscriptions())
        ]

    async def close_channels(self, event_type: str | None, number: int | None) -> int:
        """Close channels unasked and return how many."""
        numbers = [n for n, _ in self.list_channels(event_type) if number in (None, n)]
        for n in numbers:
            await self._close_channel(self._channels[n])
        return len(numbers)

    async def deauthorize(self) -> None:
        """Say AUTH_STATE UNAUTHORIZED in mid-stream; no data until a token is accepted."""
        self._is_authorized, self._token_end_s = False, math.inf
        await self._say({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"})

    def abort(self) -> None:
        """Reset the TCP connection."""
        self._socket.transport.abort()

    async def close(self, code: int, reason: str) -> None:
        """Close with a code."""
        await self._socket.close(code, reason)

    async def inject(self, text: str) -> None:
        """Send a text frame as it is."""
        async with self._order:
            await self._socket.send(text)

    def stall(self, is_stalled: bool) -> None:
        """Stop or restart reading and writing."""
        set_stalled(self._socket, self._moving, is_stalled)


def is_authorized(feed: object) -> bool:
    """Return whether a peer is a feed connection that sent a good token."""
    return isinstance(feed, FeedConnection) and feed.is_authorized
