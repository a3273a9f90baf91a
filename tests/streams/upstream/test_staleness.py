"""Whether silence is a fault, in simulated time: hours of a market cost milliseconds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.streams.markets import market_of
from gateway.streams.upstream.arrival_rate import MOMENT_S
from tests.streams.upstream.moving import BUSY, COIN, FAR, FUTURE, NIGHT, STALE_S, STOCKS, World


def test_a_mute_feed_is_told_within_five_seconds_and_of_what_is_open_only() -> None:
    world = World(BUSY)
    world.pass_s(60)
    assert not world.silenced
    world.pass_s(5, mute=BUSY)
    assert world.verdict.is_stalled
    assert world.stale == {"SPY", "QQQ", "AAPL", FAR, COIN}
    assert FUTURE not in world.stale, "its market is closed"
    assert world.verdict.stalled_s >= STALE_S


@given(st.floats(20, 60), st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_feed_that_falls_silent_is_not_told_market_by_market(run_s: float, seed: int) -> None:
    world = World(BUSY, seed)
    world.pass_s(run_s)
    for _ in range(40):
        world.pass_s(MOMENT_S, mute=BUSY)
        assert world.verdict.is_stalled or not world.verdict.markets
    assert world.verdict.is_stalled


def test_in_a_market_with_a_canary_it_is_told_at_once_after_connecting() -> None:
    world = World({"SPY": 8.0, FAR: 0.0})
    world.pass_s(STALE_S + MOMENT_S, mute=["SPY"])
    assert world.verdict.is_stalled
    assert world.stale == {"SPY", FAR}


def test_one_mute_market_is_told_though_others_move() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.pass_s(5, mute=[COIN])
    assert (world.verdict.markets, world.verdict.is_stalled) == (("crypto",), False)
    assert world.stale == {COIN}
    world.pass_s(1)
    assert (world.verdict.markets, world.stale) == ((), set())
    world.pass_s(5, mute=["SPY", "QQQ", "AAPL"])
    assert world.verdict.markets == ("stocks",)
    assert world.stale == {"SPY", "QQQ", "AAPL", FAR}


def test_one_mute_symbol_is_told_though_its_market_moves() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.pass_s(5, mute=["QQQ"])
    assert (world.verdict.markets, world.stale) == ((), {"QQQ"})
    world.pass_s(60, mute=["QQQ"])
    assert world.stale == {"QQQ"}, "that its market moves proves nothing of it"
    world.pass_s(1)
    assert not world.stale


def test_a_quiet_far_option_is_no_fault_and_shares_the_fate_of_its_market() -> None:
    world = World(BUSY)
    world.pass_s(1800)
    assert not world.silenced
    world.pass_s(5, mute=BUSY)
    assert FAR in world.stale
    world.pass_s(1)
    assert not world.stale, "the same connection goes on: it is as it was"


def test_a_closed_market_is_never_silent() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.open = frozenset()
    world.pass_s(3600, mute=BUSY)
    assert not world.silenced
    assert not world.verdict.is_stalled


def test_what_moves_out_of_hours_is_not_missed_when_it_stops() -> None:
    """Stocks trade until 20:00; that they stop then is no fault, while coins go on."""
    world = World(BUSY)
    world.open = frozenset({"crypto"})
    world.pass_s(120)
    world.pass_s(120, mute=["SPY", "QQQ", "AAPL", FUTURE])
    assert not world.silenced


def test_an_opening_market_has_time_to_move() -> None:
    world = World(BUSY)
    world.open = NIGHT
    world.pass_s(120, mute=["SPY", "QQQ", "AAPL"])
    world.open = NIGHT | STOCKS
    world.pass_s(STALE_S - MOMENT_S, mute=["SPY", "QQQ", "AAPL"])
    assert not world.silenced
    world.pass_s(1, mute=["SPY", "QQQ", "AAPL"])
    assert world.verdict.markets == ("stocks",)


def test_at_night_a_mute_feed_is_told_by_how_it_moved() -> None:
    world = World(BUSY)
    world.open = NIGHT
    world.pass_s(120, mute=["SPY", "QQQ", "AAPL"])
    world.pass_s(5, mute=BUSY)
    assert world.verdict.is_stalled
    assert world.stale == {FUTURE, COIN}


def test_a_stuck_feed_that_answers_subscriptions_is_not_taken_for_live() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.pass_s(10, mute=BUSY)
    held = set(world.stale)
    world.connect()
    world.pass_s(20, mute=BUSY)
    assert world.stale == held
    assert world.verdict.is_stalled
    assert world.verdict.stalled_s == pytest.approx(20, abs=1), "counted from the connection"
    world.pass_s(2)
    assert not world.stale, "what moved again, and what came again beside it"


def test_what_did_not_come_again_after_connecting_stays_as_it_is() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.pass_s(10, mute=BUSY)
    world.connect(arrived=set(BUSY) - {FAR})
    world.pass_s(5)
    assert world.stale == {FAR}
    world.move(FAR)
    world.move(FAR)
    world.pass_s(1)
    assert not world.stale


def test_what_a_market_closed_with_is_right_once_it_has_come_again() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.pass_s(10, mute=BUSY)
    world.connect(arrived=["SPY"])
    world.open = frozenset()
    world.pass_s(1, mute=BUSY)
    assert world.stale == {"QQQ", "AAPL", FAR, COIN}
    world.connect()
    world.pass_s(1, mute=BUSY)
    assert not world.stale
    world.pass_s(600, mute=BUSY)
    assert not world.stale


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.pass_s(5, mute=BUSY)
    world.freshness.forget(list(BUSY))
    assert not world.freshness.silent
    freshness = world.freshness
    assert not freshness._moved
    assert not freshness._rates
    assert not freshness._alone


@settings(max_examples=15)
@given(
    st.lists(st.floats(0.0, 12.0) | st.floats(0.0, 1.0), min_size=1, max_size=8),
    st.integers(0, 2**32),
)
def test_no_false_alarm_at_a_steady_pace(rates: list[float], seed: int) -> None:
    """Whatever the paces are; ten minutes each."""
    symbols = [f"S{number}" for number in range(len(rates))]
    world = World({"SPY": 8.0, **dict(zip(symbols, rates, strict=True))}, seed)
    world.pass_s(600)
    assert not world.silenced


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["run", "mute", "part", "connect", "bare", "day", "night", "closed"]),
            st.floats(0.25, 20.0),
        ),
        max_size=8,
    ),
    st.integers(0, 2**32),
)
def test_whatever_happened_a_moving_market_is_live_again_soon(
    happenings: list[tuple[str, float]], seed: int
) -> None:
    """No state is a trap: what moves is live, and so is what came beside it."""
    world = World(BUSY, seed)
    for kind, seconds in happenings:
        match kind:
            case "run":
                world.pass_s(seconds)
            case "mute":
                world.pass_s(seconds, mute=BUSY)
            case "part":
                world.pass_s(seconds, mute=["SPY", "QQQ", FUTURE])
            case "connect":
                world.connect()
            case "bare":
                world.connect(arrived=())
            case "day":
                world.open = STOCKS
            case "night":
                world.open = NIGHT
            case "closed":
                world.open = frozenset()
    world.connect()
    world.pass_s(8)
    assert not {each for each in world.stale if market_of(each) in world.open}
    assert not world.verdict.is_stalled
    assert not world.verdict.markets


def test_trades_of_an_index_prove_nothing_of_quotes() -> None:
    world = World({**BUSY, "SPX": 4.0})
    world.unquoted = {"SPX"}
    world.pass_s(60)
    quoted = {each for each in world.rates if market_of(each) == "stocks"} - {"SPX"}
    world.pass_s(STALE_S + 1, mute=quoted)
    assert world.stale == quoted, "the index moves, and is live by that"
    assert world.verdict.markets == ("stocks",)
    world.pass_s(STALE_S + 1, mute={*quoted, "SPX"})
    assert world.stale == {*quoted, "SPX"}
    world.pass_s(1)
    assert not world.stale


def test_what_came_just_before_a_break_makes_no_silence_after_it() -> None:
    world = World(BUSY)
    world.pass_s(60)
    world.move("SPY")  # and the connection is lost before the next look
    world.now_s += 30
    world.connect(arrived=())
    assert world.look().stalled_s == 0
    world.pass_s(10)
    assert not world.verdict.is_stalled
