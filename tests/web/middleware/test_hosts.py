"""Host names: own ones are answered, foreign ones are refused, health checks always answered."""

import logging
import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gateway.web.middleware.hosts import MAX_LOGGED, OwnHosts, own_hosts
from gateway.web.problem import HEALTH_PATHS
from tests.web.middleware.asking import ask_raw
from tests.web.running import HTML, TOKEN, Running, get, make_settings, open_gateway

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


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(running: Running, host: str) -> None:
    headers = {"Host": host.format(port=running.port)}
    assert get(f"{running.url}/login", headers=headers).status_code == 200


@pytest.mark.fault(25)
@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names_are_refused_by_every_route(running: Running, host: str) -> None:
    headers = {"Host": host.format(port=running.port)}
    for route in running.app.routes:
        assert isinstance(route, Route)
        if route.path in HEALTH_PATHS:
            continue
        answer = get(running.url + route.path.partition("{")[0], headers=headers)
        assert answer.status_code == 421
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.fault(25)
def test_no_host_and_two_hosts_are_refused(running: Running) -> None:
    assert b" 421 " in ask_raw(running, "GET /login HTTP/1.0\n\n")
    two = "GET /login HTTP/1.0\nHost: localhost\nHost: localhost\n\n"
    assert b" 421 " in ask_raw(running, two)
    assert b" 200 " in ask_raw(running, "GET /login HTTP/1.0\nHost: localhost\n\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", ["", "Host: 10.1.2.3:8602\n", "Host: [fd00::12]:8000\n"])
def test_health_is_answered_under_any_name_and_none(
    running: Running, path: str, method: str, host: str
) -> None:
    answer = ask_raw(running, f"{method} {path} HTTP/1.0\n{host}\n")
    assert b" 200 " in answer.partition(b"\r\n")[0]


def test_metrics_are_answered_under_any_name_with_a_token(protected: Running) -> None:
    url, foreign = f"{protected.url}/metrics", {"Host": "gateway:8000"}
    assert get(url, headers=foreign).status_code == 421
    right = {**foreign, "Authorization": f"Bearer {TOKEN}"}
    assert get(url, headers=right).status_code == 200
    assert get(url, headers={**right, "Authorization": "Bearer wrong"}).status_code == 401
    status = f"{protected.url}/status"
    assert get(status, headers=right).status_code == 421, "only what is scraped"


def test_without_a_token_metrics_have_no_exception(running: Running) -> None:
    headers = {"Host": "evil.example", "Authorization": "Bearer x"}
    assert get(f"{running.url}/metrics", headers=headers).status_code == 421


def test_a_browser_is_told_by_a_page(running: Running) -> None:
    headers = {"Host": "evil.example", **HTML}
    answer = get(running.url, headers=headers)
    assert answer.status_code == 421
    assert answer.headers["content-type"].startswith("text/html")
    assert "GATEWAY_ALLOWED_HOSTS" in answer.text
    assert "evil.example" not in answer.text


async def answer_on(address: str, host: str, *, is_wildcard: bool = True) -> int:
    """The status for a Host at a connection that came in on this address of the machine."""
    app = OwnHosts(PlainTextResponse("yes"), hosts=["localhost"], is_wildcard=is_wildcard)

    async def serve(scope, receive, send):  # type: ignore[no-untyped-def]
        await app({**scope, "server": (address, 8000)}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(serve), base_url="http://localhost"
    ) as client:
        return (await client.get("/", headers={"Host": host})).status_code


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("192.168.1.10", "192.168.1.10:8000", 200),
        ("::ffff:192.168.1.10", "192.168.1.10", 200),
        ("fd00::12", "[fd00:0::12]:8000", 200),
        ("127.0.0.1", "127.0.0.2", 200),
        ("192.168.1.10", "192.168.1.11", 421),
        ("192.168.1.10", "evil.example", 421),
        ("192.168.1.10", "127.0.0.2", 421),
    ],
)
async def test_listening_everywhere_it_answers_to_the_address_it_was_asked_at(
    address: str, host: str, status: int
) -> None:
    assert await answer_on(address, host) == status
    assert await answer_on(address, host, is_wildcard=False) == 421


async def test_a_foreign_name_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    app = OwnHosts(PlainTextResponse("yes"), hosts=["localhost"])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for number in range(3 * MAX_LOGGED):
            await client.get("/", headers={"Host": f"n{number // 2}.example"})
    assert len(caplog.records) == MAX_LOGGED
    assert "'n0.example'" in caplog.text
    assert "GATEWAY_ALLOWED_HOSTS" in caplog.text


def test_more_names_can_be_allowed() -> None:
    settings = make_settings(token=TOKEN, host="0.0.0.0", allowed_hosts="Gateway.example, b")
    name = socket.gethostname().lower().partition(".")[0]
    assert own_hosts(settings.site) >= {
        "127.0.0.1",
        "localhost",
        "::1",
        "gateway.example",
        "b",
        name,
    }
    assert f"{name}.local" in own_hosts(settings.site)
    assert "192.0.2.7" in own_hosts(make_settings(token=TOKEN, host="192.0.2.7").site)
    with open_gateway(make_settings(allowed_hosts="Gateway.example")) as gateway:
        answer = get(f"{gateway.url}/healthz", headers={"Host": "gateway.EXAMPLE:443"})
        assert answer.status_code == 200
