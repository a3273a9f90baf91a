"""A simulator process for tests, and what they ask of its control."""

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from gateway.settings import Settings
from tests.waiting import scaled

ROOT = Path(__file__).parent.parent
TLS = ssl.create_default_context()
"""Unused, but httpx would make one for each request, which takes longer than the request."""


class Simulator:
    """A running `gateway simulator` and its control."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        first_line = process.stdout.readline()
        assert first_line, "the simulator said nothing"
        self.hello: dict[str, Any] = json.loads(first_line)

    def settings(self, **overrides: Any) -> Settings:
        """Settings of a gateway that is pointed at this simulator."""
        known: dict[str, Any] = {
            "tt_secret": SecretStr(self.hello["secret"]),
            "tt_refresh": SecretStr(self.hello["refresh"]),
            "simulator_rest": self.hello["rest"],
            "simulator_account_ws": self.hello["account_ws"],
            "market": "open",
            "symbols": ("SPY", "QQQ", "SPX"),
            "port": 0,
        }
        return Settings(_env_file=None, **{**known, **overrides})

    async def control(self, name: str, **body: Any) -> dict[str, Any]:
        """Turn one switch; the answer is the simulator's state."""
        async with httpx.AsyncClient(verify=TLS, trust_env=False) as client:
            answer = await client.post(f"{self.hello['control']}/{name}", json=body)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    async def read(self, name: str = "", **query: Any) -> Any:
        """What the control tells."""
        url = f"{self.hello['control']}/{name}".rstrip("/")
        async with httpx.AsyncClient(verify=TLS, trust_env=False) as client:
            answer = await client.get(url, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read_sync(self, name: str = "", **query: Any) -> Any:
        """`read` for tests without an event loop."""
        url = f"{self.hello['control']}/{name}".rstrip("/")
        answer = httpx.get(url, params=query, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def control_sync(self, name: str, **body: Any) -> dict[str, Any]:
        """`control` for tests without an event loop."""
        url = f"{self.hello['control']}/{name}"
        answer = httpx.post(url, json=body, verify=TLS, trust_env=False)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state


@contextmanager
def open_simulator(*options: str) -> Iterator[Simulator]:
    """A simulator process, ended on leaving; `options` go to its command line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulator", "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Simulator(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(scaled(10))
        assert process.stdout is not None
        process.stdout.close()
