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
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from operator import is_
from typing import Any, Literal, NamedTuple
from weakref import WeakValueDictionary

from jinja2 import Environment
from markupsafe import Markup

from gateway.pages.panel import RESTING, FragmentPanel, Move, Page, Panel, Slot, TablePanel
from gateway.pages.stencil import Stencil
from gateway.streams.events import Key, Record
from gateway.streams.hub import Hub
from gateway.streams.interest import Interest

logger = logging.getLogger(__name__)

TICK_S = 0.25
"""Four renderings a second: more costs the browser and tells the eye nothing."""

LINGER_S = 2.0
"""A view without viewers keeps its place so long: a reload finds it warm."""

SLICE_S = 0.004
"""After so much rendering and writing, others have their turn."""

ROWS_AT_A_TIME = 64
VIEWERS_AT_A_TIME = 64
"""Between two looks at the clock: about a millisecond."""

OVERDUE_S = 5.0
"""A symbol without any record after so long gets a row that says so."""

ACCOUNTS_S = 1.0
"""How old the list of all known accounts may be; finding it walks every key of the hub."""

WHOLE_TABLE_FROM = 1 / 3
"""From this share of changed rows on, morphing the whole table is cheaper (measured: 10 % of 500
rows at 4 Hz cost 12 % of the main thread row by row and 16 % whole, 30 % cost 29 % and 17 %)."""

OUTER = "outerMorph"
"""The swap of rows and tables. After a swap htmx looks through every child of an inner target by
itself, and through an outer target once (4.0.1: a third of the whole for a table of 500 rows)."""

KEEP = ' class="keep">'
"""How the element in a row ends its tag whose content never changes: htmx leaves alone what is
there, so it travels empty. One in a row, which holds no other of its tag."""

_KEPT = re.compile(rf"<(\w+){KEEP}.*?</\1>", re.DOTALL)
_LINE_END = re.compile(r"\r\n?|\n")

Accounts = frozenset[str] | None
"""The accounts that a viewer may see; None means all."""


def encode_message(html: str) -> bytes:
    """One SSE message without a name, which htmx swaps in."""
    if "\n" in html or "\r" in html:
        html = _LINE_END.sub("\ndata: ", html)
    return f"data: {html}\n\n".encode()


def render_partial(target_id: str, html: str, swap: str = "innerMorph") -> str:
    """The element that makes htmx morph `html` into the element with this id."""
    return f'<hx-partial hx-target="#{target_id}" hx-swap="{swap}">{html}</hx-partial>'


class Sources(NamedTuple):
    """What rendering reads: the newest records, the templates, the clocks."""

    hub: Hub
    environment: Environment
    is_overdue: Callable[[Key], bool]
    clock: Callable[[], float]
    now_ms: Callable[[], int]
    parts: "Parts"


class Fragment:
    """The live content of a panel, rendered at most once a tick for all views that show it."""

    def __init__(self, panel: FragmentPanel, sources: Sources) -> None:
        self.html = ""
        self.version = 0
        self.tick = -1
        self._panel = panel
        self._sources = sources
        self._template = sources.environment.get_template(panel.template)
        self._keys: tuple[Key, ...] | None = None
        self._records: list[Record | None] = []
        self._rendered_s = float("-inf")

    def refresh(self, tick: int, accounts: Sequence[str]) -> None:
        """Render what changed since the tick before."""
        if tick == self.tick:
            return
        self.tick = tick
        panel, latest = self._panel, self._sources.hub.latest
        keys = panel.keys(accounts)
        records = [latest(*key) for key in keys]
        now_s = self._sources.clock()
        period_s = panel.refresh_s
        is_due = period_s is not None and now_s - self._rendered_s >= period_s
        # Records are never changed in place, so a newer one is another object.
        if keys == self._keys and not is_due and all(map(is_, records, self._records)):
            return
        if keys == self._keys and now_s - self._rendered_s < panel.pause_s and any(self._records):
            return
        self._keys, self._records, self._rendered_s = keys, records, now_s
        html = self._template.render(panel.context(records, self._sources.now_ms()))
        if html != self.html:
            self.html = html
            self.version += 1


class Row:
    """A row of a table, rendered at most once a tick for all views that show it."""

    def __init__(self, panel: TablePanel, key: Key, sources: Sources) -> None:
        self.html = ""
        self.short = ""
        """The same for who has seen this row before, without what never changes."""
        self.version = 0
        self.tick = -1
        self._panel = panel
        self._key = key
        self._sources = sources
        self._stencil = sources.parts.stencil(panel, sources)
        self.record: Record | None = None
        self._value: object = None
        self._kept = self._emptied = ""
        self._move = RESTING
        self._is_overdue = False

    def refresh(self, tick: int) -> None:
        """Render what changed since the tick before."""
        if tick == self.tick:
            return
        self.tick = tick
        record = self._sources.hub.latest(*self._key)
        is_overdue = record is None and self._sources.is_overdue(self._key)
        if (
            record is self.record
            and is_overdue == self._is_overdue
            and not self._move.flash
            and self.html
        ):
            return
        value = self._panel.row_value(record)
        # A row that flashed in the last tick rests in this one: at most two flashes a second.
        flash = "" if self._move.flash else _flash_of(self._value, value)
        move = Move(flash, is_overdue) if flash or is_overdue else RESTING
        html = self._stencil.render(self._panel.row_context(self._key, record, move))
        self.record, self._is_overdue, self._move, self._value = record, is_overdue, move, value
        if html != self.html:
            self.html = html
            self._shorten()
            self.version += 1

    def _shorten(self) -> None:
        if not self._kept or self._kept not in self.html:
            found = _KEPT.search(self.html) if KEEP in self.html else None
            self._kept = found[0] if found else ""
            self._emptied = f"<{found[1]}></{found[1]}>" if found else ""
        self.short = self.html.replace(self._kept, self._emptied) if self._kept else self.html


class Parts:
    """The fragments and rows of all views, each once while somebody shows it."""

    def __init__(self) -> None:
        self._fragments: WeakValueDictionary[Hashable, Fragment] = WeakValueDictionary()
        self._rows: WeakValueDictionary[Hashable, Row] = WeakValueDictionary()
        self._stencils: dict[Hashable, Stencil] = {}

    def stencil(self, panel: TablePanel, sources: Sources) -> Stencil:
        """What renders the rows of such panels."""
        found = self._stencils.get((panel.template, panel.printed))
        if found is None:
            found = Stencil(sources.environment.get_template(panel.template), panel.printed)
            self._stencils[panel.template, panel.printed] = found
        return found

    def fragment(self, panel: FragmentPanel, allowed: Accounts, sources: Sources) -> Fragment:
        """The content of this panel for viewers with these accounts."""
        key = (panel.kind, allowed)
        found = self._fragments.get(key)
        if found is None:
            found = self._fragments[key] = Fragment(panel, sources)
        return found

    def row(self, panel: TablePanel, key: Key, sources: Sources) -> Row:
        """The row of this key in panels of this kind."""
        found = self._rows.get((panel.kind, key))
        if found is None:
            found = self._rows[panel.kind, key] = Row(panel, key, sources)
        return found


class FragmentElement:
    """A panel's live element in one view."""

    def __init__(self, panel: FragmentPanel, sources: Sources, allowed: Accounts) -> None:
        self.panel = panel
        self._fragment = sources.parts.fragment(panel, allowed, sources)
        self._seen = 0

    @property
    def html(self) -> str:
        """What stands in the element."""
        return self._fragment.html

    def refresh(self, tick: int, accounts: Sequence[str]) -> Iterator[None]:
        """Render what changed, with pauses."""
        self._fragment.refresh(tick, accounts)
        yield

    def take_changes(self) -> str:
        """The partial that brings a browser up to date; empty when nothing changed."""
        if self._seen == self._fragment.version:
            return ""
        self._seen = self._fragment.version
        return self.snapshot()

    def snapshot(self) -> str:
        """The partial with everything."""
        return render_partial(self.panel.id, self.html)


class TableElement:
    """The live rows of a table in one view; changed ones travel alone while they are few."""

    def __init__(self, panel: TablePanel, sources: Sources) -> None:
        keys = panel.keys(())
        self.panel = panel
        self._empty = sources.environment.get_template(panel.empty)
        self._rows = [sources.parts.row(panel, key, sources) for key in keys]
        self._ids = [panel.row_id(key) for key in keys]
        self._begins = [f'<{panel.row_tag} id="{id}">' for id in self._ids]
        self._end = f"</{panel.row_tag}>"
        self._seen = [0] * len(keys)
        self._short = [""] * len(keys)
        self._order: Sequence[int] = range(len(keys))
        self._is_sorted = type(panel).order is not TablePanel.order
        self._is_told = False

    @property
    def html(self) -> str:
        """What stands in the element."""
        if not self._rows:
            return self._empty.render()
        rows, begins, end = self._rows, self._begins, self._end
        return "".join([f"{begins[index]}{rows[index].html}{end}" for index in self._order])

    def refresh(self, tick: int, accounts: Sequence[str]) -> Iterator[None]:
        """Render what changed, with pauses."""
        for number, row in enumerate(self._rows):
            row.refresh(tick)
            if number % ROWS_AT_A_TIME == ROWS_AT_A_TIME - 1:
                yield

    def take_changes(self) -> str:
        """The partials of the changed rows, or of the whole table; empty when nothing changed."""
        if not self._rows:
            is_told, self._is_told = self._is_told, True
            return "" if is_told else self.snapshot()
        changed, seen = [], self._seen
        for index, row in enumerate(self._rows):
            if row.version != seen[index]:
                seen[index] = row.version
                self._short[index] = f"{self._begins[index]}{row.short}{self._end}"
                changed.append(index)
        if not changed:
            return ""
        if self._sort() or len(changed) > len(self._rows) * WHOLE_TABLE_FROM:
            return self._wrap("".join([self._short[index] for index in self._order]))
        return "".join(
            [render_partial(self._ids[index], self._short[index], OUTER) for index in changed]
        )

    def _sort(self) -> bool:
        """Whether a row stands elsewhere now."""
        order = self.panel.order([row.record for row in self._rows]) if self._is_sorted else None
        if order is None or list(order) == list(self._order):
            return False
        self._order = order
        return True

    def snapshot(self) -> str:
        """The partial with everything."""
        return self._wrap(self.html)

    def _wrap(self, rows: str) -> str:
        tag, id = self.panel.tag, self.panel.id
        return render_partial(id, f'<{tag} id="{id}">{rows}</{tag}>', OUTER)


def _flash_of(before: object, after: object) -> Literal["", "up", "down"]:
    if before is None or after is None or before == after:
        return ""
    return "up" if after > before else "down"  # type: ignore[operator]


def create_element(
    panel: Panel, sources: Sources, allowed: Accounts = None
) -> FragmentElement | TableElement:
    """The live element of a panel, of which nothing is rendered yet."""
    if isinstance(panel, TablePanel):
        return TableElement(panel, sources)
    if isinstance(panel, FragmentPanel):
        return FragmentElement(panel, sources, allowed)
    raise TypeError(f"{panel!r} is neither a TablePanel nor a FragmentPanel")


class Channel:
    """Panels that are rendered together, and the bytes that say so.

    `seq` counts the messages. A viewer who saw message `seq - 1` gets the newest message; anybody
    else gets the snapshot, which is the same for all of them.
    """

    def __init__(self, panels: Sequence[Panel], sources: Sources, allowed: Accounts = None) -> None:
        self.elements = [create_element(panel, sources, allowed) for panel in panels]
        self.seq = 0
        self._message = b""
        self._snapshot: tuple[int, bytes] = (-1, b"")

    def work(self, tick: int, accounts: Sequence[str] = ()) -> Iterator[None]:
        """Make the next message if there is anything to say, with pauses."""
        for element in self.elements:
            yield from element.refresh(tick, accounts)
        html = "".join([element.take_changes() for element in self.elements])
        if html:
            self._message = encode_message(html)
            self.seq += 1

    def show_everything(self) -> str:
        """The partials of all that these panels show."""
        return "".join([each.snapshot() for each in self.elements])

    def snapshot(self) -> bytes:
        """The same as one message."""
        if self._snapshot[0] != self.seq:
            html = self.show_everything()
            self._snapshot = (self.seq, encode_message(html) if html else b"")
        return self._snapshot[1]

    def after(self, seq: int) -> bytes:
        """What a viewer needs who saw the messages up to `seq`."""
        if seq == self.seq:
            return b""
        return self._message if seq == self.seq - 1 and seq > 0 else self.snapshot()


def finish(work: Iterator[None]) -> None:
    """Do all of it without a pause."""
    for _ in work:
        pass


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

    def __init__(self, page: Page, sources: Sources, views: "Views", hold: ExitStack) -> None:
        self.page = page
        self.viewers = 0
        self.is_retired = False
        """Whether its page was described anew, and every viewer is to open that one."""
        self.hold = hold
        self.shared = Channel([each for each in page.panels if not each.is_private], sources)
        self.pushed: dict[Viewer, None] = {}
        """Those who are written to and have taken everything so far; a dict for its order."""
        self._private_panels = [each for each in page.panels if each.is_private]
        self._private: dict[Accounts, _Private] = {}
        self._sources = sources
        self._views = views
        self._changed = asyncio.Event()
        self._closer: asyncio.TimerHandle | None = None

    @property
    def is_closing(self) -> bool:
        """Whether the hub closes or the page is another now, and every viewer is to leave."""
        return self.is_retired or self._sources.hub.closing is not None

    def join(self, accounts: Accounts) -> "Viewer":
        """A viewer who is behind everything; close it when done."""
        self.cancel()
        tick = self._views.start()
        private = self._private.get(accounts)
        if private is None:
            channel = Channel(self._private_panels, self._sources, accounts)
            private = self._private[accounts] = _Private(channel, accounts)
        private.viewers += 1
        self.viewers += 1
        if private.viewers == 1 or self.viewers == 1:
            finish(self.work(tick))
        return Viewer(self, private)

    def leave(self, private: _Private) -> None:
        """One viewer fewer; nothing is rendered for nobody."""
        self.viewers -= 1
        private.viewers -= 1
        if private.viewers == 0:
            del self._private[private.accounts]
        if self.viewers == 0:
            self._views.stop_if_unwatched()
            loop = asyncio.get_running_loop()
            self._closer = loop.call_later(self._views.linger_s, self._views.drop, self)

    def cancel(self) -> None:
        """Stop lingering."""
        if self._closer:
            self._closer.cancel()
            self._closer = None

    def retire(self) -> None:
        """End every viewer's reading."""
        self.is_retired = True
        self._changed.set()
        for viewer in list(self.pushed):
            viewer.resume()

    async def wait(self) -> None:
        """Return after the next tick that changed something, or when the view closes."""
        await self._changed.wait()

    def work(self, tick: int) -> Iterator[None]:
        """Render what changed and tell the viewers, with pauses."""
        channels = [self.shared, *(each.channel for each in self._private.values())]
        before = [each.seq for each in channels]
        yield from self.shared.work(tick)
        for private in list(self._private.values()):
            yield from private.channel.work(tick, self._views.accounts(private.accounts))
        if self.is_closing or before != [each.seq for each in channels]:
            self._changed.set()
            self._changed = asyncio.Event()
            yield from self._push()

    def _push(self) -> Iterator[None]:
        chunks: Chunks = {}
        # A copy: who takes a chunk may leave, and who cannot take another is set aside.
        for number, viewer in enumerate(list(self.pushed)):
            viewer.hand_over(chunks)
            if number % VIEWERS_AT_A_TIME == VIEWERS_AT_A_TIME - 1:
                chunks.clear()  # there may be a newer message after a pause
                yield


class Viewer:
    """One open stream of a view: two cursors. It is read from, or written to after `push`."""

    def __init__(self, view: View, private: _Private) -> None:
        self._view = view
        self._private = private
        self._cursors = (-1, -1)
        self._take: Callable[[bytes], bool] = lambda chunk: False
        self._end: Callable[[], None] = lambda: None
        self.closed = False

    async def read(self) -> bytes | None:
        """What brings this viewer up to date, never empty; None when the hub or the view closes."""
        while not self._view.is_closing:
            if chunk := self.take({}):
                return chunk
            await self._view.wait()
        return None

    def take(self, chunks: "Chunks") -> bytes:
        """What brings this viewer up to date, empty if it is; `chunks` keeps it for the next."""
        shared, private = self._view.shared, self._private.channel
        key = (self._private, *self._cursors)
        chunk = chunks.get(key)
        if chunk is None:
            chunk = chunks[key] = shared.after(key[1]) + private.after(key[2])
        self._cursors = (shared.seq, private.seq)
        return chunk

    def show_everything(self) -> str:
        """The partials of all that this viewer may see, for who asks once and does not listen."""
        return self._view.shared.show_everything() + self._private.channel.show_everything()

    def push(self, take: Callable[[bytes], bool], end: Callable[[], None]) -> "Viewer":
        """Have the view write to `take` from now on; see `Hub.push`, whose promises hold here too.

        `end` is called when the hub or the view closes.
        """
        self._take, self._end = take, end
        self.resume()
        return self

    def resume(self) -> None:
        """Take what was missed, then wait for the next tick."""
        if not self.closed:
            self._view.pushed[self] = None
            self.hand_over({})

    def hand_over(self, chunks: "Chunks") -> None:
        """Write what is new, or the end."""
        if self._view.is_closing:
            self._view.pushed.pop(self, None)
            self._end()
        elif self in self._view.pushed and (chunk := self.take(chunks)) and not self._take(chunk):
            self._view.pushed.pop(self, None)

    def close(self) -> None:
        """Leave the view; may be called twice."""
        if not self.closed:
            self.closed = True
            self._view.pushed.pop(self, None)
            self._view.leave(self._private)


Chunks = dict[tuple[_Private, int, int], bytes]
"""What viewers with these cursors are sent, so that all of them get the same bytes."""


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
        self._sources = Sources(hub, environment, self._is_overdue, clock, now_ms, Parts())
        self._tick = 0
        self._due_s = 0.0
        self._timer: asyncio.Handle | None = None
        self._views: dict[tuple[str, str, int], View] = {}
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
        view = self._views.get(page.key)
        if view is None:
            hold = ExitStack()
            hold.enter_context(self._interest.hold(page.symbols))
            for symbol in page.symbols:
                self._wanted_since_s.setdefault(symbol, self._clock())
            self._counts.update(page.symbols)
            view = self._views[page.key] = View(page, self._sources, self, hold)
        return view.join(accounts)

    def start(self) -> int:
        """The number of the present tick; from now on one follows the other."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._tick += 1
            self._due_s = loop.time() + self.tick_s
            self._timer = loop.call_at(self._due_s, self._begin)
        return self._tick

    def stop_if_unwatched(self) -> None:
        """Nothing ticks for nobody."""
        if self._timer and not any(view.viewers for view in self._views.values()):
            self._timer.cancel()
            self._timer = None

    def tick(self) -> None:
        """Render what changed in all views that are watched, and tell their viewers."""
        self._tick += 1
        finish(self._work())

    def _work(self) -> Iterator[None]:
        for view in list(self._views.values()):
            if view.viewers:
                try:
                    yield from view.work(self._tick)
                except Exception as error:  # noqa: BLE001 - the next record may be better
                    context = {"message": "a view could not be rendered", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(context)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._tick += 1
        self._due_s = max(loop.time(), self._due_s + self.tick_s)
        self._continue(self._work())

    def _continue(self, work: Iterator[None]) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + SLICE_S
        for _ in work:
            if loop.time() >= end_s:
                self._timer = loop.call_soon(self._continue, work)
                return
        self._timer = loop.call_at(self._due_s, self._begin)
        self.stop_if_unwatched()

    def drop(self, view: View) -> None:
        """Forget a view that nobody watches."""
        if view.viewers == 0 and (view.is_retired or self._views.get(view.page.key) is view):
            if not view.is_retired:
                del self._views[view.page.key]
            view.cancel()
            view.hold.close()
            self._counts.subtract(view.page.symbols)
            for symbol in view.page.symbols:
                if self._counts[symbol] == 0:
                    del self._counts[symbol], self._wanted_since_s[symbol]

    def retire(self) -> None:
        """End all reading, because the pages were described anew; each viewer opens its again."""
        views, self._views = list(self._views.values()), {}
        for view in views:
            view.retire()

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
        # Of its own, because whoever looks at rows between two ticks would take their flashes.
        channel = Channel([panel], self._sources._replace(parts=Parts()), accounts)
        finish(channel.work(0, self.accounts(accounts) if panel.is_private else ()))
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
