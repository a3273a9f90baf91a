"""The README is true: every command, setting, route, event and metric is in it, and no other."""

import asyncio
import re
from pathlib import Path
from typing import get_args

import click
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route
from starlette.testclient import TestClient

from gateway.app import build_app, create_context
from gateway.cli.root import main
from gateway.settings import Settings, variables
from gateway.streams import records as events
from gateway.streams.account_records import AccountRecord, Removed
from gateway.streams.alert_records import AlertUpdate
from gateway.web.query import STREAM_PARAMETERS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL
    )
    assert found, f"the README has no section {title}"
    return found[1]


def table_cells(text: str, column: int = 0) -> str:
    """One column of all tables in a text."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line[:1] == "|"]
    return "\n".join(row[column] for row in rows if len(row) > column and "---" not in row[0])


def code(text: str) -> list[str]:
    """What stands between back quotes."""
    return re.findall(r"`([^`]+)`", text)


async def no_upstream() -> None:
    """Feed nothing, for as long as the application runs."""
    await asyncio.Event().wait()


def make_client() -> TestClient:
    settings = Settings(
        _env_file=None,
        tt_secret="s",
        tt_refresh="r",
        simulator_rest="http://127.0.0.1:1",
        simulator_account_ws="ws://127.0.0.1:1",
    )
    app = build_app(create_context(settings), no_upstream)
    return TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000))


def test_every_command_and_option() -> None:
    rows = section("Commands")
    named = {text.split()[1] for text in code(table_cells(rows)) if text.startswith("gateway ")}
    assert isinstance(main, click.Group)
    assert named == set(main.commands)
    options = {o for text in code(rows) for o in re.findall(r"--[a-z-]+", text)}
    groups = [each for each in main.commands.values() if isinstance(each, click.Group)]
    below = [command for group in groups for command in group.commands.values()]
    named_below = {
        text.split()[2]
        for text in code(rows)
        if len(text.split()) > 2 and text.split()[1] in {str(group.name) for group in groups}
    }
    assert named_below == {str(each.name) for each in below}
    real = {
        opt
        for command in [*main.commands.values(), *below]
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for opt in parameter.opts
    }
    assert options == real


def test_every_setting_and_its_default() -> None:
    rows = section("Settings")
    assert set(code(table_cells(rows))) == set(variables())
    for line in rows.splitlines():
        cells = line.split("|")
        if len(cells) < 4 or not (defaults := code(cells[2])):
            continue
        names = code(cells[1])
        assert len(names) == len(defaults)
        for name, default in zip(names, defaults, strict=True):
            real = Settings.model_fields[variables()[name]].default
            shown = f"{real:g}" if isinstance(real, float) else str(real)
            assert default == (shown.lower() if isinstance(real, bool) else shown), name


def test_every_route() -> None:
    named = set()
    for text in code(table_cells(section("Routes"))):
        method, path = text.split()
        named.add((method, path))
    client = make_client()
    real = set()
    for route in client.app.routes:  # type: ignore[attr-defined]
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            real.add((method, re.sub(r":\w+}", "}", route.path)))
    assert named == real


def test_every_parameter() -> None:
    rows = section("`/events`").split("\n\n")[0]
    named = {text.partition("=")[0] for text in code(table_cells(rows))}
    assert named - {"false", "only"} == STREAM_PARAMETERS


def test_every_event_and_field() -> None:
    rows = [line.split("|") for line in section("`/events`").splitlines() if line[:1] == "|"]
    named = {name: code(row[2]) for row in rows for name in code(row[1]) if "=" not in name}
    records: list[type[msgspec.Struct]] = [
        *events.MarketRecord.__subclasses__(),
        *get_args(AccountRecord),
        AlertUpdate,
        Removed,
        events.Status,
        events.Heartbeat,
        events.Hello,
        events.SnapshotEnd,
        events.Gap,
        events.Notice,
        events.Bye,
    ]
    real = {str(each.__struct_config__.tag): set(each.__struct_fields__) for each in records}
    assert {name for name in named if name.isidentifier()} - {"false", "only"} == set(real)
    for name in events.DATA_TYPES:
        # What all market data carries is told once, with the quote.
        is_short = name in events.MARKET_TYPES - {"quote_update"}
        common = set(events.MarketRecord.__struct_fields__) if is_short else set()
        assert set(named[name]) | common == real[name], name


def test_every_metric() -> None:
    named = set(code(table_cells(section("Metrics"))))
    with make_client() as client:
        text = client.get("/metrics").text
    real = set()
    for family in text_string_to_metric_families(text):
        if family.name.startswith("gateway_"):
            real.add(f"{family.name}_total" if family.type == "counter" else family.name)
    assert named == real


def test_every_message_of_the_troubleshooting_is_one_that_the_gateway_has() -> None:
    lines = section("Troubleshooting").splitlines()
    messages = [text for line in lines if line[:1] == "|" for text in code(line.split("|")[1])]
    assert len(messages) == 10
    files = (ROOT / "gateway").rglob("*.py")
    source = " ".join(re.sub(r'"\s*\n\s*f?"', "", file.read_text()) for file in files)
    for message in messages:
        start = message.partition(":")[2].strip() if message.startswith("PORT") else message
        assert start in source, message
