"""The whole table: what is asked, how, under which name, from which site, and as whom."""

import asyncio
import itertools

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.app import build_app, create_context
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.throttle import Throttle
from gateway.web.auth.viewers import OWNER
from gateway.web.problem import HEALTH_PATHS
from tests.faults.trial import Trial
from tests.web.middleware.asking import ask_app
from tests.web.running import TOKEN, idle, make_balance, make_protected, make_quote

# The whole table: what is asked, how, under which name, from which site, and as whom.
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
SITES = [None, "same-origin", "none", "same-site", "cross-site"]
ORIGINS = [None, "http://localhost:8000", "https://evil.example", "null"]
HOSTS = ["localhost:8000", "evil.example", "localhost.evil.example:8000"]
PUBLIC = {"/healthz", "/readyz", "/login", "/static/login.js"}
PRIVATE_WORDS = (b"5WX00001", b"987654", b"450.25")


def list_paths(app: Starlette) -> list[str]:
    """An address of every route, and one that no route is for."""
    paths = {"/nothing", "/events?snapshot=only&types=balance_update"}
    for route in app.routes:
        assert isinstance(route, Route)
        path = route.path.replace("{view}", "home")
        paths.add(path.replace("{path:path}", "login.js" if "static" in path else ""))
    return sorted(paths)


@pytest.mark.fault(25)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_nothing_is_read_or_changed_without_a_token_from_an_own_page(
    accept: str, trial: Trial
) -> None:
    """Every route x method x host x site x origin x credentials, as with a real login."""
    context = create_context(make_protected(token=TOKEN))
    context.hub.publish(make_balance(balance="987654.00"))
    context.hub.publish(make_quote())
    context.hub.flush()
    app = await asyncio.to_thread(build_app, context, idle)
    app.state.has_started = True  # without a lifespan
    authenticator = app.state.authenticator
    cookie = authenticator.make_cookie(OWNER)
    as_owner: list[dict[str, str]] = [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Cookie": f"{COOKIE}={cookie}"},
        {"Authorization": f"Bearer {TOKEN}", "Cookie": f"{COOKIE}={cookie}"},
    ]
    as_nobody: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer wrong-wrong-wrong-wrong"},
        {"Cookie": f"{COOKIE}={cookie[:-1]}x"},
    ]
    asked, answered = 0, 0
    paths = list_paths(app)
    assert len(paths) >= len({each.path for each in app.routes if isinstance(each, Route)})
    for path, method, host, site, origin in itertools.product(
        paths, METHODS, HOSTS, SITES, ORIGINS
    ):
        for credentials in as_owner + as_nobody:
            if path == "/logout" and credentials in as_owner and method == "POST":
                continue  # ends the login, as it should; across sites it is tried below
            headers = {"Host": host, "Accept": accept, **credentials}
            if site is not None:
                headers["Sec-Fetch-Site"] = site
            if origin is not None:
                headers["Origin"] = origin
            authenticator.throttle = Throttle()
            status, answer, body = await ask_app(app, method, path, headers)
            asked += 1
            said = (path, method, headers, status)
            assert not [name for name in answer if "access-control" in name], said
            assert answer["content-security-policy"], said
            is_own = site in {None, "same-origin", "none"}
            is_own = is_own and origin in {None, f"http://{host}", f"https://{host}"}
            is_asked_under_any_name = path in HEALTH_PATHS or (
                path == "/metrics" and "Authorization" in credentials
            )
            if host != HOSTS[0] and not is_asked_under_any_name:
                assert status == 421, said
            elif not is_own:
                assert status == 403, said
            elif credentials in as_owner:
                assert status not in {401, 403, 421}, said
                answered += any(word in body for word in PRIVATE_WORDS)
                continue
            elif path in PUBLIC:
                assert status in {200, 303, 405, 415, 503}, said
            elif status == 303:
                assert answer["location"].startswith("/login?next="), said
                assert (method in {"GET", "HEAD"}, accept) == (True, "text/html"), said
            else:
                assert status == 401, said
                assert answer["www-authenticate"].startswith("Bearer"), said
            assert "set-cookie" not in answer, said
            assert not any(word in body for word in PRIVATE_WORDS), said
    assert asked > 10_000
    assert answered > 50, "with a token there is something to read"
    assert authenticator.read_cookie(cookie) is not None
    trial.tell(f"{asked:,} requests as {accept}: nothing read or changed from elsewhere")
