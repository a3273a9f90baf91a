"""What each panel shows of what is known, and of what is not."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.pages import PageError, balance, chart, greeks, metric, status, text, watchlist
from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import Static, list_panels
from gateway.pages.panel import Panel, RowChange
from gateway.pages.panels.sparkline import MOST_POINTS, draw
from gateway.pages.panels.table import write_change, write_price
from gateway.pages.panels.watchlist import QuoteTable
from gateway.pages.rendering.formats import format_change, format_number
from gateway.pages.rendering.live_page import LivePages
from gateway.pages.rendering.templates import create_environment
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import CandleHistory, CandleUpdate, GreeksUpdate, Record
from gateway.streams.sessions import date_at, trading_day_by_rule
from gateway.streams.topics import grant_accounts, market_topic
from tests.pages.reading import Node, make_balance, make_quote, make_status, parse_html

ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")
OPTION = ".SPY261218C600"
AT = "2026-11-20T15:30:00.123Z"
OPENING_MS = 1_795_185_000_000  # 2026-11-20 09:30 in New York
FIVE_MINUTES_MS = 300_000


def place(call: Callable[[], Any]) -> list[Panel]:
    """The panels that a call places on a page."""
    with open_builder() as builder:
        call()
    return list(list_panels(builder.nodes))


def render(panel: Panel, *records: Record, accounts: frozenset[str] | None = None) -> Node:
    """What stands in the panel's live element when these records are known."""
    hub = Hub(epoch="e")
    for record in records:
        hub.publish(record)
    clock = Clock(monotonic_s=lambda: 0.0)
    views = LivePages(hub, Demand(now_s=lambda: 0.0), ENVIRONMENT, clock=clock)
    grant = None if accounts is None else grant_accounts(accounts)
    return parse_html(f"<main>{views.render_live(panel, grant)}</main>")


def make_greeks(**values: Any) -> GreeksUpdate:
    known = dict.fromkeys(("price", "volatility", "delta", "gamma", "theta", "vega", "rho", "time"))
    return GreeksUpdate(symbol=OPTION, updated_at=AT, **{**known, **values})


def make_history(series: str, closes: list[str | None], begin_ms: int = OPENING_MS) -> Record:
    prices = tuple(None if each is None else Decimal(each) for each in closes)
    times = tuple(begin_ms + index * FIVE_MINUTES_MS for index in range(len(closes)))
    return CandleHistory(
        symbol=series,
        updated_at=AT,
        time=times,
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=prices,
    )


def make_candle(series: str, close: str | None, time_ms: int, **values: Any) -> CandleUpdate:
    price = None if close is None else Decimal(close)
    known = dict.fromkeys(("open", "high", "low", "close"), price)
    return CandleUpdate(
        symbol=series,
        updated_at=AT,
        time=time_ms,
        **{**known, "volume": None, "vwap": None, "trades": None, **values},
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


@pytest.mark.parametrize(
    ("prices", "base", "direction"),
    [
        (["1", "2"], None, "up"),
        (["2", "1"], None, "down"),
        (["1", "1"], None, ""),
        (["5", "6"], Decimal(7), "down"),
        (["5"], None, ""),
        ([], Decimal(7), ""),
    ],
)
def test_a_line_is_drawn(prices: list[str], base: Decimal | None, direction: str) -> None:
    points = [(OPENING_MS + index * 1000, Decimal(each)) for index, each in enumerate(prices)]
    drawn = draw(points, base)
    assert drawn["direction"] == direction
    assert (drawn["points"] == "") == (len(prices) < 2)
    for point in drawn["points"].split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 100
        assert 1 <= y <= 29


def test_a_line_grows_through_the_session_and_is_bounded() -> None:
    half = [(OPENING_MS + index * 60_000, Decimal(index)) for index in range(196)]
    points = draw(half, None, trading_day_by_rule("stocks", date_at(OPENING_MS)))["points"].split()
    assert points[-1].startswith("50.6,"), "195 of 385 minutes, after which the last candle begins"
    assert len(points) <= MOST_POINTS + 1
    around_the_clock = [(each - 3_600_000, price) for each, price in half]
    assert draw(around_the_clock, None)["points"].split()[-1].startswith("100,")


def test_a_watchlist_has_the_columns_in_their_order() -> None:
    panels = place(lambda: watchlist("SPY", columns=["volume", "day", "last"]))
    table, day = panels
    quote = make_quote("SPY", "450.25", volume=Decimal(48_200))
    (row,) = render(table, quote).find("tr")
    assert [each.words for each in row.children] == ["SPY", "48.2K", "", "450.25"]
    assert row.children[2].attributes == {"class": "keep"}
    assert day.id == "watchlist-SPY .keep"


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (None, ["B", "A", "D", "C"]),
        ("last", ["C", "B", "A", "D"]),
        ("-last", ["A", "B", "C", "D"]),
        ("symbol", ["A", "B", "C", "D"]),
        ("-symbol", ["D", "C", "B", "A"]),
    ],
)
def test_a_watchlist_is_sorted(sort: str | None, order: list[str]) -> None:
    table = place(lambda: watchlist("B", "A", "D", "C", sort=sort, columns=["last"]))[0]
    quotes = [make_quote("A", "1"), make_quote("B", "2"), make_quote("C", "3")]
    rows = render(table, *quotes).find("tr")
    # The unknown one is at the bottom, whichever way.
    assert [each.children[0].words.split()[0] for each in rows] == order


def test_balances_of_all_of_some_and_their_sum() -> None:
    one, other = make_balance("111", "1000.50"), make_balance("222", "2000.25")
    (all_,) = place(balance)
    assert all_.is_private
    assert [each.words for each in render(all_, one, other).find("h2")] == ["111", "222"]
    (some,) = place(lambda: balance("222", "333"))
    assert [each.words for each in render(some, one, other).find("h2")] == ["222"]
    (total,) = place(lambda: balance(total=True))
    shown = render(total, one, other)
    assert shown.find("h2")[0].words == "2 accounts"
    assert "$3,000.75" in shown.words
    only = render(total, one, other, accounts=frozenset({"111"}))
    assert only.find("h2")[0].words == "111"
    assert "$1,000.50" in only.words


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    (total,) = place(lambda: balance(total=True))
    records = make_balance("111", cash=Decimal(5)), make_balance("222", cash=None)
    assert "Cash –" in render(total, *records).words


def test_the_states_of_all_upstreams() -> None:
    (panel,) = place(status)
    shown = render(panel, make_status("stale", reason="no quote for 6 s")).words
    assert shown.startswith("Feed stale since")
    assert "10:30:00 no quote for 6 s" in shown
    assert "Broker connection" not in shown, "it has not spoken yet"


def test_greeks_are_figures() -> None:
    (panel,) = place(lambda: greeks(OPTION))
    record = make_greeks(
        price=Decimal("11.0372"),
        volatility=Decimal("0.1583"),
        delta=Decimal("-0.4641"),
        gamma=Decimal("0.01562"),
    )
    (row,) = render(panel, record).find("tr")
    cells = [" ".join(each.words.split()) for each in row.children]
    assert cells == ["SPY 18 Dec 26 600 C", *("11.0372", "15.8%", "−0.464", "0.0156"), *"–––"]


def test_greeks_that_are_not_there_yet() -> None:
    (panel,) = place(lambda: greeks(OPTION))
    (row,) = render(panel).find("tr")
    assert [" ".join(each.words.split()) for each in row.children] == [
        "SPY 18 Dec 26 600 C waiting…",
        *["–"] * 7,
    ]


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: chart("QQQ", interval="2m"), r'chart\("QQQ", interval="1m"\)'),
        (lambda: chart("QQQ", kind="bars"), "kind is one of candles, line, not 'bars'"),
        (lambda: chart("QQQ", hours="night"), "hours is one of regular, all"),
        (lambda: greeks("SPY"), r'no option: write it like greeks\(".SPY261218C600"\)'),
        (lambda: greeks(), "name its options"),
    ],
)
def test_a_wrong_word_says_which_there_are(call: Callable[[], None], words: str) -> None:
    with pytest.raises(PageError, match=words):
        place(call)


def test_text_is_markdown_and_no_html() -> None:
    with open_builder() as builder:
        text(
            """
            # Plan
            <img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://example.com)
            ![c](https://example.com/c.png) **d**

            | e | f |
            |---|---|
            | 1 | 2 |
            """
        )
    (node,) = builder.nodes
    assert isinstance(node, Static)
    root = parse_html(str(node.html))
    assert root.find("h1")[0].words == "Plan"
    assert root.find("img") == []
    assert [each.attributes["href"] for each in root.find("a")] == [
        "https://example.com",
        "https://example.com/c.png",
    ]
    assert {each.attributes["rel"] for each in root.find("a")} == {"noopener noreferrer"}
    assert "<img src=x onerror=alert(1)>" in root.words
    assert root.find("td")[1].words == "2"


@given(st.none() | st.decimals() | st.decimals(-2000, 2000, places=2), st.integers(2, 4))
def test_the_short_way_to_a_price_leads_to_the_same_text(
    value: Decimal | None, decimals: int
) -> None:
    assert write_price(value, decimals) == format_number(value, decimals)
    assert write_change(value, decimals) == format_change(value, decimals)


def test_a_list_names_options_as_people_do_and_explains_unknown_names() -> None:
    table = QuoteTable("list", [".SPX261218C6000", "MGC"], ["last"])
    option, unknown = table.keys()
    name = table.row_cells(option, None, RowChange())[1]
    assert name.startswith('SPX <span title=".SPX261218C6000">18 Dec 26 6000 C</span>')
    note = table.row_cells(unknown, None, RowChange(is_overdue=True))[1]
    assert "nothing is known under this name; did you mean /MGC" in note
    assert "known" not in table.row_cells(unknown, None, RowChange())[1]


def test_a_balance_that_is_not_live_says_so() -> None:
    """Who sees an account does not see how its login is doing."""
    fresh, stale = make_balance("111", "5.00"), make_balance("222", "7.00", stale=True)
    (every,) = place(balance)
    shown = render(every, fresh, stale)
    assert shown.words.count("stale") == 1
    assert [each.attributes["class"] for each in shown.find("span") if each.words == "$7.00"] == [
        "value stale"
    ]
    (total,) = place(lambda: balance(total=True))
    assert render(total, fresh, stale).words.count("stale") == 1
    assert "stale" not in render(total, fresh).words
