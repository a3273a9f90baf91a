"""`gateway positions`, `orders` and `chain` against a real gateway: tables, JSON, CSV, refusals."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.root import main
from tests.streams.samples import make_order, make_portfolio, make_position
from tests.web.running import TOKEN, Running, make_protected, open_gateway
from tests.web.test_desk import FIRST, SECOND, Broker


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_TOKEN", TOKEN)
    with open_gateway(make_protected(token=TOKEN)) as running:
        running.context.documents = Broker()
        running.publish(
            make_position(FIRST, "SPY", 2, description="SPY", pnl_day=12),
            make_position(SECOND, "KO", -3, description="KO\x1b[2J", stale=True),
            make_order(FIRST, "1", "Rejected", reject_reason="Insufficient buying power"),
            make_order(FIRST, "2", "Live"),
            make_portfolio(FIRST, "1234.5", unknown=1),
        )
        yield running


def run(gateway: Running, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--url", gateway.url])


def test_positions_are_a_table_with_a_total(gateway: Running) -> None:
    result = run(gateway, "positions")
    assert result.exit_code == 0, result.output
    heading, first, second, total = result.output.splitlines()
    assert heading.split()[:3] == ["account", "position", "qty"]
    assert first.split()[:4] == [FIRST, "SPY", "2", "–"]
    assert "12.00" in first
    assert second.endswith("stale")
    assert "\x1b" not in result.output
    assert total.startswith("net liq 1,234.50")
    assert total.endswith("(1 without a mark, in no sum)")


def test_json_and_csv_are_the_documents(gateway: Running) -> None:
    document = json.loads(run(gateway, "positions", "--json", "--account", FIRST).output)
    assert [each["account"] for each in document["positions"]] == [FIRST]
    rows = list(csv.DictReader(StringIO(run(gateway, "orders", "--csv").output)))
    assert [each["order_id"] for each in rows] == ["2", "1"]


def test_orders_say_why_they_were_rejected(gateway: Running) -> None:
    assert "Insufficient buying power" in run(gateway, "orders").output
    working = run(gateway, "orders", "--working").output
    assert "Live" in working
    assert "Rejected" not in working


def test_a_chain_around_the_price(gateway: Running) -> None:
    result = run(gateway, "chain", "BRK/B", "--expiration", "2026-12-18", "--strikes", "4")
    assert result.exit_code == 0, result.output
    title, heading, row = result.output.splitlines()
    assert title == "BRK/B 600.10  SPY 2026-12-18  28 days  IV –"
    assert heading.split() == ["OI", "Δ", "bid", "ask", "strike", "bid", "ask", "Δ", "OI"]
    assert row.split() == ["–", "–", "1.20", "–", "600", "–", "–", "–", "–"]


def test_nothing_is_said_where_nothing_is(gateway: Running) -> None:
    assert run(gateway, "orders", "--account", "5WX99999").output == "nothing\n"


def test_what_is_refused_is_one_line(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(gateway, "chain", "SPY", "--expiration", "soon")
    assert result.exit_code == 1
    assert result.output == "gateway: expiration: must be a date such as 2026-12-18\n"
    gateway.context.documents = None
    assert "no login" in run(gateway, "chain", "SPY").output
    monkeypatch.setenv("GATEWAY_TOKEN", "another-token-of-the-tests")
    assert "wants its token" in run(gateway, "positions").output


def test_a_gateway_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["positions", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "cannot connect" in result.output
