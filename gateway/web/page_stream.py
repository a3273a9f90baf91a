"""Pages and their streams: `/live/{view}`, `/watchlist`, and every page's own address; thin:
check, call, render."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.pages.authoring.address import CHAIN, OPEN
from gateway.pages.authoring.builder import PageError
from gateway.pages.authoring.factory import (
    PageFactory,
    ParameterError,
    Symbols,
)
from gateway.pages.authoring.library import Library
from gateway.pages.authoring.loader import find_mistake
from gateway.pages.layout import Page
from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.pages.rendering.cache import encode_message, render_partial
from gateway.pages.rendering.live_page import LivePages
from gateway.streams.demand import TooManySymbols
from gateway.streams.hub.sink import Attach, Sink, Source
from gateway.streams.symbols import parse_symbol
from gateway.web import watchlist
from gateway.web.auth.authenticator import grant_of, viewer_of
from gateway.web.own_list import OwnLists, drop_cookie, set_cookie
from gateway.web.page_answers import answer_questions
from gateway.web.page_renderer import PRIVATE, PageRenderer
from gateway.web.problem import Problem, local_raw_path, root_path_of
from gateway.web.sse.response import EventStream, has_room
from gateway.web.sse.retry import FULL_RETRY_MS, Spread, encode_bye
from gateway.web.state import AppState

logger = logging.getLogger(__name__)

RETRY_MS = 250
"""How soon hx-sse tries again when a connection breaks, doubling from there."""

BYE_RETRY_MS: Spread = (250, 1500)
"""The same when the server says goodbye: spread, and still back within seconds."""

MAX_FORM_FIELDS = 600
MAX_PASTED_BYTES = 65_536
"""More than the symbols of the longest list, each by itself or all in one field."""


def routes(context: AppState, environment: Environment, library: Library) -> list[BaseRoute]:
    """The routes of this module; the last one takes every address that is left."""
    live = Live(context, environment, library)
    return [
        Route("/watchlist", live.change_watchlist, methods=["POST"], name="watchlist"),
        Route("/live/{view}", live.open_stream, methods=["GET"], name="live"),
        Route("/live/{view}/once", live.show_once, methods=["GET"], name="once"),
        Route("/", live.show_page, methods=["GET"], name="home"),
        Route("/{path:path}", live.show_page, methods=["GET"], name="page"),
    ]


class Live:
    """The endpoints and what they share."""

    def __init__(self, context: AppState, environment: Environment, library: Library) -> None:
        self.views = LivePages(
            context.hub,
            context.demand,
            environment,
            clock=context.clock,
            documents=lambda: context.documents,
        )
        self._context = context
        self._renderer = PageRenderer(self.views, environment, library)
        self._library = library
        self._limit = context.limits.max_symbols_per_stream
        self._lists = OwnLists(context, self._limit)
        library.listeners.append(self.views.retire)

    @property
    def is_closing(self) -> bool:
        """Whether the gateway closes."""
        return self._context.hub.closing is not None

    async def show_page(self, request: Request) -> Response:
        """The page with the values of this moment in it."""
        found = self._library.find(local_raw_path(request.scope))
        if found is None:
            raise HTTPException(404)
        factory, in_path = found
        for link, place in ((OPEN, "symbol"), (CHAIN, "chain")):
            if link in request.query_params:
                return self._open_page(request, link, place)
        name = factory.watchlist_parameter
        if name is None:
            page = await self._describe(factory, {**request.query_params, **in_path})
            return self._renderer.respond(request, page)
        own = await self._lists.read(request)
        given = {name: ",".join(own.symbols), **request.query_params, **in_path}
        page = await self._describe(factory, given)
        response = self._renderer.respond(request, page, problem=own.problem)
        if own.is_moved:
            drop_cookie(request, response)
        return response

    def _open_page(self, request: Request, name: str, place: str) -> Response:
        """Lead from a row to the page of its symbol, or of the options on it."""
        try:
            symbol = parse_symbol(request.query_params[name], self._library.read_today())
        except ValueError as error:
            raise Problem(400, f"{name}: {error}", parameter=name) from None
        path = f"{root_path_of(request.scope)}/{place}/{quote(symbol, safe='')}"
        return RedirectResponse(path, 303, PRIVATE)

    async def show_once(self, request: Request) -> Response:
        """What a stream begins with, for a window whose browser has no connection left for one."""
        page = await self._find_view(request)
        try:
            viewer = self.views.open(page, grant_of(request), viewer_of(request))
        except TooManySymbols as error:
            return HTMLResponse(render_partial("notice", str(escape(_explain(error)))))
        html = render_partial("notice", "")
        if self._renderer.shows_another(request, page):
            html += self._renderer.render_again(request, page) + self._renderer.render_stream(
                request, page
            )
        html += viewer.show_everything()
        viewer.close()
        return HTMLResponse(html, headers=PRIVATE)

    async def open_stream(self, request: Request) -> Response:
        """What the page's htmx listens to."""
        page = await self._find_view(request)
        context = self._context
        if context.hub.closing is not None:
            return self._refuse(context.hub.closing)
        if not has_room(context, request.scope):
            context.streams_refused += 1
            return self._refuse(
                "full", "This gateway has no room for another live page at the moment."
            )
        if request.method == "HEAD":
            return self._refuse("head")  # of which only the head is sent
        try:
            stream = PageStream(self, request, page)
        except TooManySymbols as error:
            return self._refuse("full", _explain(error))
        return EventStream(context, stream.begin, on_close=stream.close, bye_retry_ms=BYE_RETRY_MS)

    def _refuse(self, reason: str, notice: str = "") -> Response:
        """Return a stream that says why it ends, and ends."""
        first = _encode_notice(notice, RETRY_MS) if notice else b""
        first += encode_bye(reason, FULL_RETRY_MS if reason == "full" else BYE_RETRY_MS)
        return EventStream(self._context, lambda: (first, None), is_counted=False)

    async def _find_view(self, request: Request) -> Page:
        factory = self._library.get(request.path_params["view"])
        if factory is None:
            raise Problem(404, "There is no such view.")
        return await self._describe(factory, request.query_params)

    async def change_watchlist(self, request: Request) -> Response:
        """Answer with the changed list: as partials for htmx, by a redirect for a plain form.

        `add` is one symbol or a pasted list, which goes in front of the symbol `before`; `remove`
        may be given several times.
        """
        async with request.form(
            max_files=0, max_fields=MAX_FORM_FIELDS, max_part_size=MAX_PASTED_BYTES
        ) as form:
            added, name = form.get("add"), form.get("view")
            removed = [each for each in form.getlist("remove") if isinstance(each, str)]
            place = str(form.get("before", ""))
        factory = self._library.get(name if isinstance(name, str) else "home")
        if factory is None or factory.watchlist_parameter is None or not factory.is_plain:
            raise Problem(404, "There is no such list.")
        typed = added if isinstance(added, str) else ""
        if not removed and not isinstance(added, str):
            raise Problem(400, "add: give add or remove with a symbol", parameter="add")
        today, is_in_cookie = self._library.read_today(), not self._lists.keeps(request)

        def edit(symbols: Sequence[str]) -> watchlist.Change:
            if removed:
                return watchlist.remove(symbols, removed)
            return watchlist.add(
                symbols, typed, self._limit, place, today=today, is_in_cookie=is_in_cookie
            )

        found, change, is_kept = await self._lists.change(request, edit)
        before = Symbols(found)
        is_htmx = request.headers.get("hx-request") == "true"
        response: Response
        if is_htmx:
            # 200 also for a refusal: a browser logs anything else as an error of the page.
            html = await self._render_change(request, factory, before, change)
            response = HTMLResponse(html, headers=PRIVATE)
        elif change.problem is not None:
            page = await self._describe(factory, {factory.watchlist_parameter: ",".join(before)})
            response = self._renderer.respond(
                request, page, 422, typed=typed, problem=change.problem
            )
        else:
            response = RedirectResponse(
                f"{root_path_of(request.scope)}{factory.path}", 303, PRIVATE
            )
        if not is_kept:
            set_cookie(request, response, change.symbols)
        elif change.problem is None:
            drop_cookie(request, response)
        return response

    async def _describe(self, factory: PageFactory, given: Mapping[str, str]) -> Page:
        """The page for the parameters of a request.

        Raises:
            Problem: when there is no such page.
        """
        try:
            arguments = factory.read(given)
            page = factory.find(arguments)
            if page is None:
                # What a person wrote may take its time, but not the event loop's.
                page = await asyncio.to_thread(factory.describe, **arguments)
        except ParameterError as error:
            raise Problem(400, str(error), parameter=error.name) from None
        except PageError as error:
            # The page was described without them when it was loaded, so they are what is wrong.
            name = ", ".join(sorted(factory.parameters.keys() & given.keys())) or None
            words = f"{name}: {error}" if name else str(error)
            raise Problem(400, words, parameter=name) from None
        except Exception as error:
            logger.exception("the page %s cannot be described", factory.path)
            raise Problem(500, f"This page has a mistake. {find_mistake(error)}") from error
        if page.questions:
            answers = await answer_questions(self._context.documents, page.questions)
            page = factory.answer(arguments, answers)
        if len(page.symbols) > self._limit:
            name = factory.watchlist_parameter
            words = f"one page follows at most {self._limit} symbols"
            raise Problem(400, f"{name}: {words}" if name else _sentence(words), parameter=name)
        return page

    async def _render_change(
        self,
        request: Request,
        factory: PageFactory,
        before: tuple[str, ...],
        change: watchlist.Change,
    ) -> str:
        # A page takes a message for a reason why nothing was done.
        message = change.problem or (change.note if change.symbols == before else None) or ""
        partials = [render_partial("add-message", str(escape(message)))]
        if change.symbols != before:
            assert factory.watchlist_parameter is not None
            page = await self._describe(
                factory, {factory.watchlist_parameter: ",".join(change.symbols)}
            )
            partials += [
                render_partial(panel.id, self.views.render_live(panel, frozenset()))
                for panel in page.panels
                if type(panel) is WatchlistPanel
            ]
            partials.append(self._renderer.render_stream(request, page))
        return "".join(partials)

    def begin(self, request: Request, page: Page) -> bytes:
        """What a stream begins with, before the values."""
        # Whatever an earlier stream of this page had to say is over.
        notice = _encode_notice("", RETRY_MS)
        if not self._renderer.shows_another(request, page):
            return notice
        return notice + encode_message(self._renderer.render_again(request, page))

    async def follow(self, request: Request, page: Page) -> tuple[Page, bytes]:
        """What the page is after a change of its file, and the message that makes it so."""
        factory = self._library.get(page.name)
        try:
            if factory is None:
                raise Problem(404, "This page is not in the file any more.")
            new = await self._describe(factory, request.query_params)
        except Problem as problem:
            return page, _encode_notice(problem.detail, RETRY_MS)
        if new is page:
            return page, _encode_notice("", RETRY_MS)
        return new, _encode_notice("", RETRY_MS) + encode_message(
            self._renderer.render_again(request, new)
        )


class PageStream:
    """The source of a page's stream: the page as it is now, and the next when its file changes."""

    def __init__(self, live: Live, request: Request, page: Page) -> None:
        """Raises: TooManySymbols, as `LivePages.open` does."""
        self._live = live
        self._request = request
        self._page = page
        self._subscriber = live.views.open(page, grant_of(request), viewer_of(request))
        self._following: asyncio.Task[None] | None = None
        self._refusal: str | None = None

    def begin(self) -> tuple[bytes, Attach]:
        """Return the first bytes, and how to join the page."""
        return self._live.begin(self._request, self._page), self._attach

    def resume_writing(self) -> None:
        """Write what was missed while the sink was full."""
        if self._refusal is not None:
            self._sink.close(self._refusal)
        else:
            self._subscriber.write_to(self._sink, self._on_retired)

    def close(self) -> None:
        """Leave the page; may be called twice."""
        if self._following is not None:
            self._following.cancel()
        self._subscriber.close()

    def _attach(self, sink: Sink) -> Source:
        self._sink = sink
        self.resume_writing()
        return self

    def _on_retired(self) -> None:
        self._subscriber.close()
        loop = asyncio.get_running_loop()
        self._following = loop.create_task(self._follow(), name="next page")

    async def _follow(self) -> None:
        self._page, first = await self._live.follow(self._request, self._page)
        try:
            grant, name = grant_of(self._request), viewer_of(self._request)
            self._subscriber = self._live.views.open(self._page, grant, name)
        except TooManySymbols as error:
            self._refusal = "full"
            first = _encode_notice(_explain(error), RETRY_MS)
        if self._sink.write(first):
            self.resume_writing()


def _explain(error: TooManySymbols) -> str:
    return f"{_sentence(str(error))} Remove some."


def _encode_notice(text: str, retry_ms: int) -> bytes:
    # htmx 4.0.1 ignores a `retry:` that stands alone, and keeps one for all later connections.
    return b"retry: %d\n" % retry_ms + encode_message(render_partial("notice", str(escape(text))))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
