"""What a browser reads in the messages of a view: an SSE parser by the standard, and partials.

Written from the WHATWG HTML standard, section 9.2.6, and independent of the code that writes.
"""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from gateway.streams.account_records import BalanceUpdate
from gateway.streams.records import QuoteUpdate, Status

VOID = {"rect", "input", "br", "meta", "link"}
WORDS_NEVER_SHOWN = re.compile(r"NaN|None|Infinity|Invalid Date|undefined|null", re.IGNORECASE)


@dataclass
class Message:
    """One dispatched event."""

    event: str
    data: str
    retry: int | None


def parse_messages(stream: bytes) -> list[Message]:
    """The events that a browser would dispatch; anything that is not plain SSE is an error."""
    text = stream.decode("utf-8")
    assert "\r" not in text
    assert "\0" not in text
    assert text.endswith("\n\n")
    messages = []
    for block in text[:-2].split("\n\n"):
        event, lines, retry = "message", [], None
        for line in block.split("\n"):
            name, separator, value = line.partition(":")
            assert separator, f"a field without a value: {line!r}"
            assert name in {"event", "data", "retry"}, f"an unknown field: {line!r}"
            assert value.startswith(" ")
            if name == "event":
                event = value[1:]
            elif name == "data":
                lines.append(value[1:])
            else:
                retry = int(value[1:])
        assert lines, "htmx ignores a block without data"
        messages.append(Message(event, "\n".join(lines), retry))
    return messages


@dataclass
class Node:
    """An element with its attributes, its children and its own text."""

    tag: str
    attributes: dict[str, str | None]
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def find(self, tag: str, **attributes: str) -> list["Node"]:
        """All elements below with this tag and these attributes."""
        found = []
        for child in self.children:
            has = all(child.attributes.get(name) == value for name, value in attributes.items())
            if child.tag == tag and has:
                found.append(child)
            found += child.find(tag, **attributes)
        return found

    @property
    def words(self) -> str:
        """All text below, in one line."""
        return " ".join([self.text, *(each.words for each in self.children)]).strip()


class _TreeBuilder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("#root", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        assert len(node.attributes) == len(attrs), "an attribute given twice"
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].text += data


def parse_html(html: str) -> Node:
    """The tree; elements that are not closed in order are an error."""
    builder = _TreeBuilder()
    builder.feed(html)
    builder.close()
    assert builder._open == [builder.root], "an element is left open"
    return builder.root


def parse_partials(html: str) -> dict[str, Node]:
    """The partials of one message by the id of their target; nothing else may be in it."""
    root = parse_html(html)
    assert not root.text.strip()
    partials = {}
    for node in root.children:
        assert node.tag == "hx-partial"
        assert node.attributes.keys() == {"hx-target", "hx-swap"}
        target = node.attributes["hx-target"]
        assert target is not None
        assert re.fullmatch(r"#[A-Za-z][A-Za-z0-9_-]*", target), "not plain in a CSS selector"
        assert target[1:] not in partials, "the same target twice"
        partials[target[1:]] = node
    return partials


def parse_cells(data: str) -> dict[str, dict[int, str]]:
    """Of each row what is new by the place of its cell; of a class by the negative place."""
    rows: dict[str, dict[int, str]] = {}
    for id, *changes in json.loads(data):
        assert id not in rows, "the same row twice"
        places, values = changes[::2], changes[1::2]
        assert len(places) == len(values) == len(set(places)) > 0
        assert all(isinstance(each, int) and each for each in places)
        assert all(isinstance(each, str) for each in values)
        rows[id] = dict(zip(places, values, strict=True))
    return rows


def make_quote(symbol: str = "SPY", last: str | None = "450.25", **values: Any) -> QuoteUpdate:
    """A quote with this last price, and nothing else known unless given."""
    unknown = dict.fromkeys({*QuoteUpdate.__struct_fields__} - {"refused"})
    known = {
        "symbol": symbol,
        "last": None if last is None else Decimal(last),
        "updated_at": "2026-11-20T15:30:00.123Z",
        "source": "dxfeed_stream",
        "stale": False,
    }
    return QuoteUpdate(**{**unknown, **known, **values})


def make_balance(account: str, balance: str = "100000.00", **values: Any) -> BalanceUpdate:
    """A balance of which nothing else is known unless given."""
    known: dict[str, Any] = {
        "account": account,
        "balance": Decimal(balance),
        "buying_power": None,
        "equity_buying_power": None,
        "cash": None,
        "currency": "USD",
        "timestamp": 1_795_188_600_456,
        "source": "rest",
    }
    return BalanceUpdate(**{**known, **values})


def make_status(state: Any = "live", **values: Any) -> Status:
    """The feed's status."""
    known: dict[str, Any] = {
        "upstream": "feed",
        "state": state,
        "since": "2026-11-20T15:30:00.123Z",
        "reason": None,
        "market": "open",
    }
    return Status(**{**known, **values})
