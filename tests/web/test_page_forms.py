"""The forms of a page, plain and with htmx."""

from urllib.parse import unquote

import httpx

from gateway.web.watchlist import COOKIE
from tests.pages.reading import parse_html, parse_partials
from tests.web.paging import get_page, symbols_of, without_version
from tests.web.running import (
    Running,
)

HTMX = {"HX-Request": "true"}


def cookie_of(answer: httpx.Response) -> list[str]:
    return unquote(answer.cookies[COOKIE]).split("~")


def test_a_plain_form_adds_and_removes(running: Running) -> None:
    with httpx.Client(base_url=running.url) as client:
        answer = client.post("/watchlist", data={"add": "tsla, amd"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert symbols_of(get_page(running, cookies=dict(client.cookies))) == [
            *("SPY", "QQQ"),
            *("TSLA waiting…", "AMD waiting…"),
        ]
        for symbol in ("SPY", "QQQ", "TSLA", "AMD", "AMD"):
            client.post("/watchlist", data={"remove": symbol})
        page = get_page(running, cookies=dict(client.cookies))
        assert "This list is empty" in page.find("tbody", id="watchlist")[0].words


def test_the_cookie_is_safe(running: Running) -> None:
    header = httpx.post(f"{running.url}/watchlist", data={"add": "tsla"}).headers["set-cookie"]
    assert header.startswith(f"{COOKIE}=SPY~QQQ~TSLA;")
    for attribute in ("HttpOnly", "Path=/", "SameSite=lax", "Max-Age="):
        assert attribute in header


def test_a_plain_form_with_a_bad_symbol_gets_the_page_with_the_reason(running: Running) -> None:
    answer = httpx.post(f"{running.url}/watchlist", data={"add": '"<b>'})
    assert answer.status_code == 422
    page = parse_html(answer.text.removeprefix("<!doctype html>"))
    assert page.find("input", id="add-symbol")[0].attributes["value"] == '"<b>'
    assert "write it like SPY" in page.find("p", id="add-message")[0].words
    assert symbols_of(page) == ["SPY", "QQQ"]


def test_htmx_gets_the_rows_and_another_stream(running: Running) -> None:
    answer = httpx.post(f"{running.url}/watchlist", data={"add": "tsla"}, headers=HTMX)
    assert answer.status_code == 200
    assert cookie_of(answer) == ["SPY", "QQQ", "TSLA"]
    root = parse_html(answer.text)
    targets = {each.attributes["hx-target"]: each for each in root.children}
    assert targets.keys() == {"#add-message", "#watchlist", "#live"}
    assert len(targets["#watchlist"].find("tr")) == 3
    stream = targets["#live"].find("div", id="stream")[0]
    assert without_version(stream) == "/live/home?symbols=SPY%2CQQQ%2CTSLA"


def test_htmx_gets_the_reason_of_a_refusal(running: Running) -> None:
    answer = httpx.post(f"{running.url}/watchlist", data={"add": "<"}, headers=HTMX)
    assert answer.status_code == 200
    assert "write it like SPY" in parse_partials(answer.text)["add-message"].words


def test_a_duplicate_changes_nothing(running: Running) -> None:
    answer = httpx.post(f"{running.url}/watchlist", data={"add": "spy"}, headers=HTMX)
    (message,) = parse_partials(answer.text).values()
    assert message.words == "SPY is already in the list."


def test_a_removal_is_done_once_and_can_be_undone(running: Running) -> None:
    with httpx.Client(base_url=running.url, headers=HTMX) as client:
        client.post("/watchlist", data={"add": "TSLA\nAMD"})
        answer = client.post("/watchlist", data={"remove": "QQQ"})
        assert cookie_of(answer) == ["SPY", "TSLA", "AMD"]
        again = client.post("/watchlist", data={"remove": "QQQ"})
        assert cookie_of(again) == ["SPY", "TSLA", "AMD"]
        undone = client.post("/watchlist", data={"add": "QQQ", "before": "TSLA"})
        assert cookie_of(undone) == ["SPY", "QQQ", "TSLA", "AMD"]
        both = client.post("/watchlist", data={"remove": ["SPY", "AMD"]})
        assert cookie_of(both) == ["QQQ", "TSLA"]


def test_a_long_pasted_list_is_added_as_a_whole(running: Running) -> None:
    names = [f"{chr(65 + i // 26)}X{chr(65 + i % 26)}Y" for i in range(480)]
    answer = httpx.post(f"{running.url}/watchlist", data={"add": ", ".join(names)}, headers=HTMX)
    assert cookie_of(answer) == ["SPY", "QQQ", *names]


def test_a_form_without_a_wish_is_refused(running: Running) -> None:
    assert httpx.post(f"{running.url}/watchlist", data={"other": "SPY"}).status_code == 400


def test_other_sites_cannot_change_the_list(running: Running) -> None:
    headers = {"Origin": "https://example.com", "Sec-Fetch-Site": "cross-site"}
    answer = httpx.post(f"{running.url}/watchlist", data={"add": "tsla"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
