"""The simulator as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.simulator.app import Addresses, Simulator, open_simulator
from tests.simulator.client import fetch, get_token, open_feed, read_state, switch
from tests.waiting import eventually, scaled

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def start(*options: str) -> Iterator[tuple["subprocess.Popen[str]", Addresses]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulator", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, Addresses(**json.loads(process.stdout.readline()))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_process_says_where_it_is_and_ends_cleanly(number: signal.Signals) -> None:
    """1. Start. 2. The first line is the address. 3. It serves. 4. Signal with an open feed.

    Result: status 0 within two seconds, nothing on stderr.
    """
    with start("--seed", "11") as (process, at):
        assert at.rest.startswith("http://127.0.0.1:")
        assert at.account_ws.startswith("ws://127.0.0.1:")
        assert await get_token(at)
        async with open_feed(at) as link:
            await link.subscribe(1, "Quote", "SPY")
            await link.data(1, "Quote")
            began = time.monotonic()
            os.kill(process.pid, number)
            await eventually(lambda: process.poll() is not None)
        assert time.monotonic() - began < scaled(2)
        assert process.returncode == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


async def test_a_closed_market_still_tells_last_values() -> None:
    with start("--market", "closed") as (_, at):
        async with open_feed(at) as link:
            await link.subscribe(1, "Quote", "SPY")
            assert (await link.data(1, "Quote"))[0] == "SPY"
            assert (await read_state(at))["market"]["open"] is False


async def test_a_flood_is_as_fast_as_asked() -> None:
    async with open_simulator() as simulator:
        at = simulator.addresses
        await switch(at, "market", flood=10)
        async with open_feed(at, period_s=0.02) as link:
            symbols = [s for s in simulator.world.market.universe.options if s.startswith(".SPY")]
            for n in range(0, 1_000, 250):
                await link.subscribe(1, "Quote", *symbols[n : n + 250])
            started, rows = time.monotonic(), simulator.world.journal.counts["rows_sent"]
            while time.monotonic() - started < 1.0:
                await link.hear()
            sent = simulator.world.journal.counts["rows_sent"] - rows
        assert sent > 3_000  # 10,000 on an idle machine


async def test_ports_are_loopback_only(simulator: Simulator) -> None:
    at = simulator.addresses
    for url in (at.rest, at.account_ws, at.dxlink_ws, at.control):
        assert url.split("//")[1].startswith("127.0.0.1:")
        port = int(url.split(":")[2].split("/")[0])
        with socket.socket() as other:
            other.settimeout(1)
            with pytest.raises(ConnectionRefusedError):
                other.connect(("127.0.0.2", port))


async def test_a_port_can_be_chosen(simulator: Simulator) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_simulator(port=port) as chosen:
        assert chosen.addresses.rest == f"http://127.0.0.1:{port}"
        assert (await fetch(f"{chosen.addresses.rest}/customers/me")).status_code == 401
        assert chosen.addresses.secret != simulator.addresses.secret


async def test_stopping_while_down_leaves_nothing() -> None:
    async with open_simulator() as simulator:
        await switch(simulator.addresses, "down", seconds=60)
    assert not simulator.world.feeds
