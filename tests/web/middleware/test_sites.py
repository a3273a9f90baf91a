"""What another site makes a browser send, and what is ours."""

import asyncio

import pytest
from starlette.datastructures import Headers

from gateway.app import build_app, create_context
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import OWNER
from gateway.web.middleware.sites import is_foreign, is_same_host
from tests.web.middleware.asking import ask_app
from tests.web.running import HTML, TOKEN, Running, idle, make_protected, post


@pytest.mark.fault(25)
async def test_another_site_signs_nobody_out() -> None:
    app = await asyncio.to_thread(build_app, create_context(make_protected(token=TOKEN)), idle)
    authenticator = app.state.authenticator
    cookie = authenticator.make_cookie(OWNER)
    own = {"Host": "localhost:8000", "Cookie": f"{COOKIE}={cookie}"}
    for foreign in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8001"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
    ):
        status, _, _ = await ask_app(app, "POST", "/logout", {**own, **foreign})
        assert status in {403, 421}
        assert authenticator.read_cookie(cookie) is not None
    status, _, _ = await ask_app(app, "POST", "/logout", own)
    assert status == 303
    assert authenticator.read_cookie(cookie) is None


@pytest.mark.parametrize(
    ("method", "path", "fetch", "expected"),
    [
        ("GET", "/", ("cross-site", "navigate", "document"), False),
        ("HEAD", "/login", ("same-site", "navigate", "document"), False),
        ("GET", "/", ("cross-site", "navigate", "iframe"), True),
        ("GET", "/", ("cross-site", "no-cors", "image"), True),
        ("POST", "/login", ("cross-site", "navigate", "document"), True),
        ("GET", "/events", ("cross-site", "navigate", "document"), True),
        ("GET", "/live/home", ("cross-site", "cors", "empty"), True),
        ("GET", "/api/snapshot", ("same-site", "navigate", "document"), True),
        ("GET", "/static/app.css", ("cross-site", "no-cors", "style"), True),
        ("GET", "/events", ("same-origin", "cors", "empty"), False),
        ("POST", "/login", ("none", "navigate", "document"), False),
    ],
)
def test_a_link_from_elsewhere_is_welcome(
    method: str, path: str, fetch: tuple[str, str, str], expected: bool
) -> None:
    names = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
    headers = Headers(dict(zip(names, fetch, strict=True)) | {"host": "localhost"})
    assert is_foreign(method, path, headers) is expected


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://LOCALHOST", "localhost:80", True),
        ("https://gateway.example", "gateway.example", True),
        ("https://gateway.example:443", "gateway.example", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://localhost:8001", "localhost:8000", False),
        ("http://127.0.0.1:8000", "localhost:8000", False),
        ("http://evil.example", "", False),
        ("http://", "", False),
        ("file://", "", False),
        ("null", "null", False),
        ("http://a@localhost:8000", "localhost:8000", False),
    ],
)
def test_origins(origin: str, host: str, expected: bool) -> None:
    assert is_same_host(origin, host) is expected


def test_a_login_behind_a_proxy_that_changes_the_host_says_what_to_set(
    protected: Running, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {**HTML, "Origin": "https://gw.test:8510", "Sec-Fetch-Site": "same-origin"}
    before = protected.context.logins.foreign
    for _ in range(2):
        answer = post(f"{protected.url}/login", data={"token": TOKEN}, headers=headers)
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/html")
        assert "GATEWAY_ALLOWED_HOSTS" in answer.text
        assert "gw.test" not in answer.text
        assert "set-cookie" not in answer.headers
    said = [each.getMessage() for each in caplog.records if "Origin" in each.getMessage()]
    assert len(said) == 1
    assert "https://gw.test:8510" in said[0]
    assert "GATEWAY_ALLOWED_HOSTS" in said[0]
    assert TOKEN not in caplog.text
    assert protected.context.logins.foreign == before + 2
    program = {"Origin": "https://gw.test:8510"}
    answer = post(f"{protected.url}/watchlist", data={"add": "SPY"}, headers=program)
    assert answer.headers["content-type"] == "application/problem+json"


def test_another_site_is_told_nothing_of_settings(protected: Running) -> None:
    headers = {**HTML, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = post(f"{protected.url}/login", data={"token": TOKEN}, headers=headers)
    assert answer.status_code == 403
    assert "GATEWAY" not in answer.text
