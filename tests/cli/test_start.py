"""What the commands that serve have in common: settings, listening socket, page files."""

from pathlib import Path

import pytest

from gateway.server.server import open_socket
from tests.cli.commands import CANARY, run_command, run_demo
from tests.web.running import (
    get,
)


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


@pytest.mark.fault(31)
def test_a_port_in_use_is_told_before_anything_is_started(folder: Path) -> None:
    with open_socket("127.0.0.1", 0) as listener:
        port = str(listener.getsockname()[1])
        result = run_command("demo", "--port", port, cwd=folder)
    assert result.returncode == 2
    assert result.stderr == (
        f"gateway: PORT: cannot listen on 127.0.0.1:{port}: address already in use\n"
    )


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


@pytest.mark.parametrize("command", ["serve", "feed"])
def test_a_misspelt_setting_is_named_at_the_start(folder: Path, command: str) -> None:
    (folder / ".env").write_text(f"TT_SECERT={CANARY}\n")
    result = run_command(command, cwd=folder)
    assert "gateway: TT_SECERT: there is no such setting; did you mean TT_SECRET?" in result.stderr
    assert CANARY not in result.stderr
