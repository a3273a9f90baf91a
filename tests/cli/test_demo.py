"""The demo's settings, and a simulator that does not start."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import demo
from gateway.settings import variables
from gateway.web.auth.authenticator import create_authenticator

SIMULATOR = {
    "rest": "http://127.0.0.1:1",
    "account_ws": "ws://127.0.0.1:2",
    "secret": "simulated",
    "refresh": "simulated",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing set, and no .env."""
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_real_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TT_SECRET", "TT_REFRESH", "GATEWAY_TOKEN"):
        monkeypatch.setenv(variable, "real-real-real-real")
    monkeypatch.setenv("TT_TEST", "true")
    monkeypatch.setenv("TT_ACCOUNTS", "5WZ12345")
    monkeypatch.setenv("GATEWAY_MARKET", "closed")
    settings = demo.create_settings(SIMULATOR, port=1)
    assert settings.tt_secret is not None
    assert settings.tt_secret.get_secret_value() == "simulated"
    assert (settings.tt_test, settings.tt_accounts, settings.market) == (False, (), "open")
    assert settings.uses_simulator
    assert settings.port == 1
    assert create_authenticator(settings.access).is_open


def test_away_from_loopback_the_token_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("GATEWAY_TOKEN", "real-real-real-real")
    assert not create_authenticator(demo.create_settings(SIMULATOR).access).is_open


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit(1)", "did not start"),
        ("import time; time.sleep(60)", "said nothing"),
        ("print('x' * 100_000)", "did not start"),
    ],
)
def test_a_simulator_that_does_not_start_is_told(
    program: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        process = real([sys.executable, "-c", program], **options)
        started.append(process)
        return process

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(demo, "START_TIMEOUT_S", 1.0)
    with demo.open_simulator() as wait, pytest.raises(demo.DemoError, match=message):
        wait()
    assert started[0].poll() is not None


def test_a_simulator_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('{}', flush=True); time.sleep(60)"
    )
    real = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        started.append(real([sys.executable, "-c", program], **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(demo, "STOP_TIMEOUT_S", 0.1)
    with demo.open_simulator() as wait:
        assert wait() == {}
    assert started[0].returncode == -9
