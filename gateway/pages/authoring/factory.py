"""`@page`: a function that describes a page, its address, and the parameters that it takes.

The description is kept for each set of parameters, so viewers who ask for the same page share one
live page and get the same bytes.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.pages.authoring.address import Address, read_choices
from gateway.pages.authoring.builder import PageError, open_builder
from gateway.pages.authoring.paths import PagePath
from gateway.pages.authoring.questions import Answers, digest_answers
from gateway.pages.layout import Page, list_panels
from gateway.pages.panel import Panel
from gateway.pages.panels.alerts import ToldPanel
from gateway.pages.panels.status import StatusPanel
from gateway.streams.records import MARKET_TYPES
from gateway.streams.symbols import split_symbols
from gateway.streams.topics import Topic

MOST_DESCRIPTIONS = 256
"""How many sets of parameters keep their description; for others the function runs again."""

MAX_ARGUMENT_LENGTH = 200
"""Characters of a parameter that is no list."""

HEADER = StatusPanel("status")
"""On every page: the state of the upstreams, and a message a second."""

TOLD = ToldPanel("told")
"""On every page: which of the viewer's alerts fired last."""


class Symbols(tuple[str, ...]):
    """The viewer's own list, as the type of a parameter: from the query, else from the cookie.

    With it a page has a watchlist that the viewer changes: `watchlist(*symbols, editable=True)`.
    """


class ParameterError(ValueError):
    """A parameter of a request cannot be read; the message is for people."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name


def _read_bool(text: str, today: date) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text]


def _read_symbols(text: str, today: date) -> Symbols:
    return Symbols(split_symbols(text, today))


_READERS: dict[Any, tuple[Callable[[str, date], Any], str]] = {
    str: (lambda text, today: text, "must be text"),
    int: (lambda text, today: int(text), "must be a whole number"),
    float: (lambda text, today: float(text), "must be a number"),
    bool: (_read_bool, "must be true or false"),
    Symbols: (_read_symbols, ""),
}


class PageFactory:
    """A function under `@page`: makes its page for the arguments of a request."""

    def __init__(self, path: str, title: str | None, function: Callable[..., None]) -> None:
        """Raises: PageError, when the path or the function cannot be a page's."""
        self._path = PagePath(path)
        self.path = path
        self.name = self._path.stream_name
        self.function = function
        self.parameters = _read_signature(self._path, function)
        self.generation = 0
        """Which loading of a file it comes from; 0 for what comes from no file."""
        self.common: tuple[Panel, ...] = (HEADER, TOLD)
        """The panels of every page, which stand outside its body."""
        self.clock: Clock = SYSTEM_CLOCK
        self._title = title or function.__name__.replace("_", " ").strip().capitalize()
        self._kept: OrderedDict[str, Page] = OrderedDict()

    def __call__(self, *positional: Any, **named: Any) -> None:
        """Place the panels of this page in the one that is being described."""
        self.function(*positional, **named)

    @property
    def title(self) -> str:
        """The title as its author wrote it, `{parameters}` included."""
        return self._title

    @property
    def is_plain(self) -> bool:
        """Whether the path has no parameters."""
        return not self._path.parameters

    @property
    def shape(self) -> str:
        """The path without the names of its parameters."""
        return self._path.shape

    @property
    def watchlist_parameter(self) -> str | None:
        """The parameter that is the viewer's own list."""
        lists = (each.name for each in self.parameters.values() if each.type is Symbols)
        return next(lists, None)

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Return the parameters in a percent-encoded path; None when it is another page's."""
        return self._path.match(raw_path)

    def read(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments from the text of a path and a query, and what a viewer chose.

        Others are ignored.

        Raises:
            ParameterError: when one cannot be read, or is missing.
        """
        today = self.clock.now().date()
        arguments: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name in given:
                arguments[name] = parameter.read(given[name], today)
            elif parameter.default is inspect.Parameter.empty:
                raise ParameterError(name, "is missing")
            else:
                arguments[name] = parameter.default
        return arguments | read_choices(given)

    def format_query(self, arguments: Mapping[str, Any]) -> str:
        """Return the arguments as a query, in one canonical form."""
        own = {name: _write(arguments[name]) for name in self.parameters}
        return urlencode(own | read_choices(arguments))

    def format_path(self, arguments: Mapping[str, Any]) -> str:
        """Return the percent-encoded path with its parameters filled in."""
        return self._path.format(lambda name: _write(arguments[name]))

    def find(self, arguments: Mapping[str, Any]) -> Page | None:
        """Return the page for these arguments if it was described before."""
        return self._kept.get(self.format_query(arguments))

    def describe(self, **arguments: Any) -> Page:
        """Return the page for these arguments, which must be all; the same object for equal ones.

        Raises:
            PageError: when it is described wrongly; and what the function raises.
        """
        query = self.format_query(arguments)
        page = self._kept.get(query)
        if page is None:
            page = self._kept[query] = self._describe(arguments, query)
            while len(self._kept) > MOST_DESCRIPTIONS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(query)
        return page

    def answer(self, arguments: Mapping[str, Any], answers: Answers) -> Page:
        """Return the page with what the broker answered to its questions; another at each call.

        Raises:
            PageError: as `describe` does.
        """
        return self._describe(arguments, self.format_query(arguments), answers)

    def _list_chosen(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        """Return what a link to this page needs in its query, without the viewer's list."""
        return {
            name: _write(arguments[name])
            for name, parameter in self.parameters.items()
            if name not in self._path.parameters
            and parameter.type is not Symbols
            and arguments[name] != parameter.default
        }

    def _describe(
        self, arguments: Mapping[str, Any], query: str, answers: Answers | None = None
    ) -> Page:
        own = {name: arguments[name] for name in self.parameters}
        address = Address(self._list_chosen(own), read_choices(arguments))
        with open_builder(self.clock.now().date(), address, answers) as builder:
            result: Any = self.function(**own)
        if result is not None:
            raise PageError(
                f"{self.function.__name__} returned a {type(result).__name__}: a page calls its "
                "panels and returns nothing"
            )
        panels = (*self.common, *list_panels(builder.nodes))
        keys = chain.from_iterable(panel.keys() for panel in panels)
        topics = [key for key in keys if isinstance(key, Topic)]
        return Page(
            name=self.name,
            title=self._title.format_map(arguments),
            panels=panels,
            symbols=tuple(dict.fromkeys(t.subject for t in topics if t.kind in MARKET_TYPES)),
            query=query,
            body=tuple(builder.nodes),
            generation=self.generation,
            questions=tuple(builder.questions),
            variant=digest_answers(answers.values()) if answers else "",
        )


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a page's function."""

    name: str
    type: Any
    default: Any

    def read(self, text: str, today: date) -> Any:
        """Return the value of a request's text; `today` completes the year of a future.

        Raises:
            ParameterError: when it has none.
        """
        reader, words = _READERS[self.type]
        if self.type is not Symbols and len(text) > MAX_ARGUMENT_LENGTH:
            raise ParameterError(self.name, f"is longer than {MAX_ARGUMENT_LENGTH} characters")
        try:
            return reader(text, today)
        except (ValueError, KeyError) as error:
            raise ParameterError(self.name, words or str(error)) from None


def page(path: str, *, title: str | None = None) -> Callable[[Callable[..., None]], PageFactory]:
    """Make a function the description of the page at `path`: `/`, `/desk`, `/stock/{symbol}`.

    The function's other parameters come from the query and have defaults: `def desk(days=5)`.

    Raises:
        PageError: for a path that no page can have.
    """
    PagePath(path)  # a wrong path is a mistake of this line, not of the function's

    def make(function: Callable[..., None]) -> PageFactory:
        factory = PageFactory(path, title, function)
        book = _book.get()
        if book is not None:
            book.append(factory)
        return factory

    return make


_book: ContextVar[list[PageFactory] | None] = ContextVar("book", default=None)


@contextmanager
def open_book() -> Iterator[list[PageFactory]]:
    """Yield a list that gets the pages that are made within the block."""
    book: list[PageFactory] = []
    token = _book.set(book)
    try:
        yield book
    finally:
        _book.reset(token)


def check_book(factories: Sequence[PageFactory]) -> None:
    """Describe every page that needs no parameters, so that a mistake is found at once.

    Raises:
        PageError: when two pages have one address; and what the functions raise.
    """
    seen: dict[str, PageFactory] = {}
    for factory in factories:
        before = seen.setdefault(factory.shape, factory)
        if before is not factory:
            raise PageError(
                f"{before.function.__name__} and {factory.function.__name__} are both at "
                f'@page("{factory.path}"): give one of them another address'
            )
        if all(each.default is not inspect.Parameter.empty for each in factory.parameters.values()):
            factory.describe(**factory.read({}))


def _read_signature(path: PagePath, function: Callable[..., None]) -> dict[str, Parameter]:
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise PageError(f"{function.__name__}: write a page as a plain def, without async or yield")
    found = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        name, default = parameter.name, parameter.default
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD and (
            parameter.kind is not parameter.KEYWORD_ONLY
        ):
            raise PageError(f"{function.__name__}: a page has no *args and no **kwargs")
        kind = parameter.annotation
        if kind is inspect.Parameter.empty:
            kind = type(default) if type(default) in _READERS else str
        if kind not in _READERS:
            raise PageError(f"{function.__name__}: {name} must be str, int, float, bool or Symbols")
        if name not in path.parameters and kind is not Symbols and default is parameter.empty:
            raise PageError(
                f"{function.__name__}: {name} comes from the query, so give it a default: "
                f'def {function.__name__}({name}="…"); or write {{{name}}} in the path'
            )
        if kind is Symbols and default is inspect.Parameter.empty:
            default = Symbols()
        found[name] = Parameter(name, kind, default)
    for name in path.parameters:
        if name not in found:
            raise PageError(
                f'@page("{path.text}"): the path has {{{name}}}, so {function.__name__} needs a '
                f"parameter of that name: def {function.__name__}({name}):"
            )
    return found


def _write(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
