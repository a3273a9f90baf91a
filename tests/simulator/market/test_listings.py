"""What is listed fits together: every root has its underlying, and no symbol stands twice."""

from gateway.simulator.market.listings import CHAINS, DAILIES, PENNY_ROOTS, STOCKS

ROWS = [line.split(maxsplit=8) for line in STOCKS.strip().splitlines()]


def test_no_symbol_stands_twice_and_every_row_is_whole() -> None:
    symbols = [row[0] for row in ROWS]
    assert len(symbols) == len(set(symbols))
    for symbol, price, volatility, _, shares, dividend, per_s, kind, name in ROWS:
        assert float(price) > 0, symbol
        assert 0 < float(volatility) <= 1, symbol
        assert float(shares) > 0, symbol
        assert 0 <= float(dividend) < 0.1, symbol
        assert float(per_s) > 0, symbol
        assert kind in ("etf", "stock"), symbol
        assert name, symbol


def test_roots_are_told_apart_and_have_what_they_depend_on() -> None:
    roots = [each.root for each in CHAINS]
    assert len(roots) == len(set(roots))
    assert set(roots) >= DAILIES | PENNY_ROOTS
    listed = {row[0] for row in ROWS} | {"SPX"}  # an index
    assert {each.underlying for each in CHAINS} <= listed
    assert all(each.step > 0 and each.multiplier >= 100 for each in CHAINS)
