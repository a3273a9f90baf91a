"""The Jinja environment of all pages: escaping on, unknown names are errors, compiled at start."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension

TEMPLATES = Path(__file__).parent.parent / "templates"

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
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
        extensions=[WithoutLayout],
    )
    environment.globals.update(asset=asset_url, root_path="", is_simulated=False)
    environment.globals.update(variables or {})
    for name in environment.list_templates():
        environment.get_template(name)
    return environment
