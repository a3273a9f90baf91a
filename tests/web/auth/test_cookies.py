"""The session cookie's name, path and attributes."""

from gateway.web.auth.cookies import COOKIE, cookie_name
from gateway.web.auth.sessions import LOGIN_IDLE_S
from tests.web.running import TOKEN, Running, log_in


def test_the_cookie_is_for_this_site_only_and_no_script_reads_it(protected: Running) -> None:
    header = log_in(protected).headers["set-cookie"]
    assert header.startswith(f"{COOKIE}=2.owner.")
    assert TOKEN not in header
    assert "HttpOnly" in header
    assert "SameSite=strict" in header
    assert "Path=/" in header
    assert f"Max-Age={LOGIN_IDLE_S:.0f}" in header
    assert "Domain" not in header
    assert "Secure" not in header, "the gateway is asked without TLS here"


def test_with_tls_the_cookie_is_bound_to_the_host() -> None:
    assert cookie_name({"scheme": "https"}) == f"__Host-{COOKIE}"
    assert cookie_name({"scheme": "http"}) == COOKIE
