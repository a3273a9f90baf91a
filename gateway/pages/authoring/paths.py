"""Addresses of pages: `/stock/{symbol}`, what they match, and how they are written.

Matching works on the path as it was sent: a symbol may have a slash, which is `%2F` there.
"""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

from gateway.pages.authoring.builder import PageError

RESERVED = (
    *("events", "live", "api", "login", "logout", "static", "own", "watchlist"),
    *("status", "metrics", "healthz", "readyz"),
)
"""First parts of addresses that are the gateway's own."""

_PATH = re.compile(r"/(?:(?:[A-Za-z0-9._-]+|\{[a-z_][a-z0-9_]*\})(?:/(?!\Z)|\Z))*\Z")
_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


class PagePath:
    """The address of a page, in which each part is a word or a parameter."""

    def __init__(self, text: str) -> None:
        """Raises: PageError, for an address that no page can have."""
        if not _PATH.match(str(text)):
            raise PageError(
                f'@page({text!r}): write the address as "/", "/desk" or "/stock/{{symbol}}"'
            )
        if text.split("/")[1] in RESERVED:
            raise PageError(f'@page("{text}"): this address is reserved; choose another')
        self.text = text
        self.parameters: tuple[str, ...] = tuple(_PARAMETER.findall(text))
        self._parts = text.split("/")

    @property
    def shape(self) -> str:
        """The address without the names of its parameters: equal ones match the same paths."""
        return _PARAMETER.sub("{}", self.text)

    @property
    def stream_name(self) -> str:
        """What the page's stream is requested by: unlike for unlike paths, and plain in a URL."""
        if self.text == "/":
            return "home"
        name = self.text[1:].replace("/", "~").replace("{", "*").replace("}", "")
        return "~home" if name == "home" else name

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Return the parameters in a percent-encoded path; None when it is another page's."""
        parts = raw_path.split("/")
        if len(parts) != len(self._parts):
            return None
        found = {}
        for own, part in zip(self._parts, map(unquote, parts), strict=True):
            if own[:1] == "{":
                found[own[1:-1]] = part
            elif own != part:
                return None
        return found

    def format(self, write: Callable[[str], str]) -> str:
        """Return the percent-encoded path in which `write` gives the text of each parameter."""
        return _PARAMETER.sub(lambda each: quote(write(each[1]), safe=""), self.text)
