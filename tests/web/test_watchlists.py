"""`/api/watchlists`: whose list it is, what is refused and why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings import StoreSettings
from gateway.store.store import Store
from gateway.web.auth.viewers import add_viewer
from gateway.web.watchlists import MAX_LISTS
from tests.waiting import scaled
from tests.web.running import TLS, TOKEN, Running, make_protected, open_gateway

PATH = "/api/watchlists"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def ann(folder: Path) -> str:
    """The token of a viewer."""
    return add_viewer(folder / "viewers.toml", "ann", frozenset())


@pytest.fixture(scope="module")
def gateway(folder: Path, ann: str) -> Iterator[Running]:
    settings = make_protected(
        token=TOKEN, viewers=folder / "viewers.toml", max_symbols_per_stream=4
    )
    store = Store(StoreSettings(folder), timeout_s=scaled(10))
    with open_gateway(settings, store=store) as running:
        yield running


def ask(
    running: Running, method: str, path: str = PATH, *, token: str = TOKEN, content: Any = None
) -> httpx.Response:
    return httpx.request(
        method,
        running.url + path,
        headers={"Authorization": f"Bearer {token}"},
        content=content if content is None or isinstance(content, bytes) else json.dumps(content),
        verify=TLS,
        trust_env=False,
    )


def put(running: Running, name: str, *symbols: str, token: str = TOKEN) -> httpx.Response:
    return ask(running, "PUT", f"{PATH}/{name}", token=token, content={"symbols": symbols})


def read(running: Running, token: str = TOKEN) -> dict[str, list[str]]:
    answer = ask(running, "GET", token=token)
    assert answer.headers["cache-control"] == "no-store"
    return {each["name"]: each["symbols"] for each in answer.json()["watchlists"]}


def test_a_list_is_put_read_and_deleted(gateway: Running, ann: str) -> None:
    answer = put(gateway, "My%20tech", "qqq", "AAPL", "QQQ")
    assert answer.status_code == 200
    document = answer.json()
    assert (document["name"], document["symbols"]) == ("My tech", ["QQQ", "AAPL"])
    assert document["updated_at"].endswith("Z")
    assert put(gateway, "My%20tech", "SPY", token=ann).status_code == 200
    assert read(gateway)["My tech"] == ["QQQ", "AAPL"]
    assert read(gateway, ann) == {"My tech": ["SPY"]}
    assert ask(gateway, "DELETE", f"{PATH}/My%20tech").status_code == 204
    assert ask(gateway, "DELETE", f"{PATH}/My%20tech").status_code == 404
    assert "My tech" not in read(gateway)
    assert read(gateway, ann) == {"My tech": ["SPY"]}


def test_putting_twice_is_putting_once(gateway: Running) -> None:
    for _ in range(2):
        assert put(gateway, "Twice", "SPY").status_code == 200
    assert read(gateway)["Twice"] == ["SPY"]
    assert put(gateway, "Twice").json()["symbols"] == []


@pytest.mark.parametrize(
    ("name", "content", "parameter"),
    [
        ("x" * 65, {"symbols": []}, "name"),
        ("%20", {"symbols": []}, "name"),
        ("a%0Ab", {"symbols": []}, "name"),
        ("a", b"", "symbols"),
        ("a", b"\xff", "symbols"),
        ("a", {"symbols": "SPY"}, "symbols"),
        ("a", {"symbols": [1]}, "symbols"),
        ("a", {"symbols": [], "more": 1}, "symbols"),
        ("a", {"symbols": ["<SPY>"]}, "symbols"),
        ("a", {"symbols": ["SPY{=5m}"]}, "symbols"),
        ("a", {"symbols": ["A", "B", "C", "D", "E"]}, "symbols"),
    ],
)
def test_what_is_wrong_is_named(gateway: Running, name: str, content: Any, parameter: str) -> None:
    answer = ask(gateway, "PUT", f"{PATH}/{name}", content=content)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == parameter
    assert "a" not in read(gateway)


def test_there_is_a_limit_of_lists(gateway: Running, ann: str) -> None:
    had = len(read(gateway, ann))
    for number in range(MAX_LISTS - had):
        assert put(gateway, f"l{number}", token=ann).status_code == 200
    answer = put(gateway, "more", token=ann)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "name")
    assert put(gateway, "l0", "SPY", token=ann).status_code == 200
    assert len(read(gateway, ann)) == MAX_LISTS


def test_another_site_cannot_change_a_list(gateway: Running) -> None:
    answer = httpx.put(
        f"{gateway.url}{PATH}/Theirs",
        headers={"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"},
        content=b'{"symbols": []}',
        verify=TLS,
        trust_env=False,
    )
    assert answer.status_code == 403
    assert "Theirs" not in read(gateway)


def test_a_gateway_without_a_store_says_so(protected: Running) -> None:
    answer = ask(protected, "GET")
    assert (answer.status_code, answer.json()["detail"]) == (503, "This gateway keeps nothing.")


def test_a_store_that_does_not_work_is_said(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"nothing of ours" * 1000)
    store = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
    with open_gateway(make_protected(token=TOKEN), store=store) as running:
        for answer in (ask(running, "GET"), put(running, "a"), ask(running, "DELETE", f"{PATH}/a")):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["detail"] == (
                "Nothing can be kept at the moment: the database file is damaged."
            )
