"""The list of a page: kept for whoever signed in, moved out of the cookie once, and said if not."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings import StoreSettings
from gateway.store.store import RETRY_S, Store
from gateway.web.auth.viewers import add_viewer, remove_viewer
from gateway.web.watchlist import COOKIE
from tests.pages.reading import parse_html
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    HTML,
    TLS,
    TOKEN,
    Reader,
    Running,
    make_protected,
    make_quote,
    make_settings,
    open_gateway,
)


@pytest.fixture
def ann(tmp_path: Path) -> str:
    """The token of a viewer, whose file the gateway of the test reads."""
    return add_viewer(tmp_path / "viewers.toml", "ann", frozenset())


@pytest.fixture
def gateway(tmp_path: Path, ann: str) -> Iterator[Running]:
    """A gateway that wants a token and keeps what people make."""
    settings = make_protected(token=TOKEN, viewers=tmp_path / "viewers.toml")
    store = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
    with open_gateway(settings, store=store) as running:
        yield running


def ask(
    running: Running, method: str, path: str, token: str = TOKEN, **more: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    return httpx.request(
        method, running.url + path, headers=headers, verify=TLS, trust_env=False, **more
    )


def shown(answer: httpx.Response) -> list[str]:
    """The symbols of the rows."""
    assert answer.status_code in {200, 422}, answer.text
    buttons = parse_html(answer.text.removeprefix("<!doctype html>")).find("button", name="remove")
    return [each.attributes["value"] or "" for each in buttons]


def show(running: Running, token: str = TOKEN, cookie: str | None = None) -> list[str]:
    headers = HTML if cookie is None else {**HTML, "Cookie": f"{COOKIE}={cookie}"}
    return shown(ask(running, "GET", "/", token, headers=headers))


def change(running: Running, token: str = TOKEN, **data: str) -> httpx.Response:
    return ask(running, "POST", "/watchlist", token, data=data)


def test_the_list_is_kept_for_each_person(gateway: Running, ann: str) -> None:
    assert show(gateway) == ["SPY", "QQQ"]
    assert change(gateway, add="IWM").status_code == 303
    assert change(gateway, remove="SPY").status_code == 303
    assert change(gateway, ann, add="AAPL").status_code == 303
    assert show(gateway) == ["QQQ", "IWM"]
    assert show(gateway, ann) == ["SPY", "QQQ", "AAPL"]


def test_the_list_survives_a_restart(gateway: Running, tmp_path: Path) -> None:
    answer = change(gateway, add="IWM")
    assert COOKIE not in answer.cookies
    store = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
    with open_gateway(make_protected(token=TOKEN), store=store) as another:
        assert show(another) == ["SPY", "QQQ", "IWM"]


def test_a_cookie_is_moved_once(gateway: Running, ann: str) -> None:
    headers = {**HTML, "Cookie": f"{COOKIE}=DIA~IWM"}
    answer = ask(gateway, "GET", "/", headers=headers)
    assert shown(answer) == ["DIA", "IWM"]
    assert f'{COOKIE}="";' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert show(gateway) == ["DIA", "IWM"]
    assert show(gateway, cookie="AAPL") == ["DIA", "IWM"], "what is kept wins"
    assert show(gateway, ann) == ["SPY", "QQQ"], "the cookie went to one person"


def test_a_change_begins_with_the_cookie(gateway: Running) -> None:
    headers = {"Cookie": f"{COOKIE}=DIA"}
    answer = ask(gateway, "POST", "/watchlist", data={"add": "IWM"}, headers=headers)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert show(gateway) == ["DIA", "IWM"]


def test_a_list_may_be_longer_than_a_cookie(gateway: Running) -> None:
    symbols = [f".SPY261218C{number}.5" for number in range(400, 700)]
    assert change(gateway, add=",".join(symbols)).status_code == 303
    assert len(show(gateway)) == 302


def test_a_removed_viewer_of_the_same_name_is_another(
    gateway: Running, ann: str, tmp_path: Path
) -> None:
    change(gateway, ann, add="IWM")
    remove_viewer(tmp_path / "viewers.toml", "ann")
    again = add_viewer(tmp_path / "viewers.toml", "ann", frozenset())
    eventually_sync(lambda: ask(gateway, "GET", "/api/watchlists", again).status_code == 200, 10)
    assert show(gateway, again) == ["SPY", "QQQ"]


def test_without_signing_in_the_cookie_goes_on(tmp_path: Path) -> None:
    store = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
    with open_gateway(make_settings(), store=store) as running:
        answer = httpx.post(
            f"{running.url}/watchlist", data={"add": "IWM"}, verify=TLS, trust_env=False
        )
        assert answer.cookies[COOKIE] == "SPY~QQQ~IWM"
        assert not (tmp_path / "gateway.db").exists(), "nothing was asked of the store"


def test_a_database_that_is_locked_is_said_on_the_page(gateway: Running, tmp_path: Path) -> None:
    change(gateway, add="IWM")
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = change(gateway, add="DIA")
        assert answer.status_code == 422
        words = "Nothing can be kept at the moment: the database is locked. Try again later."
        assert words in answer.text
        answer = ask(gateway, "GET", "/", headers=HTML)
        assert "Your list cannot be read at the moment: the database is locked." in answer.text
        assert shown(answer) == ["SPY", "QQQ"], "prices go on"
        answer = ask(gateway, "GET", "/status")
        assert answer.json()["store"] == "the database is locked"
        assert ask(gateway, "GET", "/readyz").status_code == 503  # of the feed alone
        other.execute("ROLLBACK")

    def is_back() -> bool:
        return change(gateway, add="DIA").status_code == 303

    eventually_sync(is_back, 5 * RETRY_S)
    assert show(gateway) == ["SPY", "QQQ", "IWM", "DIA"]


def test_streams_go_on_while_the_database_is_locked(gateway: Running, tmp_path: Path) -> None:
    change(gateway, add="IWM")
    headers = f"Authorization: Bearer {TOKEN}\r\n"
    with (
        Reader(gateway.port, "/events?symbols=SPY", headers=headers) as reader,
        closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        reader.read_until("snapshot_end")
        other.execute("BEGIN IMMEDIATE")
        asked = pool.submit(change, gateway, add="DIA")
        count = 0
        while not asked.done():
            count += 1
            gateway.publish(make_quote("SPY", f"{count}.25"))
            frames = reader.read_until("quote_update", count)
            assert frames[-1].data["last"] == Decimal(f"{count}.25")
        assert asked.result().status_code == 422
        assert count > 20
        other.execute("ROLLBACK")


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(StoreSettings(tmp_path / "file" / "state"), timeout_s=scaled(10))
    with open_gateway(make_protected(token=TOKEN), store=store) as running:
        answer = ask(running, "GET", "/", headers=HTML)
        assert shown(answer) == ["SPY", "QQQ"]
        assert "Your list cannot be read at the moment" in answer.text
        assert ask(running, "GET", "/api/snapshot").status_code == 200
