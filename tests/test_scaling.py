"""Two feeds and two web processes over a real server, and everything that can happen to them.

Real processes, killed, stopped and started; the leases are short here so that the tests are, too.
Many rounds of each are in `tests/faults/test_feeds.py`.
"""

import html
import json
import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.streams.hub.position import parse_event_id
from tests.processes import Process
from tests.simulation import open_simulator
from tests.valkey import Valkey, find_port
from tests.waiting import eventually_sync, scaled
from tests.web.running import Reader, get, post, read_stream
from tests.world import BEARER, HEADER, LEASE_S, TOKEN, Web, World, open_world, take_s

BROKER_TOKEN = re.compile(rb"[A-Za-z0-9_-]{43,}")
"""32 random bytes or more in URL-safe letters: the simulator's tokens look like this, and no
record, account number, epoch or process id does."""
NEWEST_CANDLE = re.compile(r'<data value="\[\d+,[\d.]+,[\d.]+,[\d.]+,([\d.]+),')
"""Time, open, high, low, and the close that is looked for."""


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as world:
        yield world


def kill_the_leader(world: World, webs: list[Web], leader: Process, standby: Process) -> float:
    """Seconds without a live price; the viewers are told of it in time."""
    leader.send(signal.SIGKILL)
    begun_s = time.monotonic()
    eventually_sync(lambda: all(each.is_stale() for each in webs), 5)
    standby.wait_for("publishing, epoch", 13)
    eventually_sync(lambda: all(each.is_live() for each in webs), 13 + begun_s - time.monotonic())
    return time.monotonic() - begun_s


@pytest.mark.fault(13)
def test_a_leader_that_is_killed(world: World) -> None:
    """
    1. Two feeds and two web processes run; a viewer follows each web process.
    2. SIGKILL to the feed that is upstream.
    3. The viewer of the first web process goes on at the second, with the last id it was given.
    Result: stale within 5 s, live again within 13 s; one upstream at a time; ids rise; the resume
    is one; nobody's secret is in the server.
    """
    leader = world.open_leader()
    webs = [world.open_web(), world.open_web()]
    eventually_sync(lambda: all(each.is_live() for each in webs), 10)
    standby = world.open_feed()
    followers = [world.follow(each) for each in webs]
    assert world.connections() == 1
    eventually_sync(lambda: all(each.is_led_by(leader) for each in webs))
    before = [each.read_metrics() for each in webs]
    kill_the_leader(world, webs, leader, standby)
    assert world.connections() == 1
    eventually_sync(lambda: all(each.is_led_by(standby) for each in webs))
    for web, were in zip(webs, before, strict=True):
        are = web.read_metrics()
        assert are["epoch"] > were["epoch"] > 0
        assert are["entries_read_total"] > were["entries_read_total"] > 0
        assert are["reachable"] == 1
    eventually_sync(lambda: all(0 < each.read_metrics()["lag_seconds"] < 1 for each in webs))
    eventually_sync(lambda: webs[0].read_metrics().get("entries_appended_total", 0) > 0)
    for follower in followers:
        assert len({epoch for epoch, _ in follower.check()}) == 2
        assert any(each.data and each.data.get("stale") for each in follower.frames)
    given = next(each.id for each in reversed(followers[0].frames) if each.id)
    frames = read_stream(webs[1].url, last_event_id=given, snapshot="only", headers=BEARER)
    assert frames[1].data is not None
    assert frames[0].data["mode"] == "resume"
    assert all(each.id is None or order(each.id) > order(given) for each in frames)
    dump = world.valkey.dump()
    for name in ("secret", "refresh"):
        assert world.simulator.hello[name].encode() not in dump
    assert TOKEN.encode() not in dump
    # The broker's tokens are known to nobody here but by their form.
    assert BROKER_TOKEN.search(secrets.token_urlsafe(32).encode())
    assert BROKER_TOKEN.search(dump) is None
    assert [each.stop() for each in (standby, *webs)] == [0, 0, 0]


def order(event_id: str) -> tuple[int, int]:
    parsed = parse_event_id(event_id)
    assert parsed is not None
    return int(parsed[0]), parsed[1]


def stop_the_leader_for_a_while(world: World, leader: Process, standby: Process) -> float:
    """Seconds until the old leader has left upstream after waking."""
    leader.log.clear()
    standby.log.clear()
    leader.send(signal.SIGSTOP)
    begun_s = time.monotonic()
    standby.wait_for("publishing, epoch", 13)
    eventually_sync(lambda: time.monotonic() - begun_s > 3 * LEASE_S, 3 * LEASE_S + 5)
    leader.send(signal.SIGCONT)
    left_s = take_s(lambda: leader.wait_for("left upstream"))
    eventually_sync(lambda: world.connections() == 1)
    return left_s


@pytest.mark.fault(5)
def test_a_leader_that_sleeps_and_wakes_up(world: World) -> None:
    """
    1. Two feeds and a web process run; a viewer follows.
    2. SIGSTOP to the feed that is upstream, for three times its lease; the other takes over.
    3. SIGCONT.
    Result: it leaves upstream within 1 s; the stream has no entry of the old epoch behind one of
    the new; ids rise.
    4. SIGTERM to the one that leads now.
    Result: the one that slept takes over before the other leaves, and no viewer is told of a stale
    price.
    """
    leader, web = world.open_leader(), world.open_web()
    eventually_sync(web.is_live, 10)
    standby = world.open_feed()
    follower = world.follow(web)
    assert stop_the_leader_for_a_while(world, leader, standby) < scaled(1)
    eventually_sync(web.is_live)
    epochs = world.epochs()
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2
    follower.check()
    eventually_sync(lambda: world.valkey.redis.exists("{gateway}:2:standby"))
    seen = len(follower.frames)
    assert standby.stop() == 0
    assert standby.says("handed over")
    eventually_sync(lambda: len(set(world.epochs())) == 3)
    eventually_sync(lambda: len({epoch for epoch, _ in follower.check()}) == 3)
    after = [each.data for each in follower.frames[seen:] if each.data is not None]
    assert not [each for each in after if each.get("stale")]
    assert not [each for each in after if each.get("state") == "stale"]


def wipe(world: World, webs: list[Web]) -> float:
    """Seconds until everybody is current after the server is back."""
    before = [each.quote() for each in webs]
    world.valkey.kill()
    eventually_sync(lambda: all(each.is_stale() for each in webs), 5)
    for web, quote in zip(webs, before, strict=True):
        assert web.quote()["last"] is not None, quote
        assert get(f"{web.url}/readyz").status_code == 200
    world.valkey.start()
    return take_s(lambda: eventually_sync(lambda: all(each.is_live() for each in webs), 10))


@pytest.mark.fault(12)
def test_a_server_that_is_killed_and_comes_back_empty(world: World) -> None:
    """
    1. A feed and two web processes run; a viewer follows each web process.
    2. SIGKILL to the server; its data is gone; it starts again.
    Result: the last values are served, stale, within 5 s; current within 5 s after it is back; ids
    rise, so none is used twice.
    """
    world.open_leader()
    webs = [world.open_web(), world.open_web()]
    eventually_sync(lambda: all(each.is_live() for each in webs), 10)
    followers = [world.follow(each) for each in webs]
    assert wipe(world, webs) < scaled(5)
    for web, follower in zip(webs, followers, strict=True):
        assert web.says("cannot be reached")
        assert len({epoch for epoch, _ in follower.check()}) == 2
        status = json.loads(get(f"{web.url}/status", headers=BEARER).text)
        assert status["upstream"]["backplane"]["trouble"] is None


def test_what_a_viewer_asks_for_is_followed_upstream(world: World) -> None:
    """
    1. A feed follows two symbols; a viewer asks a web process for a third.
    Result: it has its price.
    """
    world.open_leader()
    web = world.open_web(GATEWAY_SYMBOLS="SPY")
    with Reader(web.port, "/events?symbols=AAPL", headers=HEADER) as reader:
        reader.read_until("quote_update", 2)


def test_a_chart_is_drawn_from_what_a_feed_process_sends(world: World, tmp_path: Path) -> None:
    """
    1. A feed follows two symbols; a web process has a page with a chart of a third.
    2. A viewer opens the page and its stream.
    Result: the history is on the page, whole and in order; the newest candle moves; when the symbol
    is frozen, its last figure is what the simulator sent last, on a page that is opened later too.
    """
    world.open_leader()
    page = tmp_path / "charts.py"
    page.write_text(
        "from gateway.pages import chart, page\n\n\n"
        '@page("/")\ndef charts():\n    chart("AAPL", interval="1m", hours="all")\n'
    )
    web = world.open_web(GATEWAY_PAGES=str(page))
    address = re.search(r'hx-sse:connect="([^"]+)"', get(f"{web.url}/", headers=BEARER).text)
    assert address is not None
    stream = httpx.stream(
        "GET", web.url + html.unescape(address[1]), headers=BEARER, trust_env=False, timeout=10
    )
    with stream as answer:
        closes = set[float]()
        for line in answer.iter_lines():
            closes |= {float(close) for close in NEWEST_CANDLE.findall(line)}
            if len(closes) >= 3:
                break
    # The page alone wants it no more, but what was wanted lingers in the feed.
    shown = get(f"{web.url}/", headers=BEARER).text
    history = re.search(r'id="chart-history"[^>]*>(\[\[.*?\]\])', shown)
    assert history is not None
    columns = json.loads(history[1])
    assert len(columns) == 7
    assert len(columns[0]) > 100
    assert columns[0] == sorted(set(columns[0]))
    world.simulator.control_sync("freeze", symbols=["AAPL"], frozen=True)
    query = {"type": "Candle", "symbol": "AAPL{=m}", "limit": "1"}
    url = f"{world.simulator.hello['control']}/sent"
    last = float(httpx.get(url, params=query, trust_env=False).json()[-1]["close"])

    def is_shown() -> bool:
        found = NEWEST_CANDLE.search(get(f"{web.url}/", headers=BEARER).text)
        return found is not None and float(found[1]) == last

    eventually_sync(is_shown)


def test_workers_share_an_address_and_are_replaced(world: World) -> None:
    """
    1. `gateway serve --workers 2` runs; eight viewers follow.
    2. SIGKILL to one worker.
    Result: another takes its place; both serve; who was at the other notices nothing.
    3. A browser signs in and out; somebody guesses tokens.
    Result: no process takes the cookie; the sixth guess waits, whichever processes they came to.
    4. SIGTERM to the parent.
    Result: `bye` to the viewers, exit status 0, no process is left.
    """
    world.open_leader()
    web = world.open_web("--workers", "2")
    pids = children(web.popen.pid)
    assert len(pids) == 2
    eventually_sync(lambda: get(f"{web.url}/readyz").status_code == 200)
    followers = [world.follow(web) for _ in range(8)]
    eventually_sync(lambda: all(each.frames for each in followers))
    os.kill(pids[0], signal.SIGKILL)
    web.wait_for("starting another")
    eventually_sync(lambda: len(children(web.popen.pid)) == 2, 15)
    for _ in range(8):
        assert get(f"{web.url}/healthz").status_code == 200
    remaining = [each for each in followers if each._thread.is_alive()]
    assert remaining
    answer = post(f"{web.url}/login", data={"token": TOKEN})
    cookie = {"Cookie": f"gateway={answer.cookies['gateway']}"}
    assert [ask_status(web, cookie) for _ in range(8)] == [200] * 8
    assert post(f"{web.url}/logout", headers=cookie).status_code == 303
    eventually_sync(lambda: [ask_status(web, cookie) for _ in range(8)] == [401] * 8, 1.0)
    guesses = [post(f"{web.url}/login", data={"token": "wrong"}).status_code for _ in range(7)]
    assert guesses == [401] * 5 + [429] * 2
    pids = children(web.popen.pid)
    assert web.stop() == 0
    for follower in remaining:
        follower._thread.join(scaled(5))
        assert follower.frames[-1].event == "bye"
    eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def ask_status(web: Web, headers: dict[str, str]) -> int:
    """The status code of what only viewers may see; each is a connection of its own."""
    return get(f"{web.url}/status", headers=headers).status_code


def test_workers_do_not_outlive_their_parent(world: World) -> None:
    """
    1. `gateway serve --workers 2` runs, without a server to reach, with a token made at the start.
    2. SIGKILL to the parent.
    Result: the workers end.
    """
    url = f"redis://127.0.0.1:{find_port()}"
    web = Web(url, "--workers", "2", GATEWAY_TOKEN="")
    link = web.wait_for("sign in once with ")
    pids = children(web.popen.pid)
    token = link.strip().partition("#token=")[2]
    for _ in range(8):  # whichever worker answers
        headers = {"Authorization": f"Bearer {token}"}
        assert get(f"{web.url}/status", headers=headers).status_code == 200
    web.kill()
    eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 10)


def children(pid: int) -> list[int]:
    """The processes that a process has started (Linux)."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_server_that_is_not_there_at_the_start(tmp_path: Path) -> None:
    """
    1. `gateway serve` and `gateway feed` start with a REDIS_URL that nobody answers to; the one has
       it from a file. They log all that there is to be logged.
    Result: one line each that says why; `/healthz` 200, `/readyz` 503 with the reason; without a
    token 401, although a simulator is named.
    2. The server starts.
    Result: both go on by themselves.
    """
    valkey = Valkey()
    with open_simulator("--rate", "3") as simulator, ExitStack() as stack:
        stack.callback(valkey.close)
        secret_url = valkey.url.replace("127", ":hidden-word@127")
        world = World(simulator, valkey, stack)
        feed = world.open_feed(REDIS_URL=secret_url, GATEWAY_LOG_LEVEL="DEBUG")
        file = tmp_path / "address"
        file.write_text(f"{secret_url}\n")
        file.chmod(0o600)
        web = Web(
            "",
            REDIS_URL_FILE=str(file),
            GATEWAY_LOG_LEVEL="DEBUG",
            SIMULATOR_REST=simulator.hello["rest"],
            SIMULATOR_ACCOUNT_WS=simulator.hello["account_ws"],
        )
        stack.callback(web.kill)
        words = "REDIS_URL: the server cannot be reached: connection refused"
        for process in (feed, web):
            process.wait_for(words)
        eventually_sync(lambda: get(f"{web.url}/readyz").json().get("reasons") == [words])
        assert get(f"{web.url}/healthz").status_code == 200
        assert get(f"{web.url}/api/snapshot").status_code == 401
        valkey.start("--requirepass", "hidden-word")
        eventually_sync(web.is_live, 10)
        for process in (feed, web):
            assert len([line for line in process.log if words in line]) == 1
            assert process.stop() == 0
            assert not process.says("hidden-word")


def test_the_desk_reaches_every_web_process(world: World) -> None:
    """
    1. A feed and a web process run, which has no login.
    2. Positions, orders and portfolios come with the records; a chain, a history and a search are
       passed on to the feed.
    3. A fill at the broker closes a position that somebody sees on a stream.
    Result: all are there, and the position that was sold is closed for the viewer too.
    """
    world.open_leader()
    web = world.open_web()
    account = world.simulator.hello["accounts"][0]

    def read(path: str) -> dict[str, Any]:
        answer = get(f"{web.url}/api/{path}", headers=BEARER)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def find(symbol: str) -> dict[str, Any]:
        rows = read(f"positions?account={account}")["positions"]
        return next((each for each in rows if each["broker_symbol"] == symbol), {})

    eventually_sync(lambda: find("SPY").get("mark") is not None, 20)
    eventually_sync(lambda: read("portfolio")["total"]["net_liq"] is not None, 10)
    assert read("orders?working=true")["orders"]
    assert len(read("chain/SPY?strikes=4")["rows"]) == 4
    assert read(f"net-liq/{account}")["points"]
    assert read("search?q=SPY")["results"][0]["symbol"] == "SPY"
    assert get(f"{web.url}/api/chain/NOPE", headers=BEARER).status_code == 404
    quantity = find("DIS")["quantity"]
    legs = [{"action": "Buy to Close", "symbol": "DIS", "quantity": -quantity}]
    body: dict[str, Any] = {"account": account, "legs": legs, "price": "-100.00"}
    order = world.simulator.control_sync("order", **body)["done"]
    world.simulator.control_sync("order", do="fill", account=account, id=order)
    eventually_sync(lambda: find("DIS")["quantity"] == 0, 5)
    assert find("DIS")["realized_day"] != 0
