"""The greeks panel: a row an option with its price, implied volatility and greeks."""

import re
from collections.abc import Hashable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from gateway.pages.building import PageError, check_symbols, current_builder, plain_id
from gateway.pages.formats import UNKNOWN, decimals_of, format_number, is_known
from gateway.pages.panel import Move, TablePanel
from gateway.streams.events import GreeksUpdate, Key, Record
from gateway.streams.symbols import is_option

GREEKS = {"delta": 3, "gamma": 4, "theta": 3, "vega": 3, "rho": 3}
"""Each with its decimals."""

CELLS = ("price", "volatility", *GREEKS)

NOTES = {"live": "", "stale": "delayed", "waiting": "waiting…", "missing": "no data"}

_PARTS = re.compile(r"\.(?P<root>[A-Z0-9/]+?)(?P<date>\d{6})(?P<side>[CP])(?P<strike>[\d.]+)\Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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


class GreeksPanel(TablePanel):
    """Price, volatility and greeks of these options, in this order."""

    template: ClassVar[str] = "panels/greeks_row.html"
    frame: ClassVar[str] = "panels/greeks.html"
    empty: ClassVar[str] = "panels/greeks_row.html"  # there is always a row
    printed: ClassVar[tuple[str, ...]] = (*CELLS, "symbol", "underlying", "contract")

    def __init__(self, id: str, symbols: Sequence[str], title: str | None) -> None:
        super().__init__(id)
        self.title = title
        self.names = [name.title() for name in GREEKS]
        self._keys: tuple[Key, ...] = tuple(("greeks_update", each) for each in symbols)

    @property
    def kind(self) -> Hashable:
        """A row is the same in every such table."""
        return type(self)

    def keys(self, accounts: Sequence[str]) -> tuple[Key, ...]:
        """The greeks of each."""
        return self._keys

    def row_id(self, key: Key) -> str:
        """The panel's id and the symbol."""
        return f"{self.id}-{plain_id(key[1])}"

    def row_value(self, record: Record | None) -> Decimal | None:
        """The option's price."""
        price = record.price if isinstance(record, GreeksUpdate) else None
        return price if is_known(price) else None

    def row_context(self, key: Key, record: Record | None, move: Move) -> dict[str, Any]:
        """Every cell as text."""
        underlying, contract = describe_option(key[1])
        state = "missing" if move.is_overdue else "waiting"
        cells = dict.fromkeys(CELLS, UNKNOWN)
        if isinstance(record, GreeksUpdate):
            state = "stale" if record.stale else "live"
            volatility = None if record.volatility is None else record.volatility * 100
            percent = format_number(volatility, 1)
            cells = {
                "price": format_number(record.price, min(decimals_of(record.price), 4)),
                "volatility": percent if percent == UNKNOWN else f"{percent}%",
                **{name: format_number(getattr(record, name), GREEKS[name]) for name in GREEKS},
            }
        return {
            "symbol": key[1],
            "underlying": underlying,
            "contract": contract,
            "state": state,
            "note": NOTES[state],
            "flash": move.flash,
            **cells,
        }


def describe_option(symbol: str) -> tuple[str, str]:
    """The underlying and the contract for people: `SPY`, `18 Dec 26 600 C`."""
    parts = _PARTS.match(symbol)
    if parts is None:
        return symbol.removeprefix("."), ""
    try:
        day = date(2000 + int(parts["date"][:2]), int(parts["date"][2:4]), int(parts["date"][4:]))
    except ValueError:
        return symbol.removeprefix("."), ""
    return (
        parts["root"],
        f"{day.day} {_MONTHS[day.month - 1]} {day:%y} {parts['strike']} {parts['side']}",
    )
