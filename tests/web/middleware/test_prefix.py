"""Below a path: by a setting or a proxy's word, whether or not the proxy cuts the path off."""

import re
from typing import Any

import pytest

from gateway.web.auth.cookies import COOKIE
from gateway.web.middleware.prefix import add_prefix, parse_prefix
from tests.web.running import (
    HTML,
    TOKEN,
    Running,
    get,
    make_protected,
    make_quote,
    make_settings,
    open_gateway,
    post,
    read_stream,
)

FROM_PROXY = {"X-Forwarded-Prefix": "/gw"}


@pytest.mark.parametrize(
    ("root_path", "path", "prefix", "expected"),
    [
        ("", "/events", "/gw", ("/gw", "/gw/events")),
        ("", "/gw/events", "/gw", ("/gw", "/gw/events")),
        ("", "/", "/gw", ("/gw", "/gw/")),
        ("", "/gw", "/gw", ("/gw", "/gw")),
        ("", "/gwx", "/gw", ("/gw", "/gw/gwx")),
        ("/gw", "/gw/events", "/gw", ("/gw", "/gw/events")),
        ("/gw/app", "/gw/app/x", "/gw", ("/gw/app", "/gw/app/x")),
        ("/app", "/app/x", "/gw", ("/gw/app", "/gw/app/x")),
        ("/app", "/x", "/gw", ("/gw/app", "/gw/app/x")),
    ],
)
def test_a_prefix_stands_in_front_once(
    root_path: str, path: str, prefix: str, expected: tuple[str, str]
) -> None:
    scope: dict[str, Any] = {"root_path": root_path, "path": path, "raw_path": path.encode()}
    for _ in range(2):
        add_prefix(scope, prefix)
        assert (scope["root_path"], scope["path"]) == expected
        assert scope["raw_path"] == expected[1].encode()


@pytest.mark.parametrize("text", ["gw", "//evil.example", "/a//b", "/../x", "/a b", "/a?b", "/é"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a path"):
        parse_prefix(text)


@pytest.mark.parametrize("text", ["", "/", "/gw/", "/gw", "/a/b"])
def test_a_prefix_has_one_spelling(text: str) -> None:
    assert parse_prefix(text) == text.rstrip("/")


@pytest.mark.parametrize(
    ("options", "headers", "paths"),
    [
        ({"root_path": "/gw"}, {}, ["", "/gw"]),
        ({"trusted_proxies": "127.0.0.1"}, FROM_PROXY, ["", "/gw"]),
        ({"root_path": "/gw", "trusted_proxies": "127.0.0.1"}, FROM_PROXY, ["", "/gw"]),
    ],
)
def test_everything_works_below_a_prefix(
    options: dict[str, str], headers: dict[str, str], paths: list[str]
) -> None:
    with open_gateway(make_settings(**options)) as gateway:
        gateway.publish(make_quote())
        for cut in paths:
            page = get(f"{gateway.url}{cut}/", headers={**HTML, **headers})
            links = re.findall(r'(?:href|src|action|hx-post|hx-sse:connect)="(/[^"]*)"', page.text)
            assert len(links) > 5
            assert all(each.startswith("/gw/") for each in links), links
            for each in links:
                if "/static/" in each:
                    url = gateway.url + each.removeprefix("" if cut else "/gw")
                    assert get(url, headers=headers).status_code == 200
            url = f"{gateway.url}{cut}"
            assert len(read_stream(url, snapshot="only", headers=headers)) > 2
            for path in ("/status", "/status/", "/api/snapshot", "/api/snapshot/", "/healthz/"):
                assert get(f"{url}{path}", headers=headers).status_code in {200, 503}
            answer = post(f"{url}/watchlist", data={"add": "TSLA"}, headers=headers)
            assert answer.headers["location"] == "/gw/"
        assert get(f"{gateway.url}/healthz").status_code == 200, "and without it"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_login_stays_below_the_prefix(scheme: str) -> None:
    settings = make_protected(token=TOKEN, root_path="/gw/", trusted_proxies="127.0.0.1")
    with open_gateway(settings) as gateway:
        headers = {**HTML, "X-Forwarded-Proto": scheme}
        answer = get(f"{gateway.url}/?symbols=SPY", headers=headers)
        assert answer.headers["location"] == "/gw/login?next=%2Fgw%2F%3Fsymbols%3DSPY"
        form = get(gateway.url + answer.headers["location"], headers=headers)
        assert 'action="/gw/login"' in form.text
        answer = post(
            f"{gateway.url}/login", data={"token": TOKEN, "next": "/gw/desk"}, headers=headers
        )
        assert answer.headers["location"] == "/gw/desk"
        cookie = answer.headers["set-cookie"]
        assert "Path=/gw;" in cookie
        assert cookie.startswith(f"__Secure-{COOKIE}=" if scheme == "https" else f"{COOKIE}=")
        signed_in = {**headers, "Cookie": cookie.partition(";")[0]}
        assert get(f"{gateway.url}/status", headers=signed_in).status_code == 200
        answer = post(f"{gateway.url}/logout", headers=signed_in)
        assert answer.headers["location"] == "/gw/login"
        assert "Path=/gw;" in answer.headers["set-cookie"]


@pytest.mark.parametrize("value", ["//evil.example", "/a/../b", "/x y"])
def test_a_proxy_that_says_no_path_is_refused(value: str) -> None:
    with open_gateway(make_settings(trusted_proxies="127.0.0.1")) as gateway:
        headers = {"X-Forwarded-Prefix": value}
        assert get(f"{gateway.url}/login", headers=headers).status_code == 400


def test_nobody_else_sets_a_prefix(running: Running) -> None:
    page = get(running.url, headers={**HTML, **FROM_PROXY})
    assert "/gw/" not in page.text
    with open_gateway(make_settings(trusted_proxies="10.0.0.1")) as gateway:
        assert get(gateway.url, headers=FROM_PROXY).status_code == 400
