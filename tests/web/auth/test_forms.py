"""The rule of every route, the login form, and what is refused; who is let in: test_access."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from gateway.app import build_app, create_context
from gateway.errors import ConfigurationError
from gateway.web.auth.forms import (
    COOKIE,
    MAX_FORM_BYTES,
    RoutePolicies,
    RoutePolicy,
    cookie_name,
    is_local,
    safe_target,
)
from gateway.web.auth.sessions import LOGIN_IDLE_S
from gateway.web.auth.throttle import Throttle
from tests.faults.trial import Trial
from tests.web.running import (
    TLS,
    TOKEN,
    Running,
    ask_status,
    get,
    idle,
    make_protected,
    make_quote,
    make_settings,
    open_gateway,
    post,
)

PUBLIC = {"/healthz", "/readyz", "/login", "/static/{path:path}"}

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def protected() -> Iterator[Running]:
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        gateway.publish(make_quote())
        yield gateway


@pytest.fixture
def fresh() -> Iterator[Running]:
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        yield gateway


@pytest.fixture
def app() -> Starlette:
    """Made outside the event loop, because it reads files."""
    return build_app(create_context(make_settings()), idle)


def log_in(gateway: Running, token: str = TOKEN, target: str = "/") -> httpx.Response:
    return post(f"{gateway.url}/login", data={"token": token, "next": target})


def list_requests() -> list[tuple[str, str, str]]:
    """Path template, path and method of every route, for every method."""
    app = build_app(create_context(make_settings()), idle)
    found = []
    for route in app.routes:
        assert isinstance(route, Route)
        path = route.path.replace("{view}", "home?symbols=SPY").replace("{path:path}", "login.js")
        found += [(route.path, path, method) for method in sorted(route.methods or ())]
    return found


REQUESTS = list_requests()


@pytest.mark.fault(26)
def test_the_whole_route_table_is_walked(trial: Trial) -> None:
    templates = {template for template, _, _ in REQUESTS}
    assert templates > PUBLIC
    assert {"/", "/events", "/api/snapshot", "/live/{view}", "/status", "/metrics"} <= templates
    trial.tell(f"{len(REQUESTS)} requests to {len(templates)} routes, {len(PUBLIC)} public by name")


@pytest.mark.fault(26)
@pytest.mark.parametrize(("template", "path", "method"), REQUESTS)
def test_every_route_is_public_by_name_or_wants_a_viewer(
    protected: Running, template: str, path: str, method: str
) -> None:
    cookie = log_in(protected).cookies[COOKIE]
    wrong = [
        {},
        {"Authorization": "Bearer wrong-wrong-wrong-wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"{COOKIE}=wrong"},
        {"Cookie": f"{COOKIE}={cookie[:-1]}x"},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"X-Forwarded-For": "127.0.0.1"},
    ]
    right = [{"Authorization": f"Bearer {TOKEN}"}, {"Cookie": f"a=b; {COOKIE}={cookie}"}]
    protected.app.state.authenticator.throttle = Throttle()
    for headers in wrong:
        status = ask_status(protected, method, path, headers)
        if template in PUBLIC:
            assert status not in {401, 403}
        else:
            assert status == 401, headers
    if template == "/logout":
        return  # would end the cookie; tested below
    for headers in right:
        assert ask_status(protected, method, path, headers) not in {401, 403, 303}, headers


@pytest.mark.fault(26)
@pytest.mark.parametrize("path", ["/nothing", "/static", "/healthz/", "/events/", "/Static/x"])
def test_what_no_public_route_answers_is_not_even_looked_up(protected: Running, path: str) -> None:
    assert ask_status(protected, "GET", path, {}) == 401
    assert ask_status(protected, "OPTIONS", path, {}) == 401


def test_a_token_in_the_query_is_no_token(protected: Running) -> None:
    assert ask_status(protected, "GET", f"/events?token={TOKEN}", {}) == 401


def test_programs_are_told_how_to_log_in(protected: Running) -> None:
    answer = get(f"{protected.url}/events", headers=HTML)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    answer = get(f"{protected.url}/live/home", headers=HTML)
    assert answer.status_code == 401
    answer = get(f"{protected.url}/", headers={"Authorization": "Bearer x"} | HTML)
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_browsers_are_sent_to_the_login_and_back(protected: Running) -> None:
    answer = get(f"{protected.url}/?a=b%20c", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2F%3Fa%3Db%2520c"
    with httpx.Client(
        base_url=protected.url, headers=HTML, follow_redirects=True, verify=TLS
    ) as browser:
        page = browser.get(answer.headers["location"])
        assert page.status_code == 200
        assert 'name="next" value="/?a=b%20c"' in page.text
        answer = browser.post("/login", data={"token": TOKEN, "next": "/?a=b%20c"})
        assert str(answer.url) == f"{protected.url}/?a=b%20c"
        assert answer.status_code == 200
        assert browser.get("/status").json()["ready"] is True


def test_the_cookie_is_for_this_site_only_and_no_script_reads_it(protected: Running) -> None:
    header = log_in(protected).headers["set-cookie"]
    assert header.startswith(f"{COOKIE}=2.owner.")
    assert TOKEN not in header
    assert "HttpOnly" in header
    assert "SameSite=strict" in header
    assert "Path=/" in header
    assert f"Max-Age={LOGIN_IDLE_S:.0f}" in header
    assert "Domain" not in header
    assert "Secure" not in header, "the gateway is asked without TLS here"


def test_with_tls_the_cookie_is_bound_to_the_host() -> None:
    assert cookie_name({"scheme": "https"}) == f"__Host-{COOKIE}"
    assert cookie_name({"scheme": "http"}) == COOKIE


def test_a_wrong_token_gets_the_form_again(fresh: Running) -> None:
    answer = log_in(fresh, "wrong", "/status")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "not the gateway&#39;s token" in answer.text
    assert 'value="/status"' in answer.text


@pytest.mark.fault(28)
def test_logout_ends_the_cookie_even_when_it_is_sent_again(fresh: Running) -> None:
    cookie = log_in(fresh).cookies[COOKIE]
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    assert ask_status(fresh, "GET", "/status", headers) == 200
    answer = post(f"{fresh.url}/logout", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert ask_status(fresh, "GET", "/status", headers) == 401
    answer = post(f"{fresh.url}/logout", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 303


@pytest.mark.fault(24)
def test_the_sixth_guess_has_to_wait(fresh: Running) -> None:
    forged = {"X-Forwarded-For": "10.1.2.3"}
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert ask_status(fresh, "GET", "/status", right) == 200
    fresh.app.state.authenticator._owner_networks.clear()
    assert [log_in(fresh, "wrong").status_code for _ in range(5)] == [401] * 5
    answer = post(f"{fresh.url}/login", data={"token": "wrong"}, headers=forged)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert log_in(fresh).status_code == 429, "even the right one, or guessing would go on"
    wrong = {"Authorization": "Bearer wrong"}
    answer = get(f"{fresh.url}/status", headers=wrong | forged)
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    assert ask_status(fresh, "GET", "/status", right) == 429, "nor by another way in"


@pytest.mark.fault(24)
def test_guesses_lock_nobody_out_who_came_in_from_there_before(fresh: Running) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    cookie = {"Cookie": f"{COOKIE}={log_in(fresh).cookies[COOKIE]}"}
    for _ in range(200):
        log_in(fresh, "wrong")
    assert log_in(fresh, "wrong").status_code == 429
    assert ask_status(fresh, "GET", "/status", right) == 200
    assert ask_status(fresh, "GET", "/status", cookie) == 200
    assert log_in(fresh).status_code == 303


@pytest.mark.fault(24)
def test_guessing_by_bearer_counts_too(fresh: Running) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [ask_status(fresh, "GET", "/status", wrong) for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "", 415),
        (b"token=" + b"x" * MAX_FORM_BYTES, "application/x-www-form-urlencoded", 413),
        (b"&".join([b"a=b"] * 9), "application/x-www-form-urlencoded", 400),
        (b"token=\xff", "application/x-www-form-urlencoded", 400),
        (b"token=%FF%FE", "application/x-www-form-urlencoded; charset=utf-8", 401),
        (b"token=", "application/x-www-form-urlencoded", 401),
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_odd_forms_are_refused(
    protected: Running, content: bytes, media_type: str, status: int
) -> None:
    protected.app.state.authenticator.throttle = Throttle()
    headers = {"Content-Type": media_type}
    answer = post(f"{protected.url}/login", content=content, headers=headers)
    assert answer.status_code == status


def test_an_open_gateway_needs_no_login(running: Running) -> None:
    assert running.app.state.authenticator.is_open
    assert ask_status(running, "GET", "/status", {}) == 200
    answer = log_in(running, "anything")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "set-cookie" not in answer.headers


async def test_an_open_gateway_answers_to_its_own_machine_only(app: Starlette) -> None:
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 403)):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/status")).status_code == status


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost", False),
        ("0.0.0.0", False),
    ],
)
def test_local_addresses(address: str, expected: bool) -> None:
    assert is_local(address) is expected


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "",
        "x",
        "/a\r\nb: c",
        "/é",
        "javascript:alert(1)",
        "/" + "x" * 2048,
        "/a\\b",
    ],
)
def test_a_login_never_leads_elsewhere(target: str) -> None:
    assert safe_target(target) == "/"


@pytest.mark.parametrize("target", ["/", "/?a=b%20c", "/live/home?symbols=SPY,QQQ"])
def test_a_login_leads_back(target: str) -> None:
    assert safe_target(target) == target


async def nothing(request: Request) -> Response:
    return Response()


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    "route", [Route("/new", nothing), Mount("/new", app=Response())], ids=["route", "mount"]
)
def test_a_route_without_a_rule_stops_the_start(route: BaseRoute) -> None:
    policies = RoutePolicies()
    known = policies.declare(RoutePolicy.VIEWER, [Route("/known", nothing)])
    policies.check(known)
    with pytest.raises(ConfigurationError, match="no rule"):
        policies.check([*known, route])


@pytest.mark.fault(26)
async def test_the_app_does_not_start_with_such_a_route(app: Starlette) -> None:
    app.router.routes.append(Route("/new", nothing))
    with pytest.raises(ConfigurationError, match="/new"):
        async with app.router.lifespan_context(app):
            pass
