"""Bad frames from upstream: no wrong number is ever seen, and what is good goes on."""

import random
import re
from decimal import Decimal
from typing import Any

import pytest

from tests.faults.observer import observe
from tests.faults.test_cuts import read_sent
from tests.faults.test_silence import find_stream
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

NO_NUMBERS = ("NaN", "Infinity", "-Infinity", None, -0.01, -600.25, 1e308, "abc", "")
NO_FRAMES = (
    "",
    "null",
    "17",
    '"FEED_DATA"',
    "[]",
    "[1, {}]",
    "{}",
    '{"type": null}',
    '{"type": "FEED_DATA"}',
    '{"type": "FEED_DATA", "channel": 4242, "data": ["Quote", ["SPY"]]}',
    '{"type": "FEED_DATA", "channel": 1, "data": {}}',
    '{"type": "FEED_DATA", "channel": 1, "data": ["Quote", [NaN]]}',
    '{"type": "FEED_DATA", "channel": 1, "data": ["Quote", ["SPY", 1e99999999999999999999]]}',
    '{"type": "AUTH_STATE"}',
    '{"type": "CHANNEL_OPENED", "channel": "one"}',
    '{"type": "CHANNEL_CLOSED", "channel": 4242}',
    "\0",
    "[" * 5000,
)
TRUNCATED = '{"type": "FEED_DATA", "channel": 1, "data": ["Quote", ["SPY", 0, 0, 0, 0, "", 0, ""'
COUNTED_KINDS = ("garbage", "arity", "empty", "unknown", "text", "nested")


def make_row(rng: random.Random, mark: int) -> list[Any]:
    """A quote of SPY, bad in any way, with a size that tells it from all others."""

    def price() -> Any:
        return rng.choice([*NO_NUMBERS, rng.randrange(1, 99_999) / 100])

    return ["SPY", 0, 0, 0, 0, "", 0, "\0", price(), price(), price(), mark]


def read_number(value: Any) -> Decimal | None:
    """What a person may be shown of a value on the wire."""
    if isinstance(value, int | float) and 0 <= value < 1e19:
        return Decimal(str(value))
    return None


def count_refused(gateway: Gateway) -> int:
    left_out = get(gateway.url + "/status").json()["upstream"]["left_out"]["counts"]
    return sum(count for fate, _, _, count in left_out if fate == "dropped")


def inject(simulator: Simulator, rng: random.Random, kind: str) -> None:
    """One bad frame that cannot be read as data."""
    if kind == "text":
        text = rng.choice([*NO_FRAMES, TRUNCATED[: rng.randrange(1, len(TRUNCATED))]])
        simulator.control_sync("inject", kind="text", text=text)
    elif kind == "nested":
        row: list[Any] = [*make_row(rng, 1)[:-1], rng.choice([[], {}, [1]])]
        simulator.control_sync("inject", kind="rows", rows=row)
    else:
        event_type = rng.choice(["Quote", "Trade", "Summary"])
        simulator.control_sync("inject", kind=kind, type=event_type)


@pytest.mark.fault(9)
@pytest.mark.timeout(scaled(120))
def test_bad_frames_are_survived_and_none_is_shown(trial: Trial) -> None:
    """
    1. SPY stands still upstream; somebody reads `/events`, and somebody looks at the page.
    2. Bad frames of every kind come on the feed's socket, half of them with readable rows of SPY.
    Result: of each row exactly the numbers that are prices are shown, and null for all else; what
    cannot be read is counted; the connection stays, and other symbols are as they were sent.
    """
    rng = trial.rng
    frames = trial.count(40, 500)
    shown = unreadable = 0
    with (
        open_simulator("--rate", "5") as simulator,
        open_served(simulator) as gateway,
        observe(gateway.port, "/events") as stream,
        observe(gateway.port, find_stream(gateway)) as page,
    ):
        eventually_sync(lambda: stream.is_live("SPY") and stream.is_live("QQQ"), 15)
        simulator.control_sync("quote", symbol="SPY", bid=600, ask=601, ask_size=1_000_000)
        wait_for_size(stream, 1_000_000)
        begun = len(stream.quotes("SPY"))
        expected: set[tuple[Decimal | None, ...]] = {
            (Decimal(600), Decimal(601), Decimal(1_000_000))
        }
        before = count_refused(gateway)
        for number in range(frames):
            if number % 2:
                inject(simulator, rng, rng.choice(COUNTED_KINDS))
                unreadable += 1
                continue
            row = make_row(rng, 1_000_001 + number)
            simulator.control_sync("inject", kind="rows", rows=row)
            seen = wait_for_size(stream, row[11])
            bid, ask, bid_size = (read_number(value) for value in row[8:11])
            assert (seen["bid"], seen["ask"], seen["bid_size"]) == (bid, ask, bid_size), row
            expected.add((bid, ask, Decimal(row[11])))
            shown += 1
        for each in stream.quotes("SPY")[begun:]:
            assert (each.data["bid"], each.data["ask"], each.data["ask_size"]) in expected
        eventually_sync(lambda: count_refused(gateway) - before >= unreadable)
        report = get(gateway.url + "/status").json()["upstream"]
        counts = report["left_out"]["counts"]
        nulled = {reason for fate, _, reason, _ in counts if fate == "nulled"}
        assert {"negative price", "negative size", "too large"} <= nulled
        assert report["feed"]["connects"] == 1
        compared = stream.check_values("QQQ", read_sent(simulator, "QQQ"))
        assert compared
        for each in page.seen:
            words = " ".join(re.findall(r">([^<>]*)<", each.event.data))
            assert not re.search(r"(?i)\b(nan|inf|infinity|null|none|e\+\d+)\b", words), words
        assert not any("Traceback" in line for line in gateway.log)
    trial.tell(
        f"{frames} bad frames: {shown} rows shown with null for each bad value, {unreadable} "
        f"unreadable ones counted; {compared} prices of another symbol right; one connection"
    )


def wait_for_size(stream: Any, size: int) -> dict[str, Any]:
    """The newest record of SPY, when it has this size."""

    def find() -> dict[str, Any] | None:
        last: dict[str, Any] | None = stream.last("SPY")
        return last if last and last["ask_size"] == size else None

    found = eventually_sync(find)
    assert found
    return found
