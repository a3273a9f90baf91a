"""A page and its stream, as htmx reads them."""

from typing import Any

import httpx

from tests.pages.reading import Node, parse_html
from tests.web.running import (
    Running,
)


def get_page(running: Running, path: str = "/", **options: Any) -> Node:
    answer = httpx.get(running.url + path, **options)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return parse_html(answer.text.removeprefix("<!doctype html>"))


def symbols_of(page: Node) -> list[str]:
    return [each.children[0].words for each in page.find("tbody", id="watchlist")[0].find("tr")]


def without_version(stream: Node) -> str:
    """The address of a page's stream, but for which version of the page asks."""
    url, separator, version = str(stream.attributes["hx-sse:connect"]).partition("&~version=")
    assert separator
    assert version
    return url
