"""One whole simulator: its sockets, its clock, its start and its end.

Four loopback ports: REST, the feed, the account streamer (any path on each), and the control, which
stays reachable while the other three are down. Nothing ever listens on another address.
"""

import asyncio
import json
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.simulator.broker.account_stream import AccountConnection
from gateway.simulator.broker.books.opening import open_first, open_second
from gateway.simulator.broker.customer import list_customers
from gateway.simulator.broker.dxlink.connection import FeedConnection
from gateway.simulator.broker.rest.app import make_rest
from gateway.simulator.broker.tokens import Tokens
from gateway.simulator.clock import Clock
from gateway.simulator.control.app import make_control
from gateway.simulator.control.books import Books
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe
from gateway.simulator.world import Login, World

HOST = "127.0.0.1"
STEP_S = 0.010  # the market moves and channels are looked at this often, or oftener in a flood
MAX_CLIENT_FRAME = 65_536  # what the real service accepts; more closes with 1009
CLOSE_S = 0.5  # a client that does not answer a close is cut after this long
MATCH_S = 0.25  # working orders are compared with the market this often
LAG_S = 1.0  # a clock that fell further behind than this jumps instead of catching up


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a simulator is, and the credentials that it takes: the line that it prints."""

    rest: str
    account_ws: str
    dxlink_ws: str
    control: str
    secret: str
    refresh: str
    accounts: list[str]
    client_id: str = ""
    customers: tuple[dict[str, Any], ...] = ()
    """All of them, the first one too: key, refresh token, accounts."""


class HttpPort:
    """A uvicorn server on a port of its own that can go down, come up and be cut."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._app = app
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]

    async def up(self) -> None:
        """Serve; returns when connections are accepted."""
        if self._task is not None:
            return
        if self._socket.fileno() < 0:
            self._socket = listen(self.port)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
            date_header=False,
            server_header=False,
        )
        server = self._server = _Uvicorn(config)
        self._task = asyncio.create_task(server.serve([self._socket]), name="http")
        await server.is_up.wait()

    async def down(self) -> None:
        """Refuse connections and reset the open ones."""
        if self._task is None or self._server is None:
            return
        self.cut()
        self._server.force_exit = True
        self._server.leave.set()
        await self._task
        self._socket.close()
        self._task = None

    def cut(self) -> None:
        """Reset the open connections."""
        if self._server is not None:
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()


class WebsocketPort:
    """A websocket server on a port of its own that can go down, come up and refuse upgrades."""

    def __init__(self, world: World, name: str, run: Callable[[ServerConnection], Any]) -> None:
        self._world = world
        self._name = name
        self._run = run
        self._server: Server | None = None
        self._socket = listen(0)
        self.port: int = self._socket.getsockname()[1]

    async def up(self) -> None:
        """Serve; returns when connections are accepted."""
        if self._server is not None:
            return
        if self._socket.fileno() < 0:
            self._socket = listen(self.port)
        self._server = await serve(
            self._run,
            sock=self._socket,
            compression=None,
            ping_interval=None,
            max_size=MAX_CLIENT_FRAME,
            close_timeout=CLOSE_S,
            process_request=self._answer_upgrade,
            server_header=None,
        )

    async def down(self) -> None:
        """Refuse connections and reset the open ones."""
        if self._server is None:
            return
        server, self._server = self._server, None
        for connection in list(server.connections):
            connection.transport.abort()
        server.close()
        await server.wait_closed()

    def _answer_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        status = self._world.faults.take_upgrade(self._name)
        if not status:
            return None
        self._world.journal.counts["upgrades_refused"] += 1
        return connection.respond(HTTPStatus(status), "Upgrade refused on demand\n")


class Simulator:
    """A world and the ports on which it is served."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self._rest = HttpPort(make_rest(world), port)
        self._feed = WebsocketPort(world, "feed", lambda ws: FeedConnection(ws, world).run())
        self._account = WebsocketPort(
            world, "account", lambda ws: AccountConnection(ws, world).run()
        )
        self._control = HttpPort(make_control(world, self))
        self._return: asyncio.Task[None] | None = None
        world.dxlink_url = f"ws://{HOST}:{self._feed.port}/realtime"
        self.addresses = Addresses(
            rest=f"http://{HOST}:{self._rest.port}",
            account_ws=f"ws://{HOST}:{self._account.port}/streamer",
            dxlink_ws=world.dxlink_url,
            control=f"http://{HOST}:{self._control.port}/control",
            secret=world.tokens.secret,
            refresh=next(iter(world.logins.values())).refresh,
            accounts=list(world.ledger.accounts),
            client_id=world.tokens.client_id,
            customers=tuple(Books(world).list_logins()),
        )

    async def start(self) -> None:
        """Open the control and everything else."""
        await self._control.up()
        await self.up()

    async def stop(self) -> None:
        """Close everything."""
        self._forget_return()
        self.world.answering.set()
        await asyncio.gather(self._control.down(), self._go_down())

    async def up(self) -> None:
        """Accept connections again."""
        if self._return is not asyncio.current_task():
            self._forget_return()
        await self._feed.up()
        await self._account.up()
        await self._rest.up()

    async def down(self, seconds: float) -> None:
        """Reset all connections and refuse new ones for so long; the control stays."""
        self._forget_return()
        await self._go_down()
        self._return = asyncio.create_task(self._come_back(seconds), name="come-back")

    def cut_rest(self) -> None:
        """Reset the open REST connections."""
        self._rest.cut()

    async def run_clock(self) -> None:
        """Move the market and wake what is due, for ever."""
        world, market = self.world, self.world.market
        at, matched_s = world.now(), 0.0
        while True:
            at = max(at + min(STEP_S, market.period_s), world.now() - LAG_S)
            delay = at - world.now()
            # Behind: take the missing steps one by one, but let the sockets have their turn.
            await asyncio.sleep(max(delay, 0))
            changed = market.advance(world.clock.at(at))
            now = world.now()
            for feed in world.feeds:
                feed.note_changes(changed, now)
            if now - matched_s >= MATCH_S:
                matched_s = now
                for login in world.logins.values():
                    login.ledger.match()
                world.match_alerts()

    async def run_pushes(self) -> None:
        """Push what changed in accounts as soon as it did, prices once in a while, for ever."""
        world = self.world
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(world.faults.push_s):
                    await world.has_pushes.wait()
            world.has_pushes.clear()
            for stream in list(world.streams):
                await stream.push()

    async def _go_down(self) -> None:
        await asyncio.gather(self._rest.down(), self._feed.down(), self._account.down())

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.up()

    def _forget_return(self) -> None:
        if self._return is not None:
            self._return.cancel()
            self._return = None


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: several run in one process, which has its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()
        self.leave = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def main_loop(self) -> None:
        # uvicorn checks every 0.1 s whether to leave; here an event says so at once.
        await self.leave.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(port: int) -> socket.socket:
    """Return a listening loopback socket; the port stays the same when it is opened again."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.bind((HOST, port))
    opened.listen(128)
    return opened


def make_world(seed: int, rate: float, is_open: bool, now: float) -> World:
    """Return a world as of an instant (epoch seconds), with fresh credentials."""
    clock = Clock()
    clock.move_to(now)
    universe = list_universe(datetime.fromtimestamp(now, UTC).date())
    market = Market(universe, seed=seed, now=now, rate=rate, is_open=is_open)
    tokens = Tokens(secret=secrets.token_hex(20))
    logins = {
        customer.key: Login(customer, opened(market), tokens.add_grant(customer.key))
        for customer, opened in zip(list_customers(), (open_first, open_second), strict=True)
    }
    return World(clock=clock, market=market, tokens=tokens, logins=logins)


@asynccontextmanager
async def open_simulator(
    *,
    port: int = 0,
    seed: int = 7,
    rate: float = 1.0,
    market: Literal["open", "closed"] = "open",
) -> AsyncIterator[Simulator]:
    """Serve a simulator in this event loop until the block ends."""
    simulator = Simulator(make_world(seed, rate, market == "open", time.time()), port)
    await simulator.start()
    tasks = [asyncio.create_task(work, name=name) for name, work in _background(simulator).items()]
    try:
        yield simulator
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await simulator.stop()


def _background(simulator: Simulator) -> dict[str, Coroutine[Any, Any, None]]:
    return {"clock": simulator.run_clock(), "pushes": simulator.run_pushes()}


def run(
    *,
    port: int,
    seed: int,
    rate: float,
    market: Literal["open", "closed"],
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; the first line on stdout is the addresses as JSON."""
    asyncio.run(_run(port, seed, rate, market, announce or _print))


async def _run(
    port: int,
    seed: int,
    rate: float,
    market: Literal["open", "closed"],
    announce: Callable[[str], None],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_simulator(port=port, seed=seed, rate=rate, market=market) as simulator:
        announce(json.dumps(asdict(simulator.addresses)))
        await stop.wait()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
