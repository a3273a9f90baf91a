"""What the store hands out: plain values, known to those who never touch a database; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watchlist:
    """A named list of somebody's; `updated_ms` is since the epoch."""

    name: str
    symbols: tuple[str, ...]
    updated_ms: int


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert of somebody's; rule, state and firings are JSON, the newest firing first.

    `step` counts the changes of its state: who has seen another one may not change it.
    """

    id: str
    owner: str
    rule: str
    state: str
    step: int
    created_ms: int
    firings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertChange:
    """The next state of an alert, and the firings that led to it, by their arm."""

    id: str
    step: int
    """The step that it follows."""
    state: str
    firings: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MappedSymbol:
    """One instrument under both its names."""

    broker_symbol: str
    streamer_symbol: str
    instrument_type: str
    """As the broker writes it, such as `Equity Option`."""
