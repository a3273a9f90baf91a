"""The login form and the sign-out button."""

import pytest

from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.forms import MAX_FORM_BYTES, find_scheme_mistake, safe_target
from gateway.web.auth.throttle import Throttle
from tests.web.running import (
    TOKEN,
    Running,
    ask_status,
    get,
    log_in,
    post,
)


def test_a_wrong_token_gets_the_form_again(fresh: Running) -> None:
    answer = log_in(fresh, "wrong", "/status")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "not the gateway&#39;s token" in answer.text
    assert 'value="/status"' in answer.text


@pytest.mark.fault(28)
def test_logout_ends_the_cookie_even_when_it_is_sent_again(fresh: Running) -> None:
    cookie = log_in(fresh).cookies[COOKIE]
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    assert ask_status(fresh, "GET", "/status", headers) == 200
    answer = post(f"{fresh.url}/logout", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert ask_status(fresh, "GET", "/status", headers) == 401
    answer = post(f"{fresh.url}/logout", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 303


@pytest.mark.fault(24)
def test_the_sixth_guess_has_to_wait(fresh: Running) -> None:
    forged = {"X-Forwarded-For": "10.1.2.3"}
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert ask_status(fresh, "GET", "/status", right) == 200
    fresh.app.state.authenticator._owner_networks.clear()
    assert [log_in(fresh, "wrong").status_code for _ in range(5)] == [401] * 5
    answer = post(f"{fresh.url}/login", data={"token": "wrong"}, headers=forged)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert log_in(fresh).status_code == 429, "even the right one, or guessing would go on"
    wrong = {"Authorization": "Bearer wrong"}
    answer = get(f"{fresh.url}/status", headers=wrong | forged)
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    assert ask_status(fresh, "GET", "/status", right) == 429, "nor by another way in"


@pytest.mark.fault(24)
def test_guesses_lock_nobody_out_who_came_in_from_there_before(fresh: Running) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    cookie = {"Cookie": f"{COOKIE}={log_in(fresh).cookies[COOKIE]}"}
    for _ in range(200):
        log_in(fresh, "wrong")
    assert log_in(fresh, "wrong").status_code == 429
    assert ask_status(fresh, "GET", "/status", right) == 200
    assert ask_status(fresh, "GET", "/status", cookie) == 200
    assert log_in(fresh).status_code == 303


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "", 415),
        (b"token=" + b"x" * MAX_FORM_BYTES, "application/x-www-form-urlencoded", 413),
        (b"&".join([b"a=b"] * 9), "application/x-www-form-urlencoded", 400),
        (b"token=\xff", "application/x-www-form-urlencoded", 400),
        (b"token=%FF%FE", "application/x-www-form-urlencoded; charset=utf-8", 401),
        (b"token=", "application/x-www-form-urlencoded", 401),
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_odd_forms_are_refused(
    protected: Running, content: bytes, media_type: str, status: int
) -> None:
    protected.app.state.authenticator.throttle = Throttle()
    headers = {"Content-Type": media_type}
    answer = post(f"{protected.url}/login", content=content, headers=headers)
    assert answer.status_code == status


def test_an_open_gateway_needs_no_login(running: Running) -> None:
    assert running.app.state.authenticator.is_open
    assert ask_status(running, "GET", "/status", {}) == 200
    answer = log_in(running, "anything")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "",
        "x",
        "/a\r\nb: c",
        "/é",
        "javascript:alert(1)",
        "/" + "x" * 2048,
        "/a\\b",
    ],
)
def test_a_login_never_leads_elsewhere(target: str) -> None:
    assert safe_target(target) == "/"


@pytest.mark.parametrize("target", ["/", "/?a=b%20c", "/live/home?symbols=SPY,QQQ"])
def test_a_login_leads_back(target: str) -> None:
    assert safe_target(target) == target


def test_who_is_signed_in_needs_no_form(fresh: Running) -> None:
    cookie = {"Cookie": f"{COOKIE}={log_in(fresh).cookies[COOKIE]}"}
    answer = get(f"{fresh.url}/login?next=/status", headers=cookie)
    assert (answer.status_code, answer.headers["location"]) == (303, "/status")
    answer = get(f"{fresh.url}/login?next=//evil.example", headers=cookie)
    assert answer.headers["location"] == "/"
    wrong = {"Cookie": f"{COOKIE}=2.owner.x.1.1.x"}
    assert get(f"{fresh.url}/login", headers=wrong).status_code == 200


@pytest.mark.parametrize(
    ("scheme", "origin", "is_mistake"),
    [
        ("https", "http://gw.test", True),
        ("https", "https://gw.test", False),
        ("http", "http://gw.test", False),
        ("http", "https://gw.test", False),
        ("https", None, False),
    ],
)
def test_browser_and_proxy_must_agree_about_tls(
    scheme: str, origin: str | None, is_mistake: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A cookie for https that is set over http is dropped, without a word."""
    assert (find_scheme_mistake({"scheme": scheme}, origin) is not None) is is_mistake
    is_weak = (scheme, origin) == ("http", "https://gw.test")
    assert ("GATEWAY_TRUSTED_PROXIES" in caplog.text) is is_weak
