"""A set of symbols that is changed as a whole, within the limits of the demand."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.demand import Demand
from gateway.streams.upstream.held_symbols import HeldSymbols

SYMBOLS = [f"S{n}" for n in range(8)]


@given(st.lists(st.lists(st.sampled_from(SYMBOLS)), max_size=8), st.integers(1, 6))
def test_the_first_ones_are_followed_as_far_as_there_is_room(
    changes: list[list[str]], limit: int
) -> None:
    demand = Demand(max_symbols=limit, linger_s=0.0, now_s=lambda: 0.0)
    held = HeldSymbols(demand)
    for symbols in changes:
        held.change(symbols)
        ordered = list(dict.fromkeys(symbols))
        assert held.symbols == set(ordered[:limit])
        assert held.left_out == max(0, len(ordered) - limit)
        assert [demand.count(each) for each in SYMBOLS] == [
            each in held.symbols for each in SYMBOLS
        ]
        assert held.symbols <= demand.wanted
    held.close()
    assert not any(map(demand.count, SYMBOLS))


def test_what_stays_is_never_let_go() -> None:
    demand = Demand(linger_s=0.0, now_s=lambda: 0.0)
    seen: list[frozenset[str]] = []
    demand.listeners.append(lambda: seen.append(demand.wanted))
    held = HeldSymbols(demand)
    held.change(["A", "B"])
    held.change(["B", "C"])
    demand.expire()
    assert all("B" in each for each in seen)
    assert demand.wanted == {"B", "C"}
