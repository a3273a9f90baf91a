"""A grant that changes or ends, and a login that ends, close what was open."""

import time

import pytest

from gateway.web.auth.authenticator import (
    ACCESS_CHANGED,
    SIGNED_OUT,
    WATCH_S,
)
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import add_viewer, remove_viewer
from tests.waiting import eventually_sync, scaled
from tests.web.granting import ACCOUNTS, House, end_of, find_accounts, read_raw
from tests.web.running import (
    TOKEN,
    Reader,
    Running,
    ask_status,
    get,
    make_balance,
    make_protected,
    make_quote,
    open_gateway,
    post,
)


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
