"""A chart: its history, its newest candle, and nothing yet."""

from decimal import Decimal

from gateway.pages import chart
from gateway.streams.topics import market_topic
from tests.pages.showing import make_candle, make_history, place, render


def test_a_chart_is_its_history_and_the_newest_candle() -> None:
    now, history = place(lambda: chart("qqq", interval="1d", hours="all"))
    series = "QQQ{=d}"
    assert history.keys() == (market_topic("candle_history", series),)
    known = make_history(series, ["450.25", None], 86_400_000)
    assert render(history, known).words == (
        "[[86400,86700],[450.25,null],[450.25,null],[450.25,null],[450.25,null],[450.25,null],[1,1]]"
    )
    newest = make_candle(series, "450.25", 600_000, open=Decimal("451.5"), high=None)
    shown = render(now, known, newest)
    (figures,) = shown.find("data")
    assert [(each.children[0].words, each.text.strip()) for each in figures.children] == [
        *(("O", "451.50"), ("H", "–"), ("L", "450.25"), ("C", "450.25"), ("V", "–")),
    ]
    assert figures.attributes["value"] == "[600,451.5,null,450.25,450.25,null,2,0]"


def test_a_chart_without_candles_says_so() -> None:
    now, history = place(lambda: chart("QQQ"))
    assert "Waiting for candles…" in render(now).words
    series = "QQQ{=5m,tho=true}"
    assert "No candles for this symbol" in render(now, make_history(series, [])).words
    assert render(history).words == "[]"
