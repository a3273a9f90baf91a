"""A slash at the end of an address means nothing, unless a route was declared with it."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gateway.app import create_app
from tests.web.running import Running, ask, make_settings
from tests.web.test_mounting import serve


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path", ["/status/", "/metrics/", "/healthz/", "/api/snapshot/", "/events/?snapshot=only", "//"]
)
def test_it_is_taken_off(running: Running, method: str, path: str) -> None:
    assert ask(method, running.url + path).status_code == 200


def test_a_route_that_has_one_keeps_it() -> None:
    async def mine(request: object) -> PlainTextResponse:
        return PlainTextResponse("mine")

    app = create_app(make_settings(), routes=[Route("/mine/", mine), Route("/other", mine)])
    app.state.crash_listeners.append(lambda: None)
    with serve(app) as url:
        assert ask("GET", f"{url}/mine/").text == "mine"
        assert ask("GET", f"{url}/mine").status_code == 404
        assert ask("GET", f"{url}/other/").text == "mine"
