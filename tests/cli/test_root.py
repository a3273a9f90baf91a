"""The command, as a process: what it says, how it ends, and that it loads no more than it needs."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.cli import main
from tests.cli.commands import CANARY, is_alive, run_command, run_demo
from tests.processes import clean_environment
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    TOKEN,
    Reader,
    get,
    make_protected,
    make_quote,
    open_gateway,
)

HEAVY = ("tastytrade", "pandas", "numpy", "starlette", "uvicorn", "pydantic", "httpx", "msgspec")


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from gateway.cli.root import main\n"
        "try: main(['--help'])\n"
        "finally: print([each for each in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for name in main.commands:
        assert re.search(rf"^  {name} ", result.stdout, re.MULTILINE)
    loaded = {each.partition(".")[0] for each in eval(result.stderr)}
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_and_explains_its_options(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.output == f"gateway {__version__}\n"


@pytest.mark.parametrize("command", ["tail", "serve", "check", "demo", "feed"])
@pytest.mark.parametrize(
    "token", [f"{CANARY}-and-more\n", f"{CANARY}-\u00e9\u20ac-more", f"{CANARY} {CANARY}"]
)
def test_no_command_ever_shows_the_token(folder: Path, command: str, token: str) -> None:
    """
    1. GATEWAY_TOKEN ends with a line end, or holds what no header may hold.
    2. Each command runs for a second, or as long as it does.
    Result: nothing of the token is in what it writes.
    """
    given = {"GATEWAY_TOKEN": token, "TT_SECRET": f"{CANARY}\r", "TT_REFRESH": f'"{CANARY}"'}
    given["PORT"] = "0" if command != "tail" else "9"
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean_environment(
            **given, SIMULATOR_REST="http://127.0.0.1:1", SIMULATOR_ACCOUNT_WS="ws://127.0.0.1:1"
        ),
    ) as process:
        try:
            out, errors = process.communicate(timeout=scaled(3))
        except subprocess.TimeoutExpired:
            process.terminate()
            out, errors = process.communicate()
    assert "canary" not in out + errors
    assert out + errors


def test_the_demo_serves_prices_and_ends_with_its_simulator(folder: Path) -> None:
    """
    1. `gateway demo` starts, with real credentials and a token in its environment.
    2. Without a token a client opens `/events` and has a price and a balance.
    3. SIGTERM.
    Result: `bye` to the client; no real credential was used; the simulator has ended too.
    """
    real = {"TT_SECRET": CANARY, "TT_REFRESH": CANARY, "GATEWAY_TOKEN": CANARY * 2}
    with run_demo(folder, "--rate", "3", "--seed", "4", **real) as (url, pid, child):
        with Reader(int(url.rpartition(":")[2])) as reader:
            reader.read_until("quote_update", 3)
            reader.read_until("balance_update", 2)
            assert get(f"{url}/readyz").status_code == 200
            command = Path(f"/proc/{child}/cmdline").read_text()
            assert "simulator" in command
            assert CANARY not in command
            os.kill(pid, signal.SIGTERM)
            assert reader.read_all()[-1].event == "bye"
        eventually_sync(lambda: not is_alive(pid), 6)
        eventually_sync(lambda: not is_alive(child))


def test_the_demo_opens_its_page(folder: Path) -> None:
    """
    1. `gateway demo --open` runs, with a browser that writes down what it is given.
    Result: it is given the address.
    """
    opened = folder / "opened"
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    with run_demo(folder, "--open", BROWSER=f"{browser} %s") as (url, _, _):
        eventually_sync(lambda: opened.exists() and opened.read_text() == f"{url}\n")


def test_tail_reads_address_and_token_as_the_server_does(folder: Path) -> None:
    """
    1. `.env` has PORT and the name of a file with the token; a gateway with that token runs there.
    2. `gateway tail` runs without options until it has a line.
    Result: it is let in.
    """
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "token").chmod(0o600)
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        gateway.publish(make_quote())
        (folder / ".env").write_text(f"PORT={gateway.port}\nGATEWAY_TOKEN_FILE=token\n")
        with subprocess.Popen(
            [sys.executable, "-m", "gateway", "tail", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=clean_environment(),
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=scaled(10))
    assert json.loads(line)["type"] == "hello"
    assert errors == ""


def test_tail_and_check_against_a_demo(folder: Path) -> None:
    """
    1. `gateway demo` runs.
    2. `gateway tail SPY --json` prints, until SIGINT.
    3. `gateway tail --url` of a gateway that does not answer to it ends with a sentence.
    Result: every line is an event; the tail is quiet about the interruption.
    """
    with run_demo(folder) as (url, _, _):
        with subprocess.Popen(
            [sys.executable, "-m", "gateway", "tail", "SPY", "--url", url, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        ) as process:
            assert process.stdout is not None
            events = []
            for line in process.stdout:
                events.append(json.loads(line))
                if sum(each["type"] == "quote_update" for each in events) == 3:
                    break
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=scaled(10))
        assert events[0]["type"] == "hello"
        assert {each.get("symbol") for each in events} == {None, "SPY"}
        assert (process.returncode, errors) == (130, "")
        result = run_command("tail", "S P Y", "--url", url)
        assert result.returncode == 1
        assert result.stderr.startswith("gateway: symbol: ")
        result = run_command("tail", "--url", f"{url}/nowhere")
        assert result.stderr == "gateway: there is no gateway at this address\n"


def test_check_names_what_is_wrong(folder: Path) -> None:
    result = run_command("check", cwd=folder, PORT=CANARY)
    assert result.returncode == 1
    assert result.stdout.startswith("FAIL  PORT  ")
    assert CANARY not in result.stdout
    result = run_command("check", cwd=folder, TT_SECRET=CANARY, GATEWAY_STALE_S="3")
    assert result.returncode == 1
    assert "FAIL  credentials" in result.stdout
    assert "set TT_REFRESH" in result.stdout
    assert re.search(r"^ok    GATEWAY_STALE_S +3\.0$", result.stdout, re.MULTILINE)
    assert re.search(r"^ok    PORT +8000 \(default\)$", result.stdout, re.MULTILINE)
    assert CANARY not in result.stdout
