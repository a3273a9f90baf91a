"""A web process's hub: loading, resuming, silence told and taken back, a stream that was cut."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager

import pytest

from gateway.errors import LeaseLost
from gateway.streams.account_records import removal_of
from gateway.streams.backplane.codec import make_holder
from gateway.streams.backplane.outbox import Change, EpochComplete, Tombstone
from gateway.streams.backplane.server import Backplane
from gateway.streams.hub.hub import opening
from gateway.streams.hub.position import BEGINNING, Entry, StreamPosition
from gateway.streams.hub.subscription import Subscription
from gateway.streams.records import DATA_TYPES
from gateway.streams.reports import BackplaneReport
from gateway.streams.topics import market_topic
from tests.streams.pulling import Puller
from tests.streams.replicating import open_web, until
from tests.streams.samples import make_balance, make_quote, make_status
from tests.valkey import Valkey, find_port
from tests.waiting import scaled
from tests.world import Forwarder

ALL = Subscription(types=DATA_TYPES)
HOLDER = make_holder("test", 60)


class Publishing:
    """What a feed process writes, line by line."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self.backplane = Backplane(valkey.url)
        self.position = BEGINNING

    async def close(self) -> None:
        await self.backplane.close()

    async def begin(self, now_ms: int = 1000) -> str:
        _, epoch = await self.backplane.acquire(
            HOLDER, 60, now_ms, floor=0, accept=False, stand_by_s=1
        )
        self.position = StreamPosition(epoch, 0)
        # It knew nothing, so all that it knew has been published.
        self._valkey.redis.set("{gateway}:2:complete", epoch)
        return epoch

    async def publish(self, *changes: Change) -> None:
        self.position, _ = await self.backplane.publish(HOLDER, 60, self.position, changes)


@pytest.fixture
async def feed(valkey: Valkey) -> AsyncIterator[Publishing]:
    publishing = Publishing(valkey)
    yield publishing
    await publishing.close()


@contextmanager
def running_pause(valkey: Valkey) -> Iterator[None]:
    """While the server hangs."""
    valkey.pause()
    try:
        yield
    finally:
        valkey.go_on()


def ids(entries: list[Entry]) -> list[str]:
    found = []
    for entry in entries:
        match = re.search(rb"\nid: (\S+)\n", entry.frame)
        if match:
            found.append(match[1].decode())
    return found


async def test_a_new_process_has_everything_before_it_is_ready(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1), make_balance(), make_quote("SPY", 2))
    await feed.publish(EpochComplete())
    async with open_web(valkey.url) as web:
        assert web.follower.find_trouble() == "the newest records are being read"
        await until(lambda: web.follower.find_trouble() is None)
        assert web.is_fresh()
        assert ids(web.hub.snapshot(ALL)) == ["1000-3", "1000-4"]
        assert web.hub.last_event_id == "1000-5"


async def test_an_id_of_one_process_resumes_on_any_other_and_after_a_restart(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_quote("SPY", 1), make_quote("QQQ", 2), make_quote("SPX", 3))
    async with open_web(valkey.url) as web:
        await until(lambda: web.hub.keys == 3)
        given = web.hub.last_event_id
    await feed.publish(make_quote("QQQ", 4))
    await feed.begin(2000)
    await feed.publish(make_quote("SPX", 5))
    async with open_web(valkey.url) as web:
        await until(lambda: web.last("SPX") == 5)
        mode, entries, _ = opening(web.hub, ALL, given)
        assert (mode, ids(entries)) == ("resume", ["1000-4", "2000-1"])
        assert opening(web.hub, ALL, "1000-4")[0] == "resume"
        for unknown in ("999-1", "2000-2", "3000-1", "x-1", "1000-", ""):
            assert opening(web.hub, ALL, unknown)[0] == "snapshot"


async def test_what_was_forgotten_cannot_be_proved(valkey: Valkey, feed: Publishing) -> None:
    await feed.begin()
    await feed.publish(make_quote("SPY", 1), make_quote("QQQ", 2))
    async with open_web(valkey.url) as live:
        await until(lambda: live.hub.keys == 2)
        await feed.publish(Tombstone((market_topic("quote_update", "QQQ"),)), make_quote("SPY", 3))
        await until(lambda: live.last("SPY") == 3)
        async with open_web(valkey.url) as late:
            await until(lambda: late.last("SPY") == 3)
            for web in (live, late):
                assert web.quote("QQQ") is None
                assert opening(web.hub, ALL, "1000-2")[0] == "snapshot"
                assert opening(web.hub, ALL, "1000-3")[0] == "resume"


async def test_what_was_removed_is_told_to_whoever_knew_it(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_balance("A"), make_balance("B"))
    async with open_web(valkey.url) as live:
        await until(lambda: len(live.hub.balances()) == 2)
        await feed.publish(removal_of(make_balance("A")), make_balance("B", 3))
        await until(lambda: live.hub.last_event_id == "1000-5")
        assert [each.account for each in live.hub.balances()] == ["B"]
        mode, entries, _ = opening(live.hub, ALL, "1000-3")
        assert mode == "resume"
        assert ids(entries) == ["1000-4", "1000-5"]
        async with open_web(valkey.url) as late:
            await until(lambda: late.hub.last_event_id == "1000-5")
            assert [each.account for each in late.hub.balances()] == ["B"]
            # It never saw the removal, so it cannot tell what the client knows.
            assert opening(late.hub, ALL, "1000-3")[0] == "snapshot"
            assert opening(late.hub, ALL, "1000-4")[0] == "resume"


async def test_accounts_that_nobody_follows_any_more_end_on_the_screens(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_balance("A"))
    async with open_web(valkey.url) as web:
        await until(lambda: len(web.hub.balances()) == 1)
        puller = Puller(web.hub, ALL)
        await feed.publish(Tombstone((make_balance("A").topic,)))
        await until(lambda: not web.hub.balances())
        web.hub.flush()
        assert b"event: removed" in (await puller.read() or b"")
        puller.close()


async def test_silence_is_told_without_ids_and_taken_back(valkey: Valkey, feed: Publishing) -> None:
    """A record marked by the replica itself carries no id, and a resume always has it."""
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1), make_quote("QQQ", 2, stale=True))
    async with open_web(valkey.url) as web:
        await until(web.is_fresh)
        await until(lambda: web.status().state == "stale")
        assert web.status().reason == "the feed process is silent; waiting for one that is not"
        assert web.quote().stale  # type: ignore[union-attr]
        mode, entries, _ = opening(web.hub, ALL, web.hub.last_event_id)
        assert mode == "resume"
        assert [each.topic.subject for each in entries] == ["feed", "SPY"]
        assert ids(entries) == []
        await feed.publish()
        await until(lambda: web.status() == make_status())
        assert web.is_fresh("SPY")
        assert web.quote("QQQ").stale  # type: ignore[union-attr]
        assert web.hub.last_event_id == "1000-4"


async def test_another_publisher_says_itself_what_is_fresh(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1), make_quote("OLD", 2), make_balance())
    async with open_web(valkey.url) as web:
        await until(lambda: web.status().state == "stale")
        await feed.begin(2000)
        await feed.publish(make_status(), make_quote("SPY", 1, stale=True), EpochComplete())
        await until(lambda: web.quote("OLD") is None)
        assert web.status().state == "live"
        assert web.quote("SPY").stale  # type: ignore[union-attr]
        assert len(web.hub.balances()) == 1
        await feed.publish(make_quote("SPY", 3))
        await until(web.is_fresh)


async def test_old_values_of_a_dead_publisher_are_never_shown_as_live(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1))
    valkey.redis.delete("{gateway}:2:lease")
    async with open_web(valkey.url) as web:
        await until(lambda: web.follower.find_trouble() is None)
        assert web.quote().stale  # type: ignore[union-attr]
        assert web.status().state == "stale"


async def test_who_falls_out_of_the_stream_reads_the_newest(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1), make_quote("GONE", 1), EpochComplete())
    async with open_web(valkey.url) as web:
        await until(web.is_fresh)
        follower = Puller(web.hub, ALL)
        # In one step, so that it cannot keep up: what it would read next is trimmed.
        await feed.publish()
        await until(lambda: web.hub.last_event_id == "1000-5")
        transaction = valkey.redis.pipeline(transaction=True)
        for seq, quote in ((6, 2), (7, 3)):
            record = f'{{"type":"quote_update","symbol":"SPY","last":{quote}}}'
            transaction.xadd("{gateway}:2:events", {"r": record}, id=f"1000-{seq}")
        transaction.hdel("{gateway}:2:newest", "quote_update GONE")
        transaction.xtrim("{gateway}:2:events", maxlen=1, approximate=False)
        transaction.set("{gateway}:2:position", "1000-7")
        transaction.execute()
        await until(lambda: web.follower.loads == 2)
        assert web.hub.last_event_id == "1000-7"
        assert web.quote("GONE") is None
        chunk = await follower.read()
        assert chunk is not None
        assert chunk.startswith(b'event: gap\ndata: {"type":"gap","skipped":null,"reason":"backpl')
        assert web.follower.stats().gaps == 1
        follower.close()


async def test_nothing_is_lost_over_a_connection_that_breaks(
    valkey: Valkey, feed: Publishing
) -> None:
    """Also not what was replaced meanwhile, as long as the stream has it."""
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1), EpochComplete())
    async with open_web(valkey.url) as web:
        await until(web.is_fresh)
        follower = Puller(web.hub, ALL)
        quotes = [make_quote("SPY", number) for number in range(2, 1800)]
        with running_pause(valkey):
            publishing = asyncio.create_task(feed.publish(*quotes))
            await until(lambda: not web.follower.stats().is_reachable)
        await publishing
        seen = b""
        async with asyncio.timeout(scaled(5)):
            while b'"last":1799,' not in seen:
                seen += await follower.read() or b""
        prices = [int(each) for each in re.findall(rb'"stale":false,"last":(\d+)', seen)]
        assert set(range(2, 1800)) <= set(prices)
        assert b"event: gap" not in seen
        assert web.follower.stats().loads == 2
        follower.close()


async def test_what_was_missed_is_no_sign_of_life(valkey: Valkey, feed: Publishing) -> None:
    """A publisher that died while this process was cut off is not taken to be there."""
    with closing(Forwarder()) as address:
        address.lead_to(valkey.port)
        await feed.begin()
        await feed.publish(make_status(), make_quote("SPY", 1), EpochComplete())
        async with open_web(address.url) as web:
            await until(web.is_fresh)
            address.lead_to(None)
            await until(lambda: web.status().state == "stale")
            await feed.publish(make_quote("SPY", 2), make_quote("SPY", 3))
            valkey.redis.delete("{gateway}:2:lease")
            address.lead_to(valkey.port)
            await until(lambda: web.follower.loads == 2)
            assert web.last() == 3
            assert not web.is_fresh()
            assert web.quote().stale  # type: ignore[union-attr]


async def test_a_server_that_comes_back_empty_leaves_the_last_values(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1))
    async with open_web(valkey.url, symbols=("SPY",)) as web:
        await until(web.is_fresh)
        valkey.kill()
        await until(lambda: web.status().state == "stale")
        assert "cannot be reached" in (web.status().reason or "")
        valkey.start()
        await until(lambda: "silent" in (web.status().reason or ""))
        assert (web.last(), web.quote().stale) == (1, True)  # type: ignore[union-attr]
        await until(lambda: valkey.redis.hlen("{gateway}:2:demand") == 1)
        # The server's clock is behind: a lower epoch than the one seen is not believed.
        await feed.begin(500)
        await feed.publish(make_quote("SPY", 7))
        await feed.begin(1500)
        await feed.publish(make_status(), make_quote("SPY", 8), EpochComplete())
        await until(web.is_fresh)
        assert web.last() == 8


async def test_without_a_server_it_says_why_and_goes_on_trying() -> None:
    port = find_port()
    async with open_web(f"redis://127.0.0.1:{port}") as web:
        await until(lambda: "cannot be reached" in (web.follower.find_trouble() or ""))
        await until(lambda: web.hub.statuses())
        assert web.status().state == "connecting"
        assert "connection refused" in (web.status().reason or "")
        valkey = Valkey()
        valkey.port = port
        valkey.redis.connection_pool.connection_kwargs["port"] = port
        valkey.start()
        try:
            await until(lambda: web.follower.find_trouble() is None)
            await until(lambda: web.status().reason == "no feed process has published yet")
        finally:
            valkey.close()


async def test_what_was_wanted_is_taken_back_at_the_end(valkey: Valkey) -> None:
    async with open_web(valkey.url, symbols=("SPY",)):
        await until(lambda: valkey.redis.hlen("{gateway}:2:demand") == 1)
    assert valkey.redis.hlen("{gateway}:2:demand") == 0


async def test_the_loop_turns_while_the_server_hangs(valkey: Valkey, feed: Publishing) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1))
    async with open_web(valkey.url) as web:
        await until(web.is_fresh)
        loop = asyncio.get_running_loop()
        longest_s, last_s = 0.0, loop.time()
        valkey.pause()
        try:
            async with asyncio.timeout(scaled(5)):
                while web.status().state != "stale":
                    await asyncio.sleep(0.001)
                    now_s = loop.time()
                    longest_s, last_s = max(longest_s, now_s - last_s), now_s
        finally:
            valkey.go_on()
        assert longest_s < 0.5
        await feed.publish()
        await until(web.is_fresh)


async def test_the_figures_tell_who_publishes_and_how_late(
    valkey: Valkey, feed: Publishing
) -> None:
    await feed.begin()
    await feed.publish(make_status(), make_quote("SPY", 1), make_quote("SPY", 2))
    async with open_web(valkey.url) as web:
        await until(lambda: web.follower.stats().holder == "test")
        figures = web.follower.stats()
        assert (figures.epoch, figures.loads, figures.read) == (1000, 1, 0)
        assert (figures.is_reachable, figures.fenced, figures.leader) == (True, 0, None)
        assert 0 <= (figures.lease_age_s or 0) < 5
        await until(lambda: web.follower.stats().lag_s is not None)
        assert 0 < (web.follower.stats().lag_s or 0) < scaled(1)
        await feed.publish(make_quote("SPY", 3))
        await until(lambda: web.follower.stats().read == 1)
        # What it seeks does not come, as if it could not keep up: the lag grows.
        valkey.redis.set("{gateway}:2:position", "1000-99")
        await until(lambda: (web.follower.stats().lag_s or 0) > 1)
        valkey.redis.set("{gateway}:2:position", "1000-4")
        with pytest.raises(LeaseLost):
            await feed.backplane.publish("nobody:1", 1, feed.position, [make_quote()] * 3)
        await until(lambda: web.follower.stats().fenced == 3)
        valkey.pause()
        try:
            await until(lambda: not web.follower.stats().is_reachable)
            await until(lambda: web.follower.stats().holder is None)
        finally:
            valkey.go_on()
        await until(lambda: web.follower.stats().reconnects == 1)
        await feed.begin(2000)
        await feed.publish(make_quote("SPY", 4))
        await until(lambda: (web.follower.stats().lag_s or 9) < scaled(1))
        told = web.follower.report().backplane
        assert isinstance(told, BackplaneReport)
        assert (told.trouble, told.reconnects, told.holder) == (None, 1, "test")
