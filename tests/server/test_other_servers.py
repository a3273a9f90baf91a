"""The application under another server: what the start makes is told by whoever makes it."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.processes import clean_environment
from tests.web.running import get

PROGRAM = """
import uvicorn
from gateway.app import create_app
uvicorn.run(create_app, factory=True, port=0, log_level="info")
"""


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
