"""What an HTTP status of Tastytrade means: the typed error in place of the SDK's sentence.

A refusal names its status and what to do about it. No message holds an account number, a token or
the body of an answer.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from gateway.clock import SYSTEM_CLOCK
from gateway.errors import GrantRevoked, RateLimited, Refused, Unauthorized, UpstreamError

SWITCHING_PROTOCOLS = 101
TOKEN_PATH = "/oauth/token"
QUOTE_TOKEN_PATH = "/api-quote-tokens"
ACCOUNTS_PATH = "/customers/me/accounts"

MAX_RETRY_AFTER_S = 3600.0
"""A longer pause is not believed: somebody would wait for a day because of a typing error."""

_PASSING = frozenset({408, 421, 423, 425})
"""Refusals that are over by themselves: too slow, wrong server, locked, too early."""

_REMEDIES = (
    (QUOTE_TOKEN_PATH, "streaming quotes need an approved, funded account"),
    (ACCOUNTS_PATH, "the accounts cannot be read; the grant needs the scope `read`"),
    ("/customers/me", "the customer cannot be read; the grant needs the scope `read`"),
    ("/positions", "positions cannot be read; the grant needs the scope `read`"),
    ("/orders", "orders cannot be read; the grant needs the scope `read`"),
    ("/balances", "an account's balance cannot be read; the grant needs the scope `read`"),
    ("/accounts/", "an account cannot be read; the grant needs the scope `read`"),
    ("-chains/", "Tastytrade does not list options on this"),
    ("/market-data", "prices cannot be read; that needs an approved, funded account"),
    (TOKEN_PATH, "the login was refused; check TT_SECRET and TT_REFRESH"),
)
_ACCOUNT = re.compile(r"(?<=/accounts/)[^/]+")


def name_path(path: str) -> str:
    """Return the path without the number of an account."""
    return _ACCOUNT.sub("{number}", path)


async def check_response(response: httpx2.Response) -> None:
    """Raise what a refusing answer means; a response hook of the HTTP client.

    Raises:
        GrantRevoked: when the grant is refused.
        Unauthorized: when the access token is.
        RateLimited: for 429, with the pause that was asked for.
        Refused: for any other 4xx that will not pass by itself.
        UpstreamError: for a redirect, which is never followed.
        UpstreamError: for all else from 400 on.
    """
    status, url = response.status_code, response.request.url
    if status == SWITCHING_PROTOCOLS or status < 300:
        return
    path = "" if response.request.headers.get("Upgrade") else url.path
    place = f"on {name_path(path)}" if path else "on opening a stream"
    if status == 429:
        raise RateLimited(
            f"Tastytrade asks for a pause (status 429 {place})",
            parse_retry_after(response.headers.get("Retry-After")),
        )
    if path.endswith(TOKEN_PATH) and status in (400, 401, 403):
        await response.aread()
        _raise_for_token(response)
    if status == 401:
        raise Unauthorized(f"the access token was refused (status 401 {place})")
    if status < 400:
        raise UpstreamError(f"Tastytrade leads elsewhere (status {status} {place})")
    if status >= 500 or status in _PASSING:
        raise UpstreamError(f"Tastytrade cannot answer now (status {status} {place})")
    if status == 406 and "order" in path:
        raise Refused("Tastytrade serves orders in a newer form; update the gateway", status)
    raise Refused(f"{_remedy(path)} (status {status} {place})", status)


def _raise_for_token(response: httpx2.Response) -> None:
    """Tell a refused grant, which only a person can mend, from any other answer."""
    try:
        refusal = response.json()
    except ValueError:
        refusal = {}
    if not isinstance(refusal, dict):
        refusal = {}
    code = refusal.get("error_code") or refusal.get("error")
    if code == "invalid_grant":
        words = str(refusal.get("error_description") or "refused")[:80]
        raise GrantRevoked(f"Tastytrade refused the login ({words})")
    raise UpstreamError(f"the token request was refused (status {response.status_code})")


def _remedy(path: str) -> str:
    if not path:
        return "Tastytrade refuses the connection"
    return next((text for part, text in _REMEDIES if part in path), "Tastytrade refused a request")


def parse_retry_after(
    value: str | None, now: Callable[[], datetime] = SYSTEM_CLOCK.now
) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), at most an hour; or None."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        seconds = float(value)
    else:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - now()).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
