"""Nobody sees a byte of an account that is not granted: live, in a snapshot, resumed, after."""

import re
from pathlib import Path

import pytest

from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import add_viewer
from tests.waiting import eventually_sync
from tests.web.granting import ACCOUNTS, AMOUNTS, House, end_of, find_accounts, read_raw
from tests.web.running import (
    TOKEN,
    Reader,
    get,
    make_balance,
    make_protected,
    make_quote,
    make_status,
    open_gateway,
)

HALF = 50_000


GRANTED = {
    "alice": {"5WX00001"},
    "bob": {"5WX00002"},
    "carol": set[str](),
    "dora": set(ACCOUNTS),
    "owner": set(ACCOUNTS),
}


ENDING = [
    "/events?snapshot=only",
    "/events?snapshot=only&types=balance_update",
    "/events?snapshot=only&accounts=5WX00001,5WX00002,5WX00003",
    "/events?snapshot=only&accounts=5WX00002",
    "/api/snapshot",
    "/api/snapshot?accounts=5WX00001,5WX00002,5WX00003",
    "/api/snapshot?accounts=5WX00001",
    "/",
    "/live/home/once",
    "/status",
    "/metrics",
    "/nothing",
]


@pytest.mark.fault(2)
@pytest.mark.parametrize("path", ENDING)
@pytest.mark.parametrize("name", GRANTED)
def test_an_answer_shows_what_is_granted(house: House, name: str, path: str) -> None:
    asked = set(re.findall(r"5WX\d+", path)) or set(ACCOUNTS)
    shows = "balance" in path or "snapshot" in path or path in {"/", "/live/home/once"}
    expected = GRANTED[name] & asked if shows else set()
    ways = [house.bearer(name), {"Cookie": f"{COOKIE}={house.log_in(name)}"}]
    for headers in ways:
        answer = get(house.url + path, headers=headers)
        assert find_accounts(answer.content) == expected, headers
        if "snapshot" in path:
            assert b'"SPY"' in answer.content or "balance_update" in path, "quotes are for all"


@pytest.mark.fault(2)
@pytest.mark.parametrize("asked", ["5WX00002", "5WX88888"])
def test_an_account_of_another_is_like_one_that_does_not_exist(house: House, asked: str) -> None:
    query = f"?types=balance_update&accounts={asked}"
    answer = get(f"{house.url}/api/snapshot{query}", headers=house.bearer("alice"))
    document = answer.json()
    assert document["balances"] == []
    del document["last_event_id"]
    nobody = get(f"{house.url}/api/snapshot?accounts=5WX77777", headers=house.bearer("alice"))
    assert answer.status_code == nobody.status_code == 200
    assert document["statuses"] == nobody.json()["statuses"]


@pytest.mark.fault(2)
def test_a_login_s_statuses_reach_its_owner_and_the_feed_s_all(house: House) -> None:
    """In every answer and on every stream, with all accounts granted or none."""
    streams = {(n, p): house.open(n, p) for n in GRANTED for p in ("/events", "/events?rate=9")}
    try:
        house.gateway.wait_for_streams(len(streams))
        house.gateway.publish(
            make_status("degraded", "accounts", reason="SECRET-A"),
            make_status("closed", "session", reason="SECRET-S"),
            make_status("live", "session", reason="SECRET-ANN", login="ann"),
            make_status("stale", "feed", reason="FOR-ALL"),
        )
        for (name, _), reader in streams.items():
            reader.wait_for(lambda reader=reader: b"FOR-ALL" in reader.body)  # type: ignore[misc]
            assert (b"SECRET" in reader.body) is (name == "owner")
            assert b"SECRET-ANN" not in reader.body
    finally:
        for reader in streams.values():
            reader.socket.close()
    for name in GRANTED:
        for path in (*ENDING, "/live/home/once"):
            content = get(house.url + path, headers=house.bearer(name)).content
            assert b"SECRET-ANN" not in content, path
            assert b"SECRET" not in content or name == "owner", path
            if path in {"/status", "/api/snapshot", "/events?snapshot=only", "/"}:
                # A login that is refused stands on the page in place of what follows from it.
                assert b"FOR-ALL" in content or (name, path) == ("owner", "/")
                assert (b"SECRET-S" in content) is (name == "owner"), path


STREAMS = [
    "/events",
    "/events?types=balance_update",
    "/events?accounts=5WX00001,5WX00002,5WX00003",
    "/events?rate=50",
    "/events?snapshot=false",
    "/live/home",
]


@pytest.mark.fault(2)
@pytest.mark.parametrize("path", STREAMS)
def test_live_streams_show_what_is_granted(house: House, path: str) -> None:
    readers = {name: house.open(name, path) for name in GRANTED}
    try:
        house.gateway.wait_for_streams(len(readers) if "live" not in path else 0)
        eventually_sync(lambda: house.gateway.context.streams == len(readers))
        amounts = dict(AMOUNTS)
        for number in range(5):
            for account in ACCOUNTS:
                house.gateway.publish(make_balance(account, f"{amounts[account]}.{number}0"))
        for name, reader in readers.items():
            wanted = GRANTED[name]
            if wanted:
                find_last = "balance_update" if "live" not in path else None
                reader_wait(reader, wanted, find_last)
            assert find_accounts(reader.body) <= wanted, name
    finally:
        for reader in readers.values():
            reader.socket.close()


def reader_wait(reader: Reader, accounts: set[str], kind: str | None) -> None:
    """Read until something of all these accounts has come."""
    if kind is None:
        read_raw(reader, lambda: accounts <= find_accounts(reader.body))
    else:
        reader.wait_for(lambda: accounts <= find_accounts(reader.body))


@pytest.mark.fault(2)
@pytest.mark.parametrize("id_of", ["owner", "bob"])
def test_a_stream_that_is_resumed_shows_what_is_granted(house: House, id_of: str) -> None:
    known = get(f"{house.url}/api/snapshot", headers=house.bearer(id_of)).json()["last_event_id"]
    house.publish()
    for name, granted in GRANTED.items():
        headers = {**house.bearer(name), "Last-Event-ID": known}
        answer = get(f"{house.url}/events?snapshot=only", headers=headers)
        assert b'"mode":"resume"' in answer.content
        assert find_accounts(answer.content) == granted


def test_one_viewer_does_not_take_all_the_room(tmp_path: Path) -> None:
    path = tmp_path / "viewers.toml"
    tokens = {name: add_viewer(path, name, None) for name in ("alice", "bob")} | {"owner": TOKEN}
    settings = make_protected(token=TOKEN, viewers=path, max_streams_per_viewer=2)
    with open_gateway(settings) as gateway:
        house = House(gateway, path, tokens)
        gateway.publish(make_quote())
        with house.open("alice"), house.open("alice", "/live/home"):
            eventually_sync(lambda: gateway.context.streams == 2)
            for target in ("/events", "/events?rate=1", "/live/home"):
                with house.open("alice", target) as third:
                    assert end_of(third)[0] == "full"
            assert gateway.context.streams_refused == 3
            with house.open("bob") as bob, house.open("owner") as owner:
                bob.read_until("snapshot_end")
                owner.read_until("snapshot_end")
        eventually_sync(lambda: gateway.context.streams == 0)
        with house.open("alice") as alice:
            alice.read_until("snapshot_end")
