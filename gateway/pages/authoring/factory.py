"""`@page`: a function that describes a page, its address, and the parameters that it takes.

The description is kept for each set of parameters, so viewers who ask for the same thing watch the
same view and get the same bytes.
"""

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from gateway.pages.authoring.builder import PageError, open_builder
from gateway.pages.layout import list_panels
from gateway.pages.panel import Page, Panel
from gateway.pages.panels.status import StatusPanel
from gateway.streams.records import MARKET_TYPES
from gateway.streams.symbols import split_symbols

MOST_DESCRIPTIONS = 256
"""Sets of parameters of which the description is kept; the page is described again for others."""

MAX_ARGUMENT_LENGTH = 200

_PATH = re.compile(r"/(?:(?:[A-Za-z0-9._-]+|\{[a-z_][a-z0-9_]*\})(?:/(?!\Z)|\Z))*\Z")
_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")

OWN_ROOTS = (
    *("events", "live", "api", "login", "logout", "static", "watchlist"),
    *("status", "metrics", "healthz", "readyz"),
)
"""Addresses that are the gateway's own."""

HEADER = StatusPanel("status")
"""On every page: the state of the upstreams, and a message a second."""


class Symbols(tuple[str, ...]):
    """The viewer's own list: a parameter of this type is the query's, else the cookie's.

    With it a page has a watchlist that the viewer changes: `watchlist(*symbols, editable=True)`.
    """


class ParameterError(ValueError):
    """A parameter of a request cannot be read; the message is for people."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name


def _read_bool(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text]


def _read_symbols(text: str) -> Symbols:
    return Symbols(split_symbols(text))


_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "must be text"),
    int: (int, "must be a whole number"),
    float: (float, "must be a number"),
    bool: (_read_bool, "must be true or false"),
    Symbols: (_read_symbols, ""),
}


class PageFactory:
    """A function under `@page`: describes its page for arguments that come from a request."""

    def __init__(self, path: str, title: str | None, function: Callable[..., None]) -> None:
        path_parameters = tuple(_PARAMETER.findall(path))
        self.path = path
        self.name = _name(path)
        self.function = function
        self.parameters = _read_signature(path, path_parameters, function)
        self.generation = 0
        """Which loading of a file it comes from; 0 for what comes from no file."""
        self.common: tuple[Panel, ...] = (HEADER,)
        """The panels of every page, which stand outside its body."""
        self._title = title or function.__name__.replace("_", " ").strip().capitalize()
        self._pattern = re.compile(
            "".join(
                f"(?P<{part[1:-1]}>[^/]+)" if part[:1] == "{" else re.escape(part)
                for part in re.split(r"(\{[^}]*\})", path)
            )
        )
        self._kept: OrderedDict[str, Page] = OrderedDict()

    def __call__(self, *positional: Any, **named: Any) -> None:
        """Place the panels of this page in the one that is being described."""
        self.function(*positional, **named)

    @property
    def title(self) -> str:
        """The title as it is written, `{parameters}` included."""
        return self._title

    @property
    def is_plain(self) -> bool:
        """Whether the page's path says all that it needs."""
        return "{" not in self.path

    @property
    def watchlist_parameter(self) -> str | None:
        """The parameter that is the viewer's own list."""
        lists = (each.name for each in self.parameters.values() if each.type is Symbols)
        return next(lists, None)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters in this path; None when it is not this page's."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None

    def read(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The arguments from the text of a path and a query; what nobody asked for is left out.

        Raises:
            ParameterError: when one cannot be read, or is missing.
        """
        arguments: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name in given:
                arguments[name] = parameter.read(given[name])
            elif parameter.default is inspect.Parameter.empty:
                raise ParameterError(name, "is missing")
            else:
                arguments[name] = parameter.default
        return arguments

    def format_query(self, arguments: Mapping[str, Any]) -> str:
        """The arguments as a query, in one canonical form."""
        return urlencode({name: _write(arguments[name]) for name in self.parameters})

    def format_path(self, arguments: Mapping[str, Any]) -> str:
        """The path with its parameters filled in."""
        return _PARAMETER.sub(lambda each: quote(_write(arguments[each[1]]), safe=""), self.path)

    def find(self, arguments: Mapping[str, Any]) -> Page | None:
        """The page for these arguments, when it was described before."""
        return self._kept.get(self.format_query(arguments))

    def describe(self, **arguments: Any) -> Page:
        """The page for these arguments, which must be all; the same object for equal ones.

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

    def _describe(self, arguments: Mapping[str, Any], query: str) -> Page:
        with open_builder() as builder:
            result: Any = self.function(**arguments)
        if result is not None:
            raise PageError(
                f"{self.function.__name__} returned a {type(result).__name__}: a page calls its "
                "panels and returns nothing"
            )
        panels = (*self.common, *list_panels(builder.nodes))
        topics = [topic for panel in panels for topic in panel.keys(())]
        return Page(
            name=self.name,
            title=self._title.format_map(arguments),
            panels=panels,
            symbols=tuple(dict.fromkeys(t.subject for t in topics if t.kind in MARKET_TYPES)),
            query=query,
            body=tuple(builder.nodes),
            generation=self.generation,
        )


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a page's function."""

    name: str
    type: Any
    default: Any

    def read(self, text: str) -> Any:
        """The value that a request's text stands for.

        Raises:
            ParameterError: when it stands for none.
        """
        reader, words = _READERS[self.type]
        if self.type is not Symbols and len(text) > MAX_ARGUMENT_LENGTH:
            raise ParameterError(self.name, f"is longer than {MAX_ARGUMENT_LENGTH} characters")
        try:
            return reader(text)
        except (ValueError, KeyError) as error:
            raise ParameterError(self.name, words or str(error)) from None


def page(path: str, *, title: str | None = None) -> Callable[[Callable[..., None]], PageFactory]:
    """Make a function the description of the page at `path`: `/`, `/desk`, `/stock/{symbol}`.

    The function's other parameters come from the query and have defaults: `def desk(days=5)`.

    Raises:
        PageError: for a path that no page can have.
    """
    if not _PATH.match(str(path)):
        raise PageError(
            f'@page({path!r}): write the address as "/", "/desk" or "/stock/{{symbol}}"'
        )
    if path.split("/")[1] in OWN_ROOTS:
        raise PageError(f'@page("{path}"): this address is the gateway\'s own; choose another')

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
    """A list of the pages that are made within the block."""
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
        before = seen.setdefault(_PARAMETER.sub("{}", factory.path), factory)
        if before is not factory:
            raise PageError(
                f"{before.function.__name__} and {factory.function.__name__} are both at "
                f'@page("{factory.path}"): give one of them another address'
            )
        if all(each.default is not inspect.Parameter.empty for each in factory.parameters.values()):
            factory.describe(**factory.read({}))


def _name(path: str) -> str:
    """What the page's stream is asked for by: unlike for unlike paths, and plain in a URL."""
    if path == "/":
        return "home"
    name = path[1:].replace("/", "~").replace("{", "*").replace("}", "")
    return "~home" if name == "home" else name


def _read_signature(
    path: str, in_path: tuple[str, ...], function: Callable[..., None]
) -> dict[str, Parameter]:
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
        if name not in in_path and kind is not Symbols and default is parameter.empty:
            raise PageError(
                f"{function.__name__}: {name} comes from the query, so give it a default: "
                f'def {function.__name__}({name}="…"); or write {{{name}}} in the path'
            )
        if kind is Symbols and default is inspect.Parameter.empty:
            default = Symbols()
        found[name] = Parameter(name, kind, default)
    for name in in_path:
        if name not in found:
            raise PageError(
                f'@page("{path}"): the path has {{{name}}}, so {function.__name__} needs a '
                f"parameter of that name: def {function.__name__}({name}):"
            )
    return found


def _write(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
