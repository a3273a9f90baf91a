"""Pages and their streams: `/`, `/live/{view}`, `/watchlist`; thin: check, call, render."""

import json
import random
from collections.abc import AsyncGenerator

from jinja2 import Environment
from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.pages import home
from gateway.pages.panel import Page
from gateway.pages.view import Accounts, Viewer, Views, encode_message, render_partial
from gateway.streams.events import Bye, encode_frame
from gateway.streams.interest import TooManySymbols
from gateway.streams.symbols import split_symbols
from gateway.web import watchlist
from gateway.web.context import Context
from gateway.web.problem import Problem
from gateway.web.stream import FULL_RETRY_MS, EventStream

RETRY_MS = 250
"""How soon hx-sse tries again when a connection breaks, doubling from there."""

BYE_RETRY_MS = (250, 1500)
"""The same when the server says goodbye: spread, and still back within seconds."""

PRIVATE = {"Cache-Control": "no-store"}


def routes(context: Context, environment: Environment) -> list[BaseRoute]:
    """The routes of this module."""
    live = Live(context, environment)
    return [
        Route("/", live.show_home, methods=["GET"], name="home"),
        Route("/watchlist", live.change_watchlist, methods=["POST"], name="watchlist"),
        Route("/live/{view}", live.open_stream, methods=["GET"], name="live"),
    ]


class Live:
    """The endpoints and what they share."""

    def __init__(self, context: Context, environment: Environment) -> None:
        self.views = Views(context.hub, context.interest, environment)
        self._context = context
        self._environment = environment
        self._limit = context.settings.max_symbols_per_stream

    async def show_home(self, request: Request) -> Response:
        """The page with the values of this moment in it."""
        return self._respond_page(request, home.home_page(self._symbols(request)))

    async def open_stream(self, request: Request) -> Response:
        """What the page's htmx listens to."""
        page = self._requested_page(request)
        context = self._context
        if context.hub.closing is not None:
            return EventStream(context, _refuse(context.hub.closing), counted=False)
        if context.is_full:
            context.streams_refused += 1
            reason = "This gateway has no room for another live page at the moment."
            return EventStream(context, _refuse("full", reason), counted=False)
        return EventStream(context, self._stream(page, accounts_of(request)))

    async def change_watchlist(self, request: Request) -> Response:
        """The changed list: as partials for htmx, by a redirect for a plain form."""
        before = self._symbols(request)
        async with request.form(max_files=0, max_fields=10, max_part_size=4096) as form:
            added, removed = form.get("add"), form.get("remove")
        if isinstance(removed, str):
            change = watchlist.remove(before, removed)
        elif isinstance(added, str):
            change = watchlist.add(before, added, self._limit)
        else:
            raise Problem(400, "add: give add or remove with a symbol", parameter="add")
        typed = added if isinstance(added, str) else ""
        is_htmx = request.headers.get("hx-request") == "true"
        response: Response
        if is_htmx:
            # 200 also for a refusal: a browser logs anything else as an error of the page.
            response = HTMLResponse(self._render_change(request, before, change), headers=PRIVATE)
            if change.problem is None and typed:
                response.headers["HX-Trigger"] = json.dumps({"symbolAdded": {"typed": typed}})
        elif change.problem is not None:
            page = home.home_page(before)
            response = self._respond_page(request, page, 422, typed=typed, problem=change.problem)
        else:
            response = RedirectResponse(f"{_root_path(request)}/", 303, PRIVATE)
        response.set_cookie(
            watchlist.COOKIE,
            watchlist.write_cookie(change.symbols),
            max_age=watchlist.COOKIE_MAX_AGE_S,
            path=f"{_root_path(request)}/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return response

    def _symbols(self, request: Request) -> tuple[str, ...]:
        cookie = request.cookies.get(watchlist.COOKIE)
        return watchlist.read_cookie(cookie, self._context.settings.symbols, self._limit)

    def _requested_page(self, request: Request) -> Page:
        if request.path_params["view"] != home.NAME:
            raise Problem(404, "There is no such view.")
        try:
            symbols = split_symbols(request.query_params.get("symbols", ""))
        except ValueError as error:
            raise Problem(400, f"symbols: {error}", parameter="symbols") from None
        if len(symbols) > self._limit:
            raise Problem(
                400, f"symbols: one page follows at most {self._limit}", parameter="symbols"
            )
        return home.home_page(symbols)

    def _respond_page(
        self,
        request: Request,
        page: Page,
        status: int = 200,
        *,
        typed: str = "",
        problem: str = "",
    ) -> Response:
        variables = {"root_path": _root_path(request), "typed": typed, "problem": problem}
        html = self._environment.get_template("page.html").render(
            page=page,
            panels=self.views.render(page, accounts_of(request), variables),
            stream_url=_stream_url(request, page),
            **variables,
        )
        return HTMLResponse(html, status, PRIVATE)

    def _render_change(
        self, request: Request, before: tuple[str, ...], change: watchlist.Change
    ) -> str:
        partials = [render_partial("add-message", str(escape(change.problem or "")))]
        if change.symbols != before:
            page = home.home_page(change.symbols)
            stream = self._environment.get_template("stream.html")
            partials += [
                render_partial(panel.id, self.views.render_live(panel, frozenset()))
                for panel in page.panels
                if panel.id == home.WATCHLIST_ID
            ]
            # A new element in the old one's place: htmx closes one stream and opens the other.
            partials.append(
                f'<hx-partial hx-target="#live" hx-swap="innerHTML">'
                f"{stream.render(stream_url=_stream_url(request, page))}</hx-partial>"
            )
        return "".join(partials)

    async def _stream(self, page: Page, accounts: Accounts) -> AsyncGenerator[bytes, None]:
        try:
            viewer: Viewer = self.views.open(page, accounts)
        except TooManySymbols as error:
            async for refusal in _refuse("full", f"{_sentence(str(error))} Remove some."):
                yield refusal
            return
        try:
            # Whatever an earlier stream of this page had to say is over.
            yield _encode_notice("", RETRY_MS)
            while (chunk := await viewer.read()) is not None:
                yield chunk
            yield _encode_bye(self._context.hub.closing or "shutdown", BYE_RETRY_MS)
        finally:
            viewer.close()


def accounts_of(request: Request) -> Accounts:
    """The accounts that this viewer may see; None means all."""
    accounts: Accounts = getattr(request.state, "accounts", None)
    return accounts


async def _refuse(reason: str, notice: str = "") -> AsyncGenerator[bytes, None]:
    """A stream that says why it ends, and ends."""
    if notice:
        yield _encode_notice(notice, RETRY_MS)
    yield _encode_bye(reason, FULL_RETRY_MS if reason == "full" else BYE_RETRY_MS)


def _encode_notice(text: str, retry_ms: int) -> bytes:
    # htmx 4.0.1 ignores a `retry:` that stands alone, and keeps one for all later connections.
    return b"retry: %d\n" % retry_ms + encode_message(render_partial("notice", str(escape(text))))


def _encode_bye(reason: str, spread_ms: tuple[int, int]) -> bytes:
    retry_ms = random.randint(*spread_ms)
    return b"retry: %d\n" % retry_ms + encode_frame(Bye(reason=reason, retry_ms=retry_ms))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _root_path(request: Request) -> str:
    root_path: str = request.scope.get("root_path", "")
    return root_path.rstrip("/")


def _stream_url(request: Request, page: Page) -> str:
    return f"{_root_path(request)}/live/{page.name}?{page.query}"
