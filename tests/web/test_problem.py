"""Errors: JSON for programs, a page for people, internals for nobody."""

from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.web.middleware.security_headers import SECURITY_HEADERS
from gateway.web.problem import is_program_path, wants_page
from tests.web.running import (
    Running,
    ask,
    get,
    open_gateway,
)

HTML = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture(scope="module")
def broken() -> Iterator[Running]:
    """A gateway whose /status and / raise."""

    async def fail(request: Request) -> Response:
        raise RuntimeError("an internal detail")

    with open_gateway() as gateway:
        for route in gateway.app.routes:
            if getattr(route, "path", "") in {"/status", "/"}:
                route.app = _as_app(fail)  # type: ignore[attr-defined]
        yield gateway


def _as_app(endpoint: object) -> object:
    from starlette.routing import request_response

    return request_response(endpoint)  # type: ignore[arg-type]


def test_programs_get_json(running: Running) -> None:
    answer = get(f"{running.url}/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
    }


def test_people_get_a_page(running: Running) -> None:
    answer = get(f"{running.url}/nothing", headers=HTML)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Not Found</h1>" in answer.text
    assert "There is nothing at this address." in answer.text


@pytest.mark.parametrize("path", ["/events?sybmols=1", "/api/snapshot?sybmols=1", "/api/nothing"])
def test_streams_and_the_api_answer_json_even_to_browsers(running: Running, path: str) -> None:
    answer = get(running.url + path, headers=HTML)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_method_that_does_not_exist_is_told_what_does(running: Running) -> None:
    answer = ask("DELETE", f"{running.url}/login", headers=HTML)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert "Method Not Allowed" in answer.text


@pytest.mark.parametrize(("path", "kind"), [("/status", "problem+json"), ("/", "text/html")])
def test_a_crash_shows_no_internals(
    broken: Running, path: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = get(broken.url + path, headers=HTML)
    assert answer.status_code == 500
    assert kind in answer.headers["content-type"]
    assert "internal detail" not in answer.text
    assert "Traceback" not in answer.text
    assert "trying again may help" in answer.text
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        ("/", "text/html", True),
        ("/", "TEXT/HTML;q=1", True),
        ("/", "*/*", False),
        ("/", "", False),
        ("/events", "text/html", False),
        ("/live/home", "text/html", False),
        ("/login", "text/html", True),
    ],
)
def test_who_gets_a_page(path: str, accept: str, expected: bool) -> None:
    assert wants_page(path, accept) is expected


def test_a_page_may_begin_like_a_program_path() -> None:
    assert not is_program_path("/")
    assert is_program_path("/events")
