"""The application under another server: what the start makes is told by whoever makes it."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.processes import clean_environment
from tests.valkey import find_port
from tests.waiting import eventually_sync, scaled
from tests.web.running import Reader, get

PROGRAM = """
import uvicorn
from gateway.app import create_app
uvicorn.run(create_app, factory=True, port=0, log_level="info")
"""

UVICORN = """
import sys, uvicorn
from gateway.app import create_app
uvicorn.run(create_app, factory=True, port=int(sys.argv[1]), log_level="info")
"""
"""Without a limit on its graceful shutdown: it waits for streams for ever."""

HYPERCORN = """
import asyncio, sys
from hypercorn.asyncio import serve
from hypercorn.config import Config
from gateway.app import create_app
config = Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
app = create_app()
asyncio.run(serve(app, config))
"""

GUNICORN = """
import sys
from gunicorn.app.wsgiapp import run
address = "127.0.0.1:" + sys.argv[1]
sys.argv[1:] = ["gateway.app:create_app()", "-k", "uvicorn_worker.UvicornWorker", "-b", address]
run()
"""

GRANIAN = """
import sys
from granian import Granian
from granian.constants import Interfaces
if __name__ == "__main__":
    Granian(
        "gateway.app:create_app", port=int(sys.argv[1]), interface=Interfaces.ASGI, factory=True
    ).serve()
"""

END_S = 3.0
"""From SIGTERM to the end of a process whose streams have all ended."""


def is_open(port: int) -> bool:
    """Whether somebody listens on this port of loopback."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.fault(56)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "program",
    [UVICORN, HYPERCORN, GRANIAN, GUNICORN],
    ids=["uvicorn", "hypercorn", "granian", "gunicorn"],
)
def test_streams_end_with_bye_under_any_server(
    program: str, number: signal.Signals, tmp_path: Path, trial: Trial
) -> None:
    """
    1. Three streams are open on a server that is not ours.
    2. The server gets the signal to stop.
    Result: each stream ends with `bye`, and the process ends without having to be killed.
    """
    port = find_port()
    given = {
        "TT_SECRET": "secret-of-nobody",
        "TT_REFRESH": "refresh-of-nobody",
        "SIMULATOR_REST": "http://127.0.0.1:1",
        "SIMULATOR_ACCOUNT_WS": "ws://127.0.0.1:1",
    }
    server = tmp_path / "server.py"  # a file, because granian starts its workers by it
    server.write_text(program)
    with subprocess.Popen(
        [sys.executable, str(server), str(port)],
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=clean_environment(**given),
        start_new_session=True,  # so that its workers can be ended with it
    ) as process:
        try:
            eventually_sync(lambda: is_open(port), 20)
            with ExitStack() as stack:
                readers = [stack.enter_context(Reader(port)) for _ in range(3)]
                for reader in readers:
                    reader.read_until("snapshot_end")
                begun_s = time.monotonic()
                process.send_signal(number)
                for reader in readers:
                    assert reader.read_all()[-1].event == "bye"
            if (program, number) == (GUNICORN, signal.SIGINT):
                # Its uvicorn worker ignores SIGQUIT; gunicorn kills it after --graceful-timeout.
                process.send_signal(signal.SIGTERM)
                return
            process.wait(scaled(10))
            trial.measure("exit", [time.monotonic() - begun_s], at_most=END_S)
        finally:
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else process.kill()


def test_a_token_made_at_the_start_is_told_under_any_server(tmp_path: Path) -> None:
    """
    1. `uvicorn --factory gateway.app:create_app` starts, without a token.
    Result: a link to sign in is written, and its token lets one in.
    """
    given = {
        "TT_SECRET": "secret-of-nobody",
        "TT_REFRESH": "refresh-of-nobody",
        "GATEWAY_VIEWERS": "viewers.toml",
        "SIMULATOR_REST": "http://127.0.0.1:1",
        "SIMULATOR_ACCOUNT_WS": "ws://127.0.0.1:1",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=clean_environment(**given),
    ) as process:
        try:
            assert process.stderr is not None
            token, url = "", ""
            for line in process.stderr:
                if line.startswith("sign in once with /login#token="):
                    token = line.strip().partition("=")[2]
                if "running on http" in line:
                    url = line.partition("running on ")[2].split()[0]
                    break
            assert token
            assert get(f"{url}/status").status_code == 401
            headers = {"Authorization": f"Bearer {token}"}
            assert get(f"{url}/status", headers=headers).status_code == 200
        finally:
            process.terminate()


def test_a_second_process_without_a_backplane_is_told(tmp_path: Path) -> None:
    """
    1. Two processes serve the application with one login and without REDIS_URL.
    Result: the second one says what several processes need.
    """
    given = {
        "TT_SECRET": "secret-of-two",
        "TT_REFRESH": "refresh-of-two",
        "SIMULATOR_REST": "http://127.0.0.1:1",
        "SIMULATOR_ACCOUNT_WS": "ws://127.0.0.1:1",
    }
    with ExitStack() as stack:
        for is_second in (False, True):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PROGRAM],
                    stderr=subprocess.PIPE,
                    text=True,
                    cwd=tmp_path,
                    env=clean_environment(**given),
                )
            )
            stack.callback(process.terminate)
            assert process.stderr is not None
            words = "another process of this machine follows" if is_second else "running on http"
            assert any(words in line for line in process.stderr)
