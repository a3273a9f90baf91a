"""What the store hands out: plain values, known to those who never touch a database; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watchlist:
    """A named list of somebody's; `updated_ms` is since the epoch."""

    name: str
    symbols: tuple[str, ...]
    updated_ms: int


@dataclass(frozen=True, slots=True)
class MappedSymbol:
    """One instrument under both its names."""

    broker_symbol: str
    streamer_symbol: str
    instrument_type: str
    """As the broker writes it, such as `Equity Option`."""
