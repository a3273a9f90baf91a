"""The Jinja environment of all pages: escaping on, unknown names are errors, compiled at start."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.ext import Extension

from gateway.pages.rendering.formats import (
    direction_of,
    format_change,
    format_clock,
    format_money,
    format_number,
    format_percent,
    format_quantity,
)

TEMPLATES = Path(__file__).parents[2] / "templates"

FILTERS: Mapping[str, Callable[..., str]] = {
    "number": format_number,
    "change": format_change,
    "percent": format_percent,
    "quantity": format_quantity,
    "money": format_money,
    "clock": format_clock,
    "direction": direction_of,
}
"""For fragments of one's own: numbers as the built-in panels show them."""

_LAYOUT = re.compile(r"(?<=[>}])\s*\n\s*(?=[<{])")


class WithoutLayout(Extension):
    """Takes line breaks between tags out of the templates: they are layout, not content.

    Each would be a text node, which the browser has to morph, and a line on the wire.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The source on as few lines as it can be without joining words."""
        return _LAYOUT.sub("", source)


def create_environment(
    asset_url: Callable[..., str], variables: Mapping[str, Any] | None = None
) -> Environment:
    """The environment with every template compiled.

    `asset_url` gives the address of a static file; `variables` are known to every template.
    """
    environment = _create(FileSystemLoader(TEMPLATES))
    environment.globals.update(asset=asset_url, root_path="", is_simulated=False, has_login=False)
    environment.globals.update(variables or {})
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


def create_fragment(source: str) -> Template:
    """The template of a panel of one's own.

    Raises:
        TemplateSyntaxError: with the line in `source`.
    """
    return _fragments().from_string(source)


@cache
def _fragments() -> Environment:
    return _create(None)


def _create(loader: BaseLoader | None) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
        extensions=[WithoutLayout],
    )
    environment.filters.update(FILTERS)
    return environment
