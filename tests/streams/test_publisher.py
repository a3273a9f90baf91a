"""A state is published when it is news, and keeps the time at which it began."""

import pytest

from gateway.streams.hub.hub import Hub
from gateway.streams.publisher import publish_stale, publish_status
from gateway.streams.records import QuoteUpdate, Status, format_time
from gateway.streams.topics import MAIN_LOGIN, status_topic
from tests.streams.samples import make_quote

NOW_MS = 1_795_188_600_123


def latest(hub: Hub, login: str = MAIN_LOGIN) -> Status:
    found = hub.latest(status_topic("feed", login))
    assert isinstance(found, Status)
    return found


def test_what_is_no_news_is_not_published() -> None:
    hub = Hub(epoch="e")
    publish_status(hub, "feed", "live", None, now_ms=NOW_MS, market="open")
    before = latest(hub)
    publish_status(hub, "feed", "live", None, now_ms=NOW_MS + 1000, market="open")
    assert latest(hub) is before


@pytest.mark.parametrize(
    ("state", "reason", "market", "since_ms"),
    [
        ("live", "why", "open", NOW_MS),
        ("live", None, "closed", NOW_MS),
        ("stale", None, "open", NOW_MS + 1000),
    ],
)
def test_a_state_keeps_its_beginning_until_it_is_another(
    state: str, reason: str | None, market: str, since_ms: int
) -> None:
    hub = Hub(epoch="e")
    publish_status(hub, "feed", "live", None, now_ms=NOW_MS, market="open")
    publish_status(hub, "feed", state, reason, now_ms=NOW_MS + 1000, market=market)  # type: ignore[arg-type]
    found = latest(hub)
    assert (found.state, found.reason, found.market) == (state, reason, market)
    assert found.since == format_time(since_ms)


def test_nothing_is_fresh_when_the_publisher_is_lost_for_any_login() -> None:
    hub = Hub(epoch="e")
    for login in (MAIN_LOGIN, "ann"):
        publish_status(hub, "feed", "live", None, now_ms=NOW_MS, login=login, data_quality="demo")
    quote = make_quote("SPY", 1)
    hub.publish(quote)
    publish_stale(hub, "gone", now_ms=NOW_MS + 1000)
    for login in (MAIN_LOGIN, "ann"):
        found = latest(hub, login)
        assert (found.state, found.reason, found.data_quality) == ("stale", "gone", "demo")
    marked = hub.latest(quote.topic)
    assert isinstance(marked, QuoteUpdate)
    assert marked.stale
