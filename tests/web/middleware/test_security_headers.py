"""Every answer has the security headers."""

import pytest

from gateway.web.middleware.security_headers import SECURITY_HEADERS
from tests.web.running import Running, get


@pytest.mark.fault(25, 27)
@pytest.mark.parametrize("path", ["/", "/login", "/healthz", "/nothing", "/events?snapshot=only"])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_the_headers(running: Running, path: str, host: str) -> None:
    answer = get(running.url + path, headers={"Host": host})
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "no-store" in answer.headers["cache-control"]


def test_static_files_keep_their_own_caching(running: Running) -> None:
    answer = get(f"{running.url}/static/login.js")
    assert answer.headers["cache-control"] == "no-cache"
