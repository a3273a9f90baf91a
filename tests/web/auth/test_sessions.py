"""How long a session lasts, what ends it, and that nobody forges its cookie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.auth.authenticator import Authenticator
from gateway.web.auth.sessions import LOGIN_IDLE_S, LOGIN_LIFE_S
from gateway.web.auth.viewers import OWNER
from tests.web.auth.people import ALICE, VIEWERS, SteppedClock, read
from tests.web.running import TOKEN


def test_a_cookie_lives_until_its_time_and_over_a_restart() -> None:
    clock = SteppedClock()
    authenticator = Authenticator(TOKEN, viewers=VIEWERS, clock=clock.as_clock())
    for viewer in (OWNER, ALICE):
        cookie = authenticator.make_cookie(viewer)
        assert read(authenticator, cookie).viewer == viewer
        assert (
            read(Authenticator(TOKEN, viewers=VIEWERS, clock=clock.as_clock()), cookie).viewer
            == viewer
        )
        other = Authenticator("another-token-of-ours", viewers=VIEWERS, clock=clock.as_clock())
        assert other.read_cookie(cookie) is None
        assert authenticator.make_cookie(viewer) != cookie
        clock.now_s += LOGIN_IDLE_S - 1
        assert authenticator.read_cookie(cookie)
        clock.now_s += 1
        assert authenticator.read_cookie(cookie) is None


def test_a_login_that_is_used_lives_longer_but_not_for_ever() -> None:
    clock = SteppedClock()
    authenticator = Authenticator(TOKEN, clock=clock.as_clock())
    cookie, began_s = authenticator.make_cookie(OWNER), clock.now_s
    session = cookie.split(".")[2]
    assert authenticator.renew(read(authenticator, cookie)) is None, "it is fresh"
    renewed = 0
    while authenticator.read_cookie(cookie):
        fresh = authenticator.renew(read(authenticator, cookie))
        if fresh is not None:
            assert fresh.split(".")[2] == session
            assert authenticator.max_age_s(float(fresh.split(".")[3])) <= LOGIN_IDLE_S
            cookie, renewed = fresh, renewed + 1
        clock.now_s += 1800
    assert clock.now_s - began_s == LOGIN_LIFE_S
    assert renewed == LOGIN_LIFE_S / 3600 - 1


def test_use_counts_for_the_session_not_for_one_copy_of_its_cookie() -> None:
    clock = SteppedClock()
    authenticator = Authenticator(TOKEN, clock=clock.as_clock())
    cookie = authenticator.make_cookie(OWNER)
    clock.now_s += LOGIN_IDLE_S - 1
    fresh = authenticator.renew(read(authenticator, cookie))
    assert fresh is not None
    clock.now_s += 10
    assert authenticator.read_cookie(cookie), "a stream that began with it goes on"
    authenticator.sign_out(fresh)
    assert authenticator.read_cookie(cookie) is None
    assert authenticator.read_cookie(fresh) is None


def test_nobody_becomes_another_by_the_name_in_the_cookie() -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    cookie = authenticator.make_cookie(ALICE)
    for name in ("bob", "owner", "carol", ""):
        assert authenticator.read_cookie(cookie.replace("alice", name)) is None


@given(st.data())
def test_a_changed_cookie_is_none(data: st.DataObject) -> None:
    authenticator = Authenticator(TOKEN, viewers=VIEWERS)
    cookie = authenticator.make_cookie(data.draw(st.sampled_from([OWNER, ALICE])))
    index = data.draw(st.integers(0, len(cookie) - 1))
    letter = data.draw(st.characters().filter(lambda each: each != cookie[index]))
    assert authenticator.read_cookie(cookie[:index] + letter + cookie[index + 1 :]) is None
    assert authenticator.read_cookie(cookie[:index]) is None


@pytest.mark.fault(18)
def test_a_clock_that_steps_signs_nobody_out() -> None:
    clock = SteppedClock()
    authenticator = Authenticator(TOKEN, clock=clock.as_clock())
    cookie = authenticator.make_cookie(OWNER)
    for step_s in (3600, -7200):
        clock.now_s += step_s
        assert authenticator.read_cookie(cookie)


def test_logged_out_sessions_are_forgotten_when_they_would_have_ended() -> None:
    clock = SteppedClock()
    authenticator = Authenticator(TOKEN, clock=clock.as_clock())
    for _ in range(3):
        authenticator.sign_out(authenticator.make_cookie(OWNER))
        authenticator.sign_out("none of ours")
        clock.now_s += LOGIN_LIFE_S
    assert len(authenticator.sessions.revoked) == 1
