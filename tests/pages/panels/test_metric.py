"""What a metric shows of what is known, and of what is not."""

from decimal import Decimal

from gateway.pages import metric
from gateway.pages.panels.sparkline import MOST_POINTS
from gateway.streams.topics import market_topic
from tests.pages.reading import make_quote
from tests.pages.showing import (
    FIVE_MINUTES_MS,
    OPENING_MS,
    make_candle,
    make_history,
    place,
    render,
)


def test_a_metric_has_price_change_and_direction() -> None:
    panel, day = place(lambda: metric("QQQ"))
    shown = render(panel, make_quote("QQQ", "451.50", change=Decimal("-1.25")))
    (row,) = shown.find("div", id="metric-now")
    assert [each.words for each in row.children] == ["451.50", "−1.25", "–", ""]
    assert row.children[1].attributes["class"] == "c-change down"
    assert day.id == "metric-day"
    series = market_topic("candle_history", "QQQ{=5m,tho=true}")
    assert {*day.keys()} >= {market_topic("quote_update", "QQQ"), series}


def test_a_metric_of_nothing_known_is_dashes() -> None:
    panel, day = place(lambda: metric("QQQ"))
    assert render(panel).words == "– – –"
    assert render(panel, make_quote("QQQ", None)).words == "– – –"
    (svg,) = render(day).find("svg")
    assert svg.children == []


def test_a_stale_metric_says_so() -> None:
    panel, _ = place(lambda: metric("QQQ"))
    shown = render(panel, make_quote("QQQ", "451.50", stale=True))
    assert "stale" in str(shown.find("p")[0].attributes["class"])
    assert "stale" in shown.words


def test_the_line_of_the_day_is_the_day_alone() -> None:
    _, day = place(lambda: metric("QQQ"))
    series = "QQQ{=5m,tho=true}"
    yesterday = ["1.00"] * 200
    history = make_history(
        series, [*yesterday, *["450.00"] * 144], OPENING_MS - 314 * FIVE_MINUTES_MS
    )
    newest = make_candle(series, "455.00", OPENING_MS + 30 * FIVE_MINUTES_MS)
    (svg,) = render(day, history, newest, make_quote("QQQ", prev_close=Decimal(449))).find("svg")
    assert svg.attributes["class"] == "up"
    points = str(svg.find("polyline")[0].attributes["points"]).split()
    assert len(points) <= MOST_POINTS + 1
    assert points[-1].endswith(",1"), "the highest is on top"
    assert svg.find("path")[0].attributes["d"] == "M0 29.0H100"
