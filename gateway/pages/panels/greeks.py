"""The greeks panel: a row an option with its price, implied volatility and greeks."""

from collections.abc import Sequence
from typing import Any, ClassVar

from gateway.pages.authoring.builder import PageError, check_symbols, current_builder
from gateway.pages.panel import RowChange
from gateway.pages.panels.sorting import Head
from gateway.pages.panels.table import SymbolTable, write_name
from gateway.pages.rendering.formats import UNKNOWN, decimals_of, format_number
from gateway.pages.rendering.options import describe_option
from gateway.streams.symbols import is_option

GREEKS = {"delta": 3, "gamma": 4, "theta": 3, "vega": 3, "rho": 3}
"""Each with its decimals."""

COLUMNS = ("price", "volatility", *GREEKS)

PRICE_DECIMALS = 4
"""At most: a theoretical price has more, which mean nothing."""

FLASHES = {"": "c-last", "up": "c-last flash-up", "down": "c-last flash-down"}


def greeks(*options: str, title: str | None = None) -> None:
    """Place a row for each option."""
    builder = current_builder("greeks")
    example = ".SPY261218C600"
    checked = check_symbols("greeks", options, example)
    if not checked:
        raise PageError(f'greeks(): name its options: greeks("{example}")')
    for symbol in checked:
        if not is_option(symbol):
            raise PageError(f'greeks: {symbol!r} is no option: write it like greeks("{example}")')
    builder.add(GreeksPanel(builder.new_id("greeks"), checked, title))


class GreeksPanel(SymbolTable):
    """Price, volatility and greeks of these options, in this order."""

    record_type: ClassVar[str] = "greeks_update"
    value: ClassVar[str] = "price"
    label: ClassVar[str] = "Greeks"
    first: ClassVar[str] = "Option"
    style: ClassVar[str] = "greeks"

    def __init__(self, id: str, symbols: Sequence[str], title: str | None) -> None:
        super().__init__(id, symbols, COLUMNS, title)

    def name(self, symbol: str, state: str) -> str:
        """The underlying, then the contract."""
        return write_name(*describe_option(symbol), state, " ", symbol)

    def head(self, column: str) -> Head:
        """Its name."""
        if column == "volatility":
            return Head("IV", meaning="Implied volatility")
        return Head(column.title())

    def figures(self, record: Any, move: RowChange) -> Sequence[str]:
        """The price, the volatility in percent, the greeks."""
        percent = format_number(None if record.volatility is None else record.volatility * 100, 1)
        decimals = min(decimals_of(record.price), PRICE_DECIMALS)
        cells = [FLASHES[move.flash], format_number(record.price, decimals)]
        cells += ("", percent if percent == UNKNOWN else f"{percent}%")
        for name, places in GREEKS.items():
            cells += ("", format_number(getattr(record, name), places))
        return cells
