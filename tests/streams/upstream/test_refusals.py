"""Every status of every call has its error, which names the status and what to do."""

from datetime import UTC, datetime

import httpx2
import pytest

from gateway.errors import GrantRevoked, RateLimited, Refused, Unauthorized, UpstreamError
from gateway.streams.upstream.refusals import check_response, parse_retry_after
from tests.streams.virtual_time import run

PATHS = (
    "/oauth/token",
    "/api-quote-tokens",
    "/customers/me",
    "/customers/me/accounts",
    "/accounts/5WX00001/balances/USD",
)


def answer(status: int, path: str, **more: object) -> httpx2.Response:
    request = httpx2.Request("GET", f"https://api.tastyworks.com{path}")
    return httpx2.Response(status, request=request, **more)  # type: ignore[arg-type]


def read_error(status: int, path: str, **more: object) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        run(check_response(answer(status, path, **more)))
    return caught.value


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 422, 451])
def test_a_refusal_names_its_status_and_place(status: int, path: str) -> None:
    error = read_error(status, path)
    assert f"status {status}" in str(error)
    assert "5WX00001" not in str(error)
    if not path.startswith("/oauth"):
        assert isinstance(error, Refused)
        assert error.status == status


def test_no_right_to_quotes_says_what_check_says() -> None:
    assert str(read_error(403, "/api-quote-tokens")) == (
        "streaming quotes need an approved, funded account (status 403 on /api-quote-tokens)"
    )


def test_other_errors_keep_their_kind() -> None:
    for path in PATHS[1:]:
        assert type(read_error(401, path)) is Unauthorized
        for status in (408, 425, 500, 502, 503):
            assert type(read_error(status, path)) is UpstreamError
    body = {"error_code": "invalid_grant", "error_description": "Grant revoked"}
    assert type(read_error(400, "/oauth/token", json=body)) is GrantRevoked
    assert type(read_error(400, "/oauth/token", json=["invalid_grant"])) is UpstreamError
    run(check_response(answer(200, "/customers/me")))


def test_a_pause_is_read_from_the_header() -> None:
    error = read_error(429, "/customers/me", headers={"Retry-After": "120"})
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        (" 7 ", 7),
        ("99999999", 3600),
        ("Sat, 28 Nov 2026 12:01:00 GMT", 60),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("", None),
        (None, None),
        ("-5", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    assert parse_retry_after(value, lambda: now) == seconds
