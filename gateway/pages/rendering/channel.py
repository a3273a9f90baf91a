"""Channels: panels that are rendered together into the same messages, shared or for one grant."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

from gateway.pages.panel import Panel
from gateway.pages.rendering.cache import (
    FragmentElement,
    Sources,
    TableElement,
    create_element,
    encode_cells,
    encode_message,
)
from gateway.streams.demand import Demand, TooManySymbols
from gateway.streams.topics import Grant

ROWS_AT_A_TIME = 64
"""Between two looks at the clock: about a millisecond."""


class Channel:
    """Panels that are rendered together, and the bytes that say so.

    `seq` counts the messages. A viewer who saw message `seq - 1` gets the newest message; anybody
    else gets the snapshot, which is the same for all of them.
    """

    def __init__(self, panels: Sequence[Panel], sources: Sources, grant: Grant = None) -> None:
        self.elements = [create_element(panel, sources, grant) for panel in panels]
        self._fragments = [each for each in self.elements if isinstance(each, FragmentElement)]
        self._tables = [each for each in self.elements if isinstance(each, TableElement)]
        self._rows = [row for table in self._tables for row in table.rows]
        self._wanting = [
            each
            for each in self.elements
            if type(each.panel).wanted_symbols is not Panel.wanted_symbols
        ]
        self.seq = 0
        self._message = b""
        self._snapshot: tuple[int, bytes] = (-1, b"")

    def wanted_symbols(self) -> frozenset[str]:
        """Return the symbols that the panels need because of what they show."""
        return frozenset(
            symbol for each in self._wanting for symbol in each.panel.wanted_symbols(each.records)
        )

    def work(self, tick: int) -> Iterator[None]:
        """Make the next message if there is anything to say, with pauses."""
        followed = [table.follow() for table in self._tables]
        if any(followed):
            self._rows = [row for table in self._tables for row in table.rows]
        for number, row in enumerate(self._rows, 1):
            if row.tick != tick:  # else it was rendered for another view
                row.refresh(tick)
            if number % ROWS_AT_A_TIME == 0:
                yield
        html, cells = "", list[bytes]()
        for table in self._tables:
            html += table.take_changes(cells)
        for element in self._fragments:
            if element.fragment.tick != tick:
                element.fragment.refresh(tick)
            html += element.take_changes()
        if html or cells:
            message = encode_message(html) if html else b""
            self._message = message + encode_cells(cells) if cells else message
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


class PrivatePanels:
    """The private panels for one grant, how many watch them, and the symbols that they need."""

    def __init__(self, channel: Channel, grant: Grant, demand: Demand) -> None:
        self.channel = channel
        self.grant = grant
        self.viewers = 0
        self._demand = demand
        self._holders: dict[str | None, None] = {}
        self._wanted = frozenset[str]()
        self._hold = ExitStack()

    def add_holder(self, viewer: str | None) -> None:
        """Count the symbols in the share of this viewer too."""
        if viewer not in self._holders:
            self._holders[viewer] = None
            self._acquire()

    def follow(self) -> None:
        """Want what the panels need now, as far as there is room for it."""
        wanted = self.channel.wanted_symbols()
        if wanted != self._wanted:
            self._wanted = wanted
            self._acquire()

    def close(self) -> None:
        """Want nothing any more."""
        self._hold.close()

    def _acquire(self) -> None:
        with ExitStack() as acquired:
            for viewer in self._holders:
                for symbol in sorted(self._wanted):
                    # What there is no room for is not live; it says so by being stale or missing.
                    with suppress(TooManySymbols):
                        acquired.enter_context(self._demand.acquire([symbol], viewer))
            before, self._hold = self._hold, acquired.pop_all()
        before.close()
