"""The wanted set is what is held, what always is, and what lingers; a cap nobody can pass."""

from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.streams.demand import Demand, TooManySymbols

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
        self.demand.on_change = self.note
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
