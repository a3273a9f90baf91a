"""Views: what a page shows now, rendered once per tick for everybody who watches the same.

A view exists for a page with its parameters while somebody watches it. Four times a second it
looks at the newest record of each of its keys, renders what changed, and hands the same bytes to
all its viewers. Private panels are rendered once per set of accounts and travel in messages of
their own. The messages are Server-Sent Events of `<hx-partial>` elements for htmx 4.
"""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from gateway.pages.panel import RESTING, FragmentPanel, Move, Page, Panel, Slot, TablePanel
from gateway.streams.events import Key, Record
from gateway.streams.hub import Hub
from gateway.streams.interest import Interest

logger = logging.getLogger(__name__)

TICK_S = 0.25
"""Four renderings a second: more costs the browser and tells the eye nothing."""

LINGER_S = 2.0
"""A view without viewers keeps its place so long: a reload finds it warm."""

OVERDUE_S = 5.0
"""A symbol without any record after so long gets a row that says so."""

ACCOUNTS_S = 1.0
"""How old the list of all known accounts may be; finding it walks every key of the hub."""

WHOLE_TABLE_FROM = 1 / 3
"""From this share of changed rows on, morphing the whole table is cheaper (measured: 10 % of 500
rows at 4 Hz cost 12 % of the main thread row by row and 16 % whole, 30 % cost 29 % and 17 %)."""

_LINE_END = re.compile(r"\r\n?|\n")

Accounts = frozenset[str] | None
"""The accounts that a viewer may see; None means all."""


def encode_message(html: str) -> bytes:
    """One SSE message without a name, which htmx swaps in."""
    return f"data: {_LINE_END.sub(chr(10) + 'data: ', html)}\n\n".encode()


def render_partial(target_id: str, html: str) -> str:
    """The element that makes htmx morph `html` into the element with this id."""
    return f'<hx-partial hx-target="#{target_id}" hx-swap="innerMorph">{html}</hx-partial>'


class Sources(NamedTuple):
    """What rendering reads: the newest records, the templates, the clocks."""

    hub: Hub
    environment: Environment
    is_overdue: Callable[[Key], bool]
    clock: Callable[[], float]
    now_ms: Callable[[], int]


class FragmentElement:
    """A panel's live element as it was last rendered."""

    def __init__(self, panel: FragmentPanel, sources: Sources) -> None:
        self.panel = panel
        self.html = ""
        self._sources = sources
        self._template = sources.environment.get_template(panel.template)
        self._keys: tuple[Key, ...] | None = None
        self._records: list[Record | None] = []
        self._rendered_s = float("-inf")

    def refresh(self, accounts: Sequence[str]) -> str:
        """The partial that brings a browser up to date; empty when nothing changed."""
        keys = self.panel.keys(accounts)
        records = [self._sources.hub.latest(*key) for key in keys]
        now_s = self._sources.clock()
        period_s = self.panel.refresh_s
        is_due = period_s is not None and now_s - self._rendered_s >= period_s
        # Records are never changed in place, so a newer one is another object.
        if keys == self._keys and not is_due and all(map(_is_same, records, self._records)):
            return ""
        self._keys, self._records, self._rendered_s = keys, records, now_s
        html = self._template.render(self.panel.context(records, self._sources.now_ms()))
        if html == self.html:
            return ""
        self.html = html
        return render_partial(self.panel.id, html)


class _Row:
    __slots__ = ("html", "id", "is_overdue", "key", "move", "record", "value")

    def __init__(self, key: Key, id: str) -> None:
        self.key = key
        self.id = id
        self.record: Record | None = None
        self.value: object = None
        self.move = RESTING
        self.is_overdue = False
        self.html = ""


class TableElement:
    """The live rows of a table; changed ones travel alone while they are few."""

    def __init__(self, panel: TablePanel, sources: Sources) -> None:
        self.panel = panel
        self.html = ""
        self._sources = sources
        self._template = sources.environment.get_template(panel.template)
        self._empty = sources.environment.get_template(panel.empty)
        self._rows = [_Row(key, panel.row_id(key)) for key in panel.keys(())]

    def refresh(self, accounts: Sequence[str]) -> str:
        """The partials of the changed rows, or of the whole table."""
        if not self._rows:
            is_first, self.html = not self.html, self._empty.render()
            return render_partial(self.panel.id, self.html) if is_first else ""
        changed = [row for row in self._rows if self._refresh_row(row)]
        if not changed:
            return ""
        self.html = "".join(map(self._wrap, self._rows))
        if len(changed) > len(self._rows) * WHOLE_TABLE_FROM:
            return render_partial(self.panel.id, self.html)
        return "".join(render_partial(row.id, row.html) for row in changed)

    def _wrap(self, row: _Row) -> str:
        tag = self.panel.row_tag
        return f'<{tag} id="{row.id}">{row.html}</{tag}>'

    def _refresh_row(self, row: _Row) -> bool:
        record = self._sources.hub.latest(*row.key)
        is_overdue = record is None and self._sources.is_overdue(row.key)
        if (
            row.html
            and record is row.record
            and is_overdue == row.is_overdue
            and not row.move.flash
        ):
            return False
        value = self.panel.row_value(record)
        flash = _flash_of(row.value, value)
        # A row that flashed in the last tick rests in this one: at most two flashes a second.
        move = Move(flash="" if row.move.flash else flash, is_overdue=is_overdue)
        html = self._template.render(self.panel.row_context(row.key, record, move))
        row.record, row.is_overdue, row.move = record, is_overdue, move
        row.value = value
        if html == row.html:
            return False
        row.html = html
        return True


def _is_same(one: Record | None, other: Record | None) -> bool:
    return one is other


def _flash_of(before: object, after: object) -> Literal["", "up", "down"]:
    if before is None or after is None or before == after:
        return ""
    return "up" if after > before else "down"  # type: ignore[operator]


def create_element(panel: Panel, sources: Sources) -> FragmentElement | TableElement:
    """The live element of a panel, of which nothing is rendered yet."""
    if isinstance(panel, TablePanel):
        return TableElement(panel, sources)
    if isinstance(panel, FragmentPanel):
        return FragmentElement(panel, sources)
    raise TypeError(f"{panel!r} is neither a TablePanel nor a FragmentPanel")


class Channel:
    """Panels that are rendered together, and the bytes that say so.

    `seq` counts the messages. A viewer who saw message `seq - 1` gets the newest message; anybody
    else gets the snapshot, which is the same for all of them.
    """

    def __init__(self, panels: Sequence[Panel], sources: Sources) -> None:
        self.elements = [create_element(panel, sources) for panel in panels]
        self.seq = 0
        self._message = b""
        self._snapshot: tuple[int, bytes] = (-1, b"")

    def tick(self, accounts: Sequence[str] = ()) -> bool:
        """Whether there is a new message."""
        html = "".join([element.refresh(accounts) for element in self.elements])
        if not html:
            return False
        self._message = encode_message(html)
        self.seq += 1
        return True

    def snapshot(self) -> bytes:
        """One message with everything that these panels show."""
        if self._snapshot[0] != self.seq:
            html = "".join(render_partial(each.panel.id, each.html) for each in self.elements)
            self._snapshot = (self.seq, encode_message(html) if html else b"")
        return self._snapshot[1]

    def after(self, seq: int) -> bytes:
        """What a viewer needs who saw the messages up to `seq`."""
        if seq == self.seq:
            return b""
        return self._message if seq == self.seq - 1 and seq > 0 else self.snapshot()


class _Private:
    """The private panels for one set of accounts, and how many watch them."""

    def __init__(self, channel: Channel, accounts: Accounts) -> None:
        self.channel = channel
        self.accounts = accounts
        self.viewers = 0


class View:
    """A page as it is now, while somebody watches it.

    Ordered: each viewer sees rising states. May drop: intermediate states for a viewer that is
    slow; never the newest. Bounded by what the page shows, not by its viewers or their speed.
    """

    def __init__(self, page: Page, sources: Sources, views: "Views") -> None:
        self.page = page
        self.viewers = 0
        self.shared = Channel([each for each in page.panels if not each.is_private], sources)
        self._private_panels = [each for each in page.panels if each.is_private]
        self._private: dict[Accounts, _Private] = {}
        self._sources = sources
        self._views = views
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closer: asyncio.TimerHandle | None = None

    @property
    def is_closing(self) -> bool:
        """Whether the hub closes, and every viewer is to leave."""
        return self._sources.hub.closing is not None

    def join(self, accounts: Accounts) -> "Viewer":
        """A viewer who is behind everything; close it when done."""
        if self._closer:
            self._closer.cancel()
            self._closer = None
        private = self._private.get(accounts)
        if private is None:
            channel = Channel(self._private_panels, self._sources)
            private = self._private[accounts] = _Private(channel, accounts)
            channel.tick(self._views.accounts(accounts))
        private.viewers += 1
        self.viewers += 1
        if self._timer is None:
            self._run()
        return Viewer(self, private)

    def leave(self, private: _Private) -> None:
        """One viewer fewer; nothing is rendered for nobody."""
        self.viewers -= 1
        private.viewers -= 1
        if private.viewers == 0:
            del self._private[private.accounts]
        if self.viewers == 0:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            loop = asyncio.get_running_loop()
            self._closer = loop.call_later(self._views.linger_s, self._views.drop, self)

    def cancel(self) -> None:
        """Stop lingering."""
        if self._closer:
            self._closer.cancel()

    async def wait(self) -> None:
        """Return after the next tick that changed something, or when the hub closes."""
        await self._changed.wait()

    def tick(self) -> None:
        """Render what changed and wake the viewers."""
        is_changed = self.shared.tick()
        for private in self._private.values():
            is_changed |= private.channel.tick(self._views.accounts(private.accounts))
        if is_changed or self.is_closing:
            self._changed.set()
            self._changed = asyncio.Event()

    def _run(self) -> None:
        try:
            self.tick()
        finally:
            # Also after an error, which the loop's handler logs: the next record may be better.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._views.tick_s, self._run)


class Viewer:
    """One open stream of a view: two cursors."""

    def __init__(self, view: View, private: _Private) -> None:
        self._view = view
        self._private = private
        self._cursors = [-1, -1]
        self.closed = False

    async def read(self) -> bytes | None:
        """The messages that bring this viewer up to date, never empty; None when the hub closes."""
        channels = (self._view.shared, self._private.channel)
        while not self._view.is_closing:
            chunk = b"".join(
                [
                    channel.after(cursor)
                    for channel, cursor in zip(channels, self._cursors, strict=True)
                ]
            )
            self._cursors = [channel.seq for channel in channels]
            if chunk:
                return chunk
            await self._view.wait()
        return None

    def close(self) -> None:
        """Leave the view; may be called twice."""
        if not self.closed:
            self.closed = True
            self._view.leave(self._private)


class PanelHtml(NamedTuple):
    """A panel as part of a whole page."""

    slot: Slot
    html: Markup


class Views:
    """All views that are watched, each once, and the symbols that they want."""

    def __init__(
        self,
        hub: Hub,
        interest: Interest,
        environment: Environment,
        *,
        tick_s: float = TICK_S,
        linger_s: float = LINGER_S,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.tick_s = tick_s
        self.linger_s = linger_s
        self._hub = hub
        self._interest = interest
        self._environment = environment
        self._clock = clock
        self._sources = Sources(hub, environment, self._is_overdue, clock, now_ms)
        self._views: dict[tuple[str, str], View] = {}
        self._holds: dict[tuple[str, str], ExitStack] = {}
        self._counts: Counter[str] = Counter()
        self._wanted_since_s: dict[str, float] = {}
        self._accounts: tuple[float, tuple[str, ...]] = (float("-inf"), ())

    def __len__(self) -> int:
        return len(self._views)

    def open(self, page: Page, accounts: Accounts) -> Viewer:
        """A viewer of this page.

        Raises:
            TooManySymbols: when the gateway follows as many symbols as it may.
        """
        key = (page.name, page.query)
        view = self._views.get(key)
        if view is None:
            hold = ExitStack()
            hold.enter_context(self._interest.hold(page.symbols))
            self._holds[key] = hold
            for symbol in page.symbols:
                self._wanted_since_s.setdefault(symbol, self._clock())
            self._counts.update(page.symbols)
            view = self._views[key] = View(page, self._sources, self)
        return view.join(accounts)

    def drop(self, view: View) -> None:
        """Forget a view that nobody watches."""
        key = (view.page.name, view.page.query)
        if view.viewers == 0 and self._views.get(key) is view:
            del self._views[key]
            view.cancel()
            self._holds.pop(key).close()
            self._counts.subtract(view.page.symbols)
            for symbol in view.page.symbols:
                if self._counts[symbol] == 0:
                    del self._counts[symbol], self._wanted_since_s[symbol]

    def render(
        self, page: Page, accounts: Accounts, variables: Mapping[str, Any]
    ) -> list[PanelHtml]:
        """Every panel of the page with its present values; `variables` are for the frames."""
        return [
            PanelHtml(panel.slot, self._render_frame(panel, accounts, variables))
            for panel in page.panels
        ]

    def render_live(self, panel: Panel, accounts: Accounts) -> Markup:
        """What stands in the panel's live element at this moment."""
        channel = Channel([panel], self._sources)
        channel.tick(self.accounts(accounts) if panel.is_private else ())
        return Markup(channel.elements[0].html)

    def _render_frame(
        self, panel: Panel, accounts: Accounts, variables: Mapping[str, Any]
    ) -> Markup:
        frame = self._environment.get_template(panel.frame)
        live = self.render_live(panel, accounts)
        return Markup(frame.render(variables, panel=panel, live=live))

    def accounts(self, allowed: Accounts) -> tuple[str, ...]:
        """The account numbers behind a grant, in order."""
        if allowed is not None:
            return tuple(sorted(allowed))
        read_s, known = self._accounts
        now_s = self._clock()
        if now_s - read_s >= ACCOUNTS_S:
            known = tuple(each.account for each in self._hub.balances())
            self._accounts = (now_s, known)
        return known

    def _is_overdue(self, key: Key) -> bool:
        since_s = self._wanted_since_s.get(key[1])
        return since_s is not None and self._clock() - since_s >= OVERDUE_S
