"""The backplane against a real server: fencing, epochs, demand, and what is wrong with a server."""

import asyncio
from typing import Any

import pytest

from gateway.errors import BackplaneError, LeaseLost
from gateway.streams.backplane.codec import ProcessDemand, make_holder
from gateway.streams.backplane.outbox import EpochComplete, Tombstone
from gateway.streams.backplane.scripts import MAX_ENTRIES, MAX_FAILING
from gateway.streams.backplane.server import Backplane
from gateway.streams.hub.position import BEGINNING, StreamPosition
from gateway.streams.records import Record
from gateway.streams.reports import AccountsReport, UpstreamReport
from gateway.streams.topics import market_topic
from tests.streams.backplane.serving import LEASE_S, ONE, TWO, acquire
from tests.streams.samples import make_balance, make_quote, make_status
from tests.valkey import Valkey
from tests.waiting import eventually


async def read_all(
    backplane: Backplane, after: StreamPosition = BEGINNING
) -> list[tuple[StreamPosition, object]]:
    return list(await backplane.read_after(after))


async def test_records_come_out_as_they_went_in(backplane: Backplane) -> None:
    assert await acquire(backplane) == ("leading", "1000")
    records: list[Record] = [
        make_status(),
        make_quote("SPY", "450.2500", bid=None, stale=True),
        make_balance("5WX00001", "100000.00"),
    ]
    position, _ = await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), records)
    assert position == ("1000", 3)
    assert await read_all(backplane) == [
        (("1000", seq), record) for seq, record in enumerate(records, 1)
    ]
    snapshot = await backplane.read_snapshot()
    assert snapshot.records == [(("1000", seq), record) for seq, record in enumerate(records, 1)]
    assert (snapshot.position, snapshot.recoverable_from) == (position, ("1000", 0))
    assert (snapshot.epochs, snapshot.is_complete) == (["1000"], False)
    assert snapshot.silent_s is None


async def test_the_newest_of_each_key_is_kept_apart(backplane: Backplane) -> None:
    await acquire(backplane)
    quotes = [make_quote("SPY", 1), make_quote("QQQ", 2), make_quote("SPY", 3)]
    position, _ = await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), quotes)
    snapshot = await backplane.read_snapshot()
    assert snapshot.records == [(("1000", 2), quotes[1]), (("1000", 3), quotes[2])]
    topics = (market_topic("quote_update", "SPY"), market_topic("quote_update", "NONE"))
    position, _ = await backplane.publish(
        ONE, LEASE_S, position, [Tombstone(topics), EpochComplete()]
    )
    snapshot = await backplane.read_snapshot()
    assert snapshot.records == [(("1000", 2), quotes[1])]
    assert (snapshot.recoverable_from, snapshot.is_complete) == (("1000", 4), True)
    assert snapshot.silent_s is not None
    assert snapshot.silent_s < 1
    assert (await read_all(backplane, StreamPosition("1000", 3))) == [
        (("1000", 4), Tombstone(topics)),
        (("1000", 5), EpochComplete()),
    ]


async def test_without_news_there_is_a_sign_of_life(backplane: Backplane) -> None:
    await acquire(backplane)
    position, _ = await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), [])
    assert await read_all(backplane) == [(position, None)]


async def test_one_holds_the_lease(backplane: Backplane) -> None:
    assert (await acquire(backplane))[0] == "leading"
    assert (await acquire(backplane, TWO))[0] == "held"
    await backplane.release(TWO)
    assert (await acquire(backplane, TWO))[0] == "held"
    await backplane.release(ONE)
    assert (await acquire(backplane, TWO))[0] == "leading"


async def test_a_holder_that_slept_publishes_nothing(backplane: Backplane, valkey: Valkey) -> None:
    """Its lease ran out; whether another has it by now, or nobody: nothing gets in."""
    await acquire(backplane)
    position, _ = await backplane.publish(
        ONE, LEASE_S, StreamPosition("1000", 0), [make_quote("SPY", 1)]
    )
    valkey.redis.delete("{gateway}:2:lease")
    with pytest.raises(LeaseLost):
        await backplane.publish(ONE, LEASE_S, position, [make_quote("SPY", 2)])
    _, epoch = await acquire(backplane, TWO)
    await backplane.publish(TWO, LEASE_S, StreamPosition(epoch, 0), [make_quote("SPY", 3)])
    with pytest.raises(LeaseLost):
        await backplane.publish(ONE, LEASE_S, position, [make_quote("SPY", 4)])
    assert [each[0] for each in await read_all(backplane)] == [position, (epoch, 1)]
    assert (await backplane.read_snapshot()).records == [((epoch, 1), make_quote("SPY", 3))]


async def test_the_stream_itself_refuses_an_older_epoch(
    backplane: Backplane, valkey: Valkey
) -> None:
    await acquire(backplane, now_ms=5000)
    await backplane.publish(ONE, LEASE_S, StreamPosition("5000", 0), [make_quote()])
    with pytest.raises(Exception, match="equal or smaller"):
        valkey.redis.xadd("{gateway}:2:events", {"r": "{}"}, id="4999-1")
    # Somebody wrote to our keys: the script stops at the first record, before anything is done.
    valkey.redis.set("{gateway}:2:position", "4000-7")
    with pytest.raises(BackplaneError, match="refuses"):
        await backplane.publish(ONE, LEASE_S, StreamPosition("4000", 7), [make_quote("SPY", 9)])
    assert (await backplane.read_snapshot()).records == [(("5000", 1), make_quote())]


async def test_what_the_server_has_lost_is_not_continued(
    backplane: Backplane, valkey: Valkey
) -> None:
    """As after a failover to a replica that was behind: the lease is there, the last batch not."""
    await acquire(backplane)
    position, _ = await backplane.publish(
        ONE, LEASE_S, StreamPosition("1000", 0), [make_quote("SPY", 1)]
    )
    later, _ = await backplane.publish(ONE, LEASE_S, position, [make_quote("SPY", 2)])
    valkey.redis.set("{gateway}:2:position", "1000-1")
    with pytest.raises(LeaseLost):
        await backplane.publish(ONE, LEASE_S, later, [make_quote("SPY", 3)])


async def test_epochs_rise_whatever_the_clock_says_and_whatever_is_lost(
    backplane: Backplane, valkey: Valkey
) -> None:
    epochs = []
    for now_ms, floor in ((1000, 0), (1000, 0), (500, 0), (2000, 0)):
        epochs.append(int((await acquire(backplane, now_ms=now_ms, floor=floor))[1]))
    await backplane.publish(ONE, LEASE_S, StreamPosition(str(epochs[-1]), 0), [make_quote()])
    valkey.redis.delete("{gateway}:2:position")
    epochs.append(int((await acquire(backplane, now_ms=100))[1]))
    valkey.redis.flushall()
    epochs.append(int((await acquire(backplane, now_ms=100, floor=epochs[-1]))[1]))
    valkey.redis.flushall()
    epochs.append(int((await acquire(backplane, now_ms=1_795_188_600_456))[1]))
    assert epochs == [1000, 1001, 1002, 2000, 2001, 2002, 1_795_188_600_456]


async def test_the_lease_runs_out_unless_it_is_renewed(
    backplane: Backplane, valkey: Valkey
) -> None:
    await acquire(backplane, lease_s=0.2)
    await eventually(lambda: not valkey.redis.exists("{gateway}:2:lease"))
    await acquire(backplane, lease_s=0.2)
    await backplane.publish(ONE, LEASE_S, StreamPosition("1001", 0), [])
    assert 25_000 < int(valkey.redis.pttl("{gateway}:2:lease")) <= 30_000


async def test_a_holder_may_invite_who_stands_by(backplane: Backplane) -> None:
    await acquire(backplane)
    assert not await backplane.invite(ONE, LEASE_S)
    assert (await acquire(backplane, TWO))[0] == "held"
    assert not await backplane.invite(TWO, LEASE_S)
    assert await backplane.invite(ONE, LEASE_S)
    assert (await acquire(backplane, TWO))[0] == "invited"
    await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), [make_quote("SPY", 1)])
    assert (await acquire(backplane, make_holder("three", 1), accept=True))[0] == "held"
    assert await acquire(backplane, TWO, accept=True) == ("leading", "1001")
    with pytest.raises(LeaseLost):
        await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 1), [make_quote("SPY", 2)])
    assert (await acquire(backplane, ONE, accept=True))[0] == "held"


async def test_the_stream_is_trimmed(backplane: Backplane, valkey: Valkey) -> None:
    await acquire(backplane)
    position = StreamPosition("1000", 0)
    for _ in range(MAX_ENTRIES // 500 + 4):
        position, _ = await backplane.publish(ONE, LEASE_S, position, [make_quote()] * 500)
    length = int(valkey.redis.xlen("{gateway}:2:events"))
    assert MAX_ENTRIES <= length < MAX_ENTRIES + 500


async def test_the_stream_is_bounded_in_bytes_too(
    backplane: Backplane, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a publisher before wrote; the newest batch stays, whatever its size."""
    monkeypatch.setattr("gateway.streams.backplane.server.MAX_STREAM_BYTES", 100_000)
    await acquire(backplane)
    before = Backplane(valkey.url)
    await before.publish(ONE, LEASE_S, StreamPosition("1000", 0), [make_quote()] * 50)
    await before.close()
    _, epoch = await acquire(backplane)
    position = StreamPosition(epoch, 0)
    for number in range(60):
        position, _ = await backplane.publish(
            ONE, LEASE_S, position, [make_quote("SPY", number)] * 10
        )
    entries = await read_all(backplane)
    found: Any = valkey.redis.xrange("{gateway}:2:events")
    size = sum(len(fields[b"r"]) for _, fields in found)
    assert 80_000 < size < 110_000
    assert entries[0][0][0] == epoch
    assert entries[-1][0] == position
    many = [make_quote(f"S{number}", number) for number in range(1000)]
    position, _ = await backplane.publish(ONE, LEASE_S, position, many)
    position, _ = await backplane.publish(ONE, LEASE_S, position, [])
    assert int(valkey.redis.xlen("{gateway}:2:events")) <= 1002
    assert len((await backplane.read_snapshot()).records) == 1001


async def test_demands_are_united_and_run_out(backplane: Backplane, valkey: Valkey) -> None:
    await backplane.write_demand("one", ProcessDemand(7, ("QQQ", "SPY")), LEASE_S)
    await backplane.write_demand("two", ProcessDemand(9, ("SPY", "SPX")), 0.2)
    assert await backplane.read_demand() == (frozenset({"SPY", "QQQ", "SPX"}), 9)

    async def is_over() -> bool:
        return await backplane.read_demand() == (frozenset({"SPY", "QQQ"}), 7)

    await eventually(is_over)
    await backplane.clear_demand("one")
    assert await backplane.read_demand() == (frozenset(), 0)
    assert valkey.redis.hlen("{gateway}:2:demand") == 0


async def test_the_publisher_is_told_that_demand_has_changed(backplane: Backplane) -> None:
    await acquire(backplane)
    await backplane.write_demand("one", ProcessDemand(0, ("SPY",)), LEASE_S)
    position, count = await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), [])
    await backplane.write_demand("one", ProcessDemand(0, ("SPY",)), LEASE_S)
    position, same = await backplane.publish(ONE, LEASE_S, position, [])
    await backplane.write_demand("one", ProcessDemand(0, ("SPY", "QQQ")), LEASE_S)
    _, other = await backplane.publish(ONE, LEASE_S, position, [])
    assert count == same != other


async def test_reports(backplane: Backplane) -> None:
    assert await backplane.read_report() is None
    report = UpstreamReport(
        accounts=AccountsReport(connects=1, polls=2, pushes=3, readings=0, holes=0)
    )
    await backplane.write_report(report, LEASE_S)
    assert await backplane.read_report() == report


async def test_failures_are_counted_for_each_client_until_their_time_is_over(
    backplane: Backplane,
) -> None:
    async def count(client: str, *, has_failed: bool = True, window_s: float = 0.5) -> float:
        return await backplane.count_failure(client, 2, window_s, has_failed=has_failed)

    assert await count("one", has_failed=False) == 0
    assert [await count("one") for _ in range(2)] == [0, 0]
    waits = [await count("one"), await count("one", has_failed=False)]
    assert all(0 < each <= 0.5 for each in waits)
    assert await count("two", has_failed=False) == 0

    async def is_over() -> bool:
        return await count("one", has_failed=False) == 0

    await eventually(is_over)


async def test_failures_are_bounded(backplane: Backplane, valkey: Valkey) -> None:
    many = {f"client-{number}": 10**15 + number for number in range(MAX_FAILING + 1)}
    valkey.redis.zadd("{gateway}:failing", many)
    valkey.redis.hset("{gateway}:failures", mapping={each: str(at) for each, at in many.items()})
    await backplane.count_failure("another", 5, 300, has_failed=True)
    assert valkey.redis.zcard("{gateway}:failing") == MAX_FAILING + 1
    assert valkey.redis.hlen("{gateway}:failures") == MAX_FAILING + 1
    assert not valkey.redis.hexists("{gateway}:failures", "client-0")


async def test_what_was_signed_out_is_read_on_from_a_mark(backplane: Backplane) -> None:
    nothing = await backplane.read_revoked()
    assert (nothing.revoked, nothing.mark) == ({}, "")
    await backplane.write_revoked({"one": 1000.4, "two": 2000.0})
    first = await backplane.read_revoked()
    assert first.revoked == {"one": 1000.0, "two": 2000.0}
    waiting = asyncio.create_task(backplane.read_revoked(first.mark, waits=True))
    await backplane.write_revoked({"three": 3000.0})
    assert (await waiting).revoked == {"three": 3000.0}
    assert (await backplane.read_revoked((await waiting).mark)).revoked == {}


async def test_what_cannot_be_read_is_counted_and_skipped(
    backplane: Backplane, valkey: Valkey
) -> None:
    """A gateway of a later version may publish what this one does not know."""
    await acquire(backplane)
    await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), [make_quote()])
    valkey.redis.xadd("{gateway}:2:events", {"r": '{"type":"news_update"}'}, id="1000-2")
    valkey.redis.xadd("{gateway}:2:events", {"z": "?"}, id="1000-3")
    valkey.redis.xadd("{gateway}:2:events", {"f": "[1, 2]"}, id="1000-4")
    valkey.redis.xadd("{gateway}:2:events", {"r": b"\xff"}, id="1000-5")
    valkey.redis.hset("{gateway}:2:newest", "news_update SPY", '1000-2 {"type":"news_update"}')
    assert [change for _, change in await read_all(backplane)] == [make_quote(), *[None] * 4]
    assert len((await backplane.read_snapshot()).records) == 1
    assert backplane.unreadable == 4
    # Nor does anything else that stands there end a process.
    valkey.redis.set("{gateway}:2:lease", b"\xff:soon")
    valkey.redis.set("{gateway}:2:position", "far away")
    valkey.redis.set("{gateway}:2:report", b"[\xff")
    await backplane.write_demand("one", ProcessDemand(1, ("SPY",)), LEASE_S)
    valkey.redis.hset("{gateway}:2:demand", "two", f"{10**15} [nothing]")
    assert (await backplane.read_snapshot()).position == ("0", 0)
    lease = await backplane.read_lease()
    assert (lease.age_s, lease.position) == (None, ("0", 0))
    assert await backplane.read_report() is None
    assert await backplane.read_demand() == (frozenset({"SPY"}), 1)


async def test_a_release_that_writes_another_format_is_not_mixed_with(
    backplane: Backplane, valkey: Valkey
) -> None:
    """Neither reads what the other wrote; the later one says in one line what is in its way."""
    refusal = "a gateway of another release publishes on this server"
    valkey.redis.set("{gateway}:lease", "old/1/ab:5000", px=5000)
    valkey.redis.hset("{gateway}:newest", "quote_update SPY", '1-1 {"type":"quote_update"}')
    with pytest.raises(BackplaneError, match=refusal):
        await backplane.check()
    valkey.redis.delete("{gateway}:lease")
    await backplane.check()
    assert (await backplane.read_snapshot()).records == []
    assert await acquire(backplane) == ("leading", "1000")
    await backplane.check()
    assert 0 < int(valkey.redis.pttl("{gateway}:format")) <= int(LEASE_S * 1000)
    valkey.redis.set("{gateway}:format", "3")
    with pytest.raises(BackplaneError, match=rf"{refusal} \(format 3 instead of 2\)"):
        await backplane.check()
    await backplane.release(ONE)
    assert not valkey.redis.exists("{gateway}:format")
