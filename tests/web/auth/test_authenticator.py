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

from gateway.addresses import LOOPBACK_HOSTS
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.web.auth import authenticator as access_module
from gateway.web.auth.authenticator import (
    ACCESS_CHANGED,
    SIGNED_OUT,
    AuthContext,
    Authenticator,
    create_authenticator,
)
from gateway.web.auth.sessions import LOGIN_IDLE_S
from gateway.web.auth.throttle import TooManyTries
from gateway.web.auth.viewers import (
    HASHER,
    OWNER,
    Viewer,
    add_viewer,
    find_stamp,
    is_token_of,
    read_viewers,
)
from tests.waiting import eventually
from tests.web.auth.people import (
    ALICE,
    ALICE_ID,
    ALICE_TOKEN,
    BOB,
    BOB_TOKEN,
    VIEWERS,
    SteppedClock,
    read,
)
from tests.web.running import TOKEN, make_protected, make_settings


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of those whose hash was computed, from now on."""
    runs: list[str] = []

    def verify_noting(viewer: Viewer, token: str) -> bool:
        runs.append(viewer.name)
        return is_token_of(viewer, token)

    monkeypatch.setattr(access_module, "is_token_of", verify_noting)
    return runs


async def test_a_token_is_made_when_real_accounts_have_none() -> None:
    authenticator, other = (
        create_authenticator(make_protected().access),
        create_authenticator(make_protected().access),
    )
    assert authenticator.is_generated
    assert not authenticator.is_open
    assert authenticator.login_fragment() != other.login_fragment()
    token = authenticator.login_fragment().removeprefix("#token=")
    assert len(token) >= 32
    assert await authenticator.authenticate(token, "") == OWNER


async def test_a_token_is_honoured_even_with_a_simulator() -> None:
    authenticator = create_authenticator(make_settings(token=TOKEN, host="0.0.0.0").access)
    assert not authenticator.is_open
    assert not authenticator.is_generated
    assert await authenticator.authenticate(TOKEN, "") == OWNER


def test_with_viewers_even_a_simulation_is_not_open(tmp_path: Path) -> None:
    authenticator = create_authenticator(make_settings(viewers=tmp_path / "viewers.toml").access)
    assert not authenticator.is_open
    assert authenticator.is_generated


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])
@pytest.mark.parametrize("make", [make_settings, make_protected])
def test_other_machines_need_a_token(host: str, make: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_TOKEN: .*HOST"):
        create_authenticator(make(host=host).access)


@pytest.mark.parametrize("host", sorted(LOOPBACK_HOSTS))
def test_loopback_needs_none(host: str) -> None:
    assert create_authenticator(make_settings(host=host).access).is_open


def test_a_token_with_odd_letters_survives_the_link() -> None:
    authenticator = Authenticator("a b&c=d#e/f%g-längst")
    assert authenticator.login_fragment() == "#token=" + quote("a b&c=d#e/f%g-längst", safe="")


@given(st.text(max_size=100))
def test_no_other_text_is_a_token_or_a_cookie(text: str) -> None:
    async def authenticate(authenticator: Authenticator) -> Viewer | None:
        return await authenticator.authenticate(text, "")

    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    assert asyncio.run(authenticate(authenticator)) == (OWNER if text == TOKEN else None)
    assert authenticator.read_cookie(text) is None
    assert asyncio.run(authenticate(Authenticator(None))) is None


async def test_a_viewer_is_known_by_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = count_runs(monkeypatch)
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    found = await asyncio.gather(*(authenticator.authenticate(ALICE_TOKEN, "") for _ in range(50)))
    assert found == [ALICE] * 50
    assert await authenticator.authenticate(BOB_TOKEN, "") == BOB
    assert runs == ["alice", "bob"], "once each, however many ask at a time"


async def test_a_verification_does_not_hold_up_the_loop() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    loop = asyncio.get_running_loop()
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_later(0.001, turn)

    turn()
    assert await authenticator.authenticate(ALICE_TOKEN, "") == ALICE
    assert turns > 5


async def test_a_changed_hash_is_verified_anew() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    assert await authenticator.authenticate(ALICE_TOKEN, "") == ALICE
    other = f"gw_{ALICE_ID}_{'t' * 32}"
    changed = replace(ALICE, token_hash=HASHER.hash(other))
    authenticator.set_viewers({"alice": changed})
    assert await authenticator.authenticate(ALICE_TOKEN, "") is None
    assert await authenticator.authenticate(other, "") == changed
    authenticator.set_viewers({})
    assert await authenticator.authenticate(other, "") is None


async def test_a_viewer_who_is_removed_meanwhile_does_not_come_in() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    asking = asyncio.create_task(authenticator.authenticate(ALICE_TOKEN, ""))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    authenticator.set_viewers({})
    assert await asking is None
    assert await authenticator.authenticate(ALICE_TOKEN, "") is None


@pytest.mark.fault(24)
async def test_guesses_lock_out_who_guesses_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = count_runs(monkeypatch)
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    wrong = f"gw_{ALICE_ID}_{'x' * 32}"
    for _ in range(5):
        assert await authenticator.authenticate(wrong, "192.0.2.1") is None
        assert await authenticator.authenticate("nobody's", "192.0.2.1") is None
    for token in (wrong, "nobody's", ALICE_TOKEN, TOKEN):
        with pytest.raises(TooManyTries) as caught:
            await authenticator.authenticate(token, "192.0.2.1")
        assert 1 <= caught.value.wait_s <= 300
    assert runs == ["alice"] * 5, "a guesser does not keep the processor busy either"
    assert await authenticator.authenticate(BOB_TOKEN, "192.0.2.1") == BOB, (
        "another viewer, same address"
    )
    assert await authenticator.authenticate(ALICE_TOKEN, "192.0.2.2") == ALICE, "from elsewhere"
    assert await authenticator.authenticate(TOKEN, "192.0.2.2") == OWNER
    assert await authenticator.authenticate(ALICE_TOKEN, "192.0.2.1") == ALICE, "known by now"


@pytest.mark.fault(24)
async def test_who_came_in_before_is_not_locked_out_by_a_neighbour() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    assert await authenticator.authenticate(TOKEN, "192.0.2.1") == OWNER
    assert await authenticator.authenticate(ALICE_TOKEN, "192.0.2.1") == ALICE
    for guess in ("wrong", f"gw_{ALICE_ID}_{'x' * 32}"):
        for _ in range(5):
            await authenticator.authenticate(guess, "192.0.2.1")
        with pytest.raises(TooManyTries):
            await authenticator.authenticate(guess, "192.0.2.1")
    assert await authenticator.authenticate(TOKEN, "192.0.2.1") == OWNER
    assert await authenticator.authenticate(ALICE_TOKEN, "192.0.2.1") == ALICE


@pytest.mark.fault(24)
async def test_a_token_that_nobody_guesses_is_never_locked_out() -> None:
    authenticator = Authenticator("x" * 32)
    for _ in range(5):
        assert await authenticator.authenticate("wrong", "192.0.2.1") is None
    assert await authenticator.authenticate("x" * 32, "192.0.2.1") == OWNER


def test_a_cookie_ends_with_the_viewer_it_is_for() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    cookies = {name: authenticator.make_cookie(viewer) for name, viewer in VIEWERS.items()}
    authenticator.set_viewers(
        {"bob": BOB, "alice": replace(ALICE, token_hash=HASHER.hash("another"))}
    )
    assert authenticator.read_cookie(cookies["alice"]) is None
    assert read(authenticator, cookies["bob"]).viewer == BOB
    authenticator.set_viewers({"alice": ALICE})
    assert read(authenticator, cookies["alice"]).viewer == ALICE
    assert authenticator.read_cookie(cookies["bob"]) is None


def test_what_is_held_ends_with_the_login() -> None:
    clock = SteppedClock()
    authenticator = Authenticator(TOKEN, viewers=VIEWERS, clock=clock.as_clock())
    said: list[tuple[str, str]] = []

    def hold(name: str, auth_context: AuthContext) -> Callable[[], None]:
        return auth_context.register(lambda reason: said.append((name, reason)))

    cookies = [authenticator.make_cookie(ALICE) for _ in range(2)]
    hold("signed out", read(authenticator, cookies[0]))
    hold("left", read(authenticator, cookies[1]))()
    hold("idle", read(authenticator, cookies[1]))
    hold("bearer", AuthContext(authenticator, ALICE))
    assert authenticator.count_streams("alice") == 3
    authenticator.sign_out(cookies[0])
    assert said == [("signed out", SIGNED_OUT)]
    clock.now_s += LOGIN_IDLE_S
    authenticator.sweep()
    assert said[1:] == [("idle", SIGNED_OUT)]
    authenticator.sweep()
    authenticator.set_viewers({"alice": ALICE})
    assert len(said) == 2
    authenticator.set_viewers({"alice": replace(ALICE, accounts=None)})
    assert said[2:] == [("bearer", ACCESS_CHANGED)]
    hold("too late", AuthContext(authenticator, ALICE))
    assert said[3:] == [("too late", ACCESS_CHANGED)]


async def test_a_viewers_file_that_is_being_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between emptying and filling it nobody is thrown out."""
    looks: list[object] = []
    stamp_of = find_stamp

    def look(path: Path) -> tuple[int, ...] | None:
        looks.append(path)
        return stamp_of(path)

    monkeypatch.setattr(access_module, "WATCH_S", 0.001)
    monkeypatch.setattr("gateway.web.auth.viewers.SETTLE_S", 60.0)
    monkeypatch.setattr(access_module, "find_stamp", look)
    path = tmp_path / "viewers.toml"
    await asyncio.to_thread(add_viewer, path, "alice", None)
    viewers = await asyncio.to_thread(read_viewers, path)
    authenticator = Authenticator(TOKEN, viewers=viewers)
    said: list[str] = []
    AuthContext(authenticator, viewers["alice"]).register(said.append)
    watching = asyncio.create_task(authenticator.watch(path))
    path.write_text("")
    seen = len(looks)
    await eventually(lambda: len(looks) > seen + 3)
    assert not said
    os.utime(path, (1, 1))
    await eventually(lambda: said == [ACCESS_CHANGED])
    watching.cancel()
    await asyncio.wait([watching])


def test_what_ends_leaves_no_count_behind() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    release = AuthContext(authenticator, ALICE).register(lambda reason: None)
    authenticator.set_viewers({})
    release()
    assert authenticator.count_streams("alice") == 0
