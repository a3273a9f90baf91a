"""A strict parser of Server-Sent Events, written from the standard and from nothing of ours.

WHATWG HTML standard, sections 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event
stream". What the standard tells a client to pass over in silence is kept, for a test to look at.
"""

import codecs
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event.

    `id` is the id of this very block, None without one; `retry` the reconnection time in ms that
    was in force at the dispatch, None before there was any.
    """

    event: str
    data: str
    id: str | None
    retry: int | None


@dataclass(slots=True)
class Parser:
    """Takes a stream in pieces of any size and gives the events that are complete."""

    last_event_id: str = ""
    retry: int | None = None
    comments: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("strict")
    )
    _begun: bool = False
    _after_cr: bool = False
    _line: str = ""
    _event: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str | None = None
    _fields: int = 0

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes."""
        found: list[Event] = []
        for char in self._decoder.decode(piece):
            if not self._begun:
                self._begun = True
                if char == "\ufeff":
                    continue
            if char == "\n" and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = char == "\r"
            if char in "\r\n":
                line, self._line = self._line, ""
                found += self._take(line)
            else:
                self._line += char
        return found

    @property
    def is_between_events(self) -> bool:
        """Whether nothing is half read: no line, no block, no character."""
        return not self._line and not self._fields and not self._decoder.getstate()[0]

    def _take(self, line: str) -> list[Event]:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:])
            return []
        self._fields += 1
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = self.last_event_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)
        else:
            self.ignored.append(line)
        return []

    def _dispatch(self) -> list[Event]:
        event, data, own_id = self._event, self._data, self._id
        self._event, self._data, self._id, self._fields = "", [], None, 0
        # The standard looks at the buffer, to which each data line adds itself and a line end:
        # one empty data line is an event, no data line is none.
        return [Event(event or "message", "\n".join(data), own_id, self.retry)] if data else []


def parse(stream: bytes) -> list[Event]:
    """The events of a whole stream.

    Raises:
        AssertionError: when it ends inside an event, or holds what the standard says to ignore.
    """
    parser = Parser()
    events = parser.feed(stream)
    assert parser.is_between_events, "the stream ends inside an event"
    assert not parser.ignored, f"a client would ignore {parser.ignored[0]!r}"
    return events
