"""What every part of one simulator shares: market, customers, tokens, faults, open sockets."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.books.transfers import Transfers
from gateway.simulator.broker.customer import Customer
from gateway.simulator.broker.quote_alerts import QuoteAlerts
from gateway.simulator.broker.tokens import Tokens
from gateway.simulator.clock import Clock
from gateway.simulator.faults import Faults, Journal
from gateway.simulator.market.market import Market


class Peer(Protocol):
    """An open websocket, of the feed or of the account streamer."""

    def abort(self) -> None:
        """Reset the TCP connection."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a code."""

    async def inject(self, text: str) -> None:
        """Send a text frame as it is."""

    def stall(self, is_stalled: bool) -> None:
        """Stop or restart reading and writing."""


class FeedPeer(Peer, Protocol):
    """A websocket of the feed."""

    muted_here: bool

    def note_changes(self, changed: dict[str, int], now: float) -> None:
        """Note what changed in the market."""

    def list_subscriptions(self) -> list[tuple[str, str]]:
        """Return (type, symbol) of everything subscribed."""

    async def close_channels(self, event_type: str | None, number: int | None) -> int:
        """Close channels unasked and return how many."""

    async def deauthorize(self) -> None:
        """Say AUTH_STATE UNAUTHORIZED in mid-stream."""

    def list_channels(self, event_type: str | None) -> list[tuple[int, bool]]:
        """Return (number, is compact) of the channels that hold a type."""


class AccountPeer(Peer, Protocol):
    """A websocket of the account streamer."""

    def note(self, ledger: Ledger, kind: str, number: str, body: dict[str, Any]) -> None:
        """Keep a change of an account for the next push."""

    def note_alert(self, ledger: Ledger, body: dict[str, Any]) -> None:
        """Keep an alert that fired for the next push, if it was subscribed to."""

    async def push(self) -> None:
        """Send what changed since the last push."""


@dataclass(slots=True)
class Login:
    """A customer, the books of its accounts and its refresh token (the first one)."""

    customer: Customer
    ledger: Ledger
    refresh: str


@dataclass(slots=True)
class World:
    """The state of one simulator."""

    clock: Clock
    market: Market
    tokens: Tokens
    logins: dict[str, Login]
    dxlink_url: str = ""
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    feeds: set[FeedPeer] = field(default_factory=set)
    streams: set[AccountPeer] = field(default_factory=set)
    answering: asyncio.Event = field(default_factory=asyncio.Event)  # unset: REST is stalled
    has_pushes: asyncio.Event = field(default_factory=asyncio.Event)
    alerts: QuoteAlerts = field(default_factory=QuoteAlerts)
    transfers: Transfers = field(default_factory=Transfers)

    def __post_init__(self) -> None:
        self.answering.set()
        self.listen()
        for login in self.logins.values():
            self.alerts.add(
                self.market, login.customer.external_id,
                symbol="SPY", field="Last", operator="<", threshold=400.0,
            )  # fmt: skip

    def listen(self) -> None:
        """Lead every change of the books to the open account streams."""
        for login in self.logins.values():
            login.ledger.on_change = self._listener(login.ledger)

    @property
    def ledger(self) -> Ledger:
        """The books of the first customer."""
        return next(iter(self.logins.values())).ledger

    def find_login(self, header: str | None) -> Login | None:
        """Return who an access token belongs to, or None."""
        access = self.tokens.find_access(header, self.now())
        return None if access is None else self.logins.get(access.customer)

    def now(self) -> float:
        """Return the steady clock that tokens and time-outs are measured with, in seconds."""
        return self.clock.steady()

    def market_time(self) -> float:
        """Return the clock of the market, in epoch seconds."""
        return self.clock.now()

    def match_alerts(self) -> None:
        """Fire the alerts that the market meets and lead them to the open account streams."""
        for alert in self.alerts.match(self.market):
            ledgers = [
                login.ledger
                for login in self.logins.values()
                if login.customer.external_id == alert.external_id
            ]
            for stream in self.streams:
                for ledger in ledgers:
                    stream.note_alert(ledger, alert.describe())
            self.has_pushes.set()

    async def push(self) -> None:
        """Send what waits on the open account streams."""
        for stream in list(self.streams):
            await stream.push()

    def _listener(self, ledger: Ledger) -> Any:
        def listen(kind: str, number: str, body: dict[str, Any]) -> None:
            for stream in self.streams:
                stream.note(ledger, kind, number, body)
            self.has_pushes.set()

        return listen
