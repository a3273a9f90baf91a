"""A symbol that nobody knows: told on the stream that asked for it, and for the defaults logged."""

from collections.abc import Iterator

import pytest

from gateway.web import unknown_symbols
from tests.waiting import eventually_sync
from tests.web.running import Reader, Running, make_quote, make_settings, make_status, open_gateway


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A gateway whose patience is short, and whose feed has not begun."""
    monkeypatch.setattr(unknown_symbols, "UNKNOWN_AFTER_S", 0.05)
    monkeypatch.setattr(unknown_symbols, "LOOK_AGAIN_S", 0.05)
    with open_gateway(make_settings(symbols=("SPY", "APPLE"))) as gateway:
        yield gateway


def test_the_stream_says_so_and_goes_on(fresh: Running) -> None:
    fresh.publish(make_status("live"), make_quote("SPY"))
    with Reader(fresh.port, "/events?symbols=SPY,MGC,ZZZQ") as reader:
        frames = reader.read_until("notice", 2)
        notices = [each for each in frames if each.event == "notice"]
        assert [each.data["symbol"] for each in notices] == ["MGC", "ZZZQ"]
        assert (notices[0].data["suggestion"] or "").startswith("/MGC")
        assert notices[1].data["suggestion"] is None
        assert "nothing is known under this name; did you mean" in notices[0].data["reason"]
        assert [each.id for each in notices] == [None, None]
        fresh.publish(make_quote("MGC"))
        reader.wait_for(lambda: reader.frames[-1].data.get("symbol") == "MGC")


@pytest.mark.parametrize("query", ["symbols=MGC&rate=1", "symbols=MGC&types=greeks_update"])
def test_every_kind_of_stream_says_so(fresh: Running, query: str) -> None:
    fresh.publish(make_status("live"))
    with Reader(fresh.port, f"/events?{query}") as reader:
        reader.read_until("notice")


@pytest.mark.parametrize("market", ["open", "closed"])
def test_while_the_feed_has_a_fault_nothing_is_said(fresh: Running, market: str) -> None:
    """At a weekend too: a feed that was never connected says nothing of any symbol."""
    fresh.publish(make_status("connecting", market=market))
    with Reader(fresh.port, "/events?symbols=MGC") as reader:
        reader.read_until("snapshot_end")
        fresh.publish(make_status("live"))
        frames = reader.read_until("notice")
    states = [each.data["state"] for each in frames if each.event == "status"]
    assert states == ["connecting", "live"], "the notice is the last"
    assert frames[-1].event == "notice"


def test_unknown_defaults_are_logged_once(fresh: Running, caplog: pytest.LogCaptureFixture) -> None:
    fresh.publish(make_quote("SPY"), make_status("live"))
    words = "GATEWAY_SYMBOLS: APPLE: nothing is known under this name; did you mean AAPL?"
    eventually_sync(lambda: [each.getMessage() for each in caplog.records].count(words) == 1)
    assert not any("SPY:" in each.getMessage() for each in caplog.records)
