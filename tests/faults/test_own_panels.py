"""What panels of page authors do to everybody else (row 52)."""

import re
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tests.faults.crowd import SideBySide, open_crowd
from tests.faults.trial import Trial
from tests.processes import open_served
from tests.simulation import open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

CLIENTS = 20
VIEWERS = 3
SAMPLES = 4000

KINDS = {
    "blocks": ("time.sleep(3600)", r"mine.py, line \d+.*takes longer than 1 s and was stopped"),
    "loops": ("while True: pass", r"mine.py, line \d+.*takes longer than 1 s and was stopped"),
    "raises": ("1 / 0", r"mine.py, line \d+.*division by zero"),
    "exits": ("raise SystemExit", r"mine.py, line \d+.*SystemExit"),
    "is_long": ('return {"x": "x" * 1_000_000}', r"1,000,000 letters long; at most 262,144"),
}

PAGES = """
import time
from gateway.pages import page, panel

@panel("{{{{ x }}}}", keys=lambda: [("quote_update", "SPY")], refresh_s=0.25)
def {name}(records):
    {body}

@page("/bad")
def bad():
    {name}()
"""


@pytest.mark.fault(52)
@pytest.mark.timeout(scaled(120))
@pytest.mark.parametrize("name", KINDS)
def test_nobody_else_pays_for_a_panel(
    name: str, tmp_path: Path, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    1. A page has a panel that blocks for an hour, loops for ever, raises, ends the process, or
       returns a megabyte, at each change of a price; three viewers watch the page.
    2. Delays of twenty others are measured before, and from the moment that it is watched.
    3. SIGTERM, while it is still watched.
    Result: the panel is named on its page with its file and line, the others are as fast as
    before, and the gateway ends in time with `bye` for everybody.
    """
    # Coverage (7.x) traces the thread that is interrupted, within a lock that all others need.
    for variable in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(variable, raising=False)
    body, told = KINDS[name]
    file = tmp_path / "mine.py"
    file.write_text(dedent(PAGES).format(name=name, body=body))
    delays = SideBySide()
    with (
        open_simulator("--seed", "7", "--rate", "10") as simulator,
        open_served(simulator, GATEWAY_PAGES=str(file)) as gateway,
        open_crowd(gateway.port) as crowd,
        open_crowd(gateway.port) as viewers,
    ):
        clients = crowd.join_and_begin(CLIENTS)
        for _ in range(trial.count(1, 3)):
            without = crowd.collect(trial.count(500, SAMPLES))
            viewers.join(VIEWERS, "/live/bad")
            beside = crowd.collect(trial.count(500, SAMPLES))
            delays.add(without, beside)

            def is_named() -> bool:
                page = " ".join(re.sub("<[^>]*>", " ", get(f"{gateway.url}/bad").text).split())
                assert f"{name} failed" in page
                assert re.search(told, page), page
                return True

            eventually_sync(is_named, 10)
            viewers.drop()
        watching = viewers.join(VIEWERS, "/live/bad")
        eventually_sync(lambda: all(each.status == 200 for each in watching))
        began_s = time.monotonic()
        assert gateway.stop() == 0
        trial.measure("SIGTERM to the end", [time.monotonic() - began_s], at_most=6)
        eventually_sync(lambda: all(each.is_over for each in [*clients, *watching]))
        assert all(each.retry_ms is not None for each in [*clients, *watching])
    delays.tell(trial, f"a panel that {name.replace('_', ' ')}", at_most_ms=20)
