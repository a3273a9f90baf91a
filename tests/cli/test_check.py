"""`gateway check` against a simulator: what works, what does not, and that no secret is shown."""

import asyncio
from pathlib import Path

import pytest

from gateway.cli import check
from gateway.settings import load_settings, variables
from gateway.streams.upstream.login_check import STEP_TIMEOUT_S, check_login
from gateway.web.auth.viewers import add_viewer
from tests.simulation import Simulator, open_simulator
from tests.valkey import find_port, open_valkey


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing set, and no .env."""
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def point_at(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TT_SECRET", simulator.hello["secret"])
    monkeypatch.setenv("TT_REFRESH", simulator.hello["refresh"])
    monkeypatch.setenv("SIMULATOR_REST", simulator.hello["rest"])
    monkeypatch.setenv("SIMULATOR_ACCOUNT_WS", simulator.hello["account_ws"])


def test_credentials_are_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_simulator() as simulator:
        point_at(simulator, monkeypatch)
        assert check.run() == 0
        text = capsys.readouterr().out
        assert "FAIL" not in text
        assert "log in" in text
        assert simulator.hello["secret"] not in text
        assert simulator.hello["refresh"] not in text
        monkeypatch.setenv("TT_REFRESH", "wrong-canary")
        assert check.run() == 1
        text = capsys.readouterr().out
        assert "FAIL" in text
        assert "TT_REFRESH" in text
        assert "canary" not in text


def test_a_login_without_an_answer_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "LOGIN_TIMEOUT_S", 0.2)
    with open_simulator() as simulator:
        simulator.control_sync("stall", rest=True)
        point_at(simulator, monkeypatch)
        assert check.run() == 1
    assert "no answer within 0.2 s" in capsys.readouterr().out


def test_a_public_address_needs_a_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    assert check.run() == 1
    assert "FAIL  access" in capsys.readouterr().out
    monkeypatch.setenv("GATEWAY_TOKEN", "canary-canary-canary")
    assert check.run() == 1
    text = capsys.readouterr().out
    assert "FAIL  access" not in text
    assert "canary" not in text


def test_a_backplane_is_tried_and_spares_the_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_valkey() as valkey:
        monkeypatch.setenv("REDIS_URL", valkey.url)
        assert check.run() == 0
        text = capsys.readouterr().out
        assert "the server answers" in text
        assert "good for `gateway serve`" in text
    monkeypatch.setenv("REDIS_URL", f"redis://:canary@127.0.0.1:{find_port()}")
    assert check.run() == 1
    text = capsys.readouterr().out
    assert "cannot be reached: connection refused" in text
    assert "canary" not in text


def test_the_viewers_file_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "viewers.toml"
    monkeypatch.setenv("GATEWAY_VIEWERS", str(path))
    check.run()
    assert "ok    viewers" in capsys.readouterr().out
    add_viewer(path, "alice", None)
    check.run()
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "  viewers " in each]
    assert line.split() == ["ok", "viewers", "alice"]
    path.chmod(0o644)
    assert check.run() == 1
    assert "FAIL  viewers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GATEWAY_SYMBOL", "SPY", "GATEWAY_SYMBOL "),
        ("GATEWAY_ALLOWED_HOSTS", "*.example.com", "GATEWAY_ALLOWED_HOSTS "),
        ("HOST", "x86_64-conda-linux-gnu", "there is no such address"),
        ("HOST", "192.0.2.1", "no address of this machine"),
        ("GATEWAY_TOKEN", "canary canary canary", "holds a blank"),
        ("GATEWAY_SYMBOLS", "SPY,<b>", "GATEWAY_SYMBOLS "),
        ("TT_ACCOUNTS", "5WX-1", "TT_ACCOUNTS "),
    ],
)
def test_what_is_surely_not_meant_is_found(
    variable: str,
    value: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    assert check.run() == 1
    text = capsys.readouterr().out
    assert words in "".join(line for line in text.splitlines() if line.startswith("FAIL"))
    assert "canary" not in text


def test_a_warning_has_its_own_mark_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_simulator() as simulator:
        simulator.control_sync("customer", set={"has-delayed-quotes": True})
        point_at(simulator, monkeypatch)
        assert check.run() == 0
    marks = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert marks.count("warn") == 1


def test_every_step_of_the_login_may_take_its_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_simulator() as simulator:
        point_at(simulator, monkeypatch)
        steps = asyncio.run(check_login(load_settings().broker))
    assert len(steps) * STEP_TIMEOUT_S < check.LOGIN_TIMEOUT_S
