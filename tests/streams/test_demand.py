"""The wanted set is what is held, what always is, and what lingers; a cap nobody can pass."""

from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.streams.demand import MAX_CANDLES, UNKNOWN_S, Demand, TooManySymbols

ALWAYS = frozenset({"SPY", "QQQ"})
MAX_SYMBOLS = 6
LINGER_S = 30.0
SYMBOLS = st.frozensets(st.sampled_from([*ALWAYS, "A", "B", "C", "D", "E", "F"]), max_size=5)


class InterestMachine(RuleBasedStateMachine):
    """Against the plainest model: a list of what is held, and a time of release per symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0
        self.demand = Demand(
            ALWAYS, max_symbols=MAX_SYMBOLS, linger_s=LINGER_S, now_s=lambda: self.now_s
        )
        self.seen = self.demand.wanted
        self.demand.listeners.append(self.note)
        self.held: list[tuple[frozenset[str], ExitStack]] = []
        self.released_s: dict[str, float] = {}

    def note(self) -> None:
        self.seen = self.demand.wanted

    @property
    def in_use(self) -> frozenset[str]:
        return ALWAYS.union(*(symbols for symbols, _ in self.held))

    @rule(symbols=SYMBOLS)
    def hold(self, symbols: frozenset[str]) -> None:
        before = self.demand.wanted
        stack = ExitStack()
        try:
            stack.enter_context(self.demand.acquire(symbols))
        except TooManySymbols:
            assert len(self.in_use | symbols) > MAX_SYMBOLS
            assert self.demand.wanted == before
            return
        assert len(self.in_use | symbols) <= MAX_SYMBOLS
        self.held.append((symbols, stack))
        for symbol in symbols:
            self.released_s.pop(symbol, None)
        gone = before - self.demand.wanted
        # Lingering symbols give way, but only to somebody who is here, and no more than needed.
        assert gone <= self.released_s.keys()
        assert not gone or len(self.demand.wanted) == MAX_SYMBOLS
        for symbol in gone:
            del self.released_s[symbol]

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 100))
    def release(self, index: int) -> None:
        symbols, stack = self.held.pop(index % len(self.held))
        stack.close()
        for symbol in symbols - self.in_use:
            self.released_s[symbol] = self.now_s

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 29.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def expire(self) -> None:
        over = {s for s, at_s in self.released_s.items() if at_s + LINGER_S <= self.now_s}
        assert self.demand.expire() == over
        for symbol in over:
            del self.released_s[symbol]
        self.note()

    @invariant()
    def check(self) -> None:
        demand = self.demand
        assert demand.wanted == self.in_use | self.released_s.keys() == self.seen
        assert len(demand.wanted) <= MAX_SYMBOLS
        for symbol in demand.wanted:
            assert demand.count(symbol) == sum(symbol in symbols for symbols, _ in self.held)
        times = [at_s + LINGER_S for at_s in self.released_s.values()]
        assert demand.next_expiry_s() == min(times, default=None)

    def teardown(self) -> None:
        while self.held:
            self.release(0)
        self.now_s += LINGER_S
        self.expire()
        assert self.demand.wanted == ALWAYS
        assert self.demand.next_expiry_s() is None
        assert not self.demand._held


TestInterestMachine = InterestMachine.TestCase
TestInterestMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_a_page_reload_changes_nothing_upstream() -> None:
    now_s = 0.0
    demand = Demand(now_s=lambda: now_s)
    with demand.acquire(["A"]):
        pass
    now_s = 29.0
    assert demand.expire() == frozenset()
    with demand.acquire(["A"]):
        now_s = 1000.0
        assert demand.expire() == frozenset()
        assert demand.next_expiry_s() is None


def test_an_error_in_the_block_releases() -> None:
    demand = Demand(now_s=lambda: 0.0)
    with pytest.raises(KeyError), demand.acquire(["A"]):
        raise KeyError
    assert demand.count("A") == 0


def test_what_is_wanted_anyway_is_never_refused() -> None:
    """Even where more is always wanted than the cap allows."""
    demand = Demand(["A", "B", "C"], max_symbols=2, now_s=lambda: 0.0)
    with demand.acquire(["A", "C"]), demand.acquire([]):
        assert demand.count("A") == 1
        with pytest.raises(TooManySymbols, match="at most 2 symbols"), demand.acquire(["D"]):
            pytest.fail("held")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def make_demand(clock: Clock, *, known: frozenset[str] = frozenset(), **options: int) -> Demand:
    demand = Demand(["SPY"], now_s=clock, **options)
    demand.is_known = known.__contains__
    return demand


def name(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_one_viewer_has_a_share_and_the_owner_all_the_room() -> None:
    """Ten streams of 499 invented symbols: the third is refused, and the owner gets his."""
    demand = make_demand(Clock())
    with ExitStack() as held:
        for stream in range(2):
            held.enter_context(demand.acquire(name(f"V{stream}N", 499), "alice"))
        for stream in range(2, 10):
            with pytest.raises(TooManySymbols, match="GATEWAY_MAX_SYMBOLS_PER_VIEWER"):
                held.enter_context(demand.acquire(name(f"V{stream}N", 499), "alice"))
        held.enter_context(demand.acquire(["GOOG"]))
        held.enter_context(demand.acquire(name("B", 499), "bob"))
        held.enter_context(demand.acquire(["GOOG", "SPY"], "alice"))
        assert len(demand.wanted) == 1 + 998 + 1 + 499, "what is followed anyway costs nothing"


def test_a_tenth_is_kept_for_the_owner() -> None:
    known = frozenset(name("A", 100) + name("B", 100))
    demand = make_demand(Clock(), known=known, max_symbols=100, max_symbols_per_viewer=50)
    with demand.acquire(name("A", 50), "alice"), demand.acquire(name("B", 40), "bob"):
        with pytest.raises(TooManySymbols, match="at most 100 symbols"), demand.acquire(["C"], "c"):
            pytest.fail("held")
        with demand.acquire(name("O", 9)):
            assert len(demand.wanted) == 100


def test_a_symbol_that_nobody_knows_gives_its_place_back() -> None:
    clock = Clock()
    demand = make_demand(clock, known=frozenset({"X0"}), max_symbols=20, linger_s=0)
    with demand.acquire(name("X", 17), "alice"):
        with pytest.raises(TooManySymbols), demand.acquire(["GOOG", "TSLA"], "bob"):
            pytest.fail("too early to know")
        clock.now_s = UNKNOWN_S
        with demand.acquire(["GOOG", "TSLA"], "bob"):
            assert {"GOOG", "TSLA", "X0"} <= demand.wanted
            assert len(demand.waiting) == 1
            assert demand.waiting.isdisjoint(demand.wanted)
        demand.expire()
        assert demand.waiting == frozenset(), "there is room again"
        assert len(demand.wanted) == 18
    demand.expire()
    assert demand.wanted == {"SPY"}


def test_what_the_owner_holds_gives_way_to_nobody() -> None:
    clock = Clock()
    demand = make_demand(clock, max_symbols=10)
    with demand.acquire(name("X", 9)):
        clock.now_s = UNKNOWN_S
        with pytest.raises(TooManySymbols), demand.acquire(["GOOG"], "alice"):
            pytest.fail("held")
        with demand.acquire(["GOOG"]):
            assert "GOOG" in demand.wanted, "but to himself"


def test_a_viewer_makes_room_in_the_share_with_what_nobody_knows() -> None:
    clock = Clock()
    demand = make_demand(clock, known=frozenset({"GOOG"}), max_symbols_per_viewer=3)
    with demand.acquire(name("X", 3), "alice"):
        clock.now_s = UNKNOWN_S
        with demand.acquire(["GOOG"], "alice"):
            assert "GOOG" in demand.wanted
            assert len(demand.wanted) == 4


def test_series_of_candles_have_a_limit_below_the_brokers() -> None:
    demand = make_demand(Clock())
    series = [f"{symbol}{{=5m}}" for symbol in name("C", MAX_CANDLES + 1)]
    with pytest.raises(TooManySymbols, match="90 series of candles"), demand.acquire(series):
        pytest.fail("held")
    with pytest.raises(TooManySymbols, match="one viewer"), demand.acquire(series[:46], "alice"):
        pytest.fail("held")
    with demand.acquire(series[:MAX_CANDLES]):
        assert demand.fit([*series, "AAPL"]) == {*series[:MAX_CANDLES], "AAPL"}
    assert demand.fit(["AAPL"]) == {"AAPL"}


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b"]), SYMBOLS, st.booleans()), max_size=12))
def test_no_order_of_coming_and_going_breaks_a_limit(
    steps: list[tuple[str | None, frozenset[str], bool]],
) -> None:
    clock = Clock()
    demand = make_demand(
        clock, known=frozenset("AB"), max_symbols=5, max_symbols_per_viewer=2, linger_s=5
    )
    held: list[ExitStack] = []
    for viewer, symbols, leaves in steps:
        clock.now_s += 4
        demand.expire()
        if leaves and held:
            held.pop(0).close()
        stack = ExitStack()
        try:
            stack.enter_context(demand.acquire(symbols, viewer))
        except TooManySymbols:
            pass
        else:
            held.append(stack)
            assert symbols <= demand.wanted
        assert len(demand.wanted) <= 5
        assert demand.waiting.isdisjoint(demand.wanted - demand.always)
    while held:
        held.pop().close()
    clock.now_s += 5
    demand.expire()
    assert demand.wanted == {"SPY"}
    assert not demand.waiting
