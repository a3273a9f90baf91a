"""What falls silent before anything of it is learned: in its first seconds, or never moved."""

from collections.abc import Mapping
from datetime import date

import pytest

from gateway.streams.markets import Market
from gateway.streams.upstream.arrival_rate import MOMENT_S
from gateway.streams.upstream.liquidity import longest_silence_s
from gateway.streams.upstream.staleness import OPENING_S
from tests.streams.upstream.moving import BUSY, COIN, FUTURE, NIGHT, STALE_S, STOCKS, World

TODAY = date(2026, 11, 24)
AFTERNOON: frozenset[Market] = STOCKS | NIGHT | {"index options", "livestock futures"}


def open_young(rates: Mapping[str, float], known_s: float, seed: int = 1) -> World:
    """A world on a trading day in which everything has moved for so long."""
    world = World(rates, seed)
    world.freshness.today = TODAY
    world.open = AFTERNOON
    world.freshness.forget(list(rates))
    world.connect()
    world.pass_s(known_s)
    assert not world.silenced
    return world


def silence_s(world: World, mute: str, at_most_s: float) -> float:
    """How long this symbol is silent until it is told; and nobody else is."""
    begun_s = world.now_s
    while mute not in world.stale:
        assert world.now_s - begun_s <= at_most_s, "never told"
        world.pass_s(MOMENT_S, mute=[mute])
    assert world.stale == {mute}
    return world.now_s - begun_s


@pytest.mark.fault(49)
@pytest.mark.parametrize("known_s", [0.0, 1.0, 5.0, 12.0, 20.0])
def test_a_market_that_freezes_soon_after_connecting(known_s: float) -> None:
    world = open_young(BUSY, known_s)
    silence_s(world, FUTURE, longest_silence_s(FUTURE, TODAY) + 1)
    world.pass_s(600, mute=[FUTURE])
    assert world.verdict.markets == ("index futures",)
    assert world.stale == {FUTURE}
    world.connect()
    world.pass_s(600, mute=[FUTURE])
    assert world.stale == {FUTURE}, "its answer proves nothing"
    world.pass_s(2)
    assert not world.stale


@pytest.mark.parametrize(("known_s", "at_most_s"), [(5.0, 120.0), (12.0, 40.0), (20.0, 15.0)])
def test_a_stock_that_freezes_the_longer_it_moved_the_sooner_it_is_told(
    known_s: float, at_most_s: float
) -> None:
    assert silence_s(open_young(BUSY, known_s), "QQQ", at_most_s) >= STALE_S


@pytest.mark.parametrize("known_s", [0.0, 1.0, 5.0, 12.0])
def test_all_that_is_open_at_night_freezes_soon_after_connecting(known_s: float) -> None:
    world = open_young(BUSY, 0.0)
    world.open = NIGHT
    world.pass_s(known_s, mute=["SPY", "QQQ", "AAPL"])
    world.pass_s(longest_silence_s(FUTURE, TODAY) + 1, mute=BUSY)
    assert world.verdict.is_stalled
    assert world.stale == {FUTURE, COIN}


def test_a_market_that_is_frozen_when_it_opens() -> None:
    world = open_young({**BUSY, FUTURE: 0.0}, 1.0)
    world.open = STOCKS
    world.pass_s(60)
    world.open = STOCKS | {"index futures"}
    world.pass_s(OPENING_S - 1)
    assert not world.stale, "its first quotes may take a while"
    world.pass_s(2)
    assert world.verdict.markets == ("index futures",)
    assert world.stale == {FUTURE}


@pytest.mark.parametrize("seed", range(20))
def test_what_rightly_ticks_once_in_minutes_is_no_fault(seed: int) -> None:
    """Beside a busy market, from the first second on; each is alone in its market."""
    rare = {".SPY261218C900": 1 / 300, "ILLQ": 1 / 300, "/LEZ26:XCME": 1 / 10}
    world = open_young({**BUSY, **rare}, 0.0, seed)
    world.pass_s(1800)
    assert not world.silenced


def test_a_burst_is_no_proof_of_a_habit() -> None:
    option = ".SPY261218C900"
    world = open_young({**BUSY, option: 0.0}, 1.0)
    for _ in range(8):
        world.move(option)
        world.pass_s(MOMENT_S)
    world.pass_s(600)
    assert not world.silenced


def test_what_was_never_heard_of_is_not_missed() -> None:
    """Who has no data of futures sees no fault in that."""
    world = World({**BUSY, FUTURE: 0.0})
    world.freshness.today = TODAY
    world.open = AFTERNOON
    world.freshness.forget(list(BUSY))
    world.connect(arrived=set(BUSY) - {FUTURE})
    world.pass_s(600, mute=[FUTURE])
    assert not world.silenced


def test_a_symbol_that_is_added_revives_no_silent_market() -> None:
    world = open_young(BUSY, 60.0)
    world.pass_s(20, mute=[FUTURE])
    assert world.stale == {FUTURE}
    world.rates["/MESZ26:XCME"] = 0.0
    world.move("/MESZ26:XCME")
    world.pass_s(1, mute=[FUTURE])
    assert world.verdict.markets == ("index futures",)
    assert world.stale == {FUTURE, "/MESZ26:XCME"}


def test_a_closed_market_has_no_early_alarm() -> None:
    world = open_young(BUSY, 5.0)
    world.open = frozenset()
    world.pass_s(3600, mute=BUSY)
    assert not world.silenced
