"""Measure what it costs to value a desk of options that all change four times a second.

`python -m bench.desk [--positions 1000] [--seconds 5]`. Quotes are published outside of what is
measured; publishing the positions is inside.
"""

import argparse
import sys
import time
from decimal import Decimal

from gateway.streams.records import GreeksUpdate
from gateway.streams.upstream.instruments import Instrument, InstrumentKey
from tests.streams.samples import AT, make_quote
from tests.streams.upstream.deskwork import Stage, make_row

TICKS_PER_S = 4
MAX_CORE = 0.05
CENT = Decimal("0.01")


def make_stage(count: int) -> tuple[Stage, list[str]]:
    """Return a desk that holds so many options on SPY, and their streamer symbols."""
    stage, symbols = Stage(), [f".SPY261218C{100 + n}" for n in range(count)]
    key = InstrumentKey("Equity", "SPY")
    stage.instruments.learn([Instrument(key=key, streamer_symbol="SPY")])
    stage.read(
        *(
            make_row(
                f"SPY   261218C{(100 + n) * 1000:08d}",
                3,
                instrument_type="Equity Option",
                underlying_symbol="SPY",
                multiplier=100,
                streamer_symbol=symbol,
                expires_at="2026-12-18T21:00:00Z",
            )
            for n, symbol in enumerate(symbols)
        )
    )
    stage.balance(100_000)
    return stage, symbols


def move(stage: Stage, symbols: list[str], tick: int) -> None:
    """Publish a new quote of everything, and new greeks once a second."""
    bid = Decimal("1.20") + tick * CENT
    stage.hub.publish(make_quote("SPY", 600, bid=Decimal(599), ask=Decimal(601) + tick))
    for number, symbol in enumerate(symbols):
        sizes = {"bid_size": Decimal(3), "ask_size": Decimal(4)}
        stage.hub.publish(make_quote(symbol, "1.25", bid=bid, ask=bid + CENT, **sizes))
        if tick % TICKS_PER_S == 0:
            stage.hub.publish(make_greeks(symbol, Decimal(tick + number) / 100_000))


def make_greeks(symbol: str, value: Decimal) -> GreeksUpdate:
    """Return greeks that are all of one value."""
    return GreeksUpdate(
        symbol=symbol,
        updated_at=AT,
        price=value,
        volatility=value,
        delta=value,
        gamma=value,
        theta=value,
        rho=value,
        vega=value,
        time=None,
    )


def measure(count: int, seconds: int) -> tuple[float, int]:
    """Return the share of a core that is used, and how many records were published."""
    stage, symbols = make_stage(count)
    used_s, published = 0.0, 0
    for tick in range(seconds * TICKS_PER_S):
        move(stage, symbols, tick)
        before, begun_s = stage.hub.published, time.process_time()
        stage.tick()
        used_s += time.process_time() - begun_s
        published += stage.hub.published - before
    return used_s / seconds, published


def main() -> None:
    """Measure, print and say by the exit status whether it is within bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5)
    given = parser.parse_args()
    share, published = measure(given.positions, given.seconds)
    sys.stdout.write(
        f"{given.positions} positions at {TICKS_PER_S} Hz: {100 * share:.2f} % of a core, "
        f"{published / given.seconds:.0f} records a second\n"
    )
    sys.exit(share > MAX_CORE)


if __name__ == "__main__":
    main()
