"""The plug-in behind `make faults`: options, the fixture `trial`, a line a row, the report."""

import os
import platform
import random
import secrets
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.faults.table import FAULTS, Fault
from tests.faults.trial import PROPERTY, Trial

BY_NUMBER = {fault.number: fault for fault in FAULTS}

SOAK = "test_a_long_run"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--full", action="store_true", help="try every fault as often as asked for")
    group.addoption("--seed", type=int, default=None, help="of the faults' random instants")
    group.addoption("--rows", default="", help="only these: 12,17; a report keeps the others")
    group.addoption("--reliability", type=Path, default=None, help="write the table to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(row): tries a row of tests/faults/table.py")
    config.addinivalue_line("markers", "long: takes minutes; runs with --full only")
    if not hasattr(config, "workerinput"):
        if config.getoption("--seed") is None:
            config.option.seed = secrets.randbelow(1_000_000)
        config.pluginmanager.register(Report(config), "fault report")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what takes minutes, unless it was asked for; the soak goes first, beside all."""
    items.sort(key=lambda item: item.name != SOAK)
    if wanted := _wanted_rows(config):
        others = [item for item in items if not wanted & set(_rows_of(item))]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    if config.getoption("--full"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    """How often to try, with what randomness, and where to tell what was found."""
    config = request.config
    seed = f"{config.getoption('--seed')} {request.node.nodeid}"
    return Trial(
        row=_rows_of(request.node)[0],
        is_full=bool(config.getoption("--full")),
        rng=random.Random(seed),
        properties=request.node.user_properties,
    )


@pytest.fixture(autouse=True)
def fault_rows(request: pytest.FixtureRequest) -> None:
    """Lets the report know which rows a test was for, whether it told a figure or not."""
    for row in _rows_of(request.node):
        request.node.user_properties.append((PROPERTY, (row, "")))


def _wanted_rows(config: pytest.Config) -> set[int]:
    return {int(row) for row in config.getoption("--rows").split(",") if row}


def _rows_of(node: pytest.Item) -> list[int]:
    return [row for marker in node.iter_markers("fault") for row in marker.args]


@dataclass(slots=True)
class Found:
    """What the tests of one row came to."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return "NOT HELD" if self.failed else "held" if self.passed else "not tried"


class Report:
    """Collects what was told, from this process or its workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._begun_s = time.monotonic()
        self._found = {fault.number: Found() for fault in FAULTS}

    def pytest_report_header(self) -> list[str]:
        return [f"faults: seed {self._config.getoption('--seed')}"]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told: list[tuple[int, str]] = [
            value  # type: ignore[misc]  # pytest says object; trial.py puts them there
            for name, value in report.user_properties
            if name == PROPERTY
        ]
        if not told or (report.when != "call" and not report.failed):
            return
        for row in {row for row, _ in told}:
            found = self._found[row]
            if report.failed:
                found.failed.append(report.nodeid.rpartition("::")[2])
            elif report.passed:
                found.passed += 1
        if report.when == "call":
            for row, figure in told:
                if figure:
                    self._found[row].figures.append(figure)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._config.getoption("--full"):
            return
        terminalreporter.section("faults")
        for fault in FAULTS:
            found = self._found[fault.number]
            terminalreporter.line(
                f"{fault.number:>2} {found.verdict:<9} {fault.fault}: {_tell(found)}",
                red=bool(found.failed),
            )
        path = self._config.getoption("--reliability")
        if path is not None:
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(self._write(before), encoding="utf-8")

    def _write(self, before: str) -> str:
        """The whole report; with `--rows`, that of before with these rows anew."""
        wanted = _wanted_rows(self._config)
        if wanted and before:
            rows = {f"| {row} |": self._row(BY_NUMBER[row], self._found[row]) for row in wanted}
            return "\n".join(
                next((row for begin, row in rows.items() if line.startswith(begin)), line)
                for line in before.split("\n")
            )
        packages = ", ".join(f"{name} {version(name)}" for name in ("tastytrade", "uvicorn"))
        machine = (
            f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
            f"{packages}"
        )
        taken_min = (time.monotonic() - self._begun_s) / 60
        lines = [
            "# What was broken on purpose, and what held",
            "",
            "Written by `make faults`; not by hand. The simulator stands in for the broker; all",
            "else is real: the SDK, sockets, processes, signals, Valkey, Chromium. What each test",
            "does is in `tests/`, beside the mark of its row; the same tests run with fewer tries",
            "in `make test`, except those that take minutes.",
            "",
            (
                f"Seed {self._config.getoption('--seed')}; {taken_min:.0f} minutes; {machine}. "
                "Times are wall times of this run and are compared with the targets of the table."
            ),
            "",
            "| # | fault | what must hold | tries and figures | |",
            "|---|---|---|---|---|",
        ]
        lines += [self._row(fault, self._found[fault.number]) for fault in FAULTS]
        return "\n".join([*lines, ""])

    def _row(self, fault: Fault, found: Found) -> str:
        verdict = found.verdict
        if _wanted_rows(self._config):
            verdict += f", in a run of its own (seed {self._config.getoption('--seed')})"
        cells = (str(fault.number), fault.fault, fault.must_hold, _tell(found), verdict)
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _tell(found: Found) -> str:
    tests = f"{found.passed + len(found.failed)} tests"
    failed = [f"failed: {name}" for name in dict.fromkeys(found.failed)]
    return "; ".join([*failed, *found.figures]) or (tests if found.passed else "nothing")
