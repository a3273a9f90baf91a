"""Nobody sees a byte of an account that is not granted: live, in a snapshot, resumed, after."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.streams.hub.hub import Hub, opening
from gateway.streams.hub.subscribers import Subscriber
from gateway.streams.topics import grant_accounts
from gateway.web.auth.authenticator import (
    ACCESS_CHANGED,
    SIGNED_OUT,
    WATCH_S,
    AuthContext,
    Authenticator,
)
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import Viewer, add_viewer, read_viewers, remove_viewer
from gateway.web.query import parse_query
from tests.faults.trial import Trial
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    TOKEN,
    Reader,
    Running,
    ask_status,
    get,
    make_balance,
    make_protected,
    make_quote,
    make_status,
    open_gateway,
    post,
)

ACCOUNTS = ("5WX00001", "5WX00002", "5WX00003")
NAMES = ("alice", "bob", "carol")

# What can happen, with numbers that say to whom and to what.
Step = tuple[str, int, int]
KINDS = ("publish", "flush", "open", "resume", "snapshot", "grant", "block", "close")


@dataclass(slots=True)
class Stream:
    """An open stream, and what was granted when it was opened."""

    granted: frozenset[str] | None
    accounts_seen: set[str]
    subscriber: Subscriber | None = None
    is_blocked: bool = False
    is_over: bool = False


def accounts_in(chunk: bytes) -> set[str]:
    return {each.decode() for each in re.findall(rb'"account":"(\w+)"', chunk)}


class Sink:
    """Passes on what it is written, and that it is closed."""

    def __init__(self, write: Callable[[bytes], bool], end: Callable[[], None]) -> None:
        self.write = write
        self._end = end

    def close(self, reason: str) -> None:
        self._end()


class Play:
    """A hub and its viewers, whose grants change; every chunk is looked at as it is handed over."""

    def __init__(self) -> None:
        self.hub = Hub(epoch="e", history_events=8, tick_s=0)
        viewers = {name: Viewer(name, frozenset(), name) for name in NAMES}
        self.viewers = viewers
        self.authenticator = Authenticator(TOKEN, viewers=viewers)
        self.streams: list[Stream] = []
        self.frames = 0

    def run(self, steps: list[Step]) -> None:
        for kind, one, two in steps:
            getattr(self, kind)(one, two)

    def publish(self, one: int, two: int) -> None:
        self.hub.publish(make_balance(ACCOUNTS[one % 3], f"{two}.00"))

    def flush(self, one: int, two: int) -> None:
        self.hub.flush()

    def grant(self, one: int, two: int) -> None:
        name = NAMES[one % 3]
        chosen = frozenset(each for bit, each in enumerate(ACCOUNTS) if two >> bit & 1)
        if two % 16 == 15:
            self.viewers.pop(name, None)
        else:
            self.viewers[name] = Viewer(name, None if two % 16 == 14 else chosen, name)
        self.authenticator.set_viewers(self.viewers)

    def open(self, one: int, two: int, last_event_id: str | None = None) -> None:
        viewer = self.viewers.get(NAMES[one % 3])
        if viewer is None:
            return
        asked = [] if two & 8 else [("accounts", ",".join(ACCOUNTS[: two % 3 + 1]))]
        query = parse_query(asked, max_symbols=9, granted=grant_accounts(viewer.accounts))
        stream = Stream(viewer.accounts, set())
        self.streams.append(stream)
        release = AuthContext(self.authenticator, viewer).register(lambda reason: end())

        def end() -> None:
            stream.is_over = True
            if stream.subscriber is not None:
                stream.subscriber.close()
            release()

        _, entries, cursor = opening(self.hub, query.subscription, last_event_id)
        self.look(stream, b"".join(entry.frame for entry in entries))
        sink = Sink(lambda chunk: self.look(stream, chunk), end)
        stream.subscriber = self.hub.subscribe(query.subscription, sink, after=cursor)

    def resume(self, one: int, two: int) -> None:
        self.open(one, two, f"e-{two}")

    def snapshot(self, one: int, two: int) -> None:
        viewer = self.viewers.get(NAMES[one % 3])
        if viewer is not None:
            query = parse_query([], max_symbols=9, granted=grant_accounts(viewer.accounts))
            entries = self.hub.snapshot(query.subscription)
            stream = Stream(viewer.accounts, set())
            self.look(stream, b"".join(entry.frame for entry in entries))

    def block(self, one: int, two: int) -> None:
        if self.streams:
            stream = self.streams[one % len(self.streams)]
            stream.is_blocked = not stream.is_blocked
            if not stream.is_blocked and not stream.is_over and stream.subscriber is not None:
                stream.subscriber.resume_writing()

    def close(self, one: int, two: int) -> None:
        if self.streams:
            stream = self.streams.pop(one % len(self.streams))
            if stream.subscriber is not None:
                stream.subscriber.close()

    def look(self, stream: Stream, chunk: bytes) -> bool:
        assert not stream.is_over, "a frame after the end"
        seen = accounts_in(chunk)
        assert stream.granted is None or seen <= stream.granted
        stream.accounts_seen |= seen
        self.frames += chunk.count(b"\n\n")
        return not stream.is_blocked


steps = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 8), st.integers(0, 31)),
    min_size=20,  # the usual length is twice that
    max_size=60,
)


@pytest.mark.fault(2)
def test_no_order_of_events_shows_what_is_not_granted(trial: Trial) -> None:
    @settings(max_examples=trial.count(200, 1000))
    @given(steps)
    def try_one(steps: list[Step]) -> None:
        Play().run(steps)

    try_one()


@pytest.mark.fault(2)
def test_nor_do_ten_thousand(trial: Trial) -> None:
    chance = trial.rng
    frames = 0
    interleavings = trial.count(2_000, 10_000)
    for _ in range(interleavings):
        play = Play()
        weights = [chance.choice((1, 3, 9)) for _ in KINDS]
        kinds = chance.choices(KINDS, weights, k=25)
        play.run([(kind, chance.randrange(9), chance.randrange(32)) for kind in kinds])
        frames += play.frames
    assert frames > interleavings
    trial.tell(f"{interleavings:,} interleavings: none of {frames:,} frames without a grant")


# What no page shows by chance: the amounts of each account, however they are written.
AMOUNTS = {"5WX00001": 1741357, "5WX00002": 2852468, "5WX00003": 3963579}
HALF = 50_000


@dataclass(slots=True)
class House:
    """A gateway with a viewers file, and everybody's token."""

    gateway: Running
    path: Path
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return self.gateway.url

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def log_in(self, name: str) -> str:
        """The cookie's value."""
        answer = post(f"{self.url}/login", data={"token": self.tokens[name]})
        assert answer.status_code == 303
        return answer.cookies[COOKIE]

    def publish(self) -> None:
        """A new amount of every account, and a quote."""
        balances = [make_balance(account, f"{AMOUNTS[account]}.00") for account in ACCOUNTS]
        self.gateway.publish(*balances, make_quote())

    def open(self, name: str, path: str = "/events") -> Reader:
        headers = f"Authorization: Bearer {self.tokens[name]}\r\n"
        return Reader(self.gateway.port, path, headers=headers)

    def change(self, name: str, accounts: set[str] | None) -> None:
        """Edit the entry, as a person would."""
        entry = read_viewers(self.path)[name]
        shown = '"all"' if accounts is None else json.dumps(sorted(accounts))
        before = f'token = "{entry.token_hash}"\n'
        text = self.path.read_text()
        head, tail = text.split(before)
        self.path.write_text(f"{head}{before}accounts = {shown}\n{tail.partition(chr(10))[2]}")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    path = tmp_path / "viewers.toml"
    tokens = {
        "alice": add_viewer(path, "alice", frozenset({"5WX00001"})),
        "bob": add_viewer(path, "bob", frozenset({"5WX00002"})),
        "carol": add_viewer(path, "carol", frozenset({"5WX99999"})),
        "dora": add_viewer(path, "dora", None),
        "owner": TOKEN,
    }
    with open_gateway(make_protected(token=TOKEN, viewers=path)) as gateway:
        house = House(gateway, path, tokens)
        house.publish()
        gateway.publish(make_status("live"), make_status("live", "accounts"))
        yield house


GRANTED = {
    "alice": {"5WX00001"},
    "bob": {"5WX00002"},
    "carol": set[str](),
    "dora": set(ACCOUNTS),
    "owner": set(ACCOUNTS),
}


def find_accounts(content: bytes) -> set[str]:
    """The accounts of which anything is in there: the number, or the amount in any dress."""
    text = content.decode().replace(",", "").replace("\u202f", "").replace(" ", "")
    return {
        account
        for account, amount in AMOUNTS.items()
        if account in text or str(amount) in text or f"{amount / 1e6:.2f}M" in text
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


def read_raw(reader: Reader, is_enough: Callable[[], bool]) -> None:
    """As `Reader.wait_for`, of a stream of fragments."""
    while not is_enough() and not reader.is_over:
        chunk = reader.socket.recv(65536)
        reader.is_over = not chunk
        reader._rest += chunk
        reader._dechunk()


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


def end_of(reader: Reader) -> tuple[str, float]:
    """The reason of the `bye`, and how long it took to come."""
    begun_s = time.monotonic()
    read_raw(reader, lambda: False)
    took_s = time.monotonic() - begun_s
    (bye,) = re.findall(rb"event: bye\ndata: ({.*})\n\n\Z", reader.body)
    return json.loads(bye)["reason"], took_s


@pytest.mark.fault(2)
@pytest.mark.parametrize("path", ["/events", "/events?rate=20", "/live/home"])
@pytest.mark.parametrize("change", ["removed", "narrowed", "widened"])
def test_a_changed_grant_ends_its_streams_within_a_second(
    house: House, path: str, change: str
) -> None:
    with house.open("alice", path) as alice, house.open("bob", path) as bob:
        eventually_sync(lambda: house.gateway.context.streams == 2)
        if change == "removed":
            remove_viewer(house.path, "alice")
        else:
            house.change("alice", set() if change == "narrowed" else None)
        reason, took_s = end_of(alice)
        assert reason == ACCESS_CHANGED
        assert took_s < scaled(1)
        house.publish()
        again = get(f"{house.url}/api/snapshot", headers=house.bearer("alice"))
        if change == "removed":
            assert again.status_code == 401
        else:
            seen = set() if change == "narrowed" else set(ACCOUNTS)
            assert find_accounts(again.content) == seen
        house.gateway.publish(make_balance("5WX00002", "7418529.00"))
        read_raw(bob, lambda: b"7418529" in bob.body.replace(b",", b""))
        assert not bob.is_over, "nobody else's stream ends"
    eventually_sync(lambda: house.gateway.context.streams == 0)


@pytest.mark.fault(2)
def test_no_frame_follows_a_revocation(house: House) -> None:
    """Publish all the while: what comes after `bye` is nothing, and before it only what was
    granted."""
    with house.open("alice") as alice:
        house.gateway.wait_for_streams(1)
        remove_viewer(house.path, "alice")
        deadline_s = time.monotonic() + scaled(5)
        while house.gateway.context.streams and time.monotonic() < deadline_s:
            house.publish()
            time.sleep(0.005)  # or the socket is full, and `bye` does not fit in
        frames = alice.read_all()
        assert frames[-1].event == "bye"
        assert find_accounts(alice.body) == {"5WX00001"}


@pytest.mark.fault(2)
@pytest.mark.parametrize("path", ["/events", "/live/home"])
def test_a_viewer_who_reads_nothing_is_cut_off_all_the_same(house: House, path: str) -> None:
    headers = f"Authorization: Bearer {house.tokens['alice']}\r\n"
    with Reader(house.gateway.port, path, headers=headers, buffer=4096) as alice:
        eventually_sync(lambda: house.gateway.context.streams == 1)
        context = house.gateway.context

        def fill() -> None:
            for number in range(20_000):
                context.hub.publish(make_balance("5WX00001", f"{number}.00"))
            context.hub.flush()

        for _ in range(5):
            house.gateway.call(fill)
        remove_viewer(house.path, "alice")
        eventually_sync(lambda: context.streams == 0, 1.5)
        assert context.streams_evicted == 0
        alice.socket.close()


def test_a_removed_viewer_s_login_ends_with_the_streams(house: House) -> None:
    cookie = house.log_in("alice")
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    assert ask_status(house.gateway, "GET", "/status", headers) == 200
    with Reader(house.gateway.port, headers=f"Cookie: {COOKIE}={cookie}\r\n") as reader:
        reader.read_until("snapshot_end")
        remove_viewer(house.path, "alice")
        assert end_of(reader)[0] == ACCESS_CHANGED
    assert ask_status(house.gateway, "GET", "/status", headers) == 401
    add_viewer(house.path, "alice", None)
    time.sleep(3 * WATCH_S)
    assert ask_status(house.gateway, "GET", "/status", headers) == 401, "it is another alice"


def test_a_viewer_who_is_added_comes_in_without_a_restart(house: House) -> None:
    house.tokens["erin"] = add_viewer(house.path, "erin", frozenset({"5WX00003"}))
    headers = house.bearer("erin")
    eventually_sync(lambda: ask_status(house.gateway, "GET", "/status", headers) == 200, 1.5)
    answer = get(f"{house.url}/api/snapshot", headers=headers)
    assert find_accounts(answer.content) == {"5WX00003"}


def test_a_file_in_the_middle_of_an_edit_changes_nothing_and_none_at_all_ends_all(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    text = house.path.read_text()
    with house.open("alice") as alice:
        alice.read_until("snapshot_end")
        for broken in ("[alice", text.replace("accounts", "acounts")):
            house.path.write_text(broken)
            eventually_sync(lambda: "the viewers stay as they were" in caplog.text)
            caplog.clear()
        house.path.write_text(text)
        house.path.chmod(0o644)
        eventually_sync(lambda: "open to other users" in caplog.text)
        house.publish()
        alice.read_until("balance_update", 2)
        house.path.unlink()
        assert end_of(alice)[0] == ACCESS_CHANGED
    assert ask_status(house.gateway, "GET", "/status", house.bearer("alice")) == 401
    assert ask_status(house.gateway, "GET", "/status", house.bearer("owner")) == 200


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


# Logins that end in mid-stream.


def open_with(gateway: Running, cookie: str, path: str) -> Reader:
    return Reader(gateway.port, path, headers=f"Cookie: {COOKIE}={cookie}\r\n")


@pytest.mark.fault(28)
@pytest.mark.parametrize("path", ["/events", "/events?rate=20", "/live/home"])
@pytest.mark.parametrize("life", [{"login_idle_s": 2}, {"login_life_s": 2}], ids=["idle", "life"])
def test_a_login_that_ends_closes_its_streams(path: str, life: dict[str, float]) -> None:
    with open_gateway(make_protected(token=TOKEN, **life)) as gateway:
        gateway.publish(make_quote())
        cookie = post(f"{gateway.url}/login", data={"token": TOKEN}).cookies[COOKIE]
        ends_at_s = int(cookie.split(".")[3]) + 2
        headers = f"Authorization: Bearer {TOKEN}\r\n"
        with (
            open_with(gateway, cookie, path) as reader,
            Reader(gateway.port, path, headers=headers) as script,
        ):
            reason, _ = end_of(reader)
            assert reason == SIGNED_OUT
            assert -0.1 < time.time() - ends_at_s < scaled(1)
            assert ask_status(gateway, "GET", "/status", {"Cookie": f"{COOKIE}={cookie}"}) == 401
            eventually_sync(lambda: gateway.context.streams == 1)
            script.socket.settimeout(0.1)
            with pytest.raises(TimeoutError):
                read_raw(script, lambda: False)


@pytest.mark.fault(28)
@pytest.mark.parametrize("path", ["/events", "/events?rate=20", "/live/home"])
def test_signing_out_closes_the_streams_of_this_login_only(house: House, path: str) -> None:
    here, there = house.log_in("alice"), house.log_in("alice")
    with (
        open_with(house.gateway, here, path) as reader,
        open_with(house.gateway, there, path) as other,
    ):
        eventually_sync(lambda: house.gateway.context.streams == 2)
        headers = {"Cookie": f"{COOKIE}={here}"}
        assert post(f"{house.url}/logout", headers=headers).status_code == 303
        reason, took_s = end_of(reader)
        assert reason == SIGNED_OUT
        assert took_s < scaled(1)
        assert ask_status(house.gateway, "GET", "/status", headers) == 401
        assert not other.is_over
        headers = {"Cookie": f"{COOKIE}={there}"}
        assert ask_status(house.gateway, "GET", "/status", headers) == 200


@pytest.mark.fault(28)
def test_signing_in_begins_another_session_and_ends_the_one_before(house: House) -> None:
    before = house.log_in("alice")
    headers = {"Cookie": f"{COOKIE}={before}"}
    answer = post(f"{house.url}/login", data={"token": house.tokens["bob"]}, headers=headers)
    after = answer.cookies[COOKIE]
    assert after.split(".")[1:3] != before.split(".")[1:3]
    assert ask_status(house.gateway, "GET", "/status", headers) == 401
    answer = get(f"{house.url}/api/snapshot", headers={"Cookie": f"{COOKIE}={after}"})
    assert find_accounts(answer.content) == {"5WX00002"}


def test_a_login_in_use_is_renewed_with_every_kind_of_answer() -> None:
    with open_gateway(make_protected(token=TOKEN, login_idle_s=3)) as gateway:
        gateway.publish(make_quote())
        cookie = post(f"{gateway.url}/login", data={"token": TOKEN}).cookies[COOKIE]
        first, began_s = cookie, time.time()
        paths = ["/status", "/", "/events?snapshot=only", "/nothing"]
        for number in range(8):
            time.sleep(0.7)
            headers = {"Cookie": f"{COOKIE}={cookie}"}
            answer = get(gateway.url + paths[number % len(paths)], headers=headers)
            assert answer.status_code in {200, 404}
            cookie = answer.cookies.get(COOKIE) or cookie
        assert time.time() - began_s > 3
        assert cookie != first
        headers = {"Cookie": f"{COOKIE}={cookie}"}
        answer = post(f"{gateway.url}/logout", headers=headers)
        assert len(answer.headers.get_list("set-cookie")) == 1, "not renewed in the same breath"
        for each in (first, cookie):
            headers = {"Cookie": f"{COOKIE}={each}"}
            assert ask_status(gateway, "GET", "/status", headers) == 401


@pytest.mark.fault(28)
def test_a_replayed_cookie_of_another_secret_is_none(house: House) -> None:
    cookie = house.log_in("alice")
    settings = make_protected(token="another-token-of-ours", viewers=house.path)
    with open_gateway(settings) as other:
        assert ask_status(other, "GET", "/status", {"Cookie": f"{COOKIE}={cookie}"}) == 401
    with open_gateway(make_protected(token=TOKEN, viewers=house.path)) as same:
        assert ask_status(same, "GET", "/status", {"Cookie": f"{COOKIE}={cookie}"}) == 200
