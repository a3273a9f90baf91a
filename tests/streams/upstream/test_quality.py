"""What upstream says of its data's quality is read from every place where it says so."""

from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.streams.upstream.quality import QuoteToken, rate_quality

LIVE = QuoteToken("api", "wss://tasty-openapi-ws.dxfeed.com/realtime")


@pytest.mark.parametrize(
    ("token", "is_test", "has_delayed", "quality"),
    [
        (LIVE, False, False, "real-time"),
        (LIVE, False, None, "real-time"),
        (LIVE, True, False, "delayed"),
        (LIVE, False, True, "delayed"),
        (QuoteToken("api", "wss://tasty-openapi-ws.dxfeed.com/delayed"), False, False, "delayed"),
        (QuoteToken("delayed", LIVE.address), False, False, "delayed"),
        (QuoteToken("demo", LIVE.address), False, False, "demo"),
        (QuoteToken("api", "wss://demo.dxfeed.com/dxlink-ws"), False, False, "demo"),
        (QuoteToken("demo", "wss://x.test/delayed"), True, True, "demo"),
        (None, False, None, None),
        (QuoteToken("gold", LIVE.address), False, False, None),
    ],
)
def test_the_worst_counts(
    token: QuoteToken | None, is_test: bool, has_delayed: bool | None, quality: str | None
) -> None:
    found, reason = rate_quality(token, is_test=is_test, has_delayed_quotes=has_delayed)
    assert found == quality
    assert bool(reason) == (quality in ("delayed", "demo"))


def test_a_token_is_read_without_its_secret() -> None:
    data = {"token": "secret", "dxlink-url": "wss://x.test", "level": "api"}
    assert QuoteToken.parse(data) == QuoteToken("api", "wss://x.test")
    assert "secret" not in repr(QuoteToken.parse(data))
    answers: list[Any] = [{}, {"token": "x"}, None, [], {"token": "x", "dxlink-url": 5}]
    for bad in answers:
        with pytest.raises(UpstreamError):
            QuoteToken.parse(bad)
