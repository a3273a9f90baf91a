"""The demo: a simulator in a process of its own, and the settings that point a gateway at it."""

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from gateway.addresses import is_loopback
from gateway.errors import GatewayError
from gateway.server.children import command_for
from gateway.settings import Settings, load_settings

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 2.0
MAX_LINE_BYTES = 65536


class DemoError(GatewayError):
    """The simulator did not start."""


@contextmanager
def open_simulator(
    *, seed: int | None = None, rate: float | None = None
) -> Iterator[Callable[[], dict[str, Any]]]:
    """Start a simulator that ends with the block; wait for where it is with what is yielded.

    It also ends when this process is killed: it watches its standard input, whose other end is
    ours.

    The function raises:
        DemoError: when it ends or says nothing in time.
    """
    command = command_for("gateway", "simulator", "--port", "0", "--until-stdin-closes")
    if seed is not None:
        command += ["--seed", str(seed)]
    if rate is not None:
        command += ["--rate", str(rate)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C stops only us: the gateway closes before its market
    )
    try:
        yield partial(_read_address, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


# Enough to check all other settings before a simulator is started.
NOWHERE = {
    "secret": "none",
    "refresh": "none",
    "rest": "http://127.0.0.1:1",
    "account_ws": "ws://127.0.0.1:1",
}


def create_settings(simulator: dict[str, Any] = NOWHERE, **overrides: Any) -> Settings:
    """Settings for a simulator's address; real credentials of the environment are left out.

    Raises:
        ConfigurationError: as `load_settings`.
    """
    settings = load_settings(
        **overrides,
        tt_secret=simulator["secret"],
        tt_refresh=simulator["refresh"],
        tt_test=False,
        tt_accounts=(),
        simulator_rest=simulator["rest"],
        simulator_account_ws=simulator["account_ws"],
        market="open",
        redis_url=None,
    )
    # Nothing real is in it, so on loopback it is open, even where a token is set for `serve`.
    open_to_all = {"token": None, "viewers": None}
    return settings.model_copy(update=open_to_all) if is_loopback(settings.host) else settings


def _read_address(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    deadline_s = time.monotonic() + START_TIMEOUT_S
    line = b""
    while not line.endswith(b"\n"):
        remaining_s = deadline_s - time.monotonic()
        readable, _, _ = select.select([descriptor], [], [], max(0.0, remaining_s))
        if not readable:
            raise DemoError(f"the simulator said nothing for {START_TIMEOUT_S:g} s")
        chunk = os.read(descriptor, 1)  # byte by byte: what follows the line stays in the pipe
        if not chunk or len(line) > MAX_LINE_BYTES:
            raise DemoError("the simulator did not start; its own words are above")
        line += chunk
    address: dict[str, Any] = json.loads(line)
    return address
