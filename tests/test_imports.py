"""The shape of the house, read from its imports: who may know whom, and what is pure.

Data moves session → feed → normalize → events → hub → web; nothing imports a later stage. An
import counts wherever it stands: inside a function, or under TYPE_CHECKING.

Over 400 lines because rules and the breaches of them that must be seen are read side by side.
"""

import ast
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

import gateway

UPSTREAM = "gateway.streams.upstream"
SDK_USERS = {f"{UPSTREAM}.{name}" for name in ("sdk", "normalize")}
REDIS_USERS = {f"gateway.streams.backplane.{name}" for name in ("server", "server_errors")}
SQL = ("sqlalchemy", "alembic", "psycopg", "sqlite3")

# Each may import its own stage and earlier ones. What all stages speak of comes first; what puts
# a half together comes after its parts.
STAGES = [
    {
        *(f"gateway.{name}" for name in ("addresses", "clock", "errors", "redaction", "settings")),
        *(
            "gateway.environment",
            "gateway.hostnames",
            "gateway.secret_files",
            "gateway.streams.upstream.login_lock",
        ),
        *("gateway.streams.symbols", "gateway.streams.topics", "gateway.streams.products"),
        *("gateway.streams.spelling", "gateway.streams.lists", "gateway.streams.unknown"),
    },
    {
        f"gateway.streams.{name}"
        for name in (
            *(
                "records",
                "account_records",
                "alert_records",
                "reports",
                "documents",
                "sse",
                "latest",
                "demand",
                "backoff",
                "publisher",
            ),
            *("markets", "holidays", "sessions"),
        )
    },
    {"gateway.portfolio", "gateway.store", "gateway.alerts"},
    {UPSTREAM, "gateway.streams.hub"},
    {"gateway.streams.backplane"},
    {"gateway.web", "gateway.pages"},
    {"gateway.app"},
    {"gateway.server"},
    {"gateway.cli", "gateway.__main__"},
]

# Importer, what it must not import, why. A package stands for all that is in it.
FORBIDDEN = [
    ("gateway.simulator", "gateway.streams", "the simulator plays the broker, not the gateway"),
    ("gateway.simulator", "gateway.web", "the simulator plays the broker, not the gateway"),
    ("gateway.simulator", "gateway.pages", "the simulator plays the broker, not the gateway"),
    ("gateway.simulator", "gateway.app", "the simulator plays the broker, not the gateway"),
    (
        "gateway.simulator",
        "gateway.server.server",
        "the simulator plays the broker, not the gateway",
    ),
    (UPSTREAM, "gateway.streams.hub", "what upstream publishes goes through a Publisher"),
    ("gateway.streams.hub", UPSTREAM, "the hub does not know where records come from"),
    ("gateway.streams.hub", "gateway.streams.backplane", "the hub does not know of processes"),
    ("gateway.streams.backplane", UPSTREAM, "the backplane does not know the broker"),
    ("gateway.portfolio", "gateway.streams", "what a position is worth depends on no stream"),
    ("gateway.pages", "gateway.web", "pages are served by the web, and know nothing of it"),
    ("gateway.settings", "gateway.streams", "settings know nothing of what they set"),
    ("gateway.web", UPSTREAM, "the halves meet in app.py and nowhere else"),
    ("gateway.pages", UPSTREAM, "the halves meet in app.py and nowhere else"),
]

# A module is also pure when its docstring's first paragraph ends with "; pure.".
PURE = {
    "gateway.streams.records",
    "gateway.streams.account_records",
    "gateway.streams.symbols",
    "gateway.streams.upstream.candles",
    "gateway.streams.upstream.normalize",
    "gateway.streams.demand",
    "gateway.streams.backoff",
    "gateway.simulator.market",
}

IMPURE_IMPORTS = {
    *("asyncio", "anyio", "sniffio", "threading", "multiprocessing", "concurrent", "subprocess"),
    *("socket", "ssl", "select", "selectors", "signal", "http", "urllib.request"),
    *("httpx", "httpx2", "requests", "websockets", "uvicorn", "starlette", "sse_starlette"),
    *("os", "io", "pathlib", "shutil", "tempfile", "sqlite3", "redis"),
    *("time", "logging", "secrets", "prometheus_client", "pydantic_settings"),
}
IMPURE_NAMES = {"open", "print", "input"}
CLOCKS = {"now", "utcnow", "today"}  # of datetime and date


@dataclass(frozen=True)
class Module:
    name: str
    is_package: bool
    tree: ast.Module

    @property
    def is_pure(self) -> bool:
        return self.name in PURE or self.says_pure

    @property
    def says_pure(self) -> bool:
        paragraphs = (ast.get_docstring(self.tree) or "").split("\n\n")
        return re.search(r"\bpure\.$", paragraphs[0]) is not None


def parse(name: str, source: str, is_package: bool = False) -> Module:
    return Module(name, is_package, ast.parse(source))


def parse_tree(folder: Path) -> list[Module]:
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(parse(name, path.read_text(), is_package))
    return modules


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def find_imports(module: Module) -> Iterator[str]:
    """Every imported name, absolute; `from a import b` gives `a.b`, which may be a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.name.split(".")
                up = node.level - 1 if module.is_package else node.level
                base = ".".join([*parts[: len(parts) - up], *([base] if base else [])])
            yield from (
                base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names
            )


def find_stage(name: str) -> int | None:
    """The index in STAGES of the module, or of the one that `name` is a part of."""
    for index, members in enumerate(STAGES):
        if any(is_within(name, member) for member in members):
            return index
    return None


def check_module(module: Module, pure: Set[str] = frozenset(PURE)) -> Iterator[str]:
    """What the module does against the rules, a line each; `pure` names the pure modules."""
    stage = find_stage(module.name)
    for name in find_imports(module):
        says = f"{module.name} imports {name}"
        if is_within(name, "tastytrade") and module.name not in SDK_USERS:
            yield f"{says}: only `upstream.sdk` and `normalize` know the SDK"
        if is_within(name, "redis") and module.name not in REDIS_USERS:
            yield f"{says}: only the backplane knows Redis"
        if any(is_within(name, each) for each in SQL) and not is_within(
            module.name, "gateway.store"
        ):
            yield f"{says}: only the store knows databases"
        if is_within(name, "gateway.simulator") and not (
            is_within(module.name, "gateway.simulator")
            or is_within(module.name, "gateway.cli.simulator")
        ):
            yield f"{says}: only the command line starts the simulator"
        for importer, imported, why in FORBIDDEN:
            if is_within(module.name, importer) and is_within(name, imported):
                yield f"{says}: {why}"
        imported_stage = find_stage(name)
        if stage is not None and imported_stage is not None and imported_stage > stage:
            yield f"{says}: a later stage"
    if module.is_pure:
        yield from check_purity(module, pure)


def check_purity(module: Module, pure: Set[str]) -> Iterator[str]:
    for name in find_imports(module):
        if any(is_within(name, impure) for impure in IMPURE_IMPORTS):
            yield f"{module.name} imports {name}: it is pure"
        if is_within(name, "gateway") and not any(is_within(name, other) for other in pure):
            yield f"{module.name} imports {name}: it is pure, that is not"
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, method = called.rpartition(".")
        if called in IMPURE_NAMES:
            yield f"{module.name} calls {called}: it is pure"
        if method in CLOCKS and owner.rpartition(".")[2] in {"datetime", "date"}:
            yield f"{module.name} reads the clock by {called}: it is pure"


HOUSE = parse_tree(Path(gateway.__file__).parent)
PURE_HOUSE = PURE | {module.name for module in HOUSE if module.is_pure}


def test_the_whole_house_was_read() -> None:
    names = {module.name for module in HOUSE}
    assert {"gateway", "gateway.cli.root", "gateway.streams.hub.hub", "gateway.web.static"} <= names


@pytest.mark.parametrize("module", HOUSE, ids=lambda module: module.name)
def test_keeps_the_rules(module: Module) -> None:
    assert list(check_module(module, PURE_HOUSE)) == []


@pytest.mark.parametrize("module", HOUSE, ids=lambda module: module.name)
def test_has_a_place(module: Module) -> None:
    """Without a stage, a module would be a way round the rules."""
    packages = {"gateway", "gateway.streams"}
    has_place = is_within(module.name, "gateway.simulator") or module.name in packages
    assert has_place or find_stage(module.name) is not None, "add the module to STAGES"


CLOCKED = ("gateway.streams", "gateway.pages", "gateway.web")
"""What runs on the injected clock alone, so that a day can be stepped through or played again."""


def find_clock_readings(module: Module) -> Iterator[str]:
    """Each place where a module could read the machine's clocks; `gateway.clock` is the way."""
    for name in find_imports(module):
        if is_within(name, "time"):
            yield f"{module.name} imports {name}"
    for node in ast.walk(module.tree):
        # Not only calls: a default such as `clock=datetime.now` reads it just as well.
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner in {"datetime", "date"}:
                yield f"{module.name} reads {ast.unparse(node)}"


@pytest.mark.parametrize("module", HOUSE, ids=lambda module: module.name)
def test_reads_no_clock_but_the_injected_one(module: Module) -> None:
    if any(is_within(module.name, package) for package in CLOCKED):
        assert list(find_clock_readings(module)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import monotonic as now",
        "from datetime import datetime\ndatetime.now(UTC)",
        "import datetime\ndef f(now=datetime.datetime.now): ...",
        "from datetime import date\ndate.today()",
    ],
)
def test_a_clock_is_seen(source: str) -> None:
    assert list(find_clock_readings(parse("gateway.web.odd", source)))
    assert not list(find_clock_readings(parse("gateway.web.odd", "clock.now()\nimport timeit")))


def test_packages_import_nothing() -> None:
    """`gateway` and `gateway.streams` have no stage, so they must not lend anybody theirs."""
    packages = [module for module in HOUSE if module.name in {"gateway", "gateway.streams"}]
    assert [list(find_imports(module)) for module in packages] == [[], []]


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("gateway.app", "import tastytrade", "know the SDK"),
        ("gateway.streams.upstream.session", "from tastytrade import Session", "know the SDK"),
        ("gateway.cli.root", "from tastytrade import Session", "know the SDK"),
        ("gateway.streams.hub.hub", "def f():\n import tastytrade.dxfeed", "know the SDK"),
        ("gateway.simulator.rest", "from tastytrade.order import Leg", "know the SDK"),
        ("gateway.streams.hub.hub", "import redis.asyncio", "knows Redis"),
        ("gateway.app", "from redis import Redis", "knows Redis"),
        ("gateway.app", "from sqlalchemy import text", "knows databases"),
        ("gateway.web.api", "def f():\n import sqlite3", "knows databases"),
        ("gateway.store.store", "from gateway.web.state import Context", "a later stage"),
        ("gateway.app", "from gateway.simulator.app import run", "starts the simulator"),
        ("gateway.server.server", "from gateway import simulator", "starts the simulator"),
        (
            "gateway.streams.upstream.market_data",
            "import gateway.simulator",
            "starts the simulator",
        ),
        ("gateway.web.page_stream", "from ..simulator import market", "starts the simulator"),
        ("gateway.simulator.app", "from gateway.streams import records", "plays the broker"),
        ("gateway.simulator.app", "from gateway.web.static import Assets", "plays the broker"),
        ("gateway.simulator", "from ..streams.hub import Hub", "plays the broker"),
        (
            "gateway.web.page_stream",
            "from gateway.streams.upstream.market_data import Feed",
            "meet in app.py",
        ),
        ("gateway.web.health", "from ..streams.upstream import session", "meet in app.py"),
        ("gateway.pages.panels", "import gateway.streams.upstream.accounts", "meet in app.py"),
        ("gateway.streams.hub.hub", "from gateway.web.api import x", "a later stage"),
        ("gateway.streams.upstream.upstream", "from gateway.pages import page", "a later stage"),
        (
            "gateway.streams.upstream.market_data",
            "from gateway.streams.hub.hub import Hub",
            "goes through a Publisher",
        ),
        ("gateway.streams.hub.log", "from ..upstream import session", "where records come from"),
        ("gateway.streams.hub.hub", "from ..backplane import codec", "know of processes"),
        ("gateway.streams.backplane.codec", "from ..upstream import drops", "know the broker"),
        ("gateway.pages.panel", "from gateway.web import problem", "know nothing of it"),
        ("gateway.streams.records", "from .upstream.normalize import x", "a later stage"),
        ("gateway.streams.hub.hub", "if TYPE_CHECKING:\n from gateway import app", "a later stage"),
        ("gateway.web.page_stream", "from gateway.app import create_app", "a later stage"),
        ("gateway.app", "from gateway.server.server import serve", "a later stage"),
        ("gateway.server.server", "import gateway.cli.root", "a later stage"),
        ("gateway.settings", "from gateway.streams.hub.hub import Hub", "a later stage"),
        ("gateway.streams.records", "import asyncio", "it is pure"),
        ("gateway.streams.records", "from urllib.request import urlopen", "it is pure"),
        ("gateway.streams.backoff", "from time import monotonic", "it is pure"),
        ("gateway.streams.demand", "def f():\n import logging.config", "it is pure"),
        ("gateway.simulator.market", "from os import environ", "it is pure"),
        ("gateway.simulator.market", "from gateway.simulator import app", "that is not"),
        ("gateway.streams.records", "from gateway import settings", "that is not"),
        ("gateway.streams.records", "datetime.now(UTC)", "reads the clock"),
        ("gateway.streams.records", "d = datetime.date.today()", "reads the clock"),
        ("gateway.streams.upstream.normalize", "print('seen')", "calls print"),
        ("gateway.streams.upstream.normalize", "open('dump')", "calls open"),
    ],
)
def test_a_breach_is_seen(name: str, source: str, complaint: str) -> None:
    complaints = list(check_module(parse(name, source, name == "gateway.simulator")))
    assert [line for line in complaints if complaint in line], complaints


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("gateway.streams.upstream.sdk", "from tastytrade import DXLinkStreamer"),
        (
            "gateway.streams.upstream.market_data",
            "from .normalize import to_quote\nfrom .session import open_session",
        ),
        (
            "gateway.streams.upstream.normalize",
            "from tastytrade.dxfeed import Quote\nfrom gateway.streams import records",
        ),
        ("gateway.streams.backplane.server", "import redis.asyncio"),
        ("gateway.store.rows", "from sqlalchemy import select\nfrom gateway.errors import X"),
        ("gateway.streams.hub.hub", "import asyncio\nimport time\nimport logging"),
        (
            "gateway.streams.upstream.upstream",
            "from gateway.streams.publisher import Publisher\nfrom . import market_data",
        ),
        (
            "gateway.web.page_stream",
            "from gateway.pages import page\nfrom gateway.streams.hub.hub import Hub",
        ),
        (
            "gateway.app",
            "from gateway.streams.upstream.market_data import Feed\nfrom gateway.web import live",
        ),
        (
            "gateway.cli.simulator",
            "from gateway.simulator.app import run\nfrom gateway.app import create_app",
        ),
        ("gateway.simulator.app", "from . import market, rest\nimport gateway"),
        ("gateway.streams.records", "from datetime import datetime\nimport msgspec\nloop.now()"),
        ("gateway.streams.records", "import osmosis"),
    ],
)
def test_what_is_allowed_passes(name: str, source: str) -> None:
    assert list(check_module(parse(name, source))) == []


def test_purity_can_be_said_in_the_docstring() -> None:
    source = '"""Prices of options,\nand their risks; pure.\n\nMore."""\nimport time'
    assert list(check_module(parse("gateway.simulator.odd", source))) == [
        "gateway.simulator.odd imports time: it is pure"
    ]
    assert not parse("gateway.app", '"""What is pure. And more."""').is_pure
    assert not parse("gateway.app", "import time").is_pure


def find_cycles(modules: list[Module]) -> set[frozenset[str]]:
    """The groups of modules that import each other, by names that are defined where they stand."""
    names = {module.name for module in modules}
    imports = {
        module.name: {
            name if name in names else name.rpartition(".")[0] for name in find_imports(module)
        }
        & names - {module.name}
        for module in modules
    }
    reached = {name: reach(name, imports) for name in names}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in names
    }
    return {group for group in groups if group}


def reach(name: str, imports: dict[str, set[str]]) -> set[str]:
    found, open_ = set[str](), [name]
    while open_:
        for other in imports[open_.pop()] - found:
            found.add(other)
            open_.append(other)
    return found


def test_nothing_imports_itself_in_a_circle() -> None:
    assert find_cycles(HOUSE) == set()


def test_a_circle_is_seen_under_type_checking_too() -> None:
    later = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n from gateway.b import B"
    house = [parse("gateway.a", later), parse("gateway.b", "from gateway.a import A")]
    assert find_cycles(house) == {frozenset({"gateway.a", "gateway.b"})}
