"""Numbers and times as people read them."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.rendering.formats import (
    MAX_DECIMALS_BELOW_ONE,
    MINUS,
    UNKNOWN,
    decimals_of,
    direction_of,
    format_change,
    format_clock,
    format_iso,
    format_money,
    format_number,
    format_percent,
    format_quantity,
    is_known,
    parse_iso,
)
from tests.pages.reading import WORDS_NEVER_SHOWN

anything = st.one_of(st.none(), st.decimals())


@pytest.mark.parametrize(
    ("prices", "decimals"),
    [
        (("450", "450.2"), 2),
        (("450.25", None), 2),
        (("1.08765",), 5),
        (("117.15625", "117.1875"), 5),
        (("6150.25",), 2),
        (("97123.456789",), 2),
        (("5912.123456",), 4),
        (("0.00001234",), 8),
        (("450.2500000001",), 2),
        (("450.230000000000018",), 2),
        (("NaN", "Infinity"), 2),
        ((), 2),
        (("1E+30",), 2),
        (("1E-300",), 2),
    ],
)
def test_decimals_are_those_of_the_wire_and_at_least_two(
    prices: tuple[str | None, ...], decimals: int
) -> None:
    assert decimals_of(*(Decimal(each) if each else None for each in prices)) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("450.25", 2, "450.25"),
        ("450.2", 2, "450.20"),
        ("97123.456", 2, "97,123.46"),
        ("-0.35", 2, f"{MINUS}0.35"),
        ("-0.001", 2, f"{MINUS}0.001"),
        ("-0.0", 2, "0.00"),
        ("0", 2, "0.00"),
        ("NaN", 2, UNKNOWN),
        ("sNaN", 2, UNKNOWN),
        ("-Infinity", 2, UNKNOWN),
        (None, 2, UNKNOWN),
        ("-1E-20", 2, f">{MINUS}0.00000001"),
        ("-1.5E+20", 2, f"{MINUS}1.50e+20"),
    ],
)
def test_number(value: str | None, decimals: int, text: str) -> None:
    assert format_number(Decimal(value) if value else None, decimals) == text


@pytest.mark.parametrize(
    ("value", "change", "percent", "direction"),
    [
        ("1.2", "+1.20", "+1.20%", "up"),
        ("-1.2", f"{MINUS}1.20", f"{MINUS}1.20%", "down"),
        ("0", "0.00", "0.00%", "flat"),
        ("0.001", "+0.001", "+0.001%", "up"),
        (None, UNKNOWN, UNKNOWN, "unknown"),
        ("NaN", UNKNOWN, UNKNOWN, "unknown"),
    ],
)
def test_change(value: str | None, change: str, percent: str, direction: str) -> None:
    number = Decimal(value) if value else None
    assert format_change(number) == change
    assert format_percent(number) == percent
    assert direction_of(number) == direction


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("1200", "1,200"),
        ("9999", "9,999"),
        ("12345", "12.3K"),
        ("481000", "481K"),
        ("1234567", "1.23M"),
        ("82300000", "82.3M"),
        ("5120000000", "5.12B"),
        ("7000000000000", "7.00T"),
        ("0.7047", "0.7047"),
        ("3.5000", "3.5"),
        ("1.0", "1"),
        ("123.456", "123.5"),
        ("-1500", f"{MINUS}1,500"),
        ("-15000", f"{MINUS}15.0K"),
        ("1E+40", "1.00e+40"),
        ("NaN", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_quantity(value: str | None, text: str) -> None:
    assert format_quantity(Decimal(value) if value else None) == text


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("100000", "USD", "$100,000.00"),
        ("-12.5", "USD", f"{MINUS}$12.50"),
        ("12.5", "EUR", "12.50 EUR"),
        ("0", "USD", "$0.00"),
        (None, "USD", UNKNOWN),
    ],
)
def test_money(value: str | None, currency: str, text: str) -> None:
    assert format_money(Decimal(value) if value else None, currency) == text


def test_time_is_that_of_the_exchange_in_summer_and_winter() -> None:
    winter_ms, summer_ms = 1_795_188_600_456, 1_783_956_600_000
    assert format_clock(winter_ms) == "10:30:00"
    assert format_iso(winter_ms) == "2026-11-20T15:30:00Z"
    assert format_clock(summer_ms) == "11:30:00"
    assert format_iso(summer_ms) == "2026-07-13T15:30:00Z"


@pytest.mark.parametrize("timestamp_ms", [None, 0, -5, 10**30])
def test_a_time_that_is_none_is_unknown(timestamp_ms: int | None) -> None:
    assert format_clock(timestamp_ms) == UNKNOWN
    assert format_iso(timestamp_ms) == ""


def test_parse_iso() -> None:
    assert parse_iso("2026-11-20T15:30:00.456Z") == 1_795_188_600_456
    assert parse_iso("2026-11-20T15:30:00") is None
    assert parse_iso("yesterday") is None


@given(anything, st.integers(0, MAX_DECIMALS_BELOW_ONE))
def test_nothing_is_ever_shown_that_is_no_number(value: Decimal | None, decimals: int) -> None:
    for text in (
        format_number(value, decimals),
        format_change(value, decimals),
        format_percent(value),
        format_quantity(value),
        format_money(value),
    ):
        assert not WORDS_NEVER_SHOWN.search(text)
        assert len(text) < 40
        assert (text == UNKNOWN) is (not is_known(value))


@given(st.lists(anything, max_size=6))
def test_decimals_stay_within_bounds(values: list[Decimal | None]) -> None:
    assert 2 <= decimals_of(*values) <= MAX_DECIMALS_BELOW_ONE


@given(st.integers(-(10**17), 10**17))
def test_any_time_can_be_shown(timestamp_ms: int) -> None:
    assert format_clock(timestamp_ms) == UNKNOWN or len(format_clock(timestamp_ms)) == 8
    format_iso(timestamp_ms)


@pytest.mark.parametrize(
    "write",
    [
        format_number,
        format_change,
        format_percent,
        format_quantity,
        format_money,
        lambda value: format_number(value, 1),
        lambda value: format_money(value, "EUR"),
    ],
)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_only_a_zero_reads_as_zero(write: Callable[[Decimal], str], value: Decimal) -> None:
    assert (re.search("[1-9]", write(value)) is None) == (value == 0)


def test_small_sizes_keep_their_first_digit() -> None:
    sizes = ("0.00001", "0.00004999", "0.00006", "0.00000001", "1E-9")
    texts = ("0.00001", "0.00005", "0.0001", "0.00000001", "<0.00000001")
    for size, text in zip(sizes, texts, strict=True):
        assert format_quantity(Decimal(size)) == text
    assert format_money(Decimal("-0.001")) == "−$0.001"
    assert format_change(Decimal("0.001")) == "+0.001"
    assert format_change(Decimal("-1E-12")) == ">−0.00000001"
