"""The list of a page: in the store for whoever signed in, else, as before, in a cookie.

A cookie that is there when its viewer has no list yet is moved into the store once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import StoreUnavailable
from gateway.store.store import Store
from gateway.web import watchlist
from gateway.web.auth.authenticator import auth_context_of
from gateway.web.auth.viewers import key_of
from gateway.web.problem import root_path_of
from gateway.web.state import AppState

if TYPE_CHECKING:
    # brings SQLAlchemy
    from gateway.store.rows import Transaction

PAGE_LIST = "Watchlist"
"""The name of the list that pages show unless they name another."""

Edit = Callable[[Sequence[str]], watchlist.Change]


@dataclass(frozen=True, slots=True)
class OwnList:
    """The symbols to show; `problem` is a sentence when they may not be the viewer's own."""

    symbols: tuple[str, ...]
    problem: str = ""
    is_moved: bool = False
    """Whether the store has what the cookie had, which can go."""


def explain(error: StoreUnavailable) -> str:
    """Return the sentence for people."""
    return f"Nothing can be kept at the moment: {error}."


class OwnLists:
    """Reads and changes the list of whoever asks."""

    def __init__(self, state: AppState, limit: int) -> None:
        self._state = state
        self._limit = limit

    async def read(self, request: Request) -> OwnList:
        """Return the viewer's list; without one, or without a store, the cookie's or the default.

        What the cookie holds is moved into the store when that has no list yet.
        """
        found = self._find_store(request)
        if found is None:
            return OwnList(self.read_cookie(request))
        store, owner = found
        has_cookie = watchlist.COOKIE in request.cookies
        try:
            kept = await store.read(lambda rows: rows.watchlists.read(owner, PAGE_LIST))
            if kept is None and has_cookie:
                symbols = self.read_cookie(request)

                def move(rows: "Transaction") -> Sequence[str]:
                    # One that another window has made meanwhile stays as it is.
                    return rows.watchlists.change(owner, PAGE_LIST, symbols, list).symbols

                return OwnList(self._check(await store.write(move)), is_moved=True)
        except StoreUnavailable as error:
            problem = f"Your list cannot be read at the moment: {error}."
            return OwnList(self.read_cookie(request), problem)
        if kept is None:
            return OwnList(self.read_cookie(request))
        return OwnList(self._check(kept.symbols), is_moved=has_cookie)

    async def change(
        self, request: Request, edit: Edit
    ) -> tuple[tuple[str, ...], watchlist.Change, bool]:
        """Return the list before, what `edit` made of it, and whether the store has kept it."""
        found = self._find_store(request)
        if found is None:
            before = self.read_cookie(request)
            return before, edit(before), False
        store, owner = found
        first = self.read_cookie(request)

        def work(rows: "Transaction") -> tuple[tuple[str, ...], watchlist.Change]:
            seen: list[tuple[tuple[str, ...], watchlist.Change]] = []

            def apply(symbols: tuple[str, ...]) -> Sequence[str]:
                checked = self._check(symbols)
                seen.append((checked, edit(checked)))
                return seen[-1][1].symbols

            rows.watchlists.change(owner, PAGE_LIST, first, apply)
            return seen[-1]

        try:
            before, change = await store.write(work)
        except StoreUnavailable as error:
            return first, watchlist.Change(first, f"{explain(error)} Try again later."), True
        return before, change, True

    def read_cookie(self, request: Request) -> tuple[str, ...]:
        """Return the list of this browser."""
        return watchlist.read_cookie(
            request.cookies.get(watchlist.COOKIE),
            self._state.limits.symbols,
            self._limit,
            self._state.clock.now().date(),
        )

    def keeps(self, request: Request) -> bool:
        """Whether the list of whoever asks is in the store."""
        return self._find_store(request) is not None

    def _find_store(self, request: Request) -> tuple[Store, str] | None:
        """Return the store and whose rows they are; None where nobody had to sign in."""
        auth_context = auth_context_of(request.scope)
        if self._state.store is None or auth_context is None or auth_context.authenticator.is_open:
            return None
        return self._state.store, key_of(auth_context.viewer)

    def _check(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Return those that can still be shown: what a symbol is may have changed since."""
        checked = []
        for each in symbols:
            try:
                checked.append(watchlist.check_symbol(each, self._state.clock.now().date()))
            except ValueError:
                continue
        return tuple(dict.fromkeys(checked))[: self._limit]


def set_cookie(request: Request, response: Response, symbols: Sequence[str]) -> None:
    """Keep a list in the browser."""
    response.set_cookie(
        watchlist.COOKIE,
        watchlist.write_cookie(symbols),
        max_age=watchlist.COOKIE_MAX_AGE_S,
        path=f"{root_path_of(request.scope)}/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def drop_cookie(request: Request, response: Response) -> None:
    """Let the browser forget a list that the store has."""
    if watchlist.COOKIE in request.cookies:
        response.delete_cookie(
            watchlist.COOKIE,
            path=f"{root_path_of(request.scope)}/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
