"""From the simulator's send to the bytes on an SSE client, through the real SDK and real sockets.

    python -m bench.latency [--symbols 100] [--rate 10] [--clients 50] [--seconds 6]

Simulator, gateway and clients are processes of their own on one machine, so one monotonic clock
times both ends. A quote row that the simulator sent is matched with the first event that shows its
bid, ask and sizes; then losses, doubles and order are checked for every client.
"""

import argparse
import asyncio
import datetime
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from gateway.settings import variables
from gateway.simulator.market.universe import Kind, list_universe

WARM_UP_S = 3.0
START_TIMEOUT_S = 30.0

Values = tuple[float | None, ...]
FIELDS = (
    ("bidPrice", "bid"),
    ("askPrice", "ask"),
    ("bidSize", "bid_size"),
    ("askSize", "ask_size"),
)


class Quote(msgspec.Struct):
    """What is matched of a quote_update."""

    symbol: str
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None

    @property
    def values(self) -> Values:
        return (self.bid, self.ask, self.bid_size, self.ask_size)


def choose_symbols(count: int) -> list[str]:
    """Everything listed that has quotes, then options."""
    universe = list_universe(datetime.datetime.now(datetime.UTC).date())
    listed = [each.symbol for each in universe.instruments.values() if each.kind is not Kind.INDEX]
    return [*listed, *universe.options][:count]


@contextmanager
def run(*arguments: str, **variables_set: str) -> Iterator["subprocess.Popen[str]"]:
    """A `gateway` command in a process of its own, terminated on leaving."""
    unwanted = variables()
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=kept | variables_set,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


class Client:
    """A raw SSE reader: bytes and when they came; nothing is looked into while it reads."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, bytes]] = []

    async def read(self, port: int, path: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        writer.write(request.encode())
        try:
            while chunk := await reader.read(2**18):
                self.chunks.append((time.monotonic_ns(), chunk))
        finally:
            writer.close()

    def list_events(self) -> Iterator[tuple[int, int, Quote]]:
        """When it came, its sequence, and the quote, for each quote_update."""
        decode = msgspec.json.Decoder(Quote).decode
        rest = b""
        in_head = True
        for at_ns, chunk in self.chunks:
            rest += chunk
            if in_head:
                _, separator, rest = rest.partition(b"\r\n\r\n")
                in_head = not separator
            *blocks, rest = rest.split(b"\n\n")
            for block in blocks:
                _, is_quote, frame = block.partition(b"event: quote_update\n")
                if is_quote:
                    identity, _, data = frame.partition(b"\ndata: ")
                    yield at_ns, int(identity.rpartition(b"-")[2]), decode(data)


def to_number(value: object) -> float | None:
    """A wire value as our JSON shows it; NaN is null."""
    number = float(str(value))
    return None if number != number else number


def group_rows(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, Values]]]:
    """Send time and values of each quote by symbol; a row equal to the one before is no change."""
    found: dict[str, list[tuple[int, Values]]] = defaultdict(list)
    for row in rows:
        values = tuple(to_number(row[wire]) for wire, _ in FIELDS)
        sent = found[row["eventSymbol"]]
        if not sent or sent[-1][1] != values:
            sent.append((row["sent_ns"], values))
    return found


def match(
    client: Client, sent: dict[str, list[tuple[int, Values]]], begin_ns: int, end_ns: int
) -> tuple[list[float], dict[str, int]]:
    """Latencies in ms of what was sent from `begin_ns` to `end_ns`, and what was wrong."""
    latencies: list[float] = []
    wrong = {"lost": 0, "unexplained": 0, "ids not rising": 0}
    position: dict[str, int] = {}
    shown: dict[str, Values] = {}
    last_seq = 0
    for at_ns, seq, event in client.list_events():
        wrong["ids not rising"] += seq <= last_seq
        last_seq = seq
        rows = sent.get(event.symbol, [])
        if shown.get(event.symbol) == event.values:
            continue  # a trade or a summary: the quote is the same
        shown[event.symbol] = event.values
        start = position.get(event.symbol, -1) + 1
        index = next((n for n in range(start, len(rows)) if rows[n][1] == event.values), None)
        if index is None:
            # Before the first row that the simulator still remembers nothing can be matched.
            wrong["unexplained"] += bool(rows) and at_ns > begin_ns and event.symbol in position
            continue
        if event.symbol in position:
            skipped = rows[start:index]
            wrong["lost"] += sum(begin_ns <= each[0] <= end_ns for each in skipped)
        position[event.symbol] = index
        if begin_ns <= rows[index][0] <= end_ns:
            latencies.append((at_ns - rows[index][0]) / 1e6)
    return latencies, wrong


async def measure(
    port: int, control: str, path: str, options: argparse.Namespace
) -> tuple[list[Client], list[dict[str, Any]], int, int]:
    """The clients with what they read, the rows sent, and the span in which they count."""
    clients = [Client() for _ in range(options.clients)]
    tasks = [asyncio.create_task(each.read(port, path)) for each in clients]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        (await http.post(f"{control}/market", json={"flood": options.rate})).raise_for_status()
        await asyncio.sleep(WARM_UP_S)
        begin_ns = time.monotonic_ns()
        await asyncio.sleep(options.seconds)
        end_ns = time.monotonic_ns()
        await asyncio.sleep(0.5)
        (await http.post(f"{control}/market", json={"flood": 0})).raise_for_status()
        rows = (await http.get(f"{control}/sent", params={"type": "Quote", "limit": 10**6})).json()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return clients, rows, begin_ns, end_ns


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    return values[min(len(values) - 1, int(len(values) * share))]


def report(
    clients: list[Client], rows: list[dict[str, Any]], begin_ns: int, end_ns: int
) -> tuple[str, bool]:
    """The figures as text, and whether nothing was wrong."""
    sent = group_rows(rows)
    latencies: list[float] = []
    wrong: dict[str, int] = defaultdict(int)
    for client in clients:
        found, errors = match(client, sent, begin_ns, end_ns)
        latencies += found
        for name, count in errors.items():
            wrong[name] += count
    latencies.sort()
    seconds = (end_ns - begin_ns) / 1e9
    in_span = sum(begin_ns <= at_ns <= end_ns for each in sent.values() for at_ns, _ in each)
    covered = not rows or rows[0]["sent_ns"] <= begin_ns
    span = (
        f"{len(sent)} symbols, {in_span / seconds:.0f} changed quotes/s sent, "
        f"{len(clients)} clients, {seconds:.1f} s, {len(latencies)} deliveries"
    )
    times = (
        f"p50 {percentile(latencies, 0.50):.2f} ms   p99 {percentile(latencies, 0.99):.2f} ms   "
        f"max {latencies[-1]:.2f} ms"
    )
    lines = [span, times, "   ".join(f"{name} {count}" for name, count in wrong.items())]
    if not covered:
        lines.append("the simulator remembers less than the span: fewer deliveries were matched")
    return "\n".join(lines), not any(wrong.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10.0, help="moves of each symbol a second")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--aggregation", default="0.1", help="GATEWAY_AGGREGATION_S")
    options = parser.parse_args()
    symbols = choose_symbols(options.symbols)
    with run("simulator") as simulator:
        assert simulator.stdout is not None
        where = json.loads(simulator.stdout.readline())
        settings = {
            "TT_SECRET": where["secret"],
            "TT_REFRESH": where["refresh"],
            "SIMULATOR_REST": where["rest"],
            "SIMULATOR_ACCOUNT_WS": where["account_ws"],
            "GATEWAY_SYMBOLS": ",".join(symbols),
            "GATEWAY_MARKET": "open",
            "GATEWAY_AGGREGATION_S": options.aggregation,
            "PORT": "0",
        }
        with run("serve", **settings) as gateway:
            assert gateway.stderr is not None
            url = next(line.split()[-1] for line in gateway.stderr if line.startswith("live on "))
            wait_until_ready(url)
            path = f"/events?types=quote_update&symbols={quote(','.join(symbols), safe=',')}"
            port = urlsplit(url).port or 0
            text, is_right = report(*asyncio.run(measure(port, where["control"], path, options)))
    print(text)
    return 0 if is_right else 1


def wait_until_ready(url: str) -> None:
    """Return when the gateway has something to serve."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while httpx.get(f"{url}/readyz", trust_env=False).status_code != 200:
        if time.monotonic() > deadline_s:
            raise TimeoutError("the gateway is not ready")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
