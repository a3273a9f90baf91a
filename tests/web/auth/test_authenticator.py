"""Who is let in, until when, and that a stream ends when that changes."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.settings import LOOPBACK_HOSTS, Settings
from gateway.web.auth import authenticator as access_module
from gateway.web.auth.authenticator import (
    ACCESS_CHANGED,
    SIGNED_OUT,
    Access,
    Admission,
    open_access,
)
from gateway.web.auth.sessions import LOGIN_IDLE_S, LOGIN_LIFE_S
from gateway.web.auth.throttle import TooManyTries
from gateway.web.auth.viewers import HASHER, OWNER, Viewer, add_viewer, is_token_of, read_viewers
from tests.waiting import eventually
from tests.web.running import TOKEN, make_protected, make_settings

SECRET = "s" * 32
ALICE_ID, BOB_ID = "a" * 16, "b" * 16
ALICE_TOKEN, BOB_TOKEN = f"gw_{ALICE_ID}_{SECRET}", f"gw_{BOB_ID}_{SECRET}"
ALICE = Viewer("alice", frozenset({"5WX00001"}), ALICE_ID, HASHER.hash(ALICE_TOKEN))
BOB = Viewer("bob", frozenset({"5WX00002"}), BOB_ID, HASHER.hash(BOB_TOKEN))
VIEWERS = {"alice": ALICE, "bob": BOB}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of those whose hash was computed, from now on."""
    runs: list[str] = []

    def verify_noting(viewer: Viewer, token: str) -> bool:
        runs.append(viewer.name)
        return is_token_of(viewer, token)

    monkeypatch.setattr(access_module, "is_token_of", verify_noting)
    return runs


def read(access: Access, cookie: str) -> Admission:
    admission = access.read_cookie(cookie)
    assert admission is not None
    return admission


async def test_a_token_is_made_when_real_accounts_have_none() -> None:
    access, other = open_access(make_protected()), open_access(make_protected())
    assert access.is_generated
    assert not access.is_open
    assert access.login_fragment() != other.login_fragment()
    token = access.login_fragment().removeprefix("#token=")
    assert len(token) >= 32
    assert await access.recognize(token, "") == OWNER


async def test_a_token_is_honoured_even_with_a_simulator() -> None:
    access = open_access(make_settings(token=TOKEN, host="0.0.0.0"))
    assert not access.is_open
    assert not access.is_generated
    assert await access.recognize(TOKEN, "") == OWNER


def test_with_viewers_even_a_simulation_is_not_open(tmp_path: Path) -> None:
    access = open_access(make_settings(viewers=tmp_path / "viewers.toml"))
    assert not access.is_open
    assert access.is_generated


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])
@pytest.mark.parametrize("make", [make_settings, make_protected])
def test_other_machines_need_a_token(host: str, make: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_TOKEN: .*HOST"):
        open_access(make(host=host))


@pytest.mark.parametrize("host", sorted(LOOPBACK_HOSTS))
def test_loopback_needs_none(host: str) -> None:
    assert open_access(make_settings(host=host)).is_open


def test_a_token_with_odd_letters_survives_the_link() -> None:
    access = Access("a b&c=d#e/f%g-längst")
    assert access.login_fragment() == "#token=" + quote("a b&c=d#e/f%g-längst", safe="")


@given(st.text(max_size=100))
def test_no_other_text_is_a_token_or_a_cookie(text: str) -> None:
    async def recognize(access: Access) -> Viewer | None:
        return await access.recognize(text, "")

    access = Access(TOKEN, viewers=VIEWERS)
    assert asyncio.run(recognize(access)) == (OWNER if text == TOKEN else None)
    assert access.read_cookie(text) is None
    assert asyncio.run(recognize(Access(None))) is None


async def test_a_viewer_is_known_by_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = count_runs(monkeypatch)
    access = Access(TOKEN, viewers=VIEWERS)
    found = await asyncio.gather(*(access.recognize(ALICE_TOKEN, "") for _ in range(50)))
    assert found == [ALICE] * 50
    assert await access.recognize(BOB_TOKEN, "") == BOB
    assert runs == ["alice", "bob"], "once each, however many ask at a time"


async def test_a_verification_does_not_hold_up_the_loop() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    loop = asyncio.get_running_loop()
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_later(0.001, turn)

    turn()
    assert await access.recognize(ALICE_TOKEN, "") == ALICE
    assert turns > 5


async def test_a_changed_hash_is_verified_anew() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    assert await access.recognize(ALICE_TOKEN, "") == ALICE
    other = f"gw_{ALICE_ID}_{'t' * 32}"
    changed = replace(ALICE, token_hash=HASHER.hash(other))
    access.change({"alice": changed})
    assert await access.recognize(ALICE_TOKEN, "") is None
    assert await access.recognize(other, "") == changed
    access.change({})
    assert await access.recognize(other, "") is None


async def test_a_viewer_who_is_removed_meanwhile_does_not_come_in() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    asking = asyncio.create_task(access.recognize(ALICE_TOKEN, ""))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    access.change({})
    assert await asking is None
    assert await access.recognize(ALICE_TOKEN, "") is None


@pytest.mark.fault(24)
async def test_guesses_lock_out_who_guesses_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = count_runs(monkeypatch)
    access = Access(TOKEN, viewers=VIEWERS)
    wrong = f"gw_{ALICE_ID}_{'x' * 32}"
    for _ in range(5):
        assert await access.recognize(wrong, "192.0.2.1") is None
        assert await access.recognize("nobody's", "192.0.2.1") is None
    for token in (wrong, "nobody's", ALICE_TOKEN, TOKEN):
        with pytest.raises(TooManyTries) as caught:
            await access.recognize(token, "192.0.2.1")
        assert 1 <= caught.value.wait_s <= 300
    assert runs == ["alice"] * 5, "a guesser does not keep the processor busy either"
    assert await access.recognize(BOB_TOKEN, "192.0.2.1") == BOB, "another viewer, same address"
    assert await access.recognize(ALICE_TOKEN, "192.0.2.2") == ALICE, "from elsewhere"
    assert await access.recognize(TOKEN, "192.0.2.2") == OWNER
    assert await access.recognize(ALICE_TOKEN, "192.0.2.1") == ALICE, "known by now"


@pytest.mark.fault(24)
async def test_who_came_in_before_is_not_locked_out_by_a_neighbour() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    assert await access.recognize(TOKEN, "192.0.2.1") == OWNER
    assert await access.recognize(ALICE_TOKEN, "192.0.2.1") == ALICE
    for guess in ("wrong", f"gw_{ALICE_ID}_{'x' * 32}"):
        for _ in range(5):
            await access.recognize(guess, "192.0.2.1")
        with pytest.raises(TooManyTries):
            await access.recognize(guess, "192.0.2.1")
    assert await access.recognize(TOKEN, "192.0.2.1") == OWNER
    assert await access.recognize(ALICE_TOKEN, "192.0.2.1") == ALICE


@pytest.mark.fault(24)
async def test_a_token_that_nobody_guesses_is_never_locked_out() -> None:
    access = Access("x" * 32)
    for _ in range(5):
        assert await access.recognize("wrong", "192.0.2.1") is None
    assert await access.recognize("x" * 32, "192.0.2.1") == OWNER


def test_a_cookie_lives_until_its_time_and_over_a_restart() -> None:
    clock = Clock()
    access = Access(TOKEN, viewers=VIEWERS, now_s=clock)
    for viewer in (OWNER, ALICE):
        cookie = access.make_cookie(viewer)
        assert read(access, cookie).viewer == viewer
        assert read(Access(TOKEN, viewers=VIEWERS, now_s=clock), cookie).viewer == viewer
        other = Access("another-token-of-ours", viewers=VIEWERS, now_s=clock)
        assert other.read_cookie(cookie) is None
        assert access.make_cookie(viewer) != cookie
        clock.now_s += LOGIN_IDLE_S - 1
        assert access.read_cookie(cookie)
        clock.now_s += 1
        assert access.read_cookie(cookie) is None


def test_a_login_that_is_used_lives_longer_but_not_for_ever() -> None:
    clock = Clock()
    access = Access(TOKEN, now_s=clock)
    cookie, began_s = access.make_cookie(OWNER), clock.now_s
    session = cookie.split(".")[2]
    assert access.renew(read(access, cookie)) is None, "it is fresh"
    renewed = 0
    while access.read_cookie(cookie):
        fresh = access.renew(read(access, cookie))
        if fresh is not None:
            assert fresh.split(".")[2] == session
            assert access.max_age_s(float(fresh.split(".")[3])) <= LOGIN_IDLE_S
            cookie, renewed = fresh, renewed + 1
        clock.now_s += 1800
    assert clock.now_s - began_s == LOGIN_LIFE_S
    assert renewed == LOGIN_LIFE_S / 3600 - 1


def test_use_counts_for_the_session_not_for_one_copy_of_its_cookie() -> None:
    clock = Clock()
    access = Access(TOKEN, now_s=clock)
    cookie = access.make_cookie(OWNER)
    clock.now_s += LOGIN_IDLE_S - 1
    fresh = access.renew(read(access, cookie))
    assert fresh is not None
    clock.now_s += 10
    assert access.read_cookie(cookie), "a stream that began with it goes on"
    access.end(fresh)
    assert access.read_cookie(cookie) is None
    assert access.read_cookie(fresh) is None


def test_a_cookie_ends_with_the_viewer_it_is_for() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    cookies = {name: access.make_cookie(viewer) for name, viewer in VIEWERS.items()}
    access.change({"bob": BOB, "alice": replace(ALICE, token_hash=HASHER.hash("another"))})
    assert access.read_cookie(cookies["alice"]) is None
    assert read(access, cookies["bob"]).viewer == BOB
    access.change({"alice": ALICE})
    assert read(access, cookies["alice"]).viewer == ALICE
    assert access.read_cookie(cookies["bob"]) is None


def test_nobody_becomes_another_by_the_name_in_the_cookie() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    cookie = access.make_cookie(ALICE)
    for name in ("bob", "owner", "carol", ""):
        assert access.read_cookie(cookie.replace("alice", name)) is None


@given(st.data())
def test_a_changed_cookie_is_none(data: st.DataObject) -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    cookie = access.make_cookie(data.draw(st.sampled_from([OWNER, ALICE])))
    index = data.draw(st.integers(0, len(cookie) - 1))
    letter = data.draw(st.characters().filter(lambda each: each != cookie[index]))
    assert access.read_cookie(cookie[:index] + letter + cookie[index + 1 :]) is None
    assert access.read_cookie(cookie[:index]) is None


@pytest.mark.fault(18)
def test_a_clock_that_steps_signs_nobody_out() -> None:
    clock = Clock()
    access = Access(TOKEN, now_s=clock)
    cookie = access.make_cookie(OWNER)
    for step_s in (3600, -7200):
        clock.now_s += step_s
        assert access.read_cookie(cookie)


def test_logged_out_sessions_are_forgotten_when_they_would_have_ended() -> None:
    clock = Clock()
    access = Access(TOKEN, now_s=clock)
    for _ in range(3):
        access.end(access.make_cookie(OWNER))
        access.end("none of ours")
        clock.now_s += LOGIN_LIFE_S
    assert len(access.logins.ended) == 1


def test_what_is_held_ends_with_the_login() -> None:
    clock = Clock()
    access = Access(TOKEN, viewers=VIEWERS, now_s=clock)
    said: list[tuple[str, str]] = []

    def hold(name: str, admission: Admission) -> Callable[[], None]:
        return admission.hold(lambda reason: said.append((name, reason)))

    cookies = [access.make_cookie(ALICE) for _ in range(2)]
    hold("signed out", read(access, cookies[0]))
    hold("left", read(access, cookies[1]))()
    hold("idle", read(access, cookies[1]))
    hold("bearer", Admission(access, ALICE))
    assert access.count_streams("alice") == 3
    access.end(cookies[0])
    assert said == [("signed out", SIGNED_OUT)]
    clock.now_s += LOGIN_IDLE_S
    access.sweep()
    assert said[1:] == [("idle", SIGNED_OUT)]
    access.sweep()
    access.change({"alice": ALICE})
    assert len(said) == 2
    access.change({"alice": replace(ALICE, accounts=None)})
    assert said[2:] == [("bearer", ACCESS_CHANGED)]
    hold("too late", Admission(access, ALICE))
    assert said[3:] == [("too late", ACCESS_CHANGED)]


async def test_a_viewers_file_that_is_being_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between emptying and filling it nobody is thrown out."""
    looks: list[object] = []
    stamp_of = access_module._stamp

    def look(path: Path) -> tuple[int, ...] | None:
        looks.append(path)
        return stamp_of(path)

    monkeypatch.setattr(access_module, "WATCH_S", 0.001)
    monkeypatch.setattr(access_module, "SETTLE_S", 60.0)
    monkeypatch.setattr(access_module, "_stamp", look)
    path = tmp_path / "viewers.toml"
    await asyncio.to_thread(add_viewer, path, "alice", None)
    viewers = await asyncio.to_thread(read_viewers, path)
    access = Access(TOKEN, viewers=viewers)
    said: list[str] = []
    Admission(access, viewers["alice"]).hold(said.append)
    watching = asyncio.create_task(access.watch(path))
    path.write_text("")
    seen = len(looks)
    await eventually(lambda: len(looks) > seen + 3)
    assert not said
    os.utime(path, (1, 1))
    await eventually(lambda: said == [ACCESS_CHANGED])
    watching.cancel()
    await asyncio.wait([watching])


def test_what_ends_leaves_no_count_behind() -> None:
    access = Access(TOKEN, viewers=VIEWERS)
    release = Admission(access, ALICE).hold(lambda reason: None)
    access.change({})
    release()
    assert access.count_streams("alice") == 0
    assert not access._streams
