"""Forwarded headers: believed from the configured proxies, from nobody else."""

from collections.abc import Iterator, Sequence

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.web.auth.cookies import COOKIE
from gateway.web.middleware.proxies import TrustProxies
from tests.web.running import TOKEN, Running, get, make_protected, open_gateway, post

PROXIES = "127.0.0.1, 10.0.0.0/8, 2001:db8:1::/48"


async def tell(request: Request) -> Response:
    client = request.client
    return JSONResponse([client.host if client else None, request.url.scheme])


async def ask(peer: str, proxies: str = PROXIES, **headers: str) -> httpx.Response:
    named = [(f"X-Forwarded-{name}", value) for name, value in headers.items()]
    return await ask_lines(peer, proxies, named)


async def ask_lines(peer: str, proxies: str, lines: Sequence[tuple[str, str]]) -> httpx.Response:
    networks = make_protected(trusted_proxies=proxies).trusted_proxies

    async def app(scope, receive, send):  # type: ignore[no-untyped-def]
        await (await tell(Request(scope)))(scope, receive, send)

    transport = httpx.ASGITransport(TrustProxies(app, networks=networks), client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/", headers=lines)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ["10.1.2.3", "http"]),
        ({"For": "192.0.2.7"}, ["192.0.2.7", "http"]),
        ({"For": "192.0.2.7:4711"}, ["192.0.2.7", "http"]),
        ({"For": "[2001:db8::7]:4711"}, ["2001:db8::7", "http"]),
        ({"For": "::ffff:192.0.2.7"}, ["192.0.2.7", "http"]),
        ({"For": "fe80::1%eth0"}, ["fe80::1", "http"]),
        # What the client wrote itself stands first, and counts nothing.
        ({"For": "127.0.0.1, 192.0.2.7"}, ["192.0.2.7", "http"]),
        ({"For": "nonsense, 192.0.2.7"}, ["192.0.2.7", "http"]),
        ({"For": "192.0.2.8, 192.0.2.7, 10.9.9.9"}, ["192.0.2.7", "http"]),
        ({"For": "10.9.9.9"}, ["10.9.9.9", "http"]),
        ({"Proto": "https"}, ["10.1.2.3", "https"]),
        ({"Proto": "http, HTTPS"}, ["10.1.2.3", "https"]),
        ({"Proto": "gopher"}, ["10.1.2.3", "http"]),
        ({"For": "192.0.2.7", "Proto": "https"}, ["192.0.2.7", "https"]),
    ],
)
async def test_a_proxy_is_believed(headers: dict[str, str], expected: list[str]) -> None:
    answer = await ask("10.1.2.3", **headers)
    assert answer.json() == expected


async def test_of_several_lines_the_last_counts() -> None:
    lines = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
    ]
    assert (await ask_lines("10.1.2.3", PROXIES, lines)).json() == ["192.0.2.7", "https"]


@pytest.mark.parametrize("text", ["nonsense", "192.0.2.7,", "192.0.2.7, unknown"])
async def test_what_a_proxy_cannot_have_written_is_refused(text: str) -> None:
    assert (await ask("10.1.2.3", For=text)).status_code == 400


@pytest.mark.parametrize("peer", ["192.0.2.1", "11.0.0.1", "2001:db8:2::1", "unix"])
async def test_anybody_else_is_refused(peer: str) -> None:
    assert (await ask(peer, For="10.0.0.1")).status_code == 400
    assert (await ask(peer, Proto="https")).status_code == 400
    assert (await ask(peer)).json() == [peer, "http"]


async def test_without_proxies_the_headers_mean_nothing() -> None:
    answer = await ask("127.0.0.1", "", For="192.0.2.7", Proto="https")
    assert answer.json() == ["127.0.0.1", "http"]


@pytest.fixture
def behind() -> Iterator[Running]:
    with open_gateway(make_protected(token=TOKEN, trusted_proxies="127.0.0.1")) as gateway:
        yield gateway


def from_client(address: str, scheme: str = "https") -> dict[str, str]:
    return {"X-Forwarded-For": address, "X-Forwarded-Proto": scheme}


def test_with_tls_outside_the_cookie_is_bound_to_the_host(behind: Running) -> None:
    answer = post(f"{behind.url}/login", data={"token": TOKEN}, headers=from_client("192.0.2.7"))
    header = answer.headers["set-cookie"]
    assert header.startswith(f"__Host-{COOKIE}=2.owner.")
    assert "; Secure" in header
    assert "; Path=/" in header
    cookie = header.partition(";")[0]
    headers = {"Cookie": cookie, **from_client("192.0.2.7")}
    assert get(f"{behind.url}/status", headers=headers).status_code == 200
    plain = {"Cookie": cookie, **from_client("192.0.2.7", "http")}
    assert get(f"{behind.url}/status", headers=plain).status_code == 401, "not over http"
    renamed = {"Cookie": cookie.removeprefix("__Host-"), **from_client("192.0.2.7")}
    assert get(f"{behind.url}/status", headers=renamed).status_code == 401


@pytest.mark.fault(24)
def test_the_throttle_counts_the_client_and_not_the_proxy(behind: Running) -> None:
    def guess(address: str) -> int:
        data, headers = {"token": "wrong"}, from_client(address)
        return post(f"{behind.url}/login", data=data, headers=headers).status_code

    # What stands before the proxy's own word is the client's to forge.
    forged = [f"192.0.2.{number}, 198.51.100.1" for number in range(200)]
    statuses = [guess(address) for address in forged]
    assert statuses == [401] * 5 + [429] * 195
    assert guess("198.51.100.2") == 401, "others are unaffected"


@pytest.mark.fault(24)
def test_a_proxy_that_passes_on_what_the_client_wrote_helps_nobody(
    behind: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Each try comes from another address, or so the client says."""
    statuses = [
        post(
            f"{behind.url}/login",
            data={"token": f"wrong-{number}"},
            headers=from_client(f"192.0.2.{number}"),
        ).status_code
        for number in range(40)
    ]
    assert statuses == [401] * 5 + [429] * 35
    right = {"Authorization": f"Bearer {TOKEN}"}
    for number in range(3):
        headers = {**right, **from_client(f"198.51.100.{number}")}
        assert get(f"{behind.url}/status", headers=headers).status_code == 429, "it is short"
    found = [each.getMessage() for each in caplog.records if "wrong token" in each.getMessage()]
    assert found == [
        f"a wrong token came from 192.0.2.{number} through the proxy 127.0.0.1"
        for number in range(5)
    ]
    assert "wrong-" not in caplog.text
    logins = behind.context.logins
    assert (logins.wrong, logins.throttled) == (5, 38)


def test_a_link_local_client_can_be_named(behind: Running) -> None:
    answer = post(
        f"{behind.url}/login", data={"token": "wrong"}, headers=from_client("fe80::1%eth0")
    )
    assert answer.status_code == 401


def test_health_checks_with_forwarded_headers_are_answered_for_anybody() -> None:
    settings = make_protected(token=TOKEN, trusted_proxies="10.0.0.0/8")
    with open_gateway(settings) as gateway:
        headers = from_client("192.0.2.7")
        assert get(f"{gateway.url}/healthz", headers=headers).status_code == 200
        assert get(f"{gateway.url}/login", headers=headers).status_code == 400
