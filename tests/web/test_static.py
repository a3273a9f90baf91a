"""Static files: names that carry a hash, caching, compression, and nothing else served."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Mount

import gateway.web.static as static_module
from gateway.web.static import VENDORED, Assets, accepts_gzip, has_current

SCRIPT = b"console.log('live');\n" * 100
STYLE = b"body { margin: 0 }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "vendor").mkdir(parents=True)
    (folder / "vendor" / "lib.min.js").write_bytes(SCRIPT)
    (folder / "vendor" / "LICENSE").write_text("Do as you like.\n")
    (folder / "app.css").write_bytes(STYLE)
    (folder / "favicon.ico").write_bytes(bytes(2000))
    (folder / "notes.odd").write_bytes(b"?")
    (folder / ".hidden").write_text("not for you")
    return folder


@pytest.fixture
def assets(folder: Path) -> Assets:
    return Assets(folder, required=["vendor/lib.min.js"])


@pytest.fixture
async def client(assets: Assets) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[assets.route, Mount("/gw", routes=[assets.route])])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        client.headers["Accept-Encoding"] = "identity"
        yield client


def test_url_carries_a_hash_of_the_content(folder: Path, assets: Assets) -> None:
    before = assets.url("vendor/lib.min.js")
    assert re.fullmatch(r"/static/vendor/lib\.min\.[0-9a-f]{12}\.js", before)
    assert Assets(folder, required=()).url("vendor/lib.min.js") == before
    (folder / "vendor" / "lib.min.js").write_bytes(SCRIPT + b"// changed")
    assert Assets(folder, required=()).url("vendor/lib.min.js") != before


def test_url_of_a_file_without_suffix(assets: Assets) -> None:
    assert re.fullmatch(r"/static/vendor/LICENSE\.[0-9a-f]{12}", assets.url("vendor/LICENSE"))


def test_url_is_below_the_root_path(assets: Assets) -> None:
    assert assets.url("app.css", root_path="/gw") == "/gw" + assets.url("app.css")


@pytest.mark.parametrize("path", ["other.js", "", "../app.css", ".hidden", "vendor"])
def test_url_of_an_unknown_file_is_refused(assets: Assets, path: str) -> None:
    with pytest.raises(FileNotFoundError, match="there is no static file"):
        assets.url(path)


def test_missing_vendor_files_say_what_to_run(folder: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Assets(folder)
    message = str(caught.value)
    assert f"{', '.join(VENDORED)} not found" in message
    assert "make run" in message
    assert "\n" not in message


def test_a_folder_that_is_not_there_says_the_same(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make run"):
        Assets(tmp_path / "nowhere")


async def test_hashed_name_is_kept_for_a_year(client: httpx.AsyncClient, assets: Assets) -> None:
    response = await client.get(assets.url("vendor/lib.min.js"))
    assert response.status_code == 200
    assert response.content == SCRIPT
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-length"] == str(len(SCRIPT))
    assert "content-encoding" not in response.headers


async def test_plain_name_is_asked_for_again(client: httpx.AsyncClient) -> None:
    response = await client.get("/static/vendor/lib.min.js")
    assert response.content == SCRIPT
    assert response.headers["cache-control"] == "no-cache"


async def test_below_a_mount(client: httpx.AsyncClient, assets: Assets) -> None:
    response = await client.get(assets.url("app.css", root_path="/gw"))
    assert response.content == STYLE


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("app.css", "text/css; charset=utf-8"),
        ("favicon.ico", "image/x-icon"),
        ("notes.odd", "application/octet-stream"),
        ("vendor/LICENSE", "text/plain; charset=utf-8"),
    ],
)
async def test_content_type(client: httpx.AsyncClient, path: str, content_type: str) -> None:
    response = await client.get(f"/static/{path}")
    assert response.headers["content-type"] == content_type


@pytest.mark.parametrize(
    "path",
    [
        "/static/other.js",
        "/static/",
        "/static/vendor",
        "/static/.hidden",
        "/static/vendor/lib.min.000000000000.js",
        "/static/%2e%2e/static/app.css",
        "/static/..%2f..%2fpyproject.toml",
        "/static//app.css",
    ],
)
async def test_anything_else_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(client: httpx.AsyncClient, method: str) -> None:
    assert (await client.request(method, "/static/app.css")).status_code == 405


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_head_has_the_headers_of_get(client: httpx.AsyncClient, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    get = await client.get("/static/vendor/lib.min.js", headers=headers)
    head = await client.head("/static/vendor/lib.min.js", headers=headers)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers == get.headers


async def test_gzip_for_those_who_accept_it(client: httpx.AsyncClient, assets: Assets) -> None:
    url = assets.url("vendor/lib.min.js")
    async with client.stream("GET", url, headers={"Accept-Encoding": "br, gzip"}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["content-length"] == str(len(raw))
    assert len(raw) < len(SCRIPT)
    assert gzip.decompress(raw) == SCRIPT


async def test_both_encodings_vary_and_have_tags_of_their_own(client: httpx.AsyncClient) -> None:
    path = "/static/vendor/lib.min.js"
    identity = await client.get(path)
    zipped = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert identity.headers["vary"] == zipped.headers["vary"] == "Accept-Encoding"
    assert identity.headers["etag"] != zipped.headers["etag"]


@pytest.mark.parametrize("path", ["app.css", "favicon.ico"])
async def test_small_and_compressed_files_are_sent_as_they_are(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.get(f"/static/{path}", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers
    assert "vary" not in response.headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_not_modified(client: httpx.AsyncClient, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    first = await client.get("/static/vendor/lib.min.js", headers=headers)
    headers["If-None-Match"] = f'"other", W/{first.headers["etag"]}'
    second = await client.get("/static/vendor/lib.min.js", headers=headers)
    assert second.status_code == 304
    assert second.content == b""
    for name in ("etag", "cache-control", "vary"):
        assert second.headers[name] == first.headers[name]
    assert "content-encoding" not in second.headers
    assert "content-type" not in second.headers


async def test_modified(client: httpx.AsyncClient) -> None:
    response = await client.get("/static/app.css", headers={"If-None-Match": '"other"'})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.001", True),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("x-gzip-like", False),
    ],
)
def test_accepts_gzip(header: str, expected: bool) -> None:
    assert accepts_gzip(Headers({"accept-encoding": header})) is expected


def test_accepts_gzip_without_the_header() -> None:
    assert not accepts_gzip(Headers({}))


@pytest.mark.parametrize(
    ("header", "expected"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_has_current(header: str, expected: bool) -> None:
    assert has_current(Headers({"if-none-match": header}), '"a"') is expected


def test_one_style_sheet_has_all_of_them_in_order() -> None:
    """Every sheet of the folder is in it once: a forgotten one would be seen by nobody."""
    folder = Path(static_module.__file__).parents[1] / "static"
    found = {each.relative_to(folder).as_posix() for each in folder.rglob("*.css")}
    found = {each for each in found if not each.startswith("vendor/")}
    assert found == set(static_module.STYLE_SHEETS)
    bundle = Assets(folder, required=())._files[static_module.STYLE_SHEET].content.decode()
    places = [bundle.index((folder / name).read_text()) for name in static_module.STYLE_SHEETS]
    assert places == sorted(places)
