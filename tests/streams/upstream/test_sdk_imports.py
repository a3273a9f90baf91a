"""No process of the gateway loads pandas, and the SDK does not need it for what we use."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tastytrade

from gateway.streams.upstream.sdk_imports import LazyCalendar, StandIn
from tests.processes import Process, environment_of, open_served
from tests.simulation import open_simulator
from tests.valkey import open_valkey
from tests.waiting import eventually_sync
from tests.web.running import get

HEAVY = ("pandas", "numpy", "pandas_market_calendars")

SDK = Path(tastytrade.__file__).parent

USES_A_CALENDAR = {
    *("is_market_open_now", "is_market_open_on", "get_third_friday", "get_tasty_monthly"),
    *("get_future_treasury_monthly", "get_future_metal_monthly", "get_future_grain_monthly"),
    *("get_future_oil_monthly", "get_future_index_monthly"),
}
"""Functions of `tastytrade.utils` (13.2.3) that ask the calendar, or call one that does."""


def run_python(program: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return result.stdout


def mapped_libraries(pid: int) -> str:
    """The files in a process's memory: numpy cannot be imported without its own."""
    return Path(f"/proc/{pid}/maps").read_text()


def test_the_whole_sdk_is_imported_without_pandas() -> None:
    """Every module of it, beside every module of ours."""
    program = (
        "import gateway.app, gateway.cli, gateway.cli.check, gateway.server.feed_process\n"
        "import importlib, json, pkgutil, sys, tastytrade\n"
        "for each in pkgutil.walk_packages(tastytrade.__path__, 'tastytrade.'):\n"
        "    importlib.import_module(each.name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    loaded = json.loads(run_python(program))
    assert "tastytrade" in loaded
    assert not set(HEAVY) & set(loaded)


def test_the_sdk_takes_no_more_from_pandas_than_the_stand_ins_have() -> None:
    """Fails when another version of the SDK starts to need it."""
    taken = set()
    for path in SDK.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                taken |= {(path.name, each.name) for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                taken |= {(path.name, f"{node.module}.{each.name}") for each in node.names}
    heavy = {(path, name) for path, name in taken if name.partition(".")[0] in HEAVY}
    assert heavy == {
        ("utils.py", "pandas.Timestamp"),
        ("utils.py", "pandas_market_calendars.get_calendar"),
    }


def test_only_functions_that_nobody_calls_ask_the_calendar() -> None:
    tree = ast.parse((SDK / "utils.py").read_text())
    asking = {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Name)
        and node.id in {"NYSE", "is_market_open_on", "get_third_friday"}
        and isinstance(node.ctx, ast.Load)
    }
    assert asking == USES_A_CALENDAR
    for folder in (SDK, Path(__file__).parents[3] / "gateway"):
        for path in folder.rglob("*.py"):
            if path != SDK / "utils.py":
                names = {
                    node.id if isinstance(node, ast.Name) else node.attr
                    for node in ast.walk(ast.parse(path.read_text()))
                    if isinstance(node, ast.Name | ast.Attribute)
                }
                assert not names & USES_A_CALENDAR, path


def test_a_page_that_imports_pandas_gets_the_real_one() -> None:
    """And the SDK's own functions about dates still work."""
    program = (
        "import gateway.app, datetime, pandas, tastytrade.utils as utils\n"
        "print(pandas.DataFrame({'a': [1]}).a.sum())\n"
        "print(utils.get_third_friday(datetime.date(2026, 4, 1)))"
    )
    assert run_python(program).split() == ["1", "2026-04-17"]


def test_what_was_imported_before_stays() -> None:
    program = (
        "import pandas, sys\nimport gateway.app\n"
        "assert sys.modules['pandas'] is pandas and pandas.DataFrame\nprint('same')"
    )
    assert run_python(program).split() == ["same"]


def test_a_stand_in_says_what_it_lacks() -> None:
    with pytest.raises(ImportError, match="takes 'DataFrame' from pandas"):
        _ = StandIn("pandas").DataFrame


def test_a_calendar_is_loaded_when_it_is_asked() -> None:
    assert LazyCalendar("NYSE").name == "NYSE"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_of_the_gateway_has_pandas_in_memory() -> None:
    """1. One gateway beside a simulator. 2. A feed and a web process that share a server.

    Result: none of the four has numpy's libraries, which pandas cannot do without.
    """
    with open_valkey() as valkey, open_simulator("--seed", "7") as simulator:
        feed = Process("feed", **environment_of(simulator, REDIS_URL=valkey.url))
        try:
            feed.wait_for("publishing, epoch", 20)
            with (
                open_served(simulator) as alone,
                open_served(simulator, REDIS_URL=valkey.url) as web,
            ):
                for gateway in (alone, web):
                    eventually_sync(lambda url=gateway.url: is_ready(url), 10)  # type: ignore[misc]
                for process in (feed.popen, alone.popen, web.popen, simulator.process):
                    libraries = mapped_libraries(process.pid)
                    assert "msgspec" in libraries, "what is imported is seen"
                    assert "numpy" not in libraries
        finally:
            feed.kill()


def is_ready(url: str) -> bool:
    return get(f"{url}/readyz").status_code == 200
