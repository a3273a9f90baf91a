"""Hosts, sites, headers; and that no websocket is served."""

import asyncio
import itertools
import socket

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Message

from gateway.app import build_app, create_context
from gateway.web.auth.forms import COOKIE
from gateway.web.auth.throttle import Throttle
from gateway.web.auth.viewers import OWNER
from gateway.web.middleware.guard import (
    SECURITY_HEADERS,
    is_foreign,
    is_same_host,
    own_hosts,
    split_host,
)
from tests.faults.trial import Trial
from tests.waiting import scaled
from tests.web.running import (
    TOKEN,
    Running,
    get,
    idle,
    make_balance,
    make_protected,
    make_quote,
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


@pytest.mark.fault(25)
@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names_are_refused_by_every_route(running: Running, host: str) -> None:
    headers = {"Host": host.format(port=running.port)}
    for route in running.app.routes:
        assert isinstance(route, Route)
        answer = get(running.url + route.path.partition("{")[0], headers=headers)
        assert answer.status_code == 421
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.fault(25)
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


# The whole table: what is asked, how, under which name, from which site, and as whom.
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
SITES = [None, "same-origin", "none", "same-site", "cross-site"]
ORIGINS = [None, "http://localhost:8000", "https://evil.example", "null"]
HOSTS = ["localhost:8000", "evil.example", "localhost.evil.example:8000"]
PUBLIC = {"/healthz", "/readyz", "/login", "/static/login.js"}
PRIVATE_WORDS = (b"5WX00001", b"987654", b"450.25")


async def ask_app(
    app: Starlette, method: str, path: str, headers: dict[str, str]
) -> tuple[int, Headers, bytes]:
    """Status, headers and the beginning of the body; the client leaves after its request."""
    sent: list[Message] = []
    received = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    name, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": name,
        "raw_path": name.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    body = b"".join(each.get("body", b"") for each in sent)
    return sent[0]["status"], Headers(raw=sent[0]["headers"]), body


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
    assert len(paths) >= len(app.routes)
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
            is_own = is_own and origin in {None, "http://localhost:8000"}
            if host != HOSTS[0]:
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


@pytest.mark.parametrize("text", ["localhost:", "a b", "a?b", "a#b", "a:b:c", ":80", "[x]:1"])
def test_malformed_hosts_have_no_name(text: str) -> None:
    assert split_host(text)[0] not in {"localhost", "127.0.0.1", "::1"} or text == "localhost:"


@pytest.mark.fault(25, 27)
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
