"""A gateway whose lifespan nobody ran: it says so instead of showing pages without data."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from gateway.app import create_app
from gateway.web.middleware.require_start import NOT_STARTED
from tests.waiting import eventually_sync, scaled
from tests.web.running import HTML, get, make_settings


@contextmanager
def serve(app: ASGIApp, lifespan: str) -> Iterator[str]:
    """The address of an application on a plain uvicorn."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, lifespan=lifespan, log_config=None)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="foreign server")
        thread.start()
        try:
            eventually_sync(lambda: server.started or not thread.is_alive())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(scaled(10))
            assert not thread.is_alive()


@pytest.mark.fault(56)
@pytest.mark.parametrize("is_mounted", [False, True])
def test_without_a_lifespan_the_reason_is_shown(is_mounted: bool) -> None:
    """
    1. A server without a lifespan, or an application around the gateway that does not run it.
    Result: `/healthz` is well, `/readyz` answers 503 with the reason, and so do page and stream.
    """
    gateway = create_app(make_settings())
    app = Starlette(routes=[Mount("/gw", gateway)]) if is_mounted else gateway
    with serve(app, "on" if is_mounted else "off") as url:
        url += "/gw" * is_mounted
        assert get(f"{url}/healthz").status_code == 200
        ready = get(f"{url}/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"] == [NOT_STARTED]
        page = get(f"{url}/", headers=HTML)
        assert page.status_code == 503
        assert NOT_STARTED in page.text
        assert get(f"{url}/events").status_code == 503


def test_after_the_start_everything_is_served() -> None:
    gateway = create_app(make_settings())
    gateway.state.crash_listeners.append(lambda: None)
    with serve(gateway, "on") as url:
        assert get(f"{url}/", headers=HTML).status_code == 200
        assert NOT_STARTED not in get(f"{url}/readyz").text
