"""The account streamer: acknowledgements, pushes of balances and positions, heartbeats.

Every push is the whole object. Nothing is sent on connecting and
nothing is replayed. Once a second, and only what changed.
"""

import asyncio
import secrets
import time
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.simulator.broker.dxlink.connection import has_said_goodbye, set_stalled
from gateway.simulator.world import World

CONNECTS = ("connect", "account-subscribe")
SUBSCRIPTIONS = (
    "public-watchlists-subscribe",
    "quote-alerts-subscribe",
    "user-message-subscribe",
)
# Stamps that move with the market's clock, not with the account.
UNCOMPARED = {"updated-at", "snapshot-date", "realized-day-gain-date", "realized-today-date"}

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode


class AccountConnection:
    """One client of the account streamer. Pushes are in order; none is replayed or kept."""

    def __init__(self, socket: ServerConnection, world: World) -> None:
        self._socket = socket
        self._world = world
        self._session = secrets.token_hex(4)
        self._accounts: list[str] = []
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
            self._world.journal.counts["account_goodbyes"] += has_said_goodbye(closed)
        finally:
            self._world.streams.discard(self)

    async def push(self) -> None:
        """Send the balances and positions that changed since the last push."""
        if not self._moving.is_set():
            return
        stamp = round(time.time() * 1000)
        changed = []
        for number in self._accounts:
            for kind, key, body in self._bodies(number):
                bare = _comparable(body)
                if self._pushed.get(key) != bare:
                    self._pushed[key] = bare
                    changed.append({"type": kind, "data": body, "timestamp": stamp})
        try:
            if changed and self._world.faults.batch_pushes:
                await self._say({"results": changed})
            else:
                for message in changed:
                    await self._say(message)
        except ConnectionClosed:
            return
        self._world.journal.counts["pushes_sent"] += len(changed)

    def _bodies(self, number: str) -> list[tuple[str, tuple[str, str], Body]]:
        ledger = self._world.ledger
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
        if not world.tokens.is_access(token if isinstance(token, str) else None, world.now()):
            world.journal.unauthorized["account-streamer"] += 1
            await self._refuse(message, "unauthorized")
        elif action in CONNECTS:
            await self._connect(message)
        elif action == "heartbeat":
            world.journal.counts["heartbeats"] += 1
            await self._acknowledge(message)
        elif action in SUBSCRIPTIONS:
            if self._accounts:
                await self._acknowledge(message)
            else:
                await self._refuse(message, "connect-not-completed")
        else:
            await self._refuse(message, "unknown-action")

    async def _connect(self, message: Body) -> None:
        wanted = message.get("value") or []
        wanted = [wanted] if isinstance(wanted, str) else wanted
        known = self._world.ledger.accounts
        if not isinstance(wanted, list) or not wanted or any(name not in known for name in wanted):
            await self._refuse(message, "not-authorized-for-account")
            return
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
