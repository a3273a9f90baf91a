"""Envelopes, pages and refusals of REST, and what all groups of routes share.

`{data, context}`, lists as `{data: {items}}` with `pagination` where they are paged, errors as
`{error: {code, message}}`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.spoiling import spoil_row, spoil_rows
from gateway.simulator.market.calendar import NEW_YORK, local_day
from gateway.simulator.world import Login, World

Body = dict[str, Any]
T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]
Routes = Iterable[tuple[str, Handler]]


class Refusal(Exception):
    """An answer in the error envelope."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Endpoints:
    """What a group of routes needs: the world, and who asks."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _login(self, request: Request) -> Login:
        # The gate has refused whoever has no good token.
        login: Login = request.scope["login"]
        return login

    def _ledger(self, request: Request) -> Ledger:
        return self._login(request).ledger

    def _account(self, request: Request) -> Account:
        account = self._ledger(request).accounts.get(str(request.path_params["number"]))
        if account is None:
            raise Refusal(403, "not_permitted", "User not permitted access")
        return account

    def _today(self) -> date:
        return local_day(self._world.market.now)


def found(body: T | None) -> T:
    """Return what was found. Raises: Refusal with 404 for None."""
    if body is None:
        raise Refusal(404, "record_not_found", "Couldn't find the symbol")
    return body


def one(request: Request, body: Any, status: int = 200) -> Response:
    """Return an object in its envelope."""
    body = spoil_row(request.scope["spoils"], request.url.path, body)
    return JSONResponse({"data": body, "context": request.url.path}, status)


def many(request: Request, items: Sequence[Any]) -> Response:
    """Return a list in its envelope."""
    shown = spoil_rows(request.scope["spoils"], request.url.path, items)
    return JSONResponse({"data": {"items": shown}, "context": request.url.path})


def page(request: Request, items: Sequence[Any], *, usual: int, most: int) -> Response:
    """Return the page of a list that the query asks for. Raises: Refusal for a bad number."""
    per_page = min(read_number(request, "per-page", usual), most)
    offset = read_number(request, "page-offset", 0)
    if per_page < 1:
        raise Refusal(400, "invalid_parameter", "per-page is 1 or more")
    shown = items[offset * per_page : (offset + 1) * per_page]
    shown = spoil_rows(request.scope["spoils"], request.url.path, shown)
    total = len(items)
    pagination = {
        "per-page": per_page,
        "page-offset": offset,
        "item-offset": offset * per_page,
        "total-items": total,
        "total-pages": -(-total // per_page),
        "current-item-count": len(shown),
        "previous-link": None,
        "next-link": None,
        "paging-link-template": None,
    }
    body = {"data": {"items": shown}, "context": request.url.path, "pagination": pagination}
    return JSONResponse(body)


def error(status: int, code: str, text: str, **headers: str) -> Response:
    """Return an error in its envelope."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"error": {"code": code, "message": text}}, status, headers=named)


def read_number(request: Request, name: str, usual: int) -> int:
    """Return a whole number of the query, 0 or more. Raises: Refusal."""
    given = request.query_params.get(name)
    if given is None:
        return usual
    if not given.isdigit():
        raise Refusal(400, "invalid_parameter", f"{name} is a whole number")
    return int(given)


def read_day(request: Request, *names: str) -> date | None:
    """Return the first day of the query that is given. Raises: Refusal for what is no day."""
    for name in names:
        given = request.query_params.get(name)
        if given:
            try:
                return date.fromisoformat(given[:10])
            except ValueError:
                raise Refusal(400, "invalid_parameter", f"{name} is a date") from None
    return None


def read_instant(request: Request, *names: str) -> float | None:
    """Return the first instant of the query that is given, in epoch seconds; a day is its start.

    Raises: Refusal for what is no instant.
    """
    for name in names:
        given = request.query_params.get(name)
        if given:
            try:
                at = datetime.fromisoformat(given.replace(" ", "+"))
            except ValueError:
                raise Refusal(400, "invalid_parameter", f"{name} is an instant") from None
            return (at if at.tzinfo is not None else at.replace(tzinfo=NEW_YORK)).timestamp()
    return None


def read_flag(request: Request, name: str) -> bool | None:
    """Return a true or false of the query, or None when it is not given."""
    given = request.query_params.get(name)
    return None if given is None else given.lower() == "true"


def read_list(request: Request, name: str) -> list[str]:
    """Return the values of `name[]` and `name`, commas apart, in the order given."""
    query = request.query_params
    given = [*query.getlist(f"{name}[]"), *query.getlist(name)]
    return [part for value in given for part in value.split(",") if part]


def symbol_of(request: Request) -> str:
    """Return the symbol of the path."""
    return str(request.path_params["symbol"])
