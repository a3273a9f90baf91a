"""Parts of views: fragments, rows, tables, each rendered at most once a tick for all who show it.

Fragments travel as `<hx-partial>` elements that htmx 4 morphs into the page. Of rows only the cells
that changed travel, as text: `["watchlist-SPY", 2, "450.25", -2, "c-last flash-up"]` is the id of a
row, then the place of a cell, from 1, before its new content, or negative before its new class.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, compress
from operator import is_, ne
from typing import Any, Literal, NamedTuple
from weakref import WeakValueDictionary

import msgspec
from jinja2 import Environment

from gateway.clock import Clock
from gateway.pages.panel import (
    RESTING,
    Cells,
    FragmentPanel,
    HistoryPanel,
    Panel,
    RowChange,
    TablePanel,
)
from gateway.pages.rendering.author_code import AuthorCall, AuthorCode
from gateway.pages.rendering.histories import Histories
from gateway.pages.rendering.panel_topics import PanelTopics
from gateway.streams.hub.hub import Hub
from gateway.streams.records import Record
from gateway.streams.topics import Grant, Topic

OUTER = "outerMorph"
"""The swap of tables. After a swap htmx looks through every child of an inner target by itself, and
through an outer target once (4.0.1: a third of the whole for a table of 500 rows)."""

KEEP = "keep"
"""The class of a cell whose content htmx leaves alone: it never changes, or is a panel itself."""

CELLS_EVENT = b"event: cells\ndata: "
"""Not for htmx: with 100 rows at 4 Hz, to parse and to morph them took the browser as long as to
lay out and to paint them (measured: 6 % of the main thread; writing texts into cells 1 %)."""

NOTHING: Grant = frozenset()
"""The grant under which what all may see is kept, whoever looks."""

_LINE_END = re.compile(r"\r\n?|\n")
_encode = msgspec.json.Encoder().encode


def encode_message(html: str) -> bytes:
    """One SSE message without a name, which htmx swaps in."""
    if "\n" in html or "\r" in html:
        html = _LINE_END.sub("\ndata: ", html)
    return f"data: {html}\n\n".encode()


def encode_cells(rows: Iterable[bytes]) -> bytes:
    """One SSE message with the changed cells of these rows."""
    return b"%b[%b]\n\n" % (CELLS_EVENT, b",".join(rows))


def render_partial(target_id: str, html: str, swap: str = "innerMorph") -> str:
    """The element that makes htmx morph `html` into the element with this id."""
    return f'<hx-partial hx-target="#{target_id}" hx-swap="{swap}">{html}</hx-partial>'


class Sources(NamedTuple):
    """What rendering uses: newest records, templates, the clock, authors' threads, histories."""

    hub: Hub
    environment: Environment
    is_overdue: Callable[[Topic], bool]
    clock: Clock
    parts: "RenderCache"
    author_code: AuthorCode
    histories: Histories


class Fragment:
    """The live content of a panel, rendered at most once a tick for all views that show it."""

    def __init__(self, panel: FragmentPanel, sources: Sources, grant: Grant) -> None:
        self.html = ""
        self.version = 0
        self.tick = -1
        self.records: list[Any] = []
        self._panel = panel
        self._sources = sources
        self._template = sources.environment.get_template(panel.template)
        self._topics = PanelTopics(panel, sources.hub, grant)
        self._rendered: tuple[Topic | None, ...] | None = None
        self._rendered_s = float("-inf")
        self._call: AuthorCall | None = None
        self._shown = 0
        if panel.limit_s is not None:
            key = (panel.kind, grant if panel.is_private else NOTHING)
            self._call = sources.author_code.call_of(key, panel.name, panel.limit_s)

    def refresh(self, tick: int) -> None:
        """Render what changed since the tick before."""
        if tick == self.tick:
            return
        self.tick = tick
        if self._call is not None:
            is_running = self._call.is_running()
            self._show_call(self._call)
            if is_running:
                return
        panel, latest = self._panel, self._sources.hub.latest
        topics = self._topics.read()
        records: list[Any] = [None if topic is None else latest(topic) for topic in topics]
        if isinstance(panel, HistoryPanel):
            records += self._sources.histories.read(panel.histories(topics))
        now_s = self._sources.clock.monotonic_s()
        period_s = panel.refresh_s
        is_due = period_s is not None and now_s - self._rendered_s >= period_s
        # Records are never changed in place, so a newer one is another object.
        is_same = topics is self._rendered
        if is_same and not is_due and all(map(is_, records, self.records)):
            return
        if is_same and now_s - self._rendered_s < panel.pause_s and any(self.records):
            return
        now_ms = self._sources.clock.now_ms()
        if self._call is not None:
            has_begun = self._call.begin(partial(panel.context, records, now_ms))
            self._show_call(self._call)
            if not has_begun:
                return
        else:
            self._show(panel.context(records, now_ms))
        self._rendered, self.records, self._rendered_s = topics, records, now_s

    def _show_call(self, call: AuthorCall) -> None:
        if call.context is not None and call.version != self._shown:
            self._shown = call.version
            self._show(call.context)

    def _show(self, context: Mapping[str, Any]) -> None:
        html = self._template.render(context)
        if html != self.html:
            self.html = html
            self.version += 1


class Row:
    """A row of a table, rendered at most once a tick for all views that show it."""

    def __init__(
        self,
        panel: TablePanel,
        key: Topic,
        sources: Sources,
        summaries: Mapping[Topic, Any] | None = None,
    ) -> None:
        self.version = 0
        self.tick = -1
        self.record: Any = None
        self.changes = b""
        """What is new since the version before: the rest of a list that begins with an id."""
        self._panel = panel
        self._key = key
        self._summaries = summaries
        is_sum = summaries is not None and key in summaries
        self._latest = summaries.get if summaries is not None and is_sum else sources.hub.latest
        self._is_missing = sources.is_overdue
        self._tags = [(f"<{tag}", f"</{tag.partition(' ')[0]}>") for tag in panel.cell_tags]
        self._codes = [code for place in range(1, len(self._tags) + 1) for code in (-place, place)]
        self._cells: Cells = ()
        self._value: object = None
        self._move = RESTING

    def refresh(self, tick: int) -> None:
        """Render what changed since the tick before."""
        if tick == self.tick:
            return
        self.tick = tick
        record, move = self._latest(self._key), self._move
        is_overdue = record is None and self._is_missing(self._key)
        is_part = self._summaries is not None and self._panel.summary_of(record) in self._summaries
        is_same = (
            record is self.record and is_overdue == move.is_overdue and is_part == move.is_part
        )
        if is_same and not move.flash and self._cells:
            return
        value = self._panel.row_value(record)
        # A row that flashed in the last tick rests in this one: at most two flashes a second.
        flash = "" if move.flash else _flash_of(self._value, value)
        is_resting = not (flash or is_overdue or is_part)
        self._move = RESTING if is_resting else RowChange(flash, is_overdue, is_part)
        self.record, self._value = record, value
        cells, before = self._panel.row_cells(self._key, record, self._move), self._cells
        if cells == before:
            return
        self._cells = cells
        self.version += 1
        changed = compress(zip(self._codes, cells, strict=True), map(ne, cells, before))
        self.changes = _encode(list(chain.from_iterable(changed)))[1:]

    def render(self, inlay: str = "") -> str:
        """All cells as HTML; `inlay` is for the one that is kept and has no content of its own."""
        cells = iter(self._cells)
        return "".join(
            [
                f'{begin} class="{css}">{content or (inlay if css == KEEP else "")}{end}'
                if css
                else f"{begin}>{content}{end}"
                for (begin, end), css, content in zip(self._tags, cells, cells, strict=True)
            ]
        )


class RenderCache:
    """The fragments and rows of all views, each once while somebody shows it."""

    def __init__(self) -> None:
        self._fragments: WeakValueDictionary[Hashable, Fragment] = WeakValueDictionary()
        self._rows: WeakValueDictionary[Hashable, Row] = WeakValueDictionary()

    def fragment(self, panel: FragmentPanel, grant: Grant, sources: Sources) -> Fragment:
        """The content of this panel for viewers with this grant."""
        key = (panel.kind, grant if panel.is_private else NOTHING)
        found = self._fragments.get(key)
        if found is None:
            found = self._fragments[key] = Fragment(panel, sources, grant)
        return found

    def row(self, panel: TablePanel, topic: Topic, grant: Grant, sources: Sources) -> Row:
        """The row of this topic in panels of this kind, for viewers with this grant."""
        key = (panel.kind, topic, grant if panel.is_private else NOTHING)
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = Row(panel, topic, sources)
        return found


class FragmentElement:
    """A panel's live element in one view."""

    def __init__(self, panel: FragmentPanel, sources: Sources, grant: Grant) -> None:
        self.panel = panel
        self.fragment = sources.parts.fragment(panel, grant, sources)
        self._seen = 0

    @property
    def records(self) -> Sequence[Record | None]:
        """What it shows."""
        return self.fragment.records

    @property
    def html(self) -> str:
        """What stands in the element."""
        return self.fragment.html

    def take_changes(self) -> str:
        """The partial that brings a browser up to date; empty when nothing changed."""
        if self._seen == self.fragment.version:
            return ""
        self._seen = self.fragment.version
        return self.snapshot()

    def snapshot(self) -> str:
        """The partial with everything."""
        return render_partial(self.panel.id, self.html)


class TableElement:
    """The live rows of a table in one view."""

    def __init__(self, panel: TablePanel, sources: Sources, grant: Grant) -> None:
        self.panel = panel
        self.rows: list[Row] = []
        self._environment = sources.environment
        self._sources = sources
        self._grant = grant
        self._topics = PanelTopics(panel, sources.hub, grant)
        self._followed: tuple[Topic | None, ...] = ()
        self._is_sorted = type(panel).order is not TablePanel.order
        self._has_summaries = type(panel).summaries is not TablePanel.summaries
        self._summaries: dict[Topic, Any] = {}
        self._summed: list[Record | None] = []
        self._is_told = False
        self._place_rows(self._topics.read())

    def follow(self) -> bool:
        """Make rows of the topics that came, drop those that went; say whether there were any."""
        topics = self._topics.read() if self._topics.has_patterns else self._followed
        if topics is self._followed and not self._summarize():
            return False
        self._place_rows(topics)
        return True

    def _summarize(self) -> bool:
        """Sum up what changed; say whether there are other sums than before."""
        if not self._has_summaries:
            return False
        latest = self._sources.hub.latest
        topics = self._keys[: len(self._keys) - len(self._summaries)]
        records = [latest(topic) for topic in topics]
        if len(records) == len(self._summed) and all(map(is_, records, self._summed)):
            return False
        before = set(self._summaries)
        self._sum_up(topics, records)
        return self._summaries.keys() != before

    def _sum_up(self, topics: Sequence[Topic], records: list[Record | None]) -> None:
        self._summed = records
        found = self.panel.summaries(topics, records)
        self._summaries.clear()  # the rows of the sums read from this very dict
        self._summaries.update(found)

    def _place_rows(self, topics: tuple[Topic | None, ...]) -> None:
        self._followed = topics
        self._keys = keys = [topic for topic in topics if topic is not None]
        panel, sources = self.panel, self._sources
        if self._has_summaries:
            self._sum_up(keys, [sources.hub.latest(topic) for topic in keys])
            self._keys = keys = [*keys, *self._summaries]
            self.rows = [Row(panel, key, sources, self._summaries) for key in keys]
        else:
            self.rows = [sources.parts.row(panel, key, self._grant, sources) for key in keys]
        self._ids = [panel.row_id(key) for key in keys]
        self._begins = [_encode([id])[:-1] + b"," for id in self._ids]
        self._seen = [0] * len(keys)
        self._order: Sequence[int] = range(len(keys))
        self._is_told = False

    @property
    def records(self) -> Sequence[Record | None]:
        """What it shows, without the sums."""
        return [row.record for row in self.rows[: len(self.rows) - len(self._summaries)]]

    @property
    def html(self) -> str:
        """What stands in the element."""
        return self.render({})

    def render(self, inlays: Mapping[Topic, str]) -> str:
        """The same with `inlays` in the rows of these keys."""
        if not self._order:
            return self._environment.get_template(self.panel.empty).render()
        tag, keys = self.panel.row_tag, self._keys
        return "".join(
            [
                f'<{tag} id="{self._ids[index]}">'
                f"{self.rows[index].render(inlays.get(keys[index], ''))}</{tag}>"
                for index in self._order
            ]
        )

    def take_changes(self, cells: list[bytes]) -> str:
        """The partial of the whole table if it takes that; else `cells` gets what changed."""
        is_whole, self._is_told = not self._is_told, True
        seen, begins, found = self._seen, self._begins, []
        for index, row in enumerate(self.rows):
            behind = row.version - seen[index]
            if behind:
                seen[index] = row.version
                found.append(begins[index] + row.changes)
                # Nobody watched for a while: what changed meanwhile is not known any more.
                is_whole |= behind > 1
        if self._is_sorted and found and self.sort():
            is_whole = True
        if is_whole:
            return self.snapshot()
        cells += found
        return ""

    def sort(self) -> bool:
        """Put the rows in their order; whether one stands elsewhere now."""
        order = self.panel.order([row.record for row in self.rows])
        if order is None or list(order) == list(self._order):
            return False
        self._order = order
        return True

    def snapshot(self) -> str:
        """The partial with everything."""
        tag, id = self.panel.tag, self.panel.id
        return render_partial(id, f'<{tag} id="{id}">{self.html}</{tag}>', OUTER)


def _flash_of(before: object, after: object) -> Literal["", "up", "down"]:
    if before is None or after is None or before == after:
        return ""
    return "up" if after > before else "down"  # type: ignore[operator]


def create_element(
    panel: Panel, sources: Sources, grant: Grant = None
) -> FragmentElement | TableElement:
    """The live element of a panel, of which nothing is rendered yet."""
    if isinstance(panel, TablePanel):
        return TableElement(panel, sources, grant)
    if isinstance(panel, FragmentPanel):
        return FragmentElement(panel, sources, grant)
    raise TypeError(f"{panel!r} is neither a TablePanel nor a FragmentPanel")
