"""Who is let in, route by route, and what everybody else is answered."""

import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.app import build_app, create_context
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.throttle import Throttle
from tests.faults.trial import Trial
from tests.web.running import (
    HTML,
    TLS,
    TOKEN,
    Running,
    ask_status,
    get,
    idle,
    log_in,
    make_settings,
)

PUBLIC = {"/healthz", "/readyz", "/login", "/static/{path:path}"}


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
    refused = {401, 403} if template == "/login" else {401, 403, 303}
    for headers in right:
        assert ask_status(protected, method, path, headers) not in refused, headers


@pytest.mark.fault(26)
@pytest.mark.parametrize("path", ["/nothing", "/static", "/events/", "/Static/x"])
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


@pytest.mark.fault(24)
def test_guessing_by_bearer_counts_too(fresh: Running) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [ask_status(fresh, "GET", "/status", wrong) for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2


@pytest.fixture
def app() -> Starlette:
    """Made outside the event loop, because it reads files."""
    return build_app(create_context(make_settings()), idle)


async def test_an_open_gateway_answers_to_its_own_machine_only(app: Starlette) -> None:
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 403)):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/status")).status_code == status


LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("headers", [LINK, {"Upgrade-Insecure-Requests": "1"}])
def test_a_link_from_elsewhere_leads_a_signed_in_person_to_the_page(
    protected: Running, headers: dict[str, str]
) -> None:
    """The cookie is kept back at first; the page in between makes the browser send it."""
    first = get(f"{protected.url}/?symbols=SPY", headers={**HTML, **headers})
    assert first.status_code == 200
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', first.text)
    assert found is not None
    assert found[1] == "/login?next=%2F%3Fsymbols%3DSPY"
    own = {**HTML, "Sec-Fetch-Site": "same-origin", "Cookie": cookie_of(log_in(protected))}
    second = get(protected.url + found[1], headers=own)
    assert (second.status_code, second.headers["location"]) == (303, "/?symbols=SPY")
    assert get(f"{protected.url}/?symbols=SPY", headers=own).status_code == 200
    nobody = get(protected.url + found[1], headers={**HTML, "Sec-Fetch-Site": "same-origin"})
    assert 'name="token"' in nobody.text, "and it asks who is not signed in"


def cookie_of(answer: httpx.Response) -> str:
    """The cookie that an answer sets, as a request sends it."""
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_login_that_is_over_leads_to_the_form_at_once(protected: Running) -> None:
    headers = {**HTML, **LINK, "Cookie": f"{COOKIE}=2.owner.x.1.1.wrong"}
    assert get(protected.url, headers=headers).status_code == 303
