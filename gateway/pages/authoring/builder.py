"""The page that is being described: what `metric(…)` and `with columns(…):` add to.

A page's function runs once, and every panel that it calls is placed in the order of the calls. The
builder is a context variable, so a description may run in any thread.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import Any

from gateway.errors import GatewayError
from gateway.pages.authoring.address import Address
from gateway.pages.authoring.questions import Answer, Answers, ChainQuestion
from gateway.pages.layout import Group, Node
from gateway.streams.symbols import parse_symbol

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]")


class PageError(GatewayError):
    """A page is described wrongly; the message says how to write it."""


class Builder:
    """Collects the panels of one page, gives them ids, and knows which container is open."""

    def __init__(
        self,
        today: date | None = None,
        address: Address | None = None,
        answers: Answers | None = None,
    ) -> None:
        self.today = today
        """The day of the description, which completes the year of a future."""
        self.address = Address() if address is None else address
        """What the page's viewers chose in its panels."""
        self.nodes: list[Node] = []
        self.group: str | None = None
        """The name of the innermost container that is open."""
        self.questions: dict[ChainQuestion, None] = {}
        """What the page has asked; a dict for its order."""
        self._answers = answers or {}
        self._ids: Counter[str] = Counter()

    def new_id(self, kind: str) -> str:
        """Return `metric`, `metric2`, …: plain in CSS, and the same for an unchanged page."""
        self._ids[kind] += 1
        return kind if self._ids[kind] == 1 else f"{kind}{self._ids[kind]}"

    def ask(self, question: ChainQuestion) -> Answer | None:
        """Return what the broker answered; None while it was not asked."""
        self.questions[question] = None
        return self._answers.get(question)

    def add(self, node: Node) -> None:
        """Place a node after the others of the open container."""
        self._check_place("")
        self.nodes.append(node)

    @contextmanager
    def open_group(self, name: str, template: str, options: Mapping[str, Any]) -> Iterator[None]:
        """Place in a container what is added within the block."""
        self._check_place(name)
        outside, group = self.nodes, self.group
        self.nodes, self.group = [], name
        try:
            yield
        finally:
            inside, self.nodes, self.group = self.nodes, outside, group
        self.nodes.append(Group(template, tuple(inside), options))

    def _check_place(self, name: str) -> None:
        if self.group == "tabs" and name != "section":
            raise PageError('tabs() holds sections: write `with section("Title"):` inside it')


_current: ContextVar[Builder | None] = ContextVar("page", default=None)


@contextmanager
def open_builder(
    today: date | None = None, address: Address | None = None, answers: Answers | None = None
) -> Iterator[Builder]:
    """Yield the builder that panels are added to within the block."""
    builder = Builder(today, address, answers)
    token = _current.set(builder)
    try:
        yield builder
    finally:
        _current.reset(token)


def current_builder(name: str) -> Builder:
    """Return the builder of the page that is being described.

    `name` is the panel or container that asks.

    Raises:
        PageError: outside a page.
    """
    builder = _current.get()
    if builder is None:
        raise PageError(
            f'{name}() is called outside a page: call it in a function below @page("/path")'
        )
    return builder


def check_symbols(name: str, symbols: tuple[Any, ...], example: str = "SPY") -> tuple[str, ...]:
    """Return the canonical symbols of a panel, each once.

    Raises:
        PageError: when one is no symbol.
    """
    builder = _current.get()
    today = builder.today if builder else None
    found = []
    for symbol in symbols:
        if not isinstance(symbol, str):
            raise PageError(
                f'{name}: a symbol is text: write {name}("{example}"), not {symbol!r}'
                + (f"; give a list as {name}(*symbols)" if isinstance(symbol, list | tuple) else "")
            )
        try:
            found.append(parse_symbol(symbol, today))
        except ValueError as error:
            raise PageError(f"{name}: {symbol!r} is no symbol: {error}") from None
        if "{" in symbol:
            raise PageError(
                f"{name}: write {symbol!r} without {{…}}, which is how candles are named"
            )
    return tuple(dict.fromkeys(found))


def plain_id(text: str) -> str:
    """Return `text` as part of an id: each character that is special in CSS as its code."""
    return _NOT_PLAIN.sub(lambda each: f"_{ord(each[0]):x}_", text)
