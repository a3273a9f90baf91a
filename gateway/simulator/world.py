"""What every part of one simulator shares: market, accounts, tokens, faults, open sockets."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol

from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.tokens import Tokens
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

    async def push(self) -> None:
        """Send what changed since the last push."""


@dataclass(slots=True)
class World:
    """The state of one simulator."""

    market: Market
    ledger: Ledger
    tokens: Tokens
    dxlink_url: str = ""
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    feeds: set[FeedPeer] = field(default_factory=set)
    streams: set[AccountPeer] = field(default_factory=set)
    answering: asyncio.Event = field(default_factory=asyncio.Event)  # unset: REST is stalled

    def __post_init__(self) -> None:
        self.answering.set()

    @staticmethod
    def now() -> float:
        """The steady clock that tokens and time-outs are measured with, in seconds."""
        return time.monotonic()

    @staticmethod
    def market_time() -> float:
        """The clock of the market, in epoch seconds."""
        return time.time()
