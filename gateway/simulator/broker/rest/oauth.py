"""OAuth: the login page, authorization codes, and the exchange of grants for tokens.

RFC 6749, sections 4.1 and 6, as far as Tastytrade documents it: no PKCE, `state` is passed back.
"""

import json
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from gateway.simulator.broker.rest.answers import Endpoints, Refusal, Routes
from gateway.simulator.broker.tokens import GrantRefused

PAGE = """<!doctype html><html lang="en"><title>Simulated Tastytrade</title>
<h1>Sign in</h1><p>{client} asks for: {scope}</p>{forms}"""
FORM = """<form method="get" action="/oauth/authorize">{hidden}
<button name="{name}" value="{value}">{label}</button></form>"""


class OAuth(Endpoints):
    """The routes that need no token."""

    def gets(self) -> Routes:
        """Return the pages of the code flow."""
        return [("/auth.html", self.page), ("/oauth/authorize", self.authorize)]

    def posts(self) -> Routes:
        """Return the exchange."""
        return [("/oauth/token", self.token)]

    async def token(self, request: Request) -> Response:
        """Exchange a grant, given as JSON or as a form, for an access token."""
        world = self._world
        world.journal.counts["refresh_requests"] += 1
        status = world.faults.take_oauth()
        if status:
            raise Refusal(status, "service_unavailable", "The service is unavailable")
        try:
            issued = world.tokens.grant(await _read_form(request), world.now())
        except GrantRefused as refused:
            world.journal.counts["grants_refused"] += 1
            body = {"error_code": refused.code, "error_description": refused.text}
            return JSONResponse(body, 400)
        answer: dict[str, Any] = {
            "access_token": issued.access,
            "token_type": "Bearer",
            "expires_in": round(world.tokens.told_s),
            "scope": " ".join(sorted(issued.scopes)),
        }
        if issued.refresh:
            answer["refresh_token"] = issued.refresh
        world.journal.counts["tokens_issued"] += 1
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def page(self, request: Request) -> Response:
        """Show who may sign in, and a way to refuse."""
        query = dict(request.query_params)
        self._check(query)
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in query.items()
        )
        buttons = [
            ("customer", key, f"Allow as {login.customer.describe()['first-name']}")
            for key, login in self._world.logins.items()
        ]
        forms = "".join(
            FORM.format(hidden=hidden, name=name, value=escape(value), label=escape(label))
            for name, value, label in [*buttons, ("deny", "true", "Refuse")]
        )
        client = escape(query.get("client_id", ""))
        scope = escape(query.get("scope", "everything"))
        return HTMLResponse(PAGE.format(client=client, scope=scope, forms=forms))

    async def authorize(self, request: Request) -> Response:
        """Send the browser back with a code, as if the customer had agreed (or not: `deny`)."""
        query, world = dict(request.query_params), self._world
        target = self._check(query)
        customer = query.get("customer", next(iter(world.logins)))
        if customer not in world.logins:
            raise Refusal(400, "invalid_request", "No such customer")
        if query.get("deny"):
            back = {"error": "access_denied", "error_description": "The customer refused"}
        else:
            back = {
                "code": world.tokens.make_code(
                    world.now(),
                    customer=customer,
                    client_id=query.get("client_id", ""),
                    redirect_uri=target,
                    scope=query.get("scope", ""),
                )
            }
        if "state" in query:
            back["state"] = "forged" if world.faults.sends_wrong_state else query["state"]
        return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{urlencode(back)}", 302)

    def _check(self, query: dict[str, str]) -> str:
        """The address to send the browser back to. Raises: Refusal, before anything is shown."""
        target = query.get("redirect_uri", "")
        if query.get("response_type") != "code" or not target:
            raise Refusal(400, "invalid_request", "response_type=code and redirect_uri are needed")
        if not self._world.tokens.is_client(query.get("client_id", ""), target):
            raise Refusal(400, "invalid_client", "Unknown client_id or redirect_uri")
        return target


async def _read_form(request: Request) -> dict[str, str]:
    raw = await request.body()
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode(errors="replace")))
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise GrantRefused("invalid_request", "The body is neither JSON nor a form")
    return {str(name): value for name, value in body.items() if isinstance(value, str)}
