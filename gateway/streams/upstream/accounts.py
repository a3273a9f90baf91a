"""Balances: the account streamer first, REST polling behind it.

The stream has neither an initial state nor a replay, so REST is read at once, after every
reconnect, after every "unauthorized", and every `balance_poll_s` in any case.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from httpx2.websockets import AsyncWebSocketSession, HTTPXWSException
from pydantic import ValidationError
from tastytrade import AlertStreamer, Session
from tastytrade.streamer import SubscriptionType

from gateway.errors import Unauthorized, UpstreamError
from gateway.settings import Settings
from gateway.streams.backoff import PLATEAU_S, Backoff
from gateway.streams.publisher import Publisher, publish_status
from gateway.streams.records import State
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.frames import AccountInspector, GuardedSocket
from gateway.streams.upstream.normalize import (
    LenientBalance,
    install_lenient_classes,
    normalize_balance,
    parse_balance,
)
from gateway.streams.upstream.session import NETWORK_ERRORS, BrokerSession

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
HEARTBEAT_S = 20.0
"""The account socket wants one every 2 to 60 s; its ack is the proof of life."""
NETWORK_TROUBLE = (
    UpstreamError,
    HTTPXWSException,
    ValidationError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    *NETWORK_ERRORS,
)


class _Streamer(AlertStreamer):
    """The SDK's account streamer with a guard in front of its reader; see `wire`."""

    def __init__(self, session: Session, dropped: DropStats) -> None:
        super().__init__(session)
        self._dropped = dropped
        self._guarded: GuardedSocket | None = None

    async def close_queues(self) -> None:
        """Close the SDK's queues, which it leaves open (13.2.3) and anyio then warns of."""
        for queue in self._queues.values():
            await queue.aclose()

    @property
    def _websocket(self) -> Any:
        return self._guarded

    @_websocket.setter
    def _websocket(self, socket: AsyncWebSocketSession) -> None:
        inspector = AccountInspector(self._dropped, self._is_wanted)
        self._guarded = GuardedSocket(socket, inspector.inspect, self._dropped, lambda: None)

    def _is_wanted(self, message: dict[str, Any]) -> bool:
        """Only what is read is parsed: one incomplete object of any kind ends the SDK's reader."""
        if message["type"] != "AccountBalance":
            return False
        if parse_balance(message.get("data")) is None:
            self._dropped["AccountBalance", "malformed"] += 1
            return False
        return True


class Accounts:
    """The balances of one login's accounts, published to the hub.

    A missing value is null, never 0; without a net liquidating value nothing new is published.
    """

    def __init__(self, session: BrokerSession, publisher: Publisher, settings: Settings) -> None:
        install_lenient_classes()
        self._session = session
        self._publisher = publisher
        self._settings = settings
        self._poll_now = asyncio.Event()
        self._pushed_at_s: dict[str, float] = {}
        self._streaming = False
        self._polled = False
        self._known = False
        self._reason: str | None = None
        self.dropped: DropStats = DropStats()
        self.polls = 0
        self.pushes = 0
        self.connects = 0

    async def run(self) -> None:
        """Keep the balances current until cancelled."""
        self._tell("connecting", None)
        numbers = await self._find_accounts()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._poll, numbers, name="balance poll")
            tasks.start_soon(self._stream, numbers, name="account stream")

    def report(self) -> dict[str, Any]:
        """What `/status` tells: counts, never a number of an account or an amount."""
        return {
            "connects": self.connects,
            "polls": self.polls,
            "pushes": self.pushes,
        }

    async def _find_accounts(self) -> list[str]:
        """The account numbers to follow: those asked for, or all that are open and real."""
        backoff = Backoff()
        while True:
            try:
                return await self._session.call(lambda sdk: _get_accounts(sdk, self._settings))
            except NETWORK_TROUBLE as error:
                logger.warning("reading the accounts failed: %s", type(error).__name__)
                self._tell("degraded", "the accounts cannot be read; trying again")
                await asyncio.sleep(backoff.next_delay_s())

    async def _poll(self, numbers: list[str]) -> None:
        backoff = Backoff()
        while True:
            self._poll_now.clear()
            failed = False
            for number in numbers:
                failed |= not await self._poll_one(number)
            self._polled = not failed
            self._judge()
            pause_s = self._settings.balance_poll_s
            if failed:
                pause_s = min(backoff.next_delay_s(), pause_s)
            else:
                backoff.reset()
            try:
                async with asyncio.timeout(pause_s):
                    await self._poll_now.wait()
            except TimeoutError:
                continue

    async def _poll_one(self, number: str) -> bool:
        """Whether the balance was read; a newer push that came meanwhile wins."""
        begin_s = time.monotonic()
        try:
            data = await self._session.call(lambda sdk: _get_balance(sdk, number))
        except NETWORK_TROUBLE as error:
            logger.warning("reading a balance failed: %s", type(error).__name__)
            self._reason = "balances cannot be read; trying again"
            return False
        self.polls += 1
        if self._pushed_at_s.get(number, float("-inf")) < begin_s:
            self._publish(data, "rest")
        return True

    async def _stream(self, numbers: list[str]) -> None:
        backoff = Backoff()
        is_refused = False
        while True:
            generation = self._session.generation
            pushes = self.pushes
            try:
                sdk = await self._session.ready()
                async with self._connection(sdk) as streamer:
                    await streamer._subscribe(SubscriptionType.ACCOUNT, numbers)
                    await self._serve(streamer)
            except (*NETWORK_TROUBLE, BaseExceptionGroup) as error:
                cause = _first_cause(error)
                if not isinstance(cause, NETWORK_TROUBLE):
                    raise
                if self.pushes > pushes:
                    backoff.reset()
                self._streaming = False
                words = str(cause) if isinstance(cause, UpstreamError) else "the connection ended"
                logger.warning("account stream disconnected: %s", words)
                self._judge()
                delay_s = backoff.next_delay_s()
                is_first, is_refused = not is_refused, isinstance(cause, Unauthorized)
                if is_refused:
                    if await self._renew(generation) and is_first:
                        # The token ended, in an outage perhaps; refused again, the new one waits.
                        delay_s = min(delay_s, PLATEAU_S)
                    self._poll_now.set()
                await asyncio.sleep(delay_s)

    async def _serve(self, streamer: _Streamer) -> None:
        self.connects += 1
        self._streaming = True
        logger.info("account stream connected")
        self._poll_now.set()  # nothing is replayed: what was missed is in REST
        self._judge()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._beat, streamer, name="account stream heartbeat")
            async for balance in streamer.listen(LenientBalance):
                self.pushes += 1
                self._pushed_at_s[balance.account_number] = time.monotonic()
                self._publish(balance, "account_stream")

    async def _beat(self, streamer: _Streamer) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            # The SDK sends none by itself (13.2.3). TimeoutError when no ack comes within 10 s.
            await streamer._subscribe(SubscriptionType.HEARTBEAT)

    @asynccontextmanager
    async def _connection(self, sdk: Session) -> AsyncIterator[_Streamer]:
        streamer = _Streamer(sdk, self.dropped)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S) as limit, streamer:
                limit.reschedule(None)
                yield streamer
        finally:
            await streamer.close_queues()

    async def _renew(self, generation: int) -> bool:
        """Whether there is a newer token."""
        try:
            await self._session.renew(generation)
        except NETWORK_TROUBLE as error:
            logger.warning("renewing the session failed: %s", type(error).__name__)
            return False
        return True

    def _publish(self, data: Any, source: str) -> None:
        balance = data if isinstance(data, LenientBalance) else parse_balance(data)
        record = balance and normalize_balance(balance, source, time.time_ns() // 1_000_000)
        if record:
            self._known = True
            self._publisher.publish(record)
        else:
            self.dropped["AccountBalance", "no value"] += 1

    def _judge(self) -> None:
        """Tell what a viewer should think of the balances."""
        if self._streaming and self._polled:
            self._tell("live", None)
        elif self._polled:
            self._tell("degraded", "balances are polled; the account stream is reconnecting")
        elif self._streaming:
            self._tell("degraded", self._reason or "the first balances are being read")
        else:
            self._tell("stale" if self._known else "connecting", self._reason)

    def _tell(self, state: State, reason: str | None) -> None:
        now_ms = time.time_ns() // 1_000_000
        publish_status(self._publisher, "accounts", state, reason, now_ms=now_ms)


async def _get_accounts(sdk: Session, settings: Settings) -> list[str]:
    return select_accounts(await sdk._get("/customers/me/accounts"), settings)


async def _get_balance(sdk: Session, number: str) -> dict[str, Any]:
    """The raw object: `Account.get_balances` refuses one with a missing field (13.2.3)."""
    return await sdk._get(f"/accounts/{number}/balances/USD")


def select_accounts(data: dict[str, Any], settings: Settings) -> list[str]:
    """The numbers of the accounts to follow, out of the broker's list.

    Closed accounts never; others than those in TT_ACCOUNTS only when that is empty, and test-drive
    accounts only when they are named there.
    """
    found = []
    for item in data.get("items") or []:
        account = item.get("account") or {}
        number = account.get("account-number")
        if not number or account.get("is-closed"):
            continue
        if settings.tt_accounts:
            if number in settings.tt_accounts:
                found.append(number)
        elif not account.get("is-test-drive"):
            found.append(number)
    return found


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = next(
            (e for e in error.exceptions if isinstance(e, UpstreamError)), error.exceptions[0]
        )
    return error
