"""The page, its stream and its forms over a real server."""

import http.client
import json
import time
from collections.abc import Iterator

import httpx
import pytest

from gateway.web.sse import direct
from tests.pages.reading import Message, Node, parse_html, parse_messages, parse_partials
from tests.waiting import eventually_sync, scaled
from tests.web.paging import get_page, symbols_of, without_version
from tests.web.running import (
    TOKEN,
    Running,
    make_balance,
    make_protected,
    make_quote,
    make_settings,
    make_status,
    open_gateway,
)


class Stream:
    """What a browser's htmx reads of one /live stream."""

    def __init__(self, running: Running, path: str, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", running.port, scaled(10))
        self.connection.request("GET", path, headers=headers)
        self.response = self.connection.getresponse()
        self.is_over = False
        self._received = b""

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *args: object) -> None:
        self.response.close()
        self.connection.close()

    @property
    def messages(self) -> list[Message]:
        """All complete messages so far."""
        complete = self._received[: self._received.rfind(b"\n\n") + 2]
        return parse_messages(complete) if complete else []

    @property
    def partials(self) -> dict[str, Node]:
        """The newest partial of each target."""
        found: dict[str, Node] = {}
        for message in self.messages:
            if message.event == "message":
                found.update(parse_partials(message.data))
        return found

    def read_until(self, words: str) -> None:
        """Return when these words have come."""
        while words not in self._received.decode():
            assert not self.is_over, self._received.decode()
            self._read()

    def read_all(self) -> list[Message]:
        """All messages, when the server has ended the stream."""
        while not self.is_over:
            self._read()
        return self.messages

    def _read(self) -> None:
        chunk = self.response.read1()
        self._received += chunk
        self.is_over = not chunk


@pytest.fixture
def fresh() -> Iterator[Running]:
    """A gateway of one's own, that knows nothing yet."""
    with open_gateway() as gateway:
        yield gateway


def test_the_page_comes_with_its_values(running: Running) -> None:
    page = get_page(running)
    assert symbols_of(page) == ["SPY", "QQQ"]
    assert page.find("tr", id="watchlist-SPY")[0].children[1].words == "450.25"
    assert "$100,000.00" in page.find("div", id="balance")[0].words
    assert "Feed live" in page.find("div", id="status")[0].words
    stream = page.find("div", id="stream")[0]
    assert without_version(stream) == "/live/home?symbols=SPY%2CQQQ"
    assert stream.attributes["hx-swap"] == "none"


def test_the_page_has_nothing_that_its_policy_forbids(running: Running) -> None:
    def walk(node: Node) -> Iterator[Node]:
        yield node
        for child in node.children:
            yield from walk(child)

    for node in walk(get_page(running)):
        assert node.tag != "style"
        assert "style" not in node.attributes
        assert not any(name.startswith(("on", "hx-on")) for name in node.attributes)
        if node.tag == "script":
            assert str(node.attributes["src"]).startswith("/static/")
            assert not node.text


def test_everything_that_the_page_asks_for_is_there(running: Running) -> None:
    page = get_page(running)
    urls = [each.attributes["src"] for each in page.find("script")]
    urls += [each.attributes["href"] for each in page.find("link")]
    (library,) = [each for each in page.find("script") if "data-uplot" in each.attributes]
    urls += [library.attributes["data-uplot"], library.attributes["data-style"]]
    assert len(urls) == 16
    for url in urls:
        assert httpx.get(f"{running.url}{url}").status_code == 200


def test_a_stream_is_what_htmx_wants(running: Running) -> None:
    with Stream(running, "/live/home?symbols=SPY") as stream:
        assert stream.response.status == 200
        assert stream.response.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert stream.response.getheader("cache-control") == "no-store, no-transform"
        stream.read_until("5WX00001")
        first = stream.messages[0]
        assert first.retry == 250
        assert parse_partials(first.data)["notice"].words == ""
        assert stream.partials.keys() == {
            "notice",
            *("status", "told", "watchlist", "balance", "positions", "orders"),
        }
        assert stream.partials["watchlist"].find("tr")[0].children[1].words == "450.25"


def test_a_stream_follows_the_hub(fresh: Running) -> None:
    with Stream(fresh, "/live/home?symbols=SPY") as stream:
        stream.read_until("waiting…")
        assert fresh.context.streams == 1
        fresh.publish(make_quote("SPY", "451.00"), make_balance(balance="5.00"))
        stream.read_until("$5.00")
        stream.read_until("451.00")
        fresh.publish(make_status("stale"))
        stream.read_until("Feed stale")
    eventually_sync(lambda: fresh.context.streams == 0)


def test_a_symbol_is_wanted_while_it_is_watched() -> None:
    with open_gateway(make_settings(linger_s=0)) as gateway:
        with Stream(gateway, "/live/home?symbols=TSLA") as stream:
            stream.read_until("TSLA")
            assert gateway.context.demand.count("TSLA") == 1
        eventually_sync(lambda: gateway.context.demand.count("TSLA") == 0)
        assert gateway.call(lambda: gateway.context.demand.wanted) >= {"SPY"}


def test_two_pages_share_one_view(fresh: Running) -> None:
    path = "/live/home?symbols=SPY,TSLA"
    with Stream(fresh, path) as one, Stream(fresh, path) as other:
        one.read_until("TSLA")
        other.read_until("TSLA")
        assert fresh.context.demand.count("TSLA") == 1


def test_streams_leave_nothing_behind(fresh: Running) -> None:
    with Stream(fresh, "/live/home?symbols=SPY") as stream:
        stream.read_until("SPY")
    eventually_sync(lambda: fresh.context.streams == 0)
    tasks = eventually_sync(fresh.count_tasks)
    for _ in range(20):
        with Stream(fresh, "/live/home?symbols=SPY") as stream:
            stream.read_until("SPY")
    eventually_sync(lambda: fresh.context.streams == 0)
    eventually_sync(lambda: fresh.count_tasks() <= tasks)
    eventually_sync(lambda: fresh.context.demand.count("SPY") == 0)


def test_streams_are_written_to_without_a_task_each(fresh: Running) -> None:
    with Stream(fresh, "/live/home?symbols=SPY") as first:
        first.read_until("SPY")
        tasks = fresh.count_tasks()
        with Stream(fresh, "/live/home?symbols=SPY") as second:
            second.read_until("SPY")
            assert fresh.count_tasks() == tasks + 1, "uvicorn's, for the request"


@pytest.mark.parametrize("is_direct", [True, False])
def test_both_ways_to_the_server_say_the_same(
    monkeypatch: pytest.MonkeyPatch, is_direct: bool
) -> None:
    if not is_direct:
        monkeypatch.setattr(direct, "HEAD_ONLY", frozenset())
    with open_gateway() as gateway:
        stream = Stream(gateway, "/live/home?symbols=SPY")
        stream.read_until("waiting…")
        gateway.publish(make_quote("SPY", "451.00"))
        stream.read_until("451.00")
        assert stream.messages[0].retry == 250
        assert stream.partials.keys() >= {
            "notice",
            *("status", "watchlist", "balance", "positions", "orders"),
        }
        assert gateway.context.streams == 1
        gateway.server.should_exit = True
        assert stream.read_all()[-1].event == "bye"
        stream.__exit__()


def test_what_a_stream_begins_with_can_be_asked_for_once(running: Running) -> None:
    with Stream(running, "/live/home?symbols=SPY") as stream:
        stream.read_until("5WX00001")
        answer = httpx.get(f"{running.url}/live/home/once?symbols=SPY")
        partials = parse_partials(answer.text)
        assert partials.keys() == stream.partials.keys()
        assert partials["watchlist"] == stream.partials["watchlist"]
        assert running.context.streams == 1
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.get(f"{running.url}/live/nothing/once").status_code == 404


def test_who_shows_another_version_of_the_page_gets_this_one(running: Running) -> None:
    stream = get_page(running).find("div", id="stream")[0]
    url = str(stream.attributes["hx-sse:connect"])
    page = {"title", "nav", "page"}
    for path, is_other in ((url, False), (f"{url}0", True)):
        once = parse_html(httpx.get(running.url + path.replace("?", "/once?")).text)
        targets = {str(each.attributes["hx-target"])[1:] for each in once.children}
        assert targets.isdisjoint({*page, "live"}) != is_other
        with Stream(running, path) as opened:
            opened.read_until("5WX00001")
            assert opened.partials.keys().isdisjoint(page) != is_other
    assert "450.25" in opened.partials["page"].words


def test_too_many_symbols_are_told_to_who_asks_once() -> None:
    with open_gateway(make_settings(max_symbols=3)) as gateway:
        answer = httpx.get(f"{gateway.url}/live/home/once?symbols=A,B,C")
        assert "at most 3 symbols" in parse_partials(answer.text)["notice"].words


def test_a_shutdown_says_goodbye_with_a_way_back() -> None:
    with open_gateway() as gateway:
        stream = Stream(gateway, "/live/home?symbols=SPY")
        stream.read_until("SPY")
        gateway.server.should_exit = True
        last = stream.read_all()[-1]
        stream.__exit__()
    assert last.event == "bye"
    assert last.retry is not None
    assert 250 <= last.retry <= 1500
    assert json.loads(last.data) == {
        "type": "bye",
        "reason": "shutdown",
        "retry_ms": last.retry,
    }


def test_a_draining_gateway_sends_new_streams_away(fresh: Running) -> None:
    fresh.call(lambda: fresh.context.hub.close("shutdown"))
    with Stream(fresh, "/live/home?symbols=SPY") as stream:
        assert [each.event for each in stream.read_all()] == ["bye"]


def test_a_full_gateway_says_so() -> None:
    with (
        open_gateway(make_settings(max_streams=1)) as gateway,
        Stream(gateway, "/live/home?symbols=SPY") as first,
    ):
        first.read_until("SPY")
        with Stream(gateway, "/live/home?symbols=SPY") as second:
            notice, bye = second.read_all()
        assert "no room" in parse_partials(notice.data)["notice"].words
        assert (bye.retry or 0) >= 5000
        assert gateway.context.streams_refused == 1


def test_too_many_symbols_upstream_are_told_on_the_page() -> None:
    with open_gateway(make_settings(max_symbols=3)) as gateway:
        with Stream(gateway, "/live/home?symbols=A,B,C") as stream:
            notice, bye = stream.read_all()
        assert "at most 3 symbols" in parse_partials(notice.data)["notice"].words
        assert bye.event == "bye"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/live/nothing", 404),
        ("/live/home?symbols=a<b", 400),
        ("/live/home?symbols=" + ",".join(f"A{index}" for index in range(501)), 400),
    ],
)
def test_a_stream_that_cannot_be_is_refused(running: Running, path: str, status: int) -> None:
    answer = httpx.get(running.url + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_head_of_a_stream_ends(running: Running) -> None:
    assert httpx.head(f"{running.url}/live/home?symbols=SPY").status_code == 200
    eventually_sync(lambda: running.context.streams == 0)


def test_nothing_is_shown_without_the_token() -> None:
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        gateway.publish(make_balance())
        answer = httpx.get(f"{gateway.url}/", headers={"Accept": "text/html"})
        assert answer.status_code == 303
        for path in ("/", "/live/home?symbols=SPY"):
            answer = httpx.get(gateway.url + path)
            assert answer.status_code == 401
            assert "5WX00001" not in answer.text
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert "5WX00001" in httpx.get(f"{gateway.url}/", headers=bearer).text
        with Stream(gateway, "/live/home?symbols=SPY", **bearer) as stream:
            stream.read_until("5WX00001")


def test_a_quiet_stream_has_a_message_at_least_every_two_seconds(fresh: Running) -> None:
    with Stream(fresh, "/live/home?symbols=SPY") as stream:
        stream.read_until("waiting…")
        begun_s, count = time.monotonic(), len(stream.messages)
        while len(stream.messages) < count + 3:
            stream._read()
        assert time.monotonic() - begun_s < scaled(6)
