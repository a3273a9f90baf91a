"""The benchmark's checker: whatever a stream loses, doubles or swaps is seen."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from bench.check import LOOK_BYTES, BrokenFrame, Reader, Stream, Tally, find_end, percentile
from bench.records import PERIOD, Expectation, Tape
from gateway.streams.records import Gap
from gateway.streams.sse import encode_frame

TAPE = Tape(20)
LAST = 400

Frames = list[tuple[int, bytes]]


def make_frames(expected: Expectation, last: int = LAST) -> Frames:
    seqs = expected.between(0, last + 1)
    return [(seq, encode_frame(TAPE.quote(seq, seq * 1000), f"abc-{seq + 7}")) for seq in seqs]


def read(
    expected: Expectation, chunks: list[bytes], *, last: int = LAST, is_sampled: bool = False
) -> Tally:
    tally = Tally()
    stream = Stream(Reader(expected), tally, is_sampled=is_sampled)
    for chunk in chunks:
        stream.take(chunk, 1_000_000)
    stream.finish(last)
    return tally


def faults(tally: Tally) -> tuple[int, int, bool, int]:
    """A swap shows in the record and in its id; that it shows is what matters."""
    return tally.lost, tally.doubled, tally.out_of_order > 0, tally.conflated


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


ALL = Expectation(TAPE)
SOME = Expectation(TAPE, TAPE.symbols[3:9])


@pytest.mark.parametrize("expected", [ALL, SOME], ids=["all", "some"])
@pytest.mark.parametrize("size", [1, 7, 100, 5_000, 10**6])
@pytest.mark.parametrize("is_sampled", [True, False])
def test_a_whole_stream_has_no_fault(expected: Expectation, size: int, is_sampled: bool) -> None:
    frames = make_frames(expected)
    data = b"".join(chunked(frame) for _, frame in frames)
    reads = [data[at : at + size] for at in range(0, len(data), size)]
    tally = read(expected, reads, is_sampled=is_sampled)
    assert faults(tally) == (0, 0, False, 0)
    assert tally.delivered == len(frames) == expected.count(0, LAST)
    assert len(tally.latencies_us) == (len(frames) if is_sampled else 0)


def lose(frames: Frames) -> Frames:
    return frames[:50] + frames[51:]


def lose_the_first(frames: Frames) -> Frames:
    return frames[1:]


def lose_the_last(frames: Frames) -> Frames:
    return frames[:-1]


def double(frames: Frames) -> Frames:
    return frames[:51] + frames[50:]


def swap(frames: Frames) -> Frames:
    return [*frames[:50], frames[51], frames[50], *frames[52:]]


@pytest.mark.parametrize("expected", [ALL, SOME], ids=["all", "some"])
@pytest.mark.parametrize("group", [1, 3, 1000], ids=["one by one", "threes", "one chunk"])
@pytest.mark.parametrize(
    ("harm", "lost", "doubled"),
    [(lose, 1, 0), (lose_the_first, 1, 0), (lose_the_last, 1, 0), (double, 0, 1), (swap, 0, 0)],
)
def test_a_fault_is_counted(
    expected: Expectation,
    group: int,
    harm: Callable[[Frames], Frames],
    lost: int,
    doubled: int,
) -> None:
    frames = [frame for _, frame in harm(make_frames(expected))]
    reads = [b"".join(frames[at : at + group]) for at in range(0, len(frames), group)]
    tally = read(expected, reads, is_sampled=True)
    assert (tally.lost, tally.doubled) == (lost, doubled)
    assert (tally.out_of_order > 0) == (harm in (swap, double))


@pytest.mark.parametrize("harm", [lose, double])
def test_a_large_chunk_is_checked_by_its_count(harm: Callable[[Frames], Frames]) -> None:
    data = b"".join(frame for _, frame in harm(make_frames(ALL)))
    assert len(data) > LOOK_BYTES
    assert faults(read(ALL, [data])) != (0, 0, False, 0)


def test_equal_chunks_are_checked_for_each_stream() -> None:
    """The cache knows what is in a chunk, not whether it is this stream's turn to get it."""
    reader, tally = Reader(ALL), Tally()
    frames = [frame for _, frame in make_frames(ALL, 6)]
    whole, holed = (Stream(reader, tally, is_sampled=False) for _ in range(2))
    for frame in frames:
        whole.take(frame, 0)
    for frame in frames[:3] + frames[4:]:
        holed.take(frame, 0)
    whole.finish(6)
    assert tally.lost == 0
    holed.finish(6)
    assert tally.lost == 1


def conflate(skipped: int | None, *, newest_too: bool = True) -> list[bytes]:
    """A stream that was told of a gap from 101 to 300, of which it got the newest of each key."""
    frames = dict(make_frames(ALL))
    newest = sorted(seq for seq in ALL.newest(300).values() if seq > 100)
    assert newest[-1] == 300
    kept = newest if newest_too else newest[:-1]
    told = 200 - len(newest) if skipped is None else skipped
    gap = encode_frame(Gap(skipped=None if skipped is None else told, reason="slow"))
    return [
        b"".join(frames[seq] for seq in range(1, 101)),
        gap + b"".join(frames[seq] for seq in kept),
        b"".join(frames[seq] for seq in range(301, LAST + 1)),
    ]


def test_what_a_gap_announced_is_conflated_and_not_lost() -> None:
    left_out = 200 - sum(1 for seq in ALL.newest(300).values() if seq > 100)
    assert faults(read(ALL, conflate(None))) == (0, 0, False, left_out)
    assert faults(read(ALL, conflate(left_out))) == (0, 0, False, left_out)


def test_more_than_a_gap_announced_is_lost() -> None:
    left_out = 200 - sum(1 for seq in ALL.newest(300).values() if seq > 100)
    assert read(ALL, conflate(left_out - 5)).lost == 5


def test_the_newest_of_a_symbol_may_not_be_left_out() -> None:
    chunks = conflate(1_000, newest_too=False)[:2]
    assert read(ALL, chunks, last=300).lost > 0


def test_another_record_than_the_published_is_refused() -> None:
    _, frame = make_frames(ALL, 1)[0]
    bid = str(TAPE.quote(1, 0).bid).encode()
    with pytest.raises(BrokenFrame):
        read(ALL, [frame.replace(b'"bid":' + bid, b'"bid":1.5')])


@pytest.mark.parametrize("expected", [ALL, SOME], ids=["all", "some"])
def test_what_is_expected_agrees_with_the_tape(expected: Expectation) -> None:
    wanted = [seq for seq in range(1, 3 * PERIOD) if expected.tape.symbol(seq) in expected.symbols]
    assert list(expected.between(0, 3 * PERIOD)) == wanted
    for after in random.Random(1).sample(range(2 * PERIOD), 50):
        following = [seq for seq in wanted if seq > after]
        assert expected.next(after) == following[0]
        assert expected.previous(following[0] + 1) == following[0]
        assert expected.count(after, 3 * PERIOD - 1) == len(following)
    newest = {expected.tape.symbol(seq): seq for seq in wanted}
    assert expected.newest(3 * PERIOD - 1) == newest


def test_a_frame_is_about_as_long_as_a_real_one() -> None:
    quote = TAPE.quote(123, 10**15)
    assert len(quote.updated_at) == len("2026-11-20T15:30:00.123Z")
    assert quote.bid is not None
    assert quote.ask is not None
    assert Decimal(0) < quote.bid < quote.ask


def test_the_end_of_a_beginning() -> None:
    mark = b'"type":"snapshot_end"'
    assert find_end(b"data: {" + mark + b"}\n", mark) == -1
    text = b"data: {" + mark + b"}\n\n"
    assert find_end(text + b"rest", mark) == len(text)


def test_percentile() -> None:
    assert percentile([], 0.5) is None
    assert percentile(list(range(100)), 0.99) == 99
    assert percentile(list(range(100)), 0.5) == 50
