"""Hosts, sites, headers; and that no websocket is served."""

import itertools
import socket

import pytest
from starlette.datastructures import Headers
from starlette.routing import Route

from gateway.web.guard import (
    SECURITY_HEADERS,
    is_foreign,
    is_same_host,
    own_hosts,
    split_host,
)
from tests.waiting import scaled
from tests.web.running import (
    TOKEN,
    Running,
    ask,
    get,
    make_protected,
    make_settings,
    open_gateway,
)

OWN = ["127.0.0.1", "127.0.0.1:{port}", "localhost", "LOCALHOST:9", "[::1]", "[::1]:80"]
FOREIGN = [
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.1",
    "0.0.0.0",
    "a@localhost",
    "localhost:x",
    "localhost/",
    "localhost:99999",
    "::1",
    "[::1",
    "",
]


def ask_raw(gateway: Running, request: str) -> bytes:
    """The whole answer to a request as it is written here."""
    with socket.create_connection(("127.0.0.1", gateway.port), scaled(5)) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(running: Running, host: str) -> None:
    headers = {"Host": host.format(port=running.port)}
    assert get(f"{running.url}/healthz", headers=headers).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names_are_refused_by_every_route(running: Running, host: str) -> None:
    headers = {"Host": host.format(port=running.port)}
    for route in running.app.routes:
        assert isinstance(route, Route)
        answer = get(running.url + route.path.partition("{")[0], headers=headers)
        assert answer.status_code == 421
        assert answer.headers["content-type"] == "application/problem+json"


def test_no_host_and_two_hosts_are_refused(running: Running) -> None:
    assert b" 421 " in ask_raw(running, "GET /healthz HTTP/1.0\n\n")
    two = "GET /healthz HTTP/1.0\nHost: localhost\nHost: localhost\n\n"
    assert b" 421 " in ask_raw(running, two)
    assert b" 200 " in ask_raw(running, "GET /healthz HTTP/1.0\nHost: localhost\n\n")


def test_more_names_can_be_allowed() -> None:
    settings = make_settings(token=TOKEN, host="0.0.0.0", allowed_hosts="Gateway.example, b")
    assert own_hosts(settings) == {"127.0.0.1", "localhost", "::1", "Gateway.example", "b"}
    assert "192.0.2.7" in own_hosts(make_settings(token=TOKEN, host="192.0.2.7"))
    with open_gateway(make_settings(allowed_hosts="Gateway.example")) as gateway:
        answer = get(f"{gateway.url}/healthz", headers={"Host": "gateway.EXAMPLE:443"})
        assert answer.status_code == 200


SITES = [None, "same-origin", "none", "same-site", "cross-site"]
ORIGINS = [None, "own", "https://evil.example", "null"]
CREDENTIALS = [{}, {"Authorization": f"Bearer {TOKEN}"}]


def test_other_sites_change_nothing_and_read_nothing() -> None:
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        for site, origin, credentials, (method, path) in itertools.product(
            SITES, ORIGINS, CREDENTIALS, [("GET", "/events?snapshot=only"), ("POST", "/logout")]
        ):
            headers = dict(credentials)
            if site is not None:
                headers["Sec-Fetch-Site"] = site
            if origin is not None:
                headers["Origin"] = gateway.url if origin == "own" else origin
            answer = ask(method, gateway.url + path, headers=headers)
            is_own = site in {None, "same-origin", "none"} and origin in {None, "own"}
            if not is_own:
                assert answer.status_code == 403, headers
            else:
                assert answer.status_code == (401 if not credentials else answer.status_code)
                assert answer.status_code != 403, headers
            assert not [name for name in answer.headers if "access-control" in name]


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


@pytest.mark.parametrize("text", ["localhost:", "a b", "a?b", "a#b", "a:b:c", ":80", "[x]:1"])
def test_malformed_hosts_have_no_name(text: str) -> None:
    assert split_host(text)[0] not in {"localhost", "127.0.0.1", "::1"} or text == "localhost:"


@pytest.mark.parametrize("path", ["/", "/login", "/healthz", "/nothing", "/events?snapshot=only"])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_the_headers(running: Running, path: str, host: str) -> None:
    answer = get(running.url + path, headers={"Host": host})
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "no-store" in answer.headers["cache-control"]


def test_static_files_keep_their_own_caching(running: Running) -> None:
    answer = get(f"{running.url}/static/login.js")
    assert answer.headers["cache-control"] == "no-cache"


WEBSOCKET = (
    "GET {path} HTTP/1.1\nHost: localhost\nConnection: Upgrade, close\nUpgrade: websocket\n"
    "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
)


@pytest.mark.parametrize("path", ["/events?snapshot=only", "/healthz", "/ws"])
def test_no_websocket_is_served(running: Running, path: str) -> None:
    answer = ask_raw(running, WEBSOCKET.format(path=path))
    assert b" 101 " not in answer
    assert b"sec-websocket-accept" not in answer.lower()


async def test_a_server_that_offers_websockets_is_told_no(running: Running) -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/events", "headers": [], "scheme": "ws"}
    await running.app(scope, receive, send)
    assert [each["type"] for each in sent if isinstance(each, dict)] == ["websocket.close"]
