"""The HTTP control: turns the switches of `faults.py`, whose docstring is its manual."""

import asyncio
import json
import math
from dataclasses import asdict
from decimal import InvalidOperation
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.simulator.control import bad_frames
from gateway.simulator.control.bad_rows import BadRows
from gateway.simulator.control.books import Action, Body, Books
from gateway.simulator.control.customers import Customers
from gateway.simulator.faults import Faults
from gateway.simulator.world import Peer, World


class Ports(Protocol):
    """What the control needs of the sockets."""

    async def up(self) -> None:
        """Accept connections again."""

    async def down(self, seconds: float) -> None:
        """Reset all connections and refuse new ones for so long."""

    def cut_rest(self) -> None:
        """Reset the open REST connections."""


class Control:
    """The switches of one world. An action returns how many things it hit."""

    def __init__(self, world: World, ports: Ports) -> None:
        self._world = world
        self._ports = ports
        self.actions: dict[str, Action] = {
            "mute": self.mute,
            "unmute": self.unmute,
            "stall": self.stall,
            "cut": self.cut,
            "down": self.down,
            "up": self.up,
            "close_channel": self.close_channel,
            "drop_adds": self.drop_adds,
            "inject": self.inject,
            "deauth": self.deauth,
            "quote_tokens": self.quote_tokens,
            "tokens": self.tokens,
            "oauth": self.oauth,
            "upgrade": self.upgrade,
            "rest": self.rest,
            "limits": self.limits,
            "address": self.address,
            "market": self.market,
            "quote": self.quote,
            "freeze": self.freeze,
            "reset": self.reset,
            "dxlink": self.dxlink,
        }
        self._books = Books(world)
        self.actions |= self._books.actions | BadRows(world).actions | Customers(world).actions

    async def state(self, request: Request) -> Response:
        """Return faults, counters, the market's state and who is connected."""
        return JSONResponse(self._state())

    async def subscriptions(self, request: Request) -> Response:
        """Return the symbols subscribed, by type, over all feed connections."""
        held: dict[str, set[str]] = {}
        for feed in self._world.feeds:
            for kind, symbol in feed.list_subscriptions():
                held.setdefault(kind, set()).add(symbol)
        return JSONResponse({kind: sorted(symbols) for kind, symbols in sorted(held.items())})

    async def logins(self, request: Request) -> Response:
        """Return the customers: refresh token and accounts of each."""
        return JSONResponse(self._books.list_logins())

    async def sent(self, request: Request) -> Response:
        """Return the last rows sent."""
        query = request.query_params
        rows = self._world.journal.list_sent(
            query.get("type"), query.get("symbol"), int(query.get("limit", "100"))
        )
        return JSONResponse(rows)

    async def act(self, request: Request) -> Response:
        """Turn one switch."""
        action = self.actions.get(request.path_params["name"])
        if action is None:
            return JSONResponse({"error": "no such switch", "switches": list(self.actions)}, 404)
        try:
            body = json.loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                raise ValueError("the body is an object")
            done = await action(body)
        except (ValueError, KeyError, TypeError, InvalidOperation) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(self._state() | {"done": done})

    # --- the feed ------------------------------------------------------------------------------

    async def mute(self, body: Body) -> int:
        """Stop all frames, or the data of some types; `scope: current` spares new connections."""
        faults, feeds = self._world.faults, self._world.feeds
        faults.mute_keeps_keepalive = bool(body.get("keepalive", False))
        if body.get("types"):
            faults.mute_types = tuple(body["types"])
        elif body.get("scope", "all") == "current":
            for feed in feeds:
                feed.muted_here = True
        else:
            faults.is_muted = True
        return len(feeds)

    async def unmute(self, body: Body) -> int:
        """Let frames flow again."""
        faults = self._world.faults
        faults.is_muted, faults.mute_types = False, ()
        for feed in self._world.feeds:
            feed.muted_here = False
        return len(self._world.feeds)

    async def close_channel(self, body: Body) -> int:
        """Close channels unasked."""
        kind, number = body.get("type"), body.get("channel")
        return sum([await feed.close_channels(kind, number) for feed in list(self._world.feeds)])

    async def drop_adds(self, body: Body) -> int:
        """Lose each n-th subscription from now on."""
        faults = self._world.faults
        faults.drop_every, faults.adds_seen = int(body.get("every", 7)), 0
        return faults.drop_every

    async def inject(self, body: Body) -> int:
        """Send a bad frame on every feed connection (or account connection) that it fits."""
        kind, event_type = body.get("kind", "text"), body.get("type", "Quote")

        def make(channel: int) -> str:
            return bad_frames.make_bad_frame(
                kind,
                channel=channel,
                event_type=event_type,
                symbol=body.get("symbol", "SPY"),
                text=str(body.get("text") or body.get("message") or ""),
                error=str(body.get("error", "UNKNOWN")),
                rows=body.get("rows"),
            )

        make(0)  # a bad request fails before anything is sent
        hits: list[tuple[Peer, str]] = []
        if body.get("target", "feed") == "account":
            hits = [(stream, make(0)) for stream in self._world.streams]
        else:
            for feed in self._world.feeds:
                channels = feed.list_channels(event_type) or [(1, True)]
                hits.append((feed, make(channels[0][0])))
        for peer, text in hits:
            await peer.inject(text)
        return len(hits)

    async def dxlink(self, body: Body) -> int:
        """Change what the feed offers: the FULL format, and the types that it withholds."""
        faults = self._world.faults
        faults.has_full_format = bool(body.get("full", faults.has_full_format))
        faults.withheld_types = tuple(body.get("withheld", faults.withheld_types))
        return len(faults.withheld_types)

    async def deauth(self, body: Body) -> int:
        """Say AUTH_STATE UNAUTHORIZED in mid-stream, after the quote tokens went bad."""
        if body.get("expire", True):
            self._world.tokens.expire_quote()
        feeds = list(self._world.feeds)
        for feed in feeds:
            await feed.deauthorize()
        return len(feeds)

    # --- sockets -------------------------------------------------------------------------------

    async def stall(self, body: Body) -> int:
        """Stop or restart answering, reading and writing."""
        faults = self._world.faults
        faults.stall_rest = bool(body.get("rest", faults.stall_rest))
        faults.stall_feed = bool(body.get("feed", faults.stall_feed))
        faults.stall_account = bool(body.get("account", faults.stall_account))
        return self._stall_all()

    async def cut(self, body: Body) -> int:
        """Reset connections, or close them with a code."""
        target, code = body.get("target", "all"), body.get("code")
        if target not in ("all", "feed", "account"):
            raise ValueError("target is all, feed or account")
        peers: list[Peer] = []
        if target in ("all", "feed"):
            peers += self._world.feeds
        if target in ("all", "account"):
            peers += self._world.streams
        if code is None:
            for peer in peers:
                peer.abort()
            if target == "all":
                self._ports.cut_rest()
        else:
            reason = str(body.get("reason", ""))
            await asyncio.gather(*(peer.close(int(code), reason) for peer in peers))
        return len(peers)

    async def down(self, body: Body) -> int:
        """Refuse all connections for some seconds."""
        await self._ports.down(float(body.get("seconds", 5)))
        return 1

    async def up(self, body: Body) -> int:
        """Accept connections again at once."""
        await self._ports.up()
        return 1

    async def upgrade(self, body: Body) -> int:
        """Refuse websocket upgrades."""
        faults = self._world.faults
        faults.upgrade_status = int(body.get("status", 502) or 0)
        faults.upgrade_count = _count(body)
        faults.upgrade_target = str(body.get("target", "all"))
        return 1

    # --- tokens and REST -----------------------------------------------------------------------

    async def quote_tokens(self, body: Body) -> int:
        """Refuse quote tokens, make them expire, or shorten their life."""
        self._world.faults.refuse_quote_tokens = str(body.get("refuse") or "")
        self._world.faults.quote_level = str(body.get("level", self._world.faults.quote_level))
        self._world.tokens.quote_life_s = float(body.get("life_s", self._world.tokens.quote_life_s))
        return self._world.tokens.expire_quote() if body.get("expire") else 0

    async def tokens(self, body: Body) -> int:
        """Set the life of access tokens as announced and as kept, or end all of them."""
        tokens = self._world.tokens
        tokens.told_s = float(body.get("told_s", tokens.told_s))
        tokens.honoured_s = float(body.get("honoured_s", tokens.honoured_s))
        return tokens.expire_access() if body.get("expire") else 0

    async def oauth(self, body: Body) -> int:
        """Let OAuth fail, revoke all grants, rotate refresh tokens, or forge `state`."""
        faults, tokens = self._world.faults, self._world.tokens
        faults.oauth_status, faults.oauth_count = int(body.get("status") or 0), _count(body)
        tokens.is_revoked = bool(body.get("revoke", tokens.is_revoked))
        tokens.rotates = bool(body.get("rotate", tokens.rotates))
        tokens.redirect_uris = tuple(body.get("redirect_uris", tokens.redirect_uris))
        faults.sends_wrong_state = bool(body.get("wrong_state", faults.sends_wrong_state))
        return 1

    async def rest(self, body: Body) -> int:
        """Let REST fail below a path, with a status or a bad body, or answer late."""
        faults = self._world.faults
        faults.rest_status = int(body.get("status", 500) or 0)
        faults.rest_count = _count(body)
        faults.rest_path = str(body.get("path", "/"))
        faults.rest_kind = str(body.get("kind", "status"))
        faults.rest_delay_s = float(body.get("delay_s", 0))
        retry = body.get("retry_after_s")
        faults.retry_after_s = None if retry is None else float(retry)
        return 1

    async def address(self, body: Body) -> int:
        """Give another address of the feed with the next quote tokens."""
        self._world.faults.feed_address = str(body.get("feed") or "")
        return 1

    async def limits(self, body: Body) -> int:
        """Change caps, idle limits, rates and what headers have to say."""
        faults = self._world.faults
        faults.session_limit = int(body.get("sessions", faults.session_limit))
        faults.subscription_limit = int(body.get("subscriptions", faults.subscription_limit))
        faults.keepalive_s = float(body.get("keepalive_s", faults.keepalive_s))
        faults.heartbeat_s = float(body.get("heartbeat_s", faults.heartbeat_s))
        faults.has_rates = bool(body.get("rates", faults.has_rates))
        faults.needs_agent = bool(body.get("agent", faults.needs_agent))
        faults.versions = tuple(body.get("versions", faults.versions))
        return 1

    # --- accounts and market -------------------------------------------------------------------

    async def market(self, body: Body) -> int:
        """Change the pace of the market, or open or close it."""
        market = self._world.market
        if "rate" in body or "flood" in body:
            rate = None if body.get("rate") is None else _pace(body["rate"])
            market.set_pace(rate=rate, flood_per_s=_pace(body.get("flood") or 0))
        if "open" in body:
            market.set_mode("open" if body["open"] else "closed", self._world.market_time())
        if "mode" in body:
            market.set_mode(str(body["mode"]), self._world.market_time())
        return 1

    async def quote(self, body: Body) -> int:
        """Put a quote into a book by hand and freeze it there."""
        last = body.get("last")
        bits = self._world.market.set_quote(
            body["symbol"],
            bid=_price(body.get("bid")),
            ask=_price(body.get("ask")),
            bid_size=_price(body.get("bid_size", 100)),
            ask_size=_price(body.get("ask_size", 100)),
            last=None if last is None else float(last),
        )
        for feed in self._world.feeds:
            feed.note_changes({body["symbol"]: bits}, self._world.now())
        return 1

    async def freeze(self, body: Body) -> int:
        """Stop or restart the moves of some symbols."""
        symbols = list(body["symbols"])
        self._world.market.set_frozen(symbols, bool(body.get("frozen", True)))
        return len(symbols)

    async def reset(self, body: Body) -> int:
        """Turn every fault off and let every symbol move again."""
        world = self._world
        world.faults = Faults()
        world.tokens.clear_faults()
        for login in world.logins.values():
            for account in login.ledger.accounts.values():
                account.omitted, account.odd_rows = set(), []
        world.market.release()
        await self.unmute({})
        return self._stall_all()

    def _stall_all(self) -> int:
        faults = self._world.faults
        if faults.stall_rest:
            self._world.answering.clear()
        else:
            self._world.answering.set()
        for feed in self._world.feeds:
            feed.stall(faults.stall_feed)
        for stream in self._world.streams:
            stream.stall(faults.stall_account)
        return len(self._world.feeds) + len(self._world.streams)

    def _state(self) -> Body:
        world, journal = self._world, self._world.journal
        tokens, market = world.tokens, world.market
        return {
            "faults": asdict(world.faults),
            "tokens": {
                "told_s": tokens.told_s,
                "honoured_s": tokens.honoured_s,
                "quote_life_s": tokens.quote_life_s,
                "is_revoked": tokens.is_revoked,
            },
            "counters": dict(journal.counts),
            "requests": dict(journal.requests),
            "unauthorized": dict(journal.unauthorized),
            "connections": {"feed": len(world.feeds), "account": len(world.streams)},
            "market": {
                "open": market.is_open,
                "mode": market.mode,
                "rate": market.rate,
                "flood": market.flood_per_s,
                "as_of": market.now,
            },
        }


def make_control(world: World, ports: Ports) -> ASGIApp:
    """Return the control application of a world."""
    control = Control(world, ports)
    return Starlette(
        routes=[
            Route("/control", control.state, methods=["GET"]),
            Route("/control/subscriptions", control.subscriptions, methods=["GET"]),
            Route("/control/logins", control.logins, methods=["GET"]),
            Route("/control/sent", control.sent, methods=["GET"]),
            Route("/control/{name}", control.act, methods=["POST"]),
        ]
    )


def _count(body: Body) -> int | None:
    count = body.get("count")
    return None if count is None else int(count)


def _pace(value: Any) -> float:
    pace = float(value)
    if not (math.isfinite(pace) and 0 <= pace <= 1_000):
        raise ValueError("a pace is between 0 and 1000")
    return pace


def _price(value: Any) -> float:
    return math.nan if value is None else float(value)
