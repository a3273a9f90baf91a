"""Renders whole pages and their versions: the document, and what makes another version of it one.

A version is a digest of everything but values, so that a window notices when its page has changed.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.pages.authoring.factory import MOST_DESCRIPTIONS
from gateway.pages.authoring.library import Library
from gateway.pages.layout import Page, render_tree
from gateway.pages.rendering.cache import render_partial
from gateway.pages.rendering.live_page import LivePages
from gateway.web.auth.authenticator import grant_of
from gateway.web.problem import root_path_of

PRIVATE = {"Cache-Control": "no-store"}

VERSION = "~version"
"""The query's name for which version of the page a window shows; no parameter of a page is so."""

VERSION_DIGITS = 12


class PageRenderer:
    """Renders pages for a request. `views` renders what lies in their panels."""

    def __init__(self, views: LivePages, environment: Environment, library: Library) -> None:
        self._views = views
        self._environment = environment
        self._library = library
        self._versions: dict[tuple[str, str, int], str] = {}

    def respond(
        self,
        request: Request,
        page: Page,
        status: int = 200,
        *,
        typed: str = "",
        problem: str = "",
    ) -> Response:
        """Return the page with the values of this moment in it."""
        variables = self._variables(request, page, typed=typed, problem=problem)
        panels = self._views.render(page, grant_of(request), variables)
        html = self._environment.get_template("page.html").render(
            panels=panels,
            body=self._render_body(page, [each.html for each in panels]),
            stream_url=self._stream_url(request, page),
            **variables,
        )
        return HTMLResponse(html, status, PRIVATE)

    def _variables(self, request: Request, page: Page, **more: Any) -> dict[str, Any]:
        """What every template of a page knows."""
        links = self._library.links
        return {
            "page": page,
            "links": links if len(links) > 1 else [],
            "sheets": self._library.sheets,
            "root_path": root_path_of(request.scope),
            "typed": "",
            "problem": "",
            **more,
        }

    def _render_body(self, page: Page, panels: Sequence[Markup]) -> Markup:
        html = {panel.id: each for panel, each in zip(page.panels, panels, strict=True)}
        return render_tree(page.body, html, self._environment)

    def render_stream(self, request: Request, page: Page) -> str:
        """The partial that makes of a window's stream that of this page."""
        # A new element in the old one's place: htmx closes one stream and opens the other.
        stream = self._environment.get_template("stream.html")
        html = stream.render(stream_url=self._stream_url(request, page))
        return render_partial("live", html, "innerHTML")

    def render_again(self, request: Request, page: Page) -> str:
        """The partials that make of any version of a page this one."""
        variables = self._variables(request, page)
        panels = self._views.render(page, grant_of(request), variables)
        nav = self._environment.get_template("nav.html").render(variables)
        body = self._render_body(page, [each.html for each in panels])
        title = str(escape(f"{page.title} · Gateway"))
        return (
            render_partial("title", title, "textContent")
            + render_partial("nav", nav)
            + render_partial("page", body)
        )

    def shows_another(self, request: Request, page: Page) -> bool:
        """Whether a window that asks shows another version of the page than this one."""
        shown = request.query_params.get(VERSION)
        return shown is not None and shown != self._version_of(request, page)

    def _version_of(self, request: Request, page: Page) -> str:
        """The same for pages that differ in nothing but their values, in every process."""
        version = self._versions.get(page.key)
        if version is None:
            variables = self._variables(request, page)
            frames = self._views.render_frames(page, variables)
            nav = self._environment.get_template("nav.html").render(variables)
            html = f"{page.title}{nav}{self._render_body(page, frames)}"
            version = sha256(html.encode()).hexdigest()[:VERSION_DIGITS]
            if len(self._versions) >= MOST_DESCRIPTIONS:
                self._versions.clear()
            self._versions[page.key] = version
        return version

    def _stream_url(self, request: Request, page: Page) -> str:
        version = f"{VERSION}={self._version_of(request, page)}"
        query = f"{page.query}&{version}" if page.query else version
        return f"{root_path_of(request.scope)}/live/{page.name}?{query}"
