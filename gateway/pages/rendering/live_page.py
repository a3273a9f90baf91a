"""Views: what a page shows now, rendered once per tick for everybody who watches the same.

A view exists for a page with its parameters while somebody watches it. Four times a second it
looks at the newest record of each of its keys, renders what changed, and hands the same bytes to
all its viewers. Private panels are rendered once per grant and travel in messages of their own.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.pages.layout import Page
from gateway.pages.panel import Panel, Region
from gateway.pages.rendering.author_code import AuthorCode
from gateway.pages.rendering.cache import (
    FragmentElement,
    RenderCache,
    Sources,
    create_element,
)
from gateway.pages.rendering.channel import Channel, PrivatePanels, finish
from gateway.pages.rendering.histories import Histories
from gateway.pages.rendering.ticker import TICK_S, Ticker
from gateway.streams.demand import Demand
from gateway.streams.documents import Documents
from gateway.streams.hub.hub import Hub
from gateway.streams.hub.sink import Sink
from gateway.streams.records import Status
from gateway.streams.topics import Grant, Topic, status_topic

LINGER_S = 2.0
"""A view without viewers keeps its place so long: a reload finds it warm."""

MAX_IDLE = 64
"""Views that may linger at once; more would only serve somebody who asks for ever new ones."""

VIEWERS_AT_A_TIME = 64
"""Between two looks at the clock: about a millisecond."""

OVERDUE_S = 5.0
"""A symbol without any record after so long gets a row that says so."""


class LivePage:
    """A page as it is now, while somebody watches it.

    Ordered: each viewer sees rising states. May drop: intermediate states for a viewer that is
    slow; never the newest. Bounded by what the page shows, not by its viewers or their speed.
    """

    def __init__(self, page: Page, sources: Sources, views: "LivePages", hold: ExitStack) -> None:
        self.page = page
        self.viewers = 0
        self.is_retired = False
        """Whether its page was reloaded, so that every viewer must open the new one."""
        self.hold = hold
        self.holders: set[str | None] = set()
        """The viewers in whose share the page's symbols count."""
        self.shared = Channel([each for each in page.panels if not each.is_private], sources)
        self.ready: dict[PageSubscriber, None] = {}
        """Those whose sink can take more and who have everything so far; a dict for its order."""
        self._private_panels = [each for each in page.panels if each.is_private]
        self._private: dict[Grant, PrivatePanels] = {}
        self._sources = sources
        self._views = views
        self._closer: asyncio.TimerHandle | None = None

    @property
    def closing(self) -> str | None:
        """Why the hub closes; None while it does not."""
        return self._sources.hub.closing

    def join(self, grant: Grant, viewer: str | None) -> "PageSubscriber":
        """A viewer who is behind everything; close it when done."""
        self.cancel()
        tick = self._views.ticker.start()
        private = self._private.get(grant)
        if private is None:
            channel = Channel(self._private_panels, self._sources, grant)
            private = self._private[grant] = PrivatePanels(channel, grant, self._views.demand)
        private.viewers += 1
        private.add_holder(viewer)
        self.viewers += 1
        if private.viewers == 1 or self.viewers == 1:
            finish(self.work(tick))
        return PageSubscriber(self, private)

    def leave(self, private: PrivatePanels) -> None:
        """One viewer fewer; nothing is rendered for nobody."""
        self.viewers -= 1
        private.viewers -= 1
        if private.viewers == 0:
            del self._private[private.grant]
            private.close()
        if self.viewers == 0:
            self._views.ticker.stop_if_unwanted()
            loop = asyncio.get_running_loop()
            self._closer = loop.call_later(self._views.linger_s, self._views.drop, self)

    def cancel(self) -> None:
        """Stop lingering."""
        if self._closer:
            self._closer.cancel()
            self._closer = None

    def retire(self) -> None:
        """Send every subscriber on to the page that takes this one's place."""
        self.is_retired = True
        for subscriber in list(self.ready):
            subscriber.resume_writing()

    def work(self, tick: int) -> Iterator[None]:
        """Render what changed and tell the viewers, with pauses."""
        channels = [self.shared, *(each.channel for each in self._private.values())]
        before = [each.seq for each in channels]
        yield from self.shared.work(tick)
        if self._private_panels:
            for private in list(self._private.values()):
                yield from private.channel.work(tick)
                if private.viewers:  # else the last one left during a pause
                    private.follow()
        yield
        if self.closing is not None or self.is_retired or before != [each.seq for each in channels]:
            yield from self._deliver()

    def _deliver(self) -> Iterator[None]:
        chunks: Chunks = {}
        # A copy: a sink may close its subscriber, and a full one is set aside.
        for number, subscriber in enumerate(list(self.ready)):
            subscriber.deliver(chunks)
            if number % VIEWERS_AT_A_TIME == VIEWERS_AT_A_TIME - 1:
                chunks.clear()  # there may be a newer message after a pause
                yield


class PageSubscriber:
    """One open stream of a page: two cursors, and the sink that `write_to` names.

    It is among the page's `ready` while the sink can take more.
    """

    def __init__(self, view: LivePage, private: PrivatePanels) -> None:
        self._view = view
        self._private = private
        self._cursors = (-1, -1)
        self._sink: Sink | None = None
        self._on_retired: Callable[[], None] = lambda: None
        self.closed = False

    def show_everything(self) -> str:
        """Return the partials of all that this viewer may see, for a request that ends."""
        return self._view.shared.show_everything() + self._private.channel.show_everything()

    def write_to(self, sink: Sink, on_retired: Callable[[], None]) -> None:
        """Write everything to a sink, and from then on what changes.

        `on_retired` is called when another page takes this one's place; nothing more is written.
        """
        self._sink, self._on_retired = sink, on_retired
        self.resume_writing()

    def resume_writing(self) -> None:
        """Write what was missed while the sink was full, then wait for the next tick."""
        if not self.closed:
            self._view.ready[self] = None
            self.deliver({})

    def deliver(self, chunks: "Chunks") -> None:
        """Write what is new, or end; `chunks` keeps what was made for the next."""
        view, sink = self._view, self._sink
        if sink is None or self not in view.ready:
            return
        closing = view.closing
        if closing is not None:
            del view.ready[self]
            sink.close(closing)
        elif view.is_retired:
            del view.ready[self]
            self._on_retired()
        elif (chunk := self._read(chunks)) and not sink.write(chunk):
            view.ready.pop(self, None)

    def close(self) -> None:
        """Leave the page; may be called twice."""
        if not self.closed:
            self.closed = True
            self._view.ready.pop(self, None)
            self._view.leave(self._private)

    def _read(self, chunks: "Chunks") -> bytes:
        """Return what brings this subscriber up to date; empty if it is."""
        shared, private = self._view.shared, self._private.channel
        key = (self._private, *self._cursors)
        chunk = chunks.get(key)
        if chunk is None:
            chunk = chunks[key] = shared.after(key[1]) + private.after(key[2])
        self._cursors = (shared.seq, private.seq)
        return chunk


Chunks = dict[tuple[PrivatePanels, int, int], bytes]
"""What viewers with these cursors are sent, so that all of them get the same bytes."""


class PanelHtml(NamedTuple):
    """A panel as part of a whole page."""

    region: Region
    html: Markup


class LivePages:
    """All views that are watched, each once, and the symbols that they want."""

    def __init__(
        self,
        hub: Hub,
        demand: Demand,
        environment: Environment,
        *,
        tick_s: float = TICK_S,
        linger_s: float = LINGER_S,
        clock: Clock = SYSTEM_CLOCK,
        documents: Callable[[], Documents | None] = lambda: None,
    ) -> None:
        """`documents` asks the broker for what panels show of accounts."""
        self.ticker = Ticker(self._work, self._is_watched, tick_s)
        self.linger_s = linger_s
        self._hub = hub
        self.demand = demand
        self._environment = environment
        self._now_s = clock.monotonic_s
        self._sources = Sources(
            hub,
            environment,
            self._is_overdue,
            clock,
            RenderCache(),
            AuthorCode(clock),
            Histories(documents, clock),
        )
        self._views: dict[tuple[str, str, int], LivePage] = {}
        self._counts: Counter[str] = Counter()
        self._wanted_since_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._views)

    def open(self, page: Page, grant: Grant, viewer: str | None = None) -> PageSubscriber:
        """A viewer of this page; its symbols count in the share of `viewer`, None for the owner.

        Raises:
            TooManySymbols: when the gateway follows as many symbols as it may.
        """
        view = self._views.get(page.key)
        if view is None:
            hold = ExitStack()
            hold.enter_context(self.demand.acquire(page.symbols, viewer))
            for symbol in page.symbols:
                self._wanted_since_s.setdefault(symbol, self._now_s())
            self._counts.update(page.symbols)
            view = self._views[page.key] = LivePage(page, self._sources, self, hold)
            view.holders.add(viewer)
            self._drop_idle()
        elif viewer not in view.holders:
            view.hold.enter_context(self.demand.acquire(page.symbols, viewer))
            view.holders.add(viewer)
        return view.join(grant, viewer)

    def _drop_idle(self) -> None:
        """Forget the oldest views that only linger, when there are many of them."""
        idle = [view for view in self._views.values() if view.viewers == 0]
        for view in idle[: max(0, len(idle) - MAX_IDLE)]:
            self.drop(view)

    def _is_watched(self) -> bool:
        return any(view.viewers for view in self._views.values())

    def _work(self, tick: int) -> Iterator[None]:
        """Render what changed in all views that are watched, and tell their viewers."""
        for view in list(self._views.values()):
            if view.viewers:
                try:
                    yield from view.work(tick)
                except Exception as error:  # noqa: BLE001 - the next record may be better
                    context = {"message": "a view could not be rendered", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(context)

    def drop(self, view: LivePage) -> None:
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
        """End all reading, because the pages were reloaded; each viewer opens its page again."""
        views, self._views = list(self._views.values()), {}
        for view in views:
            view.retire()

    def render(self, page: Page, grant: Grant, variables: Mapping[str, Any]) -> list[PanelHtml]:
        """Every panel of the page with its present values; `variables` are for the frames."""
        return [
            PanelHtml(
                panel.region,
                self._render_frame(panel, self.render_live(panel, grant), variables),
            )
            for panel in page.panels
        ]

    def render_frames(self, page: Page, variables: Mapping[str, Any]) -> list[Markup]:
        """Every panel of the page without any value."""
        return [self._render_frame(panel, Markup(""), variables) for panel in page.panels]

    def render_live(self, panel: Panel, grant: Grant) -> Markup:
        """What stands in the panel's live element at this moment."""
        # Of its own, because whoever looks at rows between two ticks would take their flashes.
        element = create_element(panel, self._sources._replace(parts=RenderCache()), grant)
        if isinstance(element, FragmentElement):
            element.fragment.refresh(0)
            return Markup(element.html)
        for row in element.rows:
            row.refresh(0)
        element.sort()
        inlays = element.panel.inlays.items()
        return Markup(element.render({key: self.render_live(each, grant) for key, each in inlays}))

    def _render_frame(self, panel: Panel, live: Markup, variables: Mapping[str, Any]) -> Markup:
        frame = self._environment.get_template(panel.frame)
        return Markup(frame.render(variables, panel=panel, live=live))

    def _is_overdue(self, key: Topic) -> bool:
        feed = self._hub.latest(status_topic("feed"))
        if isinstance(feed, Status) and feed.state != "live":
            return False  # while the feed has a fault, silence says nothing of a symbol
        since_s = self._wanted_since_s.get(key.subject)
        return since_s is not None and self._now_s() - since_s >= OVERDUE_S
