"""The command, as a process: what it says, how it ends, and that it loads no more than it needs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.cli import main
from gateway.server.server import open_socket
from tests.processes import clean_environment
from tests.simulation import open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    TOKEN,
    Reader,
    get,
    make_protected,
    make_quote,
    open_gateway,
)

CANARY = "canary-51fe-0a"

HEAVY = ("tastytrade", "pandas", "numpy", "starlette", "uvicorn", "pydantic", "httpx", "msgspec")


def run_command(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=scaled(30),
        cwd=cwd,
        env=clean_environment(**environment),
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder without .env."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


@pytest.mark.fault(31)
def test_serve_without_credentials_says_what_to_do(folder: Path) -> None:
    result = run_command("serve", cwd=folder)
    assert result.returncode == 2
    assert result.stderr == (
        "gateway: TT_SECRET: is not set; set TT_SECRET and TT_REFRESH, or try `gateway demo`\n"
    )
    result = run_command("serve", cwd=folder, TT_SECRET=CANARY)
    assert result.stderr.startswith("gateway: TT_REFRESH: is not set; ")


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["serve"], {"PORT": CANARY}, "PORT: "),
        (["serve"], {"GATEWAY_TOKEN": CANARY}, "GATEWAY_TOKEN: "),
        (["demo"], {"GATEWAY_MAX_STREAMS": "0"}, "GATEWAY_MAX_STREAMS: "),
        (["demo"], {"HOST": "0.0.0.0"}, "GATEWAY_TOKEN: must be set when HOST is not loopback"),
        (
            ["serve", "--host", "0.0.0.0"],
            {"TT_SECRET": CANARY, "TT_REFRESH": CANARY},
            "GATEWAY_TOKEN: must be set when HOST is not loopback",
        ),
        (["serve"], {"REDIS_URL": f"http://{CANARY}"}, "REDIS_URL: must look like redis://"),
        (["feed"], {"TT_SECRET": CANARY, "TT_REFRESH": CANARY}, "REDIS_URL: is not set"),
        (["feed"], {"REDIS_URL": f"redis://:{CANARY}@127.0.0.1"}, "TT_SECRET: is not set"),
        (
            ["serve", "--workers", "2"],
            {"TT_SECRET": CANARY, "TT_REFRESH": CANARY},
            "REDIS_URL: is not set; more than one worker needs it",
        ),
        (
            ["serve", "--host", "0.0.0.0", "--workers", "2"],
            {"REDIS_URL": f"redis://:{CANARY}@127.0.0.1"},
            "GATEWAY_TOKEN: must be set when HOST is not loopback",
        ),
        (
            ["serve", "--host", "nowhere.invalid"],
            {"TT_SECRET": CANARY, "TT_REFRESH": CANARY, "GATEWAY_TOKEN": CANARY * 2},
            "HOST: there is no such address",
        ),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_line(
    folder: Path, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    result = run_command(*arguments, cwd=folder, **environment)
    assert result.returncode == 2
    (line,) = [each for each in result.stderr.splitlines() if each.startswith("gateway: ")]
    assert line.startswith(f"gateway: {message}")
    assert CANARY not in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


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


@pytest.mark.fault(31)
def test_a_port_in_use_is_told_before_anything_is_started(folder: Path) -> None:
    with open_socket("127.0.0.1", 0) as listener:
        port = str(listener.getsockname()[1])
        result = run_command("demo", "--port", port, cwd=folder)
    assert result.returncode == 2
    assert result.stderr == (
        f"gateway: PORT: cannot listen on 127.0.0.1:{port}: address already in use\n"
    )


@contextmanager
def run_demo(
    folder: Path, *arguments: str, command: str = "demo", **environment: str
) -> Iterator[tuple[str, int, int]]:
    """The demo's address, its process, and its simulator's."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", command, "--port", "0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean_environment(**environment),
    ) as process:
        try:
            assert process.stderr is not None
            url = next(
                line.removeprefix("live on ").strip()
                for line in process.stderr
                if line.startswith("live on ")
            )
            yield url, process.pid, find_child(process.pid)
        finally:
            process.kill()


def find_child(pid: int) -> int:
    """The only child of a process (Linux)."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


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


PAGE = """
from gateway.pages import metric, page

@page("/", title="My desk")
def desk():
    metric("QQQ")
"""


def test_a_page_file_is_served_with_the_demo_when_nothing_is_set(folder: Path) -> None:
    """
    1. A folder has a page file and nothing else; no credentials are set.
    2. `gateway run my_page.py`, then `gateway run` with GATEWAY_PAGES.
    Result: both times the page is there, with a simulated price.
    """
    (folder / "my_page.py").write_text(PAGE)
    given: list[tuple[tuple[str, ...], dict[str, str]]] = [
        (("my_page.py",), {}),
        ((), {"GATEWAY_PAGES": "."}),
    ]
    for arguments, variables_set in given:
        with run_demo(folder, *arguments, command="run", **variables_set) as (url, _, _):
            has_price = re.compile(r'class="value(?: flash-\w+)?">[0-9]+\.[0-9]{2}<')
            eventually_sync(lambda: has_price.search(get(f"{url}/").text), 10)  # noqa: B023
            assert ">My desk · Gateway</title>" in get(f"{url}/").text


@pytest.mark.fault(31)
@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_page_file_that_is_not_there_is_told(folder: Path, command: str) -> None:
    arguments = ("none.py",) if command == "run" else ()
    environment = {"TT_SECRET": CANARY, "TT_REFRESH": CANARY, "GATEWAY_PAGES": "none.py"}
    result = run_command(command, *arguments, "--port", "0", cwd=folder, **environment)
    assert result.returncode == 2
    name = "none.py" if command == "run" else "GATEWAY_PAGES"
    assert result.stderr == f"gateway: {name}: there is no such file or folder of pages\n"


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "192.0.2.1"])
def test_the_demo_starts_whatever_host_another_tool_has_set(folder: Path, host: str) -> None:
    with run_demo(folder, HOST=host) as (url, _, _):
        assert url.startswith("http://127.0.0.1:")
        assert get(f"{url}/healthz").status_code == 200


def test_the_address_is_checked_before_the_token(folder: Path) -> None:
    given = {"TT_SECRET": CANARY, "TT_REFRESH": CANARY}
    result = run_command("serve", cwd=folder, HOST="192.0.2.1", **given)
    assert result.returncode == 2
    assert result.stderr.startswith("gateway: HOST: 192.0.2.1 is no address of this machine; ")


@pytest.mark.parametrize("command", ["serve", "feed"])
def test_a_misspelt_setting_is_named_at_the_start(folder: Path, command: str) -> None:
    (folder / ".env").write_text(f"TT_SECERT={CANARY}\n")
    result = run_command(command, cwd=folder)
    assert "gateway: TT_SECERT: there is no such setting; did you mean TT_SECRET?" in result.stderr
    assert CANARY not in result.stderr


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


def test_the_simulator_does_not_outlive_a_demo_that_is_killed(folder: Path) -> None:
    """
    1. `gateway demo` runs.
    2. SIGKILL.
    Result: the simulator ends by itself.
    """
    with run_demo(folder) as (_, pid, child):
        assert is_alive(child)
        os.kill(pid, signal.SIGKILL)
        eventually_sync(lambda: not is_alive(child))


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


def test_the_simulator_ends_when_its_standard_input_does() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulator", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = json.loads(process.stdout.readline())
        assert address["rest"].startswith("http://127.0.0.1:")
        begun_s = time.monotonic()
        process.stdin.close()
        process.wait(scaled(5))
        assert time.monotonic() - begun_s < scaled(5)
