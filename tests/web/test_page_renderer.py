"""Whole pages, and their versions: the same for every value, another when anything else differs."""

import re
from pathlib import Path

from starlette.requests import Request

from gateway.pages.authoring.library import Library
from gateway.pages.layout import Page
from gateway.web.page_renderer import VERSION, VERSION_DIGITS, PageRenderer
from tests.pages.reading import parse_html, parse_partials
from tests.pages.rendering.world import ENVIRONMENT, World, make_world
from tests.streams.samples import make_quote

SOURCE = """
from gateway.pages import metric, page

@page("/desk", title="Desk <1>")
def desk(days=5):
    metric("SPY", label=f"{days} days")
"""


class Site:
    """One process that serves a page file."""

    def __init__(self, file: Path) -> None:
        self.world: World = make_world()
        self.library = Library(file)
        self.renderer = PageRenderer(self.world.views, ENVIRONMENT, self.library)

    def describe(self, **parameters: int) -> Page:
        factory = self.library.get("desk")
        assert factory is not None
        return factory.describe(**parameters)

    def version_of(self, page: Page, root_path: str = "") -> str:
        html = self.renderer.render_stream(ask(root_path=root_path), page)
        found = re.search(rf"{VERSION}=(\w+)", html)
        assert found is not None
        return found[1]


def ask(query: str = "", root_path: str = "") -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/desk",
        "root_path": root_path,
        "query_string": query.encode(),
        "headers": [],
    }
    return Request(scope)


def write(folder: Path, source: str = SOURCE) -> Path:
    file = folder / "my_page.py"
    file.write_text(source)
    return file


def test_a_version_is_of_everything_but_values(tmp_path: Path) -> None:
    site, other = Site(write(tmp_path)), Site(write(tmp_path))
    version = site.version_of(site.describe(days=5))
    assert len(version) == VERSION_DIGITS
    other.world.hub.publish(make_quote("SPY", "450.25"))
    assert other.version_of(other.describe(days=5)) == version, (
        "in every process, whatever is known"
    )
    assert site.version_of(site.describe(days=6)) != version
    write(tmp_path, SOURCE.replace("Desk", "Mine"))
    assert site.library.load()
    assert site.version_of(site.describe(days=5)) != version
    write(tmp_path)
    assert site.library.load()
    assert site.version_of(site.describe(days=5)) == version, "what was taken back is as before"
    (tmp_path / "static").mkdir()
    write(tmp_path, SOURCE + "\n@page('/more')\ndef more():\n    metric('QQQ')\n")
    assert site.library.load()
    assert site.version_of(site.describe(days=5)) != version, "the navigation is of every page"


def test_a_window_is_asked_to_change_only_when_it_shows_another(tmp_path: Path) -> None:
    site = Site(write(tmp_path))
    page = site.describe(days=5)
    version = site.version_of(page)
    assert not site.renderer.shows_another(ask(), page)
    assert not site.renderer.shows_another(ask(f"{VERSION}={version}"), page)
    assert site.renderer.shows_another(ask(f"{VERSION}=old"), page)


def test_a_page_has_its_values_and_leads_to_its_stream(tmp_path: Path) -> None:
    site = Site(write(tmp_path))
    site.world.hub.publish(make_quote("SPY", "450.25"))
    page = site.describe(days=7)
    answer = site.renderer.respond(ask(root_path="/below"), page, 422, problem="Not <so>")
    assert (answer.status_code, answer.headers["cache-control"]) == (422, "no-store")
    html = bytes(answer.body).decode()
    root = parse_html(html.removeprefix("<!doctype html>"))
    assert root.find("title")[0].words == "Desk <1> · Gateway"
    assert "450.25" in html
    assert "<so>" not in html
    url = str(root.find("div", id="stream")[0].attributes["hx-sse:connect"])
    assert url == f"/below/live/desk?days=7&{VERSION}={site.version_of(page)}"


def test_what_makes_another_version_this_one_is_all_that_a_version_is_of(tmp_path: Path) -> None:
    site = Site(write(tmp_path))
    site.world.hub.publish(make_quote("SPY", "450.25"))
    partials = parse_partials(site.renderer.render_again(ask(), site.describe(days=5)))
    assert partials.keys() == {"title", "nav", "page"}
    assert "Desk <1> · Gateway" in partials["title"].words
    assert "450.25" in partials["page"].words
    assert {each.attributes["href"] for each in partials["nav"].find("a")} == {"/", "/desk"}
