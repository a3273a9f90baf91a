"""`@panel`: a panel of one's own from a fragment, the keys that it listens to, and a function.

What a person wrote may raise anything, at any tick, or never return: the panel says what and where,
and every other panel goes on. What browsers refuse in a fragment is said at the panel, too.
"""

import inspect
import logging
import re
import traceback
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Template, TemplateSyntaxError
from markupsafe import Markup

from gateway.pages.authoring.builder import PageError, current_builder
from gateway.pages.authoring.forbidden import (
    Forbidden,
    find_forbidden,
    find_forbidden_in_template,
)
from gateway.pages.authoring.loader import Mistake, find_mistake
from gateway.pages.panel import FragmentPanel, Key
from gateway.pages.rendering.formats import format_iso
from gateway.pages.rendering.templates import create_fragment
from gateway.streams.account_records import BalanceUpdate, Removed
from gateway.streams.alert_records import AlertUpdate
from gateway.streams.records import DATA_TYPES, MARKET_TYPES, Gap, Heartbeat, Record, Status
from gateway.streams.symbols import parse_symbol
from gateway.streams.topics import (
    NOBODY,
    TopicPattern,
    balance_topic,
    market_topic,
    status_topic,
)

logger = logging.getLogger(__name__)

ALL = "*"
"""In place of an account: every one that the viewer may see."""

TYPES = DATA_TYPES - {"alert"} | {"status"}

_FILE = re.compile(r"[\w./-]+\.html\Z")

LIMIT_S = 1.0
"""How long a function may take, unless its author says otherwise."""

MAX_LENGTH = 262_144
"""Letters of a rendered fragment: what is longer would be sent to every viewer at each change."""

PanelKey = tuple[str, str]
"""An event's type and whose, as a page's author writes it."""

Function = Callable[..., Mapping[str, Any]]


def panel(
    fragment: str,
    *,
    keys: Callable[..., Sequence[PanelKey]] | None = None,
    refresh_s: float | None = None,
    title: str | None = None,
    limit_s: float = LIMIT_S,
) -> Callable[[Function], Callable[..., None]]:
    """Make a function a panel, to be called on a page like any other.

    `fragment` is HTML with Jinja in it, or the name of a file beside the function's. `keys` takes
    what the panel is called with and returns what it listens to, as `("quote_update", "SPY")`.
    The function takes the newest record of each key, None where there is none, and what the panel
    is called with; it returns the fragment's variables. `refresh_s` renders it again after so
    long, for what depends on the clock. The function runs in a thread; after `limit_s` it is
    stopped, and the panel says where it was.

    Raises:
        PageError: when the fragment cannot be read, or there is nothing to listen to.
    """
    if keys is None and refresh_s is None:
        raise PageError(
            "@panel(…) listens to nothing: add "
            'keys=lambda symbol: [("quote_update", symbol)], or refresh_s=1'
        )

    def make(function: Function) -> Callable[..., None]:
        name = function.__name__
        template, place_of = _read_fragment(fragment, function)
        refused = place_of(find_forbidden_in_template)
        if refused is not None:
            logger.warning("the panel %s: %s", name, refused)
        signature = inspect.signature(function)

        def place(*positional: Any, **named: Any) -> None:
            builder = current_builder(name)
            # Bound here, so that a wrong call fails at its own line.
            bound = signature.bind(None, *positional, **named)
            bound.apply_defaults()
            found = list(keys(*positional, **named)) if keys else []
            checked = tuple(_check_key(name, key) for key in found)
            is_private = any(isinstance(k, TopicPattern) or k.owner != NOBODY for k in checked)
            kind = PrivateCustomPanel if is_private else CustomPanel
            arguments = dict(list(bound.arguments.items())[1:])
            heading = title.format_map(arguments) if title else None
            call = Call(function, template, positional, named, arguments, refused)
            id = builder.new_id(name)
            builder.add(kind(id, call, checked, refresh_s, heading, limit_s))

        place.__name__, place.__doc__ = name, function.__doc__
        return place

    return make


class Call:
    """A function with what its panel was called with."""

    def __init__(
        self,
        function: Function,
        template: Template,
        positional: tuple[Any, ...],
        named: dict[str, Any],
        arguments: dict[str, Any],
        refused: Mistake | None = None,
    ) -> None:
        self.refused = refused
        """What browsers refuse in the fragment as it is written."""
        self.name = function.__name__
        self.kind = (function, repr(positional), repr(named))
        self._function = function
        self._template = template
        self._positional = positional
        self._named = named
        self._arguments = arguments

    def render(self, records: Sequence[Record | None]) -> str:
        """The fragment; raises what the function raises."""
        variables = self._function(list(records), *self._positional, **self._named)
        if not isinstance(variables, Mapping):
            raise PageError(
                f"{self.name} returned a {type(variables).__name__}: return the fragment's "
                'variables as a dict, like {"spread": spread}'
            )
        html = self._template.render({**self._arguments, **variables})
        if len(html) > MAX_LENGTH:
            raise PageError(
                f"the fragment of {self.name} is {len(html):,} letters long; "
                f"at most {MAX_LENGTH:,} may be"
            )
        return html


class CustomPanel(FragmentPanel):
    """A panel that a person wrote; what it raises stands in its place."""

    template: ClassVar[str] = "panels/custom.html"
    frame: ClassVar[str] = "panels/custom_frame.html"

    def __init__(
        self,
        id: str,
        call: Call,
        keys: tuple[Key, ...],
        refresh_s: float | None,
        title: str | None,
        limit_s: float = LIMIT_S,
    ) -> None:
        super().__init__(id)
        self.limit_s = limit_s
        self.refresh_s = refresh_s
        self.title = title
        self.name = call.name
        self._call = call
        self._keys = keys
        self._mistake: Mistake | None = None
        self._refused = call.refused

    @property
    def kind(self) -> Hashable:
        """The function and what it is called with."""
        return (type(self), self._call.kind)

    def keys(self) -> tuple[Key, ...]:
        """What was asked for."""
        return self._keys

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The rendered fragment, or the mistake."""
        try:
            html = self._call.render(records)
        except (Exception, SystemExit) as error:  # what a person wrote may raise anything
            mistake = _describe(error, self.name)
            if mistake != self._mistake:
                logger.exception("the panel %s failed", self.name)
            self._mistake = mistake
            return {"html": "", "mistake": mistake, "name": self.name}
        self._mistake = None
        stale = min(filter(None, map(_find_stale_since, records)), default=None)
        return {
            "html": Markup(html),
            "mistake": None,
            "stale_since": stale,
            "refused": self._find_refused(html),
        }

    def _find_refused(self, html: str) -> Mistake | None:
        """What browsers refuse of the fragment as written, else as it was rendered."""
        if self._call.refused is not None:
            return self._call.refused
        found = find_forbidden(html)
        refused = None
        if found is not None:
            refused = Mistake(f"what {self.name} returned", None, found.words)
            if refused != self._refused:
                logger.warning("the panel %s: %s", self.name, refused)
        self._refused = refused
        return refused


class PrivateCustomPanel(CustomPanel):
    """One that listens to balances, or to the status of a login."""

    is_private = True


def _find_stale_since(record: Record | None) -> str | None:
    """Return when a stale record came, in ISO 8601; None for one that is not stale."""
    if record is None or isinstance(record, Status | Heartbeat | Gap | Removed | AlertUpdate):
        return None
    if not record.stale:
        return None
    return format_iso(record.timestamp) if isinstance(record, BalanceUpdate) else record.updated_at


def _describe(error: BaseException, name: str) -> Mistake:
    mistake = find_mistake(error)
    lines = [
        each.lineno
        for each in traceback.extract_tb(error.__traceback__)
        if each.filename == "<template>"
    ]
    # What a fragment calls may be the person's code again, which is nearer to the mistake.
    if lines and not mistake.is_own:
        return Mistake(f"the fragment of {name}", lines[-1], mistake.message)
    return mistake


PlaceOf = Callable[[Callable[[str], Forbidden | None]], Mistake | None]
"""Looks through a fragment's source, and says where in the person's files the finding stands."""


def _read_fragment(fragment: str, function: Function) -> tuple[Template, PlaceOf]:
    """Return the template, and how a line of it is found in the file where it is written."""
    source, name = fragment, function.__name__
    file = Path(inspect.getfile(function))
    is_file = bool(_FILE.match(fragment))
    if is_file:
        file = file.parent / fragment
        try:
            source = file.read_text(encoding="utf-8")
        except OSError as error:
            raise PageError(
                f"{name}: its fragment {fragment} cannot be read: {error.strerror}"
            ) from None
    try:
        template = create_fragment(inspect.cleandoc(source))
    except TemplateSyntaxError as error:
        raise PageError(f"{name}: line {error.lineno} of its fragment: {error.message}") from None

    def place_of(find: Callable[[str], Forbidden | None]) -> Mistake | None:
        found = find(source)
        if found is None:
            return None
        line = found.line if is_file else _find_line(file, function, source, found.line)
        return Mistake(file.name, line, found.words)

    return template, place_of


def _find_line(file: Path, function: Function, source: str, line: int) -> int:
    """Return where a line of a fragment stands in a Python file, from the decorator on."""
    begin = function.__code__.co_firstlineno
    wanted = source.splitlines()[line - 1].strip()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return begin
    for number in range(begin, min(begin + len(source.splitlines()) + 40, len(lines) + 1)):
        if wanted in lines[number - 1]:
            return number
    return begin


def _check_key(name: str, key: Any) -> Key:
    try:
        type_, subject = key
    except (TypeError, ValueError):
        raise PageError(
            f'{name}: {key!r} is no key: write ("quote_update", "SPY"), an event\'s type and whose'
        ) from None
    if type_ not in TYPES:
        raise PageError(
            f"{name}: there is no event {type_!r}; there are {', '.join(sorted(TYPES))}"
        )
    if type_ in MARKET_TYPES:
        try:
            return market_topic(type_, parse_symbol(str(subject)))
        except ValueError as error:
            raise PageError(f"{name}: {subject!r} is no symbol: {error}") from None
    if type_ == "status":
        return status_topic(str(subject))
    if subject == ALL:
        return TopicPattern(type_)
    if type_ == "balance_update":
        return balance_topic(str(subject))
    return TopicPattern(type_, frozenset({str(subject)}))
