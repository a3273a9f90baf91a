"""`/api/alerts`: whose alert it is, what is refused and why, and who hears of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.alerts.watcher import AlertWatcher
from gateway.settings import StoreSettings
from gateway.store.store import Store
from gateway.web.auth.viewers import add_viewer
from tests.processes import clean_environment, environment_of, open_served
from tests.simulation import ROOT, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    TOKEN,
    Reader,
    Running,
    ask,
    make_balance,
    make_protected,
    make_quote,
    open_gateway,
)

PATH = "/api/alerts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def ann(folder: Path) -> str:
    """The token of a viewer who may see all accounts."""
    return add_viewer(folder / "viewers.toml", "ann", None)


@pytest.fixture(scope="module")
def gateway(folder: Path, ann: str) -> Iterator[Running]:
    """A gateway whose hub is watched, as in the process that publishes."""
    settings = make_protected(token=TOKEN, viewers=folder / "viewers.toml")
    store = Store(StoreSettings(folder), timeout_s=scaled(10))
    with open_gateway(settings, store=store) as running:
        context = running.context

        async def watch() -> "asyncio.Task[None]":
            watcher = AlertWatcher(store, context.hub, context.demand, clock=context.clock)
            context.wake_alerts = watcher.wake
            return asyncio.create_task(watcher.run())

        task = running.run(watch())
        running.publish(make_balance())
        yield running
        running.call(task.cancel)


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def post(running: Running, rule: Any, token: str = TOKEN) -> httpx.Response:
    content = rule if isinstance(rule, bytes) else json.dumps(rule).encode()
    return ask("POST", running.url + PATH, headers=headers(token), content=content)


def read(running: Running, token: str = TOKEN) -> dict[str, Any]:
    answer = ask("GET", running.url + PATH, headers=headers(token))
    assert answer.headers["cache-control"] == "no-store"
    return {each["id"]: each for each in answer.json()["alerts"]}


def above(value: Any, key: str = "quote_update:SPY", **more: Any) -> dict[str, Any]:
    when = {"key": key, "field": "last", "op": "crosses_above", "value": value}
    return {"when": when} | more


def has_last(reader: Reader, last: str) -> bool:
    return any(str(each.data.get("last")) == last for each in reader.frames)


def test_an_alert_fires_for_its_owner_alone(gateway: Running, ann: str) -> None:
    """
    1. ann makes an alert; she and the owner follow their streams.
    2. The price crosses the threshold, and comes back, and crosses again.

    Result: ann's stream has one firing, so has her list, and the owner's has nothing of it.
    """
    answer = post(gateway, above(500, "quote_update:spy", note="sell"), ann)
    assert answer.status_code == 201
    id = answer.json()["id"]
    assert answer.json()["rule"]["when"]["key"] == "quote_update:SPY"
    with (
        Reader(gateway.port, headers=f"Authorization: Bearer {ann}\r\n") as hers,
        Reader(gateway.port, headers=f"Authorization: Bearer {TOKEN}\r\n") as his,
    ):
        hers.read_until("snapshot_end")
        his.read_until("snapshot_end")

        def states() -> list[str]:
            return [
                e.data["state"] for e in hers.frames if e.event == "alert" and e.data["id"] == id
            ]

        gateway.publish(make_quote("SPY", "499", market="open"))
        hers.wait_for(lambda: "armed" in states())
        gateway.publish(make_quote("SPY", "501", market="open"))
        hers.wait_for(lambda: "fired" in states())
        gateway.publish(make_quote("SPY", "498", market="open"))
        gateway.publish(make_quote("SPY", "502", market="open"))
        for reader in (hers, his):
            reader.wait_for(partial(has_last, reader, "502"))
        assert not [each for each in his.frames if each.event == "alert"]
        fired = [e.data for e in hers.frames if e.event == "alert" and e.data["state"] == "fired"]
        assert {(each["fired_arm"], str(each["value"])) for each in fired} == {(1, "501")}
    found = read(gateway, ann)[id]
    assert [each["arm"] for each in found["history"]] == [1]
    assert (found["alert"]["state"], found["rule"]["note"]) == ("fired", "sell")
    assert id not in read(gateway)


def test_an_alert_is_deleted_by_its_owner_alone(gateway: Running, ann: str) -> None:
    id = post(gateway, above(500)).json()["id"]
    url = f"{gateway.url}{PATH}/{id}"
    assert ask("DELETE", url, headers=headers(ann)).status_code == 404
    assert id in read(gateway)
    assert ask("DELETE", url, headers=headers(TOKEN)).status_code == 204
    assert ask("DELETE", url, headers=headers(TOKEN)).status_code == 404
    assert id not in read(gateway)


@pytest.mark.parametrize(
    ("rule", "parameter"),
    [
        (b"", "rule"),
        (b"\xff", "rule"),
        ({}, "rule"),
        (above("x"), "when.value"),
        (above(1, "quote_update:"), "when.key"),
        (above(1, "quote_update:<SPY>"), "when.key"),
        (above(1, "position_update:SPY"), "when.field"),
        (above(1, channels=["sms"]), "channels"),
        (above(1, rearm="often"), "rearm"),
        (above(1, expires_at="2020-01-01T00:00:00Z"), "expires_at"),
        (above(1, note="x" * 501), "note"),
    ],
)
def test_what_is_wrong_is_named(gateway: Running, rule: Any, parameter: str) -> None:
    before = read(gateway)
    answer = post(gateway, rule)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == parameter
    assert read(gateway) == before


def test_figures_of_accounts_are_for_the_owner(gateway: Running, ann: str) -> None:
    def rule(account: str) -> dict[str, Any]:
        key = f"balance_update:{account}"
        return {"when": {"key": key, "field": "balance", "op": "below", "value": 5}}

    assert post(gateway, rule("5WX00001")).status_code == 201
    for answer in (post(gateway, rule("5WX00001"), ann), post(gateway, rule("5WX99999"))):
        assert (answer.status_code, answer.json()["parameter"]) == (400, "when.key")


def test_a_gateway_without_a_store_says_so(protected: Running) -> None:
    assert post(protected, above(1)).status_code == 503


@pytest.mark.timeout(scaled(90))
def test_an_alert_survives_a_restart_of_the_gateway(tmp_path: Path) -> None:
    """
    1. The gateway follows the simulator; an alert is made by HTTP, above the price.
    2. kill -9; the simulator's price is set above the threshold; the gateway starts again.

    Result: it fires once, as missed, and `gateway alerts` says so.
    """
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with (
        open_simulator() as simulator,
        open_served(simulator, GATEWAY_TOKEN=TOKEN, **state) as gateway,
    ):
        rule = json.dumps(above(5000)).encode()
        made = ask("POST", gateway.url + PATH, headers=headers(TOKEN), content=rule)
        assert made.status_code == 201, made.text

        def find(state: str) -> dict[str, Any]:
            answer = ask("GET", gateway.url + PATH, headers=headers(TOKEN))
            (found,) = answer.json()["alerts"]
            assert (found["alert"] or {}).get("state") == state
            return dict(found)

        eventually_sync(lambda: find("armed"), 20)
        gateway.kill()
        simulator.control_sync("quote", symbol="SPY", bid=5001, ask=5002, last=5001)
        gateway.restart()
        found = eventually_sync(lambda: find("fired"), 20)
        assert [each["missed"] for each in found["history"]] == [True]
        table = subprocess.run(
            [sys.executable, "-m", "gateway", "alerts", "--url", gateway.url],
            capture_output=True,
            check=True,
            cwd=ROOT,
            text=True,
            env=clean_environment(**environment_of(simulator, GATEWAY_TOKEN=TOKEN)),
        ).stdout
        assert "quote_update:SPY" in table
        assert "fired" in table.splitlines()[1]
