"""The folder `static` beside the page files: served to viewers, its style sheets on every page."""

from pathlib import Path

import pytest

from tests.web.running import TOKEN, get, make_protected, make_settings, open_gateway

PAGE = """
from gateway.pages import page, text

@page("/mine")
def mine():
    text("Hello")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "my_page.py"
    file.write_text(PAGE)
    files = tmp_path / "static"
    (files / "deep").mkdir(parents=True)
    (files / "own.css").write_text(".mine { color: red }")
    (files / ".hidden.css").write_text("x")
    (files / "deep" / "logo.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    (files / "link.txt").symlink_to(tmp_path / "secret.txt")
    return file


def test_it_is_served_and_its_sheets_are_on_every_page(file: Path) -> None:
    with open_gateway(make_settings(pages=str(file))) as gateway:
        answer = get(f"{gateway.url}/files/own.css")
        etag = {"If-None-Match": answer.headers["etag"]}
        again = get(f"{gateway.url}/files/own.css", headers=etag)
        deep = get(f"{gateway.url}/files/deep/logo.svg")
        pages = [get(f"{gateway.url}{path}").text for path in ("/", "/mine")]
    assert (answer.status_code, answer.text) == (200, ".mine { color: red }")
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, deep.status_code) == (304, 200)
    for page in pages:
        assert '<link rel="stylesheet" href="/files/own.css">' in page
        assert ".hidden" not in page


def test_nothing_else_is(file: Path) -> None:
    paths = ["", "none.css", ".hidden.css", "deep", "%2e%2e/secret.txt", "..%2fsecret.txt"]
    with open_gateway(make_settings(pages=str(file))) as gateway:
        for path in [*paths, "link.txt"]:
            answer = get(f"{gateway.url}/files/{path}")
            assert answer.status_code == 404, path
            assert "secret" not in answer.text


def test_it_is_for_viewers(file: Path) -> None:
    with open_gateway(make_protected(pages=str(file), token=TOKEN)) as gateway:
        url = f"{gateway.url}/files/own.css"
        assert get(url).status_code == 401
        assert get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
