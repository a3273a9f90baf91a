"""The gateway as a part of another application: below a prefix, with routes and middleware."""

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.app import create_app
from gateway.errors import ConfigurationError
from gateway.pages import PageError, metric, page
from tests.pages.reading import parse_html
from tests.waiting import eventually_sync, scaled
from tests.web.running import TOKEN, make_protected, make_quote, make_settings

HTML = {"Accept": "text/html"}


@page("/desk", title="Desk")
def desk() -> None:
    metric("SPY")


@contextmanager
def serve(app: ASGIApp) -> Iterator[str]:
    """The address of any ASGI application on a plain uvicorn."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    def run() -> None:
        asyncio.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run, name="foreign server")
    thread.start()
    try:
        eventually_sync(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(scaled(10))
        listener.close()
        assert not thread.is_alive()


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello from around")


@contextmanager
def serve_mounted(**settings: Any) -> Iterator[tuple[str, Starlette]]:
    """A foreign application with the gateway below /gw."""
    make = make_protected if "token" in settings else make_settings
    gateway = create_app(make(**settings), pages=[desk])
    gateway.state.crash_listeners.append(lambda: None)
    foreign = Starlette(
        routes=[Route("/hello", hello), Mount("/gw", gateway)],
        lifespan=gateway.router.lifespan_context,
    )
    with serve(foreign) as url:
        yield url, gateway


def read_stream(url: str, words: str, **options: Any) -> str:
    """What a stream says until it says these words."""
    found = ""
    with httpx.stream("GET", url, timeout=scaled(10), trust_env=False, **options) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_text():
            found += chunk
            if words in found:
                break
    return found


def test_below_a_prefix_page_stream_and_files_work() -> None:
    with serve_mounted() as (url, gateway):
        gateway.state.context.hub.publish(make_quote("SPY", "450.25"))
        assert httpx.get(f"{url}/hello").text == "hello from around"
        for path, words in (("/gw/", "450.25"), ("/gw/desk", "450.25")):
            answer = httpx.get(url + path)
            assert answer.status_code == 200
            assert words in answer.text
            root = parse_html(answer.text.removeprefix("<!doctype html>"))
            files = [each.attributes["src"] for each in root.find("script")]
            files += [each.attributes["href"] for each in root.find("link")]
            scripts = [each.attributes for each in root.find("script")]
            libraries = [each["data-uplot"] for each in scripts if "data-uplot" in each]
            assert len(libraries) == 1
            files += libraries
            assert all(str(each).startswith("/gw/static/") for each in files)
            for each in files:
                assert httpx.get(f"{url}{each}").status_code == 200
            links = [each.attributes["href"] for each in root.find("nav")[0].find("a")]
            assert links == ["/gw/", "/gw/desk"]
            stream = root.find("div", id="stream")[0].attributes["hx-sse:connect"]
            assert str(stream).startswith("/gw/live/")
            assert "450.25" in read_stream(f"{url}{stream}", "450.25")
        assert "quote_update" in read_stream(f"{url}/gw/events?symbols=SPY", "quote_update")
        assert httpx.get(f"{url}/gw/api/snapshot").status_code == 200


def test_below_a_prefix_the_list_is_changed_there() -> None:
    with serve_mounted() as (url, _), httpx.Client(base_url=url) as client:
        answer = client.post("/gw/watchlist", data={"add": "tsla"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/gw/")
        assert "Path=/gw/" in answer.headers["set-cookie"]
        assert "TSLA" in client.get("/gw/").text


def test_below_a_prefix_errors_are_pages_or_problems() -> None:
    with serve_mounted() as (url, _):
        missing = httpx.get(f"{url}/gw/nothing", headers=HTML)
        assert missing.status_code == 404
        assert 'href="/gw/"' in missing.text
        assert "/gw/static/page" in missing.text
        problem = httpx.get(f"{url}/gw/live/nothing", headers=HTML)
        assert problem.headers["content-type"] == "application/problem+json"
        assert httpx.get(f"{url}/nothing", headers=HTML).text == "Not Found", "not ours to say"


def test_below_a_prefix_the_login_works() -> None:
    with serve_mounted(token=TOKEN) as (url, _), httpx.Client(base_url=url, headers=HTML) as client:
        answer = client.get("/gw/desk?days=5")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/gw/login?next=%2Fgw%2Fdesk%3Fdays%3D5"
        form = client.get(answer.headers["location"])
        assert 'action="/gw/login"' in form.text
        assert "/gw/static/login" in form.text
        target = re.findall(r'name="next" value="([^"]*)"', form.text)
        assert target == ["/gw/desk?days=5"]
        answer = client.post("/gw/login", data={"next": target[0], "token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/gw/desk?days=5")
        assert client.get("/gw/desk").status_code == 200
        answer = client.post("/gw/login", data={"token": TOKEN})
        assert answer.headers["location"] == "/gw/"
        answer = client.post("/gw/logout")
        assert answer.headers["location"] == "/gw/login"
        assert client.get("/gw/desk").status_code == 303


class Stamp:
    """A middleware of somebody else's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamp(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stamp", b"1")]
            await send(message)

        await self._app(scope, receive, stamp)


def test_routes_middleware_and_lifespan_are_added() -> None:
    seen = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seen.append("begin")
        yield
        seen.append("end")

    app = create_app(
        make_protected(token=TOKEN),
        routes=[Route("/mine", hello)],
        middleware=[Middleware(Stamp)],
        lifespan=lifespan,
    )
    app.state.crash_listeners.append(lambda: None)
    with serve(app) as url:
        assert seen == ["begin"]
        refused = httpx.get(f"{url}/mine")
        assert refused.status_code == 401, "routes are for viewers"
        assert "x-stamp" not in refused.headers, "only what was let in is seen"
        answer = httpx.get(f"{url}/mine", headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.text, answer.headers["x-stamp"]) == ("hello from around", "1")
        assert "content-security-policy" in answer.headers
    assert seen == ["begin", "end"]


def test_pages_are_a_file_a_folder_or_functions(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        create_app(make_settings(), pages=tmp_path / "none.py")
    with pytest.raises(PageError, match="both at"):
        create_app(make_settings(), pages=[desk, page("/desk")(lambda: None)])
    (tmp_path / "mine.py").write_text(
        'from gateway.pages import metric, page\n\n@page("/mine")\ndef mine():\n    metric("SPY")\n'
    )
    settings = make_settings(pages=str(tmp_path))
    app = create_app(settings)
    app.state.crash_listeners.append(lambda: None)
    with serve(app) as url:
        assert httpx.get(f"{url}/mine").status_code == 200
        assert httpx.get(f"{url}/desk").status_code == 404
