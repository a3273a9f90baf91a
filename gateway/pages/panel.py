"""What panels and pages are: descriptions without state; views render them.

A panel is a template plus the keys that it listens to; a page is a list of panels. Both are made
once and shared by every viewer, so nothing here knows a viewer, a stream or the hub.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gateway.streams.events import Key, Record

Slot = Literal["header", "main"]


class Panel(ABC):
    """A live element of a page, rendered from its `template` when one of its keys changes.

    `frame` stands around the live element and is rendered with the page only. The records of a
    private panel never get into bytes that viewers with other accounts see.
    """

    template: ClassVar[str]
    frame: ClassVar[str]
    slot: ClassVar[Slot] = "main"
    is_private: ClassVar[bool] = False

    def __init__(self, id: str) -> None:
        self.id = id

    @abstractmethod
    def keys(self, accounts: Sequence[str]) -> tuple[Key, ...]:
        """What it listens to; `accounts` are the viewer's, and empty unless it is private."""
        ...


class FragmentPanel(Panel):
    """A panel that is rendered as a whole."""

    refresh_s: ClassVar[float | None] = None
    """Rendered again after so long even if no key changed, for what depends on the clock."""

    @abstractmethod
    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The template's variables from the newest record of each key, in the order of `keys`."""
        ...


class TablePanel(Panel):
    """A panel of rows with one key each; `template` is the content of one row.

    Rows are rendered and sent one by one, so a page of 500 symbols costs what changed.
    """

    empty: ClassVar[str]
    """The template of what stands in place of the rows when there are none."""

    row_tag: ClassVar[str] = "tr"

    @abstractmethod
    def row_id(self, key: Key) -> str:
        """The row's element id; it must be plain in a CSS selector."""
        ...

    @abstractmethod
    def row_context(self, key: Key, record: Record | None, move: "Move") -> dict[str, Any]:
        """The row template's variables."""
        ...

    @abstractmethod
    def row_value(self, record: Record | None) -> Any:
        """The number whose change makes the row flash; None when unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """What happened to a row since it was last rendered."""

    flash: Literal["", "up", "down"] = ""
    is_overdue: bool = False
    """Wanted for some seconds, and no record came."""


RESTING = Move()


@dataclass(frozen=True, slots=True)
class Page:
    """A list of panels under one title; `name` is what its stream is asked for by."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    symbols: tuple[str, ...]
    query: str
    """The parameters that make this page from its name, URL-encoded in one canonical form."""
