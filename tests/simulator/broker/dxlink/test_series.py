from datetime import date

from gateway.simulator.broker.dxlink.rows import FIELDS, FLAG_BEGIN, FLAG_END, FLAG_REMOVE, Row
from gateway.simulator.broker.dxlink.series import Series
from gateway.simulator.market.candles import parse_candle_symbol
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

START = 1_795_190_400.0
UNIVERSE = list_universe(date(2026, 11, 20))


def name(row: Row) -> dict[str, object]:
    return dict(zip(FIELDS["Candle"], row, strict=True))


def test_snapshot_flags_and_growth() -> None:
    market = Market(UNIVERSE, seed=3, now=START)
    book, symbol = market.find("SPY"), parse_candle_symbol("SPY{=1m}")
    assert symbol is not None
    series = Series(symbol, book, 3)
    rows = [name(row) for row in series.snapshot(START - 600, START)]
    flags = [row["eventFlags"] for row in rows]
    assert flags == [FLAG_BEGIN, *[0] * (len(rows) - 2), FLAG_END]
    assert {row["eventSymbol"] for row in rows} == {"SPY{=m}"}
    assert series.update() == [] or len(series.update()) == 1
    seen: list[dict[str, object]] = []
    for n in range(1, 140):
        market.advance(START + n)
        seen += [name(row) for row in series.update()]
    assert {row["time"] for row in seen} >= {(START + 60) * 1000, (START + 120) * 1000}
    times = [row["time"] for row in seen]
    assert times == sorted(times)  # type: ignore[type-var]
    # What grew candle by candle is what a new snapshot tells.
    last = {row["time"]: row["close"] for row in seen}
    fresh = [name(row) for row in Series(symbol, book, 3).snapshot(START, market.now)]
    assert {row["time"]: row["close"] for row in fresh} == last


def test_an_unknown_symbol_has_an_empty_snapshot() -> None:
    symbol = parse_candle_symbol("NOPE{=d}")
    assert symbol is not None
    series = Series(symbol, None, 3)
    (row,) = (name(row) for row in series.snapshot(0, START))
    assert row["eventFlags"] == FLAG_BEGIN | FLAG_END | FLAG_REMOVE
    assert row["close"] == "NaN"
    assert series.update() == []


def test_one_candle_is_begin_and_end() -> None:
    market = Market(UNIVERSE, seed=3, now=START)
    symbol = parse_candle_symbol(".SPY261218C600{=h}")
    assert symbol is not None
    (row,) = Series(symbol, market.find(symbol.base), 3).snapshot(START + 9e6, START)
    assert row[2] == FLAG_BEGIN | FLAG_END
