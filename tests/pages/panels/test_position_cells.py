"""The columns of positions: every one has a head and a cell, and a row is explained."""

from decimal import Decimal

import pytest

from gateway.pages.panel import RESTING
from gateway.pages.panels.position_cells import (
    CELLS,
    COLUMNS,
    HEADS,
    explain_position,
    write_sum,
)
from gateway.pages.rendering.formats import UNKNOWN
from gateway.portfolio.totals import Totals
from tests.pages.panels.holding import make_position


def test_every_column_has_a_head_and_a_cell() -> None:
    assert set(HEADS) == set(CELLS)
    assert set(COLUMNS) <= set(HEADS)


@pytest.mark.parametrize("column", sorted(CELLS.keys() - {"account", "quantity", "dte"}))
def test_what_is_not_known_is_a_dash(column: str) -> None:
    assert CELLS[column](make_position("SPY"), RESTING)[1] == UNKNOWN


def test_a_row_is_explained_by_its_inputs() -> None:
    position = make_position("SPY", day_basis=Decimal(202), mark_source="last")
    words = explain_position(position)
    assert "100 × 1" in words
    assert "the day counts from 202.00" in words
    assert "marked at the last trade" in words


def test_a_sum_has_signs_where_it_is_a_gain() -> None:
    totals = Totals(pnl_day=Decimal("-12.5"), value=Decimal(1000))
    assert write_sum("pnl_day", totals) == ("down", "−12.50")
    assert write_sum("value", totals) == ("", "1,000.00")
    assert write_sum("mark", totals) == ("", "")
