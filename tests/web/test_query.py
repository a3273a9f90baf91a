"""The query of streams and documents: understood, ignored or refused by name."""

from datetime import date
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.records import DATA_TYPES, DEFAULT_TYPES
from gateway.streams.topics import grant_accounts
from gateway.web.problem import Problem
from gateway.web.query import MAX_ACCOUNTS, STREAM_PARAMETERS, find_meant, is_id_name, parse_query
from tests.web.running import Running, get, parse_frames

GRANT = grant_accounts(None)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("symbol=", "symbol"),
        ("symbols=", "symbols"),
        ("symbols=,", "symbols"),
        ("symbols=SPY%20600C", "symbols"),
        ("symbols=SPY&symbols=QQQ", "symbols"),
        ("symbols=" + "A" * 65, "symbols"),
        ("symbols=SPY%0D%0Adata:%3Cx", "symbols"),
        ("symbols=SPY&symbol=%3Cb%3E", "symbol"),
        ("types=", "types"),
        ("types=quote_update,", "types"),
        ("types=status", "types"),
        ("types=quote_update&types=quote_update", "types"),
        ("accounts=", "accounts"),
        ("accounts=a%2Fb", "accounts"),
        ("accounts=" + "A" * 33, "accounts"),
        ("accounts=" + ",".join(map(str, range(MAX_ACCOUNTS + 1))), "accounts"),
        ("rate=", "rate"),
        ("rate=0", "rate"),
        ("rate=-1", "rate"),
        ("rate=nan", "rate"),
        ("rate=101", "rate"),
        ("rate=1e1", "rate"),
        ("rate=0.001", "rate"),
        ("snapshot=yes", "snapshot"),
        ("snapshot=", "snapshot"),
        ("sybmols=SPY", "sybmols"),
        ("Sym-bols=SPY", "a parameter"),
        ("Types=quote_update", "a parameter"),
        ("type=quote_update", "type"),
        ("account=5WX00001", "account"),
        ("tickers=SPY", "tickers"),
        ("rat=1", "rat"),
        ("snapshto=only", "snapshto"),
        ("last_event=k3f9-1", "last_event"),
        ("symbols=" + ",".join(f"A{each}" for each in range(501)), "symbols"),
        ("&".join(f"symbol=A{each}" for each in range(501)), "symbol"),
    ],
)
def test_a_wrong_parameter_is_named(running: Running, query: str, parameter: str) -> None:
    answer = get(f"{running.url}/events?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["parameter"] == parameter
    assert problem["detail"].startswith(f"{parameter}: ")
    assert problem["status"] == 400


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("symbols=" + ",".join(f"A{each}" for each in range(500)), 500),
        ("symbols=SPY,SPY,spy", 1),
        ("symbols=SPY%20QQQ", 2),
        ("symbols=spy%7B=5m,tho=true%7D,QQQ", 2),
        ("symbols=SPY&symbol=QQQ&symbol=IWM", 3),
        ("rate=0.01", None),
        ("rate=100", None),
        ("types=" + ",".join(DATA_TYPES), None),
        ("accounts=" + ",".join(map(str, range(MAX_ACCOUNTS))), None),
    ],
)
def test_what_just_fits_is_answered(running: Running, query: str, count: int | None) -> None:
    assert get(f"{running.url}/events?snapshot=only&{query}").status_code == 200
    url = httpx.URL(f"http://x/?{query}")
    found = parse_query(url.params.multi_items(), max_symbols=500, granted=GRANT).symbols
    assert (None if found is None else len(found)) == count


@pytest.mark.parametrize(
    ("asked", "granted", "expected"),
    [
        (None, None, None),
        ("A,B", None, {"A", "B"}),
        (None, {"A"}, {"A"}),
        ("A,B", {"A"}, {"A"}),
        ("B", {"A"}, set()),
        (None, set(), set()),
    ],
)
def test_a_wish_is_cut_to_what_is_granted(
    asked: str | None, granted: set[str] | None, expected: set[str] | None
) -> None:
    items = [] if asked is None else [("accounts", asked)]
    query = parse_query(items, max_symbols=9, granted=grant_accounts(granted))
    wanted = grant_accounts(expected)
    assert query.subscription.owners == wanted


def test_equal_wishes_share_one_subscription() -> None:
    def parse(*items: tuple[str, str]) -> Any:
        return parse_query(items, max_symbols=9, granted=grant_accounts(None)).subscription

    assert parse(("symbols", "SPY,QQQ")) == parse(("symbol", "qqq"), ("symbol", "spy"))
    assert parse().types == DEFAULT_TYPES
    only_balances = ("types", "balance_update")
    assert parse(only_balances, ("symbols", "SPY")) == parse(only_balances)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=5))
def test_any_query_is_understood_or_refused(items: list[tuple[str, str]]) -> None:
    problem: Problem | None = None
    try:
        parse_query(items, max_symbols=3, granted=grant_accounts(None))
    except Problem as error:
        problem = error
    if problem is not None:
        assert problem.status_code == 400
        assert problem.parameter
        assert problem.detail.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        *("lastEventId", "last-event-id", "Last-Event-ID", "lastEventID", "LASTEVENTID"),
        *("last_event_id", "evs_last_event_id", "evs-last-event-id", "lasteventid"),
    ],
)
def test_replacements_of_event_source_carry_the_id_by_their_own_names(
    running: Running, name: str
) -> None:
    """As the usual ones do: the id is added to the address again at every reconnection."""
    last_event_id = running.context.hub.last_event_id
    query = f"snapshot=only&{name}=&last_event_id=other-1&{name}={last_event_id}"
    frames = parse_frames(get(f"{running.url}/events?{query}").content)
    assert frames[0].data["mode"] == "resume"
    assert get(f"{running.url}/api/snapshot?{name}={last_event_id}").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        *("_", "cb", "t", "ts", "v", "r", "rnd", "rand", "nocache", "no-cache", "cachebuster"),
        *("time", "timestamp", "date", "state", "session", "sid", "nonce", "x", "%3Cscript%3E"),
        *("utm_source", "utm_medium", "fbclid", "gclid", "msclkid", "token", "access_token"),
        *("key", "api_key", "evs_preamble", "padding", "heartbeatTimeout", "X-Amz-Date", "ref"),
    ],
)
def test_what_nobody_meant_for_us_is_ignored(running: Running, name: str) -> None:
    for path in ("/events?snapshot=only&", "/api/snapshot?"):
        answer = get(f"{running.url}{path}{name}=hush-hush-hush")
        assert answer.status_code == 200
        assert "hush-hush-hush" not in answer.text


def test_a_misspelt_name_is_told_the_right_one(running: Running) -> None:
    problem = get(f"{running.url}/events?sybmols=SPY").json()
    assert problem["detail"] == "sybmols: there is no such parameter; did you mean symbols?"


@given(st.sampled_from(sorted(STREAM_PARAMETERS)), st.data())
def test_one_mistake_in_a_name_is_seen(name: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(1, len(name) - 1))
    letter = data.draw(st.sampled_from(["", "x", name[index] * 2]))
    wrong = name[:index] + letter + name[index + 1 :]
    known = wrong in STREAM_PARAMETERS or is_id_name(wrong)
    assert known or find_meant(wrong) is not None


def test_symbols_are_taken_as_brokers_write_them() -> None:
    items = [("symbols", "SPY   261218C00600000,BRK.B"), ("symbol", "/ESZ6")]
    query = parse_query(items, max_symbols=9, granted=GRANT, today=date(2026, 11, 28))
    assert sorted(query.symbols or ()) == [".SPY261218C600", "/ESZ26:XCME", "BRK/B"]
