"""Pages over a real server: their addresses, their parameters, and what is wrong with them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.pages.reading import parse_html
from tests.web.running import (
    TOKEN,
    Running,
    make_balance,
    make_protected,
    make_quote,
    make_settings,
    open_gateway,
)
from tests.web.test_page_stream import Stream

HTML = {"Accept": "text/html"}
SOURCE = """
from gateway.pages import Symbols, balance, metric, page, watchlist

@page("/stock/{symbol}", title="{symbol}")
def stock(symbol, days=5):
    metric(symbol, label=f"{symbol} {days}")

@page("/strange")
def strange(number: int = 1):
    metric("SPY", label=str(1 / number))

@page("/many")
def many(count: int = 1):
    watchlist(*[f"A{each}" for each in range(count)], columns=["last"])

@page("/private")
def private():
    balance(total=True)

@page("/mine")
def mine(symbols: Symbols):
    watchlist(*symbols, editable=True)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pages") / "my_page.py"
    file.write_text(SOURCE)
    return file


@pytest.fixture(scope="module")
def running(file: Path) -> Iterator[Running]:
    """A gateway with these pages."""
    with open_gateway(make_settings(pages=str(file), max_symbols_per_stream=20)) as gateway:
        gateway.publish(make_quote("SPY", "450.25"), make_balance())
        yield gateway


def test_a_page_takes_its_parameters_from_path_and_query(running: Running) -> None:
    answer = httpx.get(f"{running.url}/stock/SPY?days=7&utm=x")
    assert answer.status_code == 200
    root = parse_html(answer.text.removeprefix("<!doctype html>"))
    assert root.find("title")[0].words == "SPY · Gateway"
    assert root.find("h2")[0].words == "SPY 7"
    assert "450.25" in answer.text
    url = str(root.find("div", id="stream")[0].attributes["hx-sse:connect"])
    assert url.startswith("/live/stock~*symbol?symbol=SPY&days=7&~version=")
    with Stream(running, url) as stream:
        stream.read_until("450.25")
        assert stream.partials.keys() == {
            *("notice", "status", "told", "mistake", "metric", "metric-day")
        }


@pytest.mark.parametrize(
    ("address", "symbol"),
    [
        ("BRK%2FB", "BRK/B"),
        ("%2FESZ26:XCME", "/ESZ26:XCME"),
        ("%2fESZ26%3AXCME", "/ESZ26:XCME"),
        ("BTC%2FUSD:CXTALP", "BTC/USD:CXTALP"),
        (".SPY261218C600", ".SPY261218C600"),
        ("%24TICK", "$TICK"),
        ("SPY%20%20%20261218C00600000", ".SPY261218C600"),
        ("SPY/", "SPY"),
    ],
)
def test_a_path_holds_every_symbol(running: Running, address: str, symbol: str) -> None:
    answer = httpx.get(f"{running.url}/stock/{address}")
    assert answer.status_code == 200
    with Stream(running, stream_url_of(answer)) as stream:
        stream.read_until("metric")
        assert running.context.demand.count(symbol) > 0


def stream_url_of(answer: httpx.Response) -> str:
    root = parse_html(answer.text.removeprefix("<!doctype html>"))
    return str(root.find("div", id="stream")[0].attributes["hx-sse:connect"])


def test_the_same_parameters_are_the_same_view(running: Running) -> None:
    with (
        Stream(running, "/live/stock~*symbol?symbol=QQQ") as one,
        Stream(running, "/live/stock~*symbol?days=5&symbol=QQQ") as other,
    ):
        one.read_until("metric")
        other.read_until("metric")
        assert running.context.demand.count("QQQ") == 1
        assert running.context.demand.count("QQQ{=5m,tho=true}") == 1


def test_navigation_has_what_needs_no_more(running: Running) -> None:
    root = parse_html(httpx.get(f"{running.url}/private").text.removeprefix("<!doctype html>"))
    links = {
        str(each.attributes["href"]): each.attributes.get("aria-current")
        for each in root.find("nav")[0].find("a")
    }
    assert links == {"/": None, "/strange": None, "/many": None, "/private": "page", "/mine": None}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/stock/SPY?days=many", 400, "days: must be a whole number"),
        ("/stock/a<b", 400, "is no symbol"),
        ("/strange?number=0", 500, "my_page.py, line 10: ZeroDivisionError: division by zero"),
        ("/many?count=21", 400, "at most 20 symbols"),
        ("/many/more", 404, "There is nothing at this address"),
        ("/live/stock~*symbol", 400, "symbol: is missing"),
        ("/live/stock", 404, "There is no such view"),
    ],
)
def test_what_cannot_be_shown_says_why(
    running: Running, path: str, status: int, words: str
) -> None:
    answer = httpx.get(running.url + path)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    page = httpx.get(running.url + path, headers=HTML)
    assert page.status_code == status
    if not path.startswith("/live"):
        assert words.partition("<")[0] in page.text


def test_a_page_is_read_only(running: Running) -> None:
    assert httpx.post(f"{running.url}/private").status_code == 405
    for data in ({"add": "SPY", "view": "private"}, {"add": "SPY", "view": "none"}):
        assert httpx.post(f"{running.url}/watchlist", data=data).status_code == 404


def test_a_file_with_a_mistake_is_served_with_it(tmp_path: Path) -> None:
    file = tmp_path / "my_page.py"
    file.write_text("from gateway.pages import metric\nmetric('SPY')\n")
    with open_gateway(make_settings(pages=str(file))) as gateway:
        answer = httpx.get(f"{gateway.url}/")
        assert answer.status_code == 200
        assert "my_page.py, line 2" in answer.text
        assert "is called outside a page" in answer.text
        assert "watchlist-SPY" in answer.text, "the built-in home stands in"
        with Stream(gateway, "/live/home?symbols=SPY") as stream:
            stream.read_until("my_page.py, line 2")
            file.write_text(SOURCE)
            stream.read_until("/private")
            while stream.partials["mistake"].words:
                stream._read()


def test_a_list_on_another_page_is_changed_there(running: Running) -> None:
    with httpx.Client(base_url=running.url) as client:
        root = parse_html(client.get("/mine").text.removeprefix("<!doctype html>"))
        assert {each.attributes["value"] for each in root.find("input", name="view")} == {"mine"}
        answer = client.post("/watchlist", data={"add": "tsla", "view": "mine"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/mine")
        assert "watchlist-TSLA" in client.get("/mine").text
        answer = client.post(
            "/watchlist", data={"remove": "SPY", "view": "mine"}, headers={"HX-Request": "true"}
        )
        assert "/live/mine?symbols=QQQ%2CTSLA" in answer.text


def test_an_error_page_leads_to_the_other_pages_but_only_viewers(
    running: Running, file: Path
) -> None:
    nav = parse_html(
        httpx.get(f"{running.url}/none", headers=HTML).text.removeprefix("<!doctype html>")
    ).find("nav")[0]
    assert [each.attributes["href"] for each in nav.find("a")] == [
        "/",
        "/strange",
        "/many",
        "/private",
        "/mine",
    ]
    with open_gateway(make_protected(pages=str(file), token=TOKEN)) as gateway:
        answer = httpx.get(f"{gateway.url}/none?{'x' * 20_000}", headers=HTML)
        assert answer.status_code >= 400
        assert "/private" not in answer.text
