"""What upstream says of the quality of its data: real-time, delayed, or made up; pure.

Tastytrade says it in three places: the level and the address that come with a quote token, and
`has-delayed-quotes` of the customer. Its test environment has delayed quotes only.
"""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from gateway.errors import UpstreamError

DataQuality = Literal["real-time", "delayed", "demo"]

REAL_TIME_LEVEL = "api"


@dataclass(frozen=True, slots=True)
class QuoteToken:
    """What came with a quote token, without the token."""

    level: str
    address: str

    @classmethod
    def parse(cls, data: Any) -> "QuoteToken":
        """Read the answer to a request for a quote token.

        Raises:
            UpstreamError: when it has not what the SDK needs of it.
        """
        if not isinstance(data, dict) or not all(
            isinstance(data.get(name), str) for name in ("token", "dxlink-url")
        ):
            raise UpstreamError("Tastytrade's answer holds no quote token")
        return cls(str(data.get("level") or ""), data["dxlink-url"])


def rate_quality(
    token: QuoteToken | None, *, is_test: bool = False, has_delayed_quotes: bool | None = None
) -> tuple[DataQuality | None, str | None]:
    """Return the quality and, unless the data are real-time, a reason for people.

    The worst that any source says counts. None is not known: no source said anything yet.
    """
    level, parts = (token.level.lower(), urlsplit(token.address)) if token else ("", urlsplit(""))
    host, path = (parts.hostname or "").lower(), parts.path.lower()
    if "demo" in level or "demo" in host or "demo" in path:
        return (
            "demo",
            f"demo data, not the market's: the quote token is of level {token_level(token)}",
        )
    if "delay" in level or "delay" in path or "delay" in host:
        return "delayed", "quotes are delayed: Tastytrade gave a token for delayed data"
    if is_test:
        return (
            "delayed",
            "quotes are delayed: TT_TEST is set, and the test environment has no others",
        )
    if has_delayed_quotes:
        return "delayed", "quotes are delayed: Tastytrade says so of this customer"
    if level == REAL_TIME_LEVEL:
        return "real-time", None
    return None, None


def token_level(token: QuoteToken | None) -> str:
    """Return the level for people, short whatever was sent."""
    return token.level[:20] if token and token.level.isprintable() and token.level else "unknown"
