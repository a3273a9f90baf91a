"""The text panel: Markdown, rendered once when the page is described; raw HTML stays text."""

import textwrap
from functools import cache
from typing import Any

from markupsafe import Markup

from gateway.pages.authoring.builder import PageError, current_builder
from gateway.pages.layout import Static


def text(markdown: str) -> None:
    """Place a text in Markdown (CommonMark with tables and strikethrough, without raw HTML)."""
    builder = current_builder("text")
    if not isinstance(markdown, str):
        raise PageError(f'text(): write text("**Markdown**"), not {markdown!r}')
    html = _renderer().render(textwrap.dedent(markdown))
    builder.add(Static(Markup('<div class="text">{}</div>').format(Markup(html))))


@cache
def _renderer() -> Any:
    from markdown_it import MarkdownIt  # not before a page has text

    # It escapes what looks like HTML only when told so, and makes no javascript: or data: links.
    # Images of other hosts are refused by the page's own policy, so none are made.
    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    renderer.disable(["image"])
    renderer.add_render_rule("link_open", _open_link)
    return renderer


def _open_link(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    opened: str = self.renderToken(tokens, index, options, env)
    return opened
