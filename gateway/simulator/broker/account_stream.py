"""The account streamer: acknowledgements, pushes, heartbeats.

Every push is the whole object and carries a counter of its connection, `ws-sequence`. Nothing is
sent on connecting and nothing is replayed. Pushed is what changes an account: orders, positions and
balances after a fill, money in and out; prices only on demand (`push_marks`). Alerts that fire are
pushed to who subscribed to them.
"""

import asyncio
import secrets
from collections import deque
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.sockets import is_clean_close, set_stalled
from gateway.simulator.broker.spoiling import spoil_row
from gateway.simulator.world import World

MOST_WAITING = 10_000
CONNECTS = ("connect", "account-subscribe")
ALERTS = "quote-alerts-subscribe"
SUBSCRIPTIONS = (
    "public-watchlists-subscribe",
    ALERTS,
    "user-message-subscribe",
)
# Stamps that move with the market's clock, not with the account.
UNCOMPARED = {"updated-at", "snapshot-date", "realized-day-gain-date", "realized-today-date"}

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode


class AccountConnection:
    """One client of the account streamer.

    Pushes are in order and none is replayed; a client that does not read loses the oldest beyond
    10,000. Nothing survives the connection.
    """

    def __init__(self, socket: ServerConnection, world: World) -> None:
        self._socket = socket
        self._world = world
        self._session = secrets.token_hex(4)
        self._accounts: list[str] = []
        self._subscribed: set[str] = set()
        self._ledger: Ledger | None = None
        self._waiting: deque[tuple[str, Body]] = deque(maxlen=MOST_WAITING)
        self._sequence = 0
        self._pushed: dict[tuple[str, str], Body] = {}
        self._moving = asyncio.Event()
        self._moving.set()

    async def run(self) -> None:
        """Serve the client until it leaves, must go, or sends no heartbeat."""
        self._world.streams.add(self)
        self._world.journal.counts["account_connections"] += 1
        if self._world.faults.stall_account:
            self.stall(True)
        try:
            while True:
                async with asyncio.timeout(self._world.faults.heartbeat_s):
                    raw = await self._socket.recv()
                await self._moving.wait()
                await self._act(raw)
        except TimeoutError:
            self._world.journal.counts["heartbeats_missed"] += 1
            await self._socket.close(1000, "Bye")
        except ConnectionClosed as closed:
            self._world.journal.counts["account_clean_closes"] += is_clean_close(closed)
        finally:
            self._world.streams.discard(self)

    def note(self, ledger: Ledger, kind: str, number: str, body: Body) -> None:
        """Keep a change of an account for the next push."""
        if ledger is self._ledger and number in self._accounts:
            self._waiting.append((kind, body))

    def note_alert(self, ledger: Ledger, body: Body) -> None:
        """Keep an alert that fired for the next push, if it was subscribed to."""
        if ledger is self._ledger and ALERTS in self._subscribed:
            self._waiting.append(("QuoteAlert", body))

    async def push(self) -> None:
        """Send the changes since the last push."""
        if not self._moving.is_set():
            return
        if self._world.faults.push_marks:
            self._note_marks()
        if self._world.faults.batch_pushes:
            batch = [self._next() for _ in range(len(self._waiting))]
            results = [message for message in batch if message is not None]
            await self._notify({"results": results}, len(results))
            return
        while self._waiting and self._moving.is_set():
            message = self._next()
            if message is not None and not await self._notify(message, 1):
                return

    def _next(self) -> Body | None:
        """The next change as a message, or None for one that is lost on demand."""
        kind, body = self._waiting.popleft()
        self._sequence += 1
        if self._world.faults.take_push():
            return None
        stamp = round(self._world.market_time() * 1000)
        body = spoil_row(self._world.faults.spoils, kind, body)
        return {"type": kind, "data": body, "timestamp": stamp, "ws-sequence": self._sequence}

    async def _notify(self, message: Body, count: int) -> bool:
        if not count:
            return True
        try:
            await self._say(message)
        except ConnectionClosed:
            return False
        self._world.journal.counts["pushes_sent"] += count
        return True

    def _note_marks(self) -> None:
        for number in self._accounts:
            for kind, key, body in self._bodies(number):
                bare = _comparable(body)
                if self._pushed.get(key) != bare:
                    self._pushed[key] = bare
                    self._waiting.append((kind, body))

    def _bodies(self, number: str) -> list[tuple[str, tuple[str, str], Body]]:
        ledger = self._ledger
        if ledger is None:
            return []
        found = [("AccountBalance", (number, ""), ledger.balance(number))]
        found += [
            ("CurrentPosition", (number, body["symbol"]), body) for body in ledger.positions(number)
        ]
        return found

    async def _act(self, raw: str | bytes) -> None:
        try:
            message = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            message = None
        if not isinstance(message, dict):
            await self._refuse({}, "invalid-message")
            return
        action, world = message.get("action"), self._world
        world.journal.counts["account_messages"] += 1
        token = message.get("auth-token")
        login = world.find_login(token if isinstance(token, str) else None)
        if login is None:
            world.journal.unauthorized["account-streamer"] += 1
            await self._refuse(message, "unauthorized")
        elif action in CONNECTS:
            await self._connect(message, login.ledger)
        elif action == "heartbeat":
            world.journal.counts["heartbeats"] += 1
            await self._acknowledge(message)
        elif action in SUBSCRIPTIONS:
            if self._accounts:
                self._subscribed.add(str(action))
                await self._acknowledge(message)
            else:
                await self._refuse(message, "connect-not-completed")
        else:
            await self._refuse(message, "unknown-action")

    async def _connect(self, message: Body, ledger: Ledger) -> None:
        wanted = message.get("value") or []
        wanted = [wanted] if isinstance(wanted, str) else wanted
        known = ledger.accounts
        if not isinstance(wanted, list) or not wanted or any(name not in known for name in wanted):
            await self._refuse(message, "not-authorized-for-account")
            return
        if self._ledger is not ledger:
            self._ledger = ledger
            self._accounts.clear()
        for number in wanted:
            if number not in self._accounts:
                self._accounts.append(number)
                for _, key, body in self._bodies(number):
                    self._pushed[key] = _comparable(body)
        await self._acknowledge(message)

    async def _acknowledge(self, message: Body) -> None:
        answer = {
            "status": "ok",
            "action": message["action"],
            "web-socket-session-id": self._session,
        }
        for name in ("value", "request-id"):
            if name in message:
                answer[name] = message[name]
        await self._say(answer)

    async def _refuse(self, message: Body, text: str) -> None:
        answer = {
            "status": "error",
            "action": message.get("action"),
            "web-socket-session-id": self._session,
            "message": text,
        }
        if "request-id" in message and not self._world.faults.bare_errors:
            answer["request-id"] = message["request-id"]
        await self._say(answer)

    async def _say(self, message: Body) -> None:
        await self._socket.send(_encode(message), text=True)

    def abort(self) -> None:
        """Reset the TCP connection."""
        self._socket.transport.abort()

    async def close(self, code: int, reason: str) -> None:
        """Close with a code."""
        await self._socket.close(code, reason)

    async def inject(self, text: str) -> None:
        """Send a text frame as it is."""
        await self._socket.send(text)

    def stall(self, is_stalled: bool) -> None:
        """Stop or restart reading and writing."""
        set_stalled(self._socket, self._moving, is_stalled)


def _comparable(body: Body) -> Body:
    return {name: value for name, value in body.items() if name not in UNCOMPARED}
