"""What panels and pages are: descriptions without state; views render them.

A panel is what it shows plus the keys that it listens to; a page is a tree of panels. Both are made
once and shared by every viewer, so nothing here knows a viewer, a stream or the hub.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from gateway.streams.documents import Back, NetLiqHistory
from gateway.streams.records import Record
from gateway.streams.topics import Owner, Topic, TopicPattern

Region = Literal["header", "notice", "main"]

Key = Topic | TopicPattern
"""A topic, or all of a kind that the viewer may see: those come and go while the panel is shown."""


class Panel(ABC):
    """A live element of a page, rendered when one of its keys changes.

    `frame` stands around the live element and is rendered with the page only. The records of a
    private panel never get into bytes that viewers with other accounts see.
    """

    frame: ClassVar[str]
    region: ClassVar[Region] = "main"
    is_private: bool = False

    def __init__(self, id: str) -> None:
        self.id = id

    @property
    def kind(self) -> Hashable:
        """Panels of one kind show the same for the same keys, which is rendered once for all."""
        return self

    @abstractmethod
    def keys(self) -> tuple[Key, ...]:
        """Return what it listens to, the same at each call.

        Of topics that have an owner, a private panel gets those that its viewer may see, and a
        shared one gets none.
        """
        ...

    def wanted_symbols(self, records: Sequence[Record | None]) -> Iterable[str]:
        """Return the symbols that a private panel needs because of what its records say.

        They are followed upstream while somebody looks. Those among `keys` are followed anyway.
        """
        return ()


class FragmentPanel(Panel):
    """A panel that is rendered as a whole, from its `template`."""

    template: ClassVar[str]

    refresh_s: float | None = None
    """Rendered again after so long even if no key changed, for what depends on the clock."""

    pause_s: float = 0.0
    """Not rendered again before, however often a key changes."""

    limit_s: float | None = None
    """Of a panel whose `context` calls what a page's author wrote: how long that may take. It is
    called in a thread; None for our own, which is called at once."""

    name: str = ""
    """What its author calls it."""

    @abstractmethod
    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The template's variables from the newest records, in the order of `keys`.

        A topic has one record, None where there is none; a pattern has any number, by owner and
        subject.
        """
        ...


class HistoryQuestion(NamedTuple):
    """Asks the broker for the net liquidating value of an account over a range."""

    owner: Owner
    back: Back


History = NetLiqHistory | str | None
"""What the broker answered, or why it did not; None while it is asked."""


class HistoryPanel(FragmentPanel):
    """A private panel that shows what only the broker can tell of accounts."""

    is_private: bool = True

    @abstractmethod
    def histories(self, topics: Sequence[Topic | None]) -> Sequence[HistoryQuestion]:
        """Return what to ask, of the topics that its keys stand for: those are granted.

        `context` gets the answers in this order, as `History`, behind the records.
        """
        ...


Cells = tuple[str, ...]
"""A row: the class and the content of each cell in turn, the content as HTML."""


class TablePanel(Panel):
    """A panel of rows with one topic each, and of cells; a pattern's rows come and go with it.

    Rows are rendered one by one, and only the cells that changed are sent, as text: a page of 500
    symbols costs what changed, and a browser has nothing to parse and nothing to compare.
    """

    empty: ClassVar[str] = ""
    """The template of what stands in place of the rows when there are none; a pattern needs it."""

    tag: ClassVar[str] = "tbody"
    """The live element's, which has no attribute but its id."""

    row_tag: ClassVar[str] = "tr"

    inlays: Mapping[Topic, FragmentPanel] = {}
    """What stands in the cell of a row that has the class "keep", and is rendered by itself."""

    @property
    @abstractmethod
    def cell_tags(self) -> tuple[str, ...]:
        """How the element of each cell begins, without its class: `th scope="row"`, `td`."""
        ...

    @abstractmethod
    def row_id(self, key: Topic) -> str:
        """The row's element id; it must be plain in a CSS selector."""
        ...

    def order(self, records: Sequence[Any]) -> Sequence[int] | None:
        """The rows from the top as places in `records`, the newest of each row; None: as is.

        A row that is left out is not shown. Those of `summaries` come last in `records`.
        """
        return None

    def summaries(
        self, topics: Sequence[Topic], records: Sequence[Record | None]
    ) -> Mapping[Topic, Any]:
        """Return the records of further rows, made of the others, by topics of their own: sums."""
        return {}

    def summary_of(self, record: Any) -> Topic | None:
        """Return the topic of the sum that a row stands under, if there is that sum."""
        return None

    @abstractmethod
    def row_cells(self, key: Topic, record: Any, move: "RowChange") -> Cells:
        """The cells, as many as `cell_tags`."""
        ...

    @abstractmethod
    def row_value(self, record: Any) -> Any:
        """The number whose change makes the row flash; None when unknown."""
        ...


@dataclass(frozen=True, slots=True)
class RowChange:
    """What happened to a row since it was last rendered."""

    flash: Literal["", "up", "down"] = ""
    is_overdue: bool = False
    """Wanted for some seconds, and no record came."""
    is_part: bool = False
    """Stands under a row that sums it up."""


RESTING = RowChange()
