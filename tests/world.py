"""Feeds and web processes as real processes, a viewer that follows, and what joins them."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx

from gateway.streams.hub.position import parse_event_id
from tests.processes import Process
from tests.simulation import Simulator, open_simulator
from tests.valkey import Valkey, open_valkey
from tests.waiting import scaled
from tests.web.running import Frame, Reader, get

TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HEADER = f"Authorization: Bearer {TOKEN}\r\n"
LEASE_S = 1.5


class Web(Process):
    """`gateway serve` with REDIS_URL."""

    def __init__(self, url: str, *arguments: str, **environment: str) -> None:
        given = {"REDIS_URL": url, "GATEWAY_TOKEN": TOKEN, "GATEWAY_HEARTBEAT_S": "1"}
        super().__init__("serve", "--port", "0", *arguments, **given | environment)
        self.url = self.wait_for("live on ", 20).split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = get(f"{self.url}/api/snapshot", headers=BEARER).json()
        return found

    def quote(self, symbol: str = "SPY") -> dict[str, Any]:
        quotes: list[dict[str, Any]] = self.snapshot()["quotes"]
        return next((each for each in quotes if each["symbol"] == symbol), {})

    def read_metrics(self) -> dict[str, float]:
        """The figures of the backplane that have no labels."""
        text = get(f"{self.url}/metrics", headers=BEARER).text
        found = re.findall(r"^gateway_backplane_(\w+) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    def is_led_by(self, feed: Process) -> bool:
        """Whether this feed is said to hold the lease."""
        text = get(f"{self.url}/metrics", headers=BEARER).text
        found = re.search(r'^gateway_backplane_leader{holder="([^"]+)"} 1', text, re.MULTILINE)
        return found is not None and f"/{feed.popen.pid}/" in found[1]

    def is_live(self) -> bool:
        statuses = {each["upstream"]: each for each in self.snapshot()["statuses"]}
        feed = statuses.get("feed", {"state": None})
        return feed["state"] == "live" and self.quote().get("stale") is False

    def is_stale(self) -> bool:
        return self.quote().get("stale") is True


class Follower:
    """A viewer that never leaves: it checks what it is given while the world around it breaks."""

    def __init__(self, web: Web, path: str = "/events?symbols=SPY,QQQ") -> None:
        self.frames: list[Frame] = []
        self._reader = Reader(web.port, path, headers=HEADER)
        self._reader.socket.settimeout(scaled(60))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._reader.wait_for(self._look)
        except (OSError, AssertionError):
            return

    def _look(self) -> bool:
        self.frames = self._reader.frames
        return self._reader.is_over

    def check(self) -> list[tuple[int, int]]:
        """The ids so far, of which each is greater than the one before."""
        parsed = [parse_event_id(each.id) for each in list(self.frames) if each.id is not None]
        origins = [(int(each[0]), each[1]) for each in parsed if each is not None]
        assert origins == sorted(set(origins))
        return origins

    def close(self) -> None:
        self._reader.socket.shutdown(2)
        self._thread.join(scaled(5))
        self._reader.socket.close()


class World:
    """A simulator, a server, and as many processes as a test starts."""

    def __init__(self, simulator: Simulator, valkey: Valkey, stack: ExitStack) -> None:
        self.simulator = simulator
        self.valkey = valkey
        self._stack = stack

    def open_feed(self, **environment: str) -> Process:
        hello = self.simulator.hello
        given = {
            "REDIS_URL": self.valkey.url,
            "TT_SECRET": hello["secret"],
            "TT_REFRESH": hello["refresh"],
            "SIMULATOR_REST": hello["rest"],
            "SIMULATOR_ACCOUNT_WS": hello["account_ws"],
            "GATEWAY_MARKET": "open",
            "GATEWAY_SYMBOLS": "SPY,QQQ",
            "GATEWAY_LEASE_S": str(LEASE_S),
        }
        feed = Process("feed", **given | environment)
        self._stack.callback(feed.kill)
        feed.wait_for("standing by")
        return feed

    def open_leader(self) -> Process:
        feed = self.open_feed()
        feed.wait_for("publishing, epoch")
        return feed

    def open_web(self, *arguments: str, **environment: str) -> Web:
        web = Web(self.valkey.url, *arguments, **environment)
        self._stack.callback(web.kill)
        return web

    def follow(self, web: Web) -> Follower:
        follower = Follower(web)
        self._stack.callback(follower.close)
        return follower

    def connections(self) -> int:
        """How many are upstream for market data."""
        answer = httpx.get(self.simulator.hello["control"], trust_env=False)
        count: int = answer.json()["connections"]["feed"]
        return count

    def epochs(self) -> list[int]:
        """The epoch of every entry of the stream, in its order."""
        entries: Any = self.valkey.redis.xrange("{gateway}:2:events")
        return [int(identity.partition(b"-")[0]) for identity, _ in entries]


@contextmanager
def open_world() -> Iterator[World]:
    with open_valkey() as valkey, open_simulator("--rate", "3") as simulator, ExitStack() as stack:
        yield World(simulator, valkey, stack)


class Forwarder:
    """An address that leads to another, or for a while to nowhere."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._target: int | None = None
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def lead_to(self, port: int | None) -> None:
        """Lead new connections there; those that there are end."""
        self._target = port
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self.lead_to(None)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(scaled(5))
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                assert self._target is not None
                server = socket.create_connection(("127.0.0.1", self._target))
            except (OSError, AssertionError):
                client.close()
                continue
            self._open |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()


def take_s(action: Callable[[], object]) -> float:
    """How many seconds it took."""
    begun_s = time.monotonic()
    action()
    return time.monotonic() - begun_s
