"""The facts panel: the day of a symbol, and metrics where they are known."""

from decimal import Decimal

from gateway.pages import facts
from gateway.pages.rendering.formats import UNKNOWN
from gateway.streams.records import MetricsUpdate, Record
from tests.pages.reading import make_quote
from tests.pages.showing import place, render


def facts_of(*records: Record) -> dict[str, str]:
    (panel,) = place(lambda: facts("SPY"))
    found = render(panel, *records)
    names = [each.words for each in found.find("dt")]
    return dict(zip(names, [each.words for each in found.find("dd")], strict=True))


def make_metrics(**values: Decimal | str) -> MetricsUpdate:
    unknown = dict.fromkeys(MetricsUpdate.__struct_fields__)
    known = {
        "symbol": "SPY",
        "updated_at": "2026-11-20T15:30:00.123Z",
        "source": "rest",
        "stale": False,
    }
    return MetricsUpdate(**{**unknown, **known, **values})  # type: ignore[arg-type]


def test_nothing_known_is_dashes_and_never_0() -> None:
    assert set(facts_of().values()) == {UNKNOWN}
    assert set(facts_of(make_quote("SPY", None)).values()) == {UNKNOWN}


def test_the_day_has_its_sizes() -> None:
    quote = make_quote("SPY", "600", bid=Decimal("599.99"), bid_size=Decimal(1200))
    assert facts_of(quote)["Bid"] == "599.99 × 1,200"


def test_metrics_stand_where_they_are_known() -> None:
    metrics = make_metrics(implied_volatility_rank=Decimal("0.234"), earnings_at="2027-01-28")
    found = facts_of(make_quote("SPY", "600"), metrics)
    assert (found["IV rank"], found["Earnings"]) == ("23%", "2027-01-28")
    assert "Beta" not in found
