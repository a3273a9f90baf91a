"""One feed upstream: taking over, handing over, losing the server, following what is wanted."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.streams.hub.position import StreamPosition
from gateway.streams.hub.subscription import Subscription
from gateway.streams.records import DATA_TYPES
from gateway.streams.reports import BackplaneReport, LeaderReport
from tests.streams.replicating import FEED_REPORT, LEASE_S, open_feed, open_web, until
from tests.streams.samples import make_balance, make_quote, make_status
from tests.valkey import Valkey, open_valkey
from tests.waiting import scaled

IDLE = LeaderReport(appended=0, reconnects=0, waiting=0, conflated=0)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with open_valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.redis.flushall()
    return server


async def test_one_is_upstream_and_the_other_takes_over(valkey: Valkey) -> None:
    async with open_web(valkey.url, symbols=("SPY",)) as web, open_feed(valkey.url) as second:
        await until(lambda: second.is_leading)
        async with open_feed(valkey.url) as first:
            second.publish(make_quote("SPY", 1))
            await until(web.is_fresh)
            assert not first.is_upstream
            # Cancelled and not stopped: as a crash, but for the lease, which is let go.
            second.task.cancel()
            await until(lambda: first.is_leading)
            assert not second.is_upstream
            await until(lambda: web.quote().stale)  # type: ignore[union-attr]
            assert web.last() == 1
            first.publish(make_quote("SPY", 2))
            await until(web.is_fresh)
            assert web.last() == 2


async def test_a_lease_that_nobody_renews_passes_on(valkey: Valkey) -> None:
    valkey.redis.set("{gateway}:2:lease", "a dead one:1000", px=1000)
    begun_s = time.monotonic()
    async with open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
    assert time.monotonic() - begun_s > 0.5


async def test_a_hand_over_lets_the_viewers_see_nothing(valkey: Valkey) -> None:
    """
    1. One feed leads, another stands by; a price is shown.
    2. The first is told to stop.
    3. The second goes upstream, hears of the price, and takes over.
    Result: both were upstream for a while; no viewer was told of a stale price or status.
    """
    async with open_web(valkey.url, symbols=("SPY",)) as web, open_feed(valkey.url) as first:
        await until(lambda: first.is_leading)
        first.publish(make_quote("SPY", 1))
        await until(web.is_fresh)
        async with open_feed(valkey.url) as second:
            await until(lambda: valkey.redis.exists("{gateway}:2:standby"))
            seen: list[bytes] = []

            class Viewer:
                def write(self, chunk: bytes) -> bool:
                    seen.append(chunk)
                    return True

                def close(self, reason: str) -> None:
                    seen.append(reason.encode())

            everything = Subscription(types=DATA_TYPES)
            viewer = web.hub.subscribe(everything, Viewer())
            first.leader.stop()
            await until(lambda: second.is_upstream)
            assert (first.is_upstream, second.is_leading) == (True, False)
            first.publish(make_quote("SPY", 2))
            await until(lambda: web.last() == 2)
            second.publish(make_quote("SPY", 3))
            await until(lambda: web.last() == 3)
            await first.task
            assert (first.is_upstream, second.is_leading) == (False, True)
            text = b"".join(seen)
            assert text.count(b"event: quote_update") >= 2
            assert b'"stale":true' not in text
            assert b'"state":"stale"' not in text
            viewer.close()


async def test_stopped_alone_it_says_so_and_lets_go(valkey: Valkey) -> None:
    async with open_web(valkey.url, symbols=("SPY",)) as web, open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
        feed.publish(make_quote("SPY", 1))
        await until(web.is_fresh)
        feed.leader.stop()
        await feed.task
        await until(lambda: web.status().reason == "the feed process was stopped")
        quote = web.quote()
        assert quote is not None
        assert quote.stale
        assert web.last() == 1
        assert not valkey.redis.exists("{gateway}:2:lease")


async def test_stopped_while_standing_by_it_just_ends(valkey: Valkey) -> None:
    valkey.redis.set("{gateway}:2:lease", "another:60000", px=60000)
    async with open_feed(valkey.url) as feed:
        await until(lambda: valkey.redis.exists("{gateway}:2:standby"))
        feed.leader.stop()
        await feed.task
        assert not feed.markets


async def test_a_source_that_fails_ends_it_and_frees_the_lease(valkey: Valkey) -> None:
    async with open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
        feed.market.fail()
        with pytest.raises(ExceptionGroup):
            await feed.task
        assert not valkey.redis.exists("{gateway}:2:lease")


async def test_a_server_that_was_wiped_gets_everything_again(valkey: Valkey) -> None:
    """Under a new epoch, without leaving upstream."""
    async with open_web(valkey.url, symbols=("SPY",)) as web, open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
        feed.publish(make_quote("SPY", 1), make_quote("QQQ", 2), make_balance())
        await until(lambda: web.hub.keys == 4)
        epoch = int(web.hub.epoch)
        valkey.redis.flushall()
        await until(lambda: int(web.hub.epoch) > epoch)
        await until(lambda: web.hub.keys == 4 and web.is_fresh("QQQ"))
        assert len(feed.markets) == 1
        assert valkey.redis.hlen("{gateway}:2:newest") == 4


async def test_a_server_that_was_restarted_gets_everything_again(valkey: Valkey) -> None:
    async with open_web(valkey.url, symbols=("SPY",)) as web, open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
        feed.publish(make_quote("SPY", 1))
        await until(web.is_fresh)
        epoch = int(web.hub.epoch)
        valkey.kill()
        feed.publish(make_quote("SPY", 2))
        await until(lambda: not feed.is_upstream, 10)  # its lease has run out
        await until(lambda: not web.is_fresh())
        assert web.last() == 1
        valkey.start()
        await until(lambda: feed.is_leading)
        feed.publish(make_quote("SPY", 3))
        await until(web.is_fresh)
        assert web.last() == 3
        assert int(web.hub.epoch) > epoch


async def test_a_server_that_hangs_costs_the_lease(valkey: Valkey) -> None:
    """Whoever cannot renew it must not stay upstream, where another may be by now."""
    async with open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
        paused_s = time.monotonic()
        valkey.pause()
        try:
            await until(lambda: not feed.is_upstream)
            assert time.monotonic() - paused_s < scaled(LEASE_S + 1.0)
        finally:
            valkey.go_on()
        await until(lambda: feed.is_leading)


async def test_an_epoch_seen_elsewhere_is_gone_beyond(valkey: Valkey) -> None:
    """As after a wipe and a clock that was put back: a viewer has seen a later epoch than ours."""
    async with open_feed(valkey.url) as feed, open_web(valkey.url) as web:
        await until(lambda: feed.is_leading and web.hub.epoch != "0")
        later = int(web.hub.epoch) + 10**9
        web.hub.advance(StreamPosition(str(later), 5))
        await until(lambda: int(web.hub.epoch) > later)
        feed.publish(make_quote("SPY", 1))
        await until(web.is_fresh)
        assert len(feed.markets) == 1


async def test_what_the_viewers_want_is_wanted_within_a_second(valkey: Valkey) -> None:
    async with open_feed(valkey.url, symbols=("SPX",), linger_s=0.1) as feed:
        await until(lambda: feed.is_leading)
        async with open_web(valkey.url, symbols=("SPY",)) as one, open_web(valkey.url) as two:
            await until(lambda: feed.demand.wanted == {"SPX", "SPY"}, 1.0)
            with two.demand.acquire(["QQQ", "SPY"]):
                await until(lambda: feed.demand.wanted == {"SPX", "SPY", "QQQ"}, 1.0)
                assert one.demand.wanted == {"SPY"}
            await until(lambda: feed.demand.expire() or "QQQ" not in feed.demand.wanted)
        await until(lambda: feed.demand.expire() or feed.demand.wanted == {"SPX"})


async def test_what_goes_beyond_the_cap_is_left_out(valkey: Valkey) -> None:
    async with open_feed(valkey.url, symbols=("SPX",), max_symbols=3, linger_s=0) as feed:
        async with open_web(valkey.url, symbols=("A", "B")) as web:
            await until(lambda: feed.demand.wanted == {"SPX", "A", "B"})
            with web.demand.acquire(["0", "1"]):
                await asyncio.sleep(0)
                await until(lambda: len(feed.leader._wanted) == 2)
                assert feed.demand.wanted == {"SPX", "A", "B"}
        await until(lambda: feed.leader._wanted == frozenset())
        feed.demand.expire()
        assert feed.demand.wanted == {"SPX"}


async def test_a_flood_is_carried_in_order_and_not_lost(valkey: Valkey) -> None:
    """With time to spare: a lease that is lost on a busy machine would merge what waits."""
    patient = open_feed(valkey.url, lease_s=20, timeout_s=10)
    async with open_web(valkey.url) as web, patient as feed:
        await until(lambda: feed.is_leading and web.hub.epoch != "0")
        count = 12_000
        for number in range(count):
            feed.publish(make_quote(f"S{number % 100}", number))
        await until(lambda: web.last(f"S{(count - 1) % 100}") == count - 1)
        assert {web.last(f"S{number}") for number in range(100)} == set(range(count - 100, count))
        assert feed.market.publisher.conflated == 0  # type: ignore[attr-defined]
        assert web.follower.loads == 1


async def test_the_report_travels(valkey: Valkey) -> None:
    async with open_web(valkey.url, symbols=("SPY",)) as web, open_feed(valkey.url) as feed:
        await until(lambda: feed.is_leading)
        await until(lambda: web.follower.report().feed == FEED_REPORT)
        about = web.follower.report().backplane
        assert isinstance(about, BackplaneReport)
        assert (about.trouble, about.loads, about.unreadable) == (None, 1, 0)
        feed.publish(make_quote("SPY", 1))
        await until(lambda: (web.follower.stats().leader or IDLE).appended > 4)
        assert web.follower.stats().leader == LeaderReport(
            appended=(web.follower.report().leader or IDLE).appended,
            reconnects=0,
            waiting=0,
            conflated=0,
        )
        holder = (web.follower.stats().holder or "").split("/")
        assert holder[:2] == [socket.gethostname()[:32], str(os.getpid())]


async def test_the_symbols_of_a_predecessor_linger(valkey: Valkey) -> None:
    """So that nobody's page goes blank while the web processes come back."""
    async with open_feed(valkey.url) as first:
        await until(lambda: first.is_leading)
        first.publish(make_quote("QQQ", 1), make_balance("A"))
        await until(lambda: valkey.redis.hlen("{gateway}:2:newest") == 3)
    async with open_feed(valkey.url) as second, open_web(valkey.url) as web:
        await until(lambda: second.is_leading)
        assert second.demand.wanted == {"QQQ"}
        await until(lambda: web.last("QQQ") == 1)
        assert not web.is_fresh("QQQ")
        second.publish(make_balance("B"), make_status("accounts"))
        await until(lambda: [each.account for each in web.hub.balances()] == ["B"])
