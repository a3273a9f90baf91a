"""What the Content-Security-Policy of our pages makes browsers refuse in a fragment; pure.

A browser refuses it in silence, so that its author would look for the mistake elsewhere.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

OWN_FILES = "/files/"
"""Where the folder `static` beside the page files is served."""

HINT = "put it into a file of the folder static beside the page file"

_SUSPECT = re.compile(
    r"<\s*(?:style|script|iframe|object|embed|audio|video|base|link|form)\b"
    r"|[\s\"'/](?:style|on\w+|srcset)\s*=|(?:src|href|data|poster|action)\s*=",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_LOADS = {"src", "poster", "background"}
_FRAMES = {"iframe", "object", "embed", "audio", "video", "base"}
_LINKED = {"image", "use", "link", "feimage"}
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What is refused, and what to do."""

    line: int
    words: str


def find_forbidden(html: str) -> Forbidden | None:
    """Return the first thing in a fragment that browsers refuse; None when there is none."""
    if not _SUSPECT.search(html):
        return None
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.found


def find_forbidden_in_template(source: str) -> Forbidden | None:
    """Return the same for a fragment that still has its Jinja in it."""
    # As many lines as before; a value in an attribute is looked at when it is known.
    return find_forbidden(_JINJA.sub(lambda each: "\n" * each[0].count("\n"), source))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: Forbidden | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.found is None and (words := _judge(tag, attrs)):
            self.found = Forbidden(self.getpos()[0], f"browsers refuse {words}")


def _judge(tag: str, attributes: list[tuple[str, str | None]]) -> str | None:
    if tag == "style":
        return f"<style> within a page: {HINT}, like own.css"
    if tag == "script":
        return "<script> in a panel: a page's values come from the panel's function"
    if tag in _FRAMES:
        return f"<{tag}> on our pages"
    for name, text in attributes:
        value = text or ""
        if name == "style":
            return f"style=: give the element a class, and {HINT}, like own.css"
        if name.startswith("on") and name[2:].isalpha():
            return f"{name}=: scripts within a page are not run"
        if value.strip().lower().startswith("javascript:"):
            return f"{name}=javascript: scripts within a page are not run"
        is_loaded = name in _LOADS or (tag in _LINKED and name in {"href", "xlink:href"})
        if name == "srcset":
            is_loaded = any(map(_ELSEWHERE.match, value.split(",")))
        if is_loaded and (name == "srcset" or _ELSEWHERE.match(value)):
            what = "data: addresses" if value.strip().startswith("data:") else "files of elsewhere"
            return f"{what} in {name}=: {HINT}, and write {name}={OWN_FILES}…"
        if tag == "form" and name == "action" and _ELSEWHERE.match(value):
            return "forms that are sent elsewhere"
    return None
