"""Envelopes and pages, and what is read from a query: refused when it is no such thing."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from gateway.simulator.broker.rest.answers import (
    Refusal,
    error,
    found,
    many,
    one,
    page,
    read_day,
    read_flag,
    read_instant,
    read_list,
    read_number,
)


def read(answer: Response) -> Any:
    return json.loads(bytes(answer.body))


def ask(query: str = "") -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/things",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "spoils": (),
    }
    return Request(scope)


@given(st.integers(0, 60), st.integers(1, 25))
def test_the_pages_together_are_the_list(count: int, per_page: int) -> None:
    items = list(range(count))
    seen: list[int] = []
    offset = 0
    while True:
        query = f"per-page={per_page}&page-offset={offset}"
        body = read(page(ask(query), items, usual=5, most=20))
        shown, told = body["data"]["items"], body["pagination"]
        assert len(shown) == told["current-item-count"] <= told["per-page"] == min(per_page, 20)
        assert told["item-offset"] == len(seen)
        assert told["total-items"] == count
        seen += shown
        offset += 1
        if offset >= told["total-pages"]:
            break
    assert seen == items


def test_a_page_is_as_long_as_usual_and_never_longer_than_most() -> None:
    def count(query: str) -> int:
        body = read(page(ask(query), range(100), usual=5, most=20))
        return len(body["data"]["items"])

    assert [count(""), count("per-page=7"), count("per-page=1000")] == [5, 7, 20]
    assert count("page-offset=99") == 0
    with pytest.raises(Refusal, match="1 or more"):
        count("per-page=0")


def test_answers_have_their_envelopes() -> None:
    assert read(one(ask(), {"a": 1})) == {"data": {"a": 1}, "context": "/things"}
    assert read(many(ask(), (1, 2))) == {
        "data": {"items": [1, 2]},
        "context": "/things",
    }
    answer = error(429, "slow", "Slow down", Retry_After="3")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert read(answer) == {"error": {"code": "slow", "message": "Slow down"}}


def test_what_is_not_there_is_a_404_and_what_is_empty_is_there() -> None:
    with pytest.raises(Refusal) as caught:
        found(None)
    assert caught.value.status == 404
    assert found(0) == 0
    assert found([]) == []


def test_the_first_that_is_given_counts() -> None:
    assert read_day(ask("end=2026-11-20&start=2026-11-19"), "start", "end") == date(2026, 11, 19)
    assert read_day(ask("start=&end=2026-11-20T10:00Z"), "start", "end") == date(2026, 11, 20)
    assert read_day(ask(), "start") is None
    assert read_number(ask("n=12"), "n", 5) == 12
    assert read_number(ask(), "n", 5) == 5
    assert [read_flag(ask(query), "f") for query in ("f=true", "f=TRUE", "f=no", "")] == [
        *(True, True, False),
        None,
    ]
    assert read_list(ask("s[]=A&s=B,C&s[]=D,"), "s") == ["A", "D", "B", "C"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20", 1_795_150_800),  # midnight in New York
        ("2026-11-20T05:00:00Z", 1_795_150_800),
        ("2026-11-20T06:00:00+01:00", 1_795_150_800),  # whose plus the query made a blank
    ],
)
def test_an_instant_without_an_offset_is_of_new_york(text: str, at: float) -> None:
    assert read_instant(ask(f"at={text}"), "at") == at


@pytest.mark.parametrize(
    "call",
    [
        lambda: read_number(ask("n=-1"), "n", 5),
        lambda: read_number(ask("n=many"), "n", 5),
        lambda: read_day(ask("d=20.11.2026"), "d"),
        lambda: read_instant(ask("t=noon"), "t"),
    ],
)
def test_what_is_no_such_thing_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(Refusal) as caught:
        call()
    assert (caught.value.status, caught.value.code) == (400, "invalid_parameter")
