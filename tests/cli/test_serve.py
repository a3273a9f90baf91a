"""gateway serve: without credentials, with bad settings, and pointed at a broker."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import CANARY, run_command
from tests.processes import clean_environment
from tests.simulation import open_simulator
from tests.waiting import scaled
from tests.web.running import (
    Reader,
    get,
)


@pytest.mark.fault(31)
def test_serve_without_credentials_says_what_to_do(folder: Path) -> None:
    result = run_command("serve", cwd=folder)
    assert result.returncode == 2
    assert result.stderr == (
        "gateway: TT_SECRET: is not set; set TT_SECRET and TT_REFRESH, or try `gateway demo`\n"
    )
    result = run_command("serve", cwd=folder, TT_SECRET=CANARY)
    assert result.stderr.startswith("gateway: TT_REFRESH: is not set; ")


def test_the_address_is_checked_before_the_token(folder: Path) -> None:
    given = {"TT_SECRET": CANARY, "TT_REFRESH": CANARY}
    result = run_command("serve", cwd=folder, HOST="192.0.2.1", **given)
    assert result.returncode == 2
    assert result.stderr.startswith("gateway: HOST: 192.0.2.1 is no address of this machine; ")


def test_serve_follows_the_broker_it_is_pointed_at(folder: Path) -> None:
    """
    1. A simulator runs; `gateway serve` has its address, its credentials, and a token.
    2. A client with the token opens `/events` and has a price.
    3. SIGTERM.
    Result: without the token 401; exit status 0; no secret in the log.
    """
    with open_simulator() as simulator:
        hello = simulator.hello
        environment = {
            "TT_SECRET": hello["secret"],
            "TT_REFRESH": hello["refresh"],
            "SIMULATOR_REST": hello["rest"],
            "SIMULATOR_ACCOUNT_WS": hello["account_ws"],
            "GATEWAY_TOKEN": CANARY * 2,
            "GATEWAY_LOG_LEVEL": "DEBUG",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--host", "localhost", "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=clean_environment(**environment),
        ) as process:
            try:
                assert process.stderr is not None
                log = []
                for line in process.stderr:
                    log.append(line)
                    if line.startswith("live on "):
                        break
                url = log[-1].removeprefix("live on ").strip()
                assert get(f"{url}/status").status_code == 401
                bearer = f"Authorization: Bearer {CANARY * 2}\r\n"
                with Reader(int(url.rpartition(":")[2]), headers=bearer) as reader:
                    reader.read_until("quote_update")
                process.send_signal(signal.SIGTERM)
                _, rest = process.communicate(timeout=scaled(10))
            finally:
                process.kill()
        assert process.returncode == 0
        text = "".join(log) + rest
        assert not [each for each in (CANARY, hello["secret"], hello["refresh"]) if each in text]
        assert "sign in once" not in text
