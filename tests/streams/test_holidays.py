"""Holidays by rule, against what the exchanges published and what a calendar on the wall says."""

from datetime import date

import pytest

from gateway.streams.holidays import Occasion, easter, occasion_of, occasions

YEARS = range(2024, 2031)


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [
        (2024, 3, 31),
        (2025, 4, 20),
        (2026, 4, 5),
        (2027, 3, 28),
        (2028, 4, 16),
        (2029, 4, 1),
        (2030, 4, 21),
        (1961, 4, 2),
        (2038, 4, 25),
    ],
)
def test_easter(year: int, month: int, day: int) -> None:
    assert easter(year) == date(year, month, day)


def test_2026_as_the_nyse_published_it() -> None:
    assert sorted(occasions(2026).items()) == [
        (date(2026, 1, 1), "new year"),
        (date(2026, 1, 19), "king"),
        (date(2026, 2, 16), "presidents"),
        (date(2026, 4, 3), "good friday, jobs report"),
        (date(2026, 5, 25), "memorial"),
        (date(2026, 6, 19), "juneteenth"),
        (date(2026, 7, 3), "independence"),
        (date(2026, 9, 7), "labor"),
        (date(2026, 11, 26), "thanksgiving"),
        (date(2026, 11, 27), "after thanksgiving"),
        (date(2026, 12, 24), "christmas eve"),
        (date(2026, 12, 25), "christmas"),
    ]


@pytest.mark.parametrize(
    ("day", "occasion"),
    [
        ("2027-12-31", None),  # the new year is a Saturday, and not kept
        ("2028-01-03", None),
        ("2027-06-18", "juneteenth"),  # a Saturday, kept on Friday
        ("2027-07-05", "independence"),  # a Sunday, kept on Monday
        ("2027-07-02", None),  # and the Friday before is no eve
        ("2027-12-24", "christmas"),  # a Saturday: its eve is the holiday
        ("2027-12-23", None),
        ("2028-12-22", None),  # Christmas on Monday: the eve is a Sunday
        ("2028-07-03", "independence eve"),
        ("2025-07-03", "independence eve"),
        ("2026-07-02", None),
        ("2025-01-09", "mourning"),
        ("2024-03-29", "good friday"),
        ("2026-11-25", None),
    ],
)
def test_days_that_are_easily_wrong(day: str, occasion: Occasion | None) -> None:
    assert occasion_of(date.fromisoformat(day)) == occasion


@pytest.mark.parametrize("year", YEARS)
def test_every_occasion_is_a_weekday_and_of_its_year(year: int) -> None:
    assert all(day.weekday() < 5 and day.year == year for day in occasions(year))
    assert {"king", "presidents", "memorial", "juneteenth", "labor"} <= set(
        occasions(year).values()
    )
