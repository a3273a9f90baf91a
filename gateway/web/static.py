"""The files of `gateway/static/`, under names that carry a hash of their content.

A hashed name never changes its meaning, so browsers keep it for a year; a plain name (favicon,
a style sheet's `url(…)`) is asked for again each time and mostly answered with 304. Everything
is read, hashed and compressed once, at the start: the files are few and small.
"""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

VENDORED = (  # fetched by hatch_build.py
    "vendor/htmx.min.js",
    "vendor/hx-sse.min.js",
    "vendor/uplot.min.js",
    "vendor/uplot.min.css",
)

STYLE_SHEET = "page.css"
STYLE_SHEETS = (
    "app.css",
    *(
        f"css/{name}.css"
        for name in (
            *("bar", "quotes", "layout", "cards", "lists", "chain", "net-liq", "panels", "chart"),
            *("old", "narrow", "output"),
        )
    ),
)
"""What `page.css` is made of, in this order: one request instead of thirteen before the first
paint, and the later ones overrule the earlier."""

PREFIX = "/static"
HASH_DIGITS = 12  # of a sha256: 48 bits, enough to tell versions of one file apart
MIN_GZIP_BYTES = 1024  # below that, the answer fits into one packet anyway

FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

# Not `mimetypes`, whose answers depend on the machine's own tables.
CONTENT_TYPES = {
    "": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
COMPRESSED_ALREADY = {".ico", ".png", ".woff2"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent; `gzipped` is None where compressing does not pay."""

    content: bytes
    gzipped: bytes | None
    content_type: str
    digest: str


class Assets:
    """The files of one folder as they were when this was made; nothing is read later."""

    def __init__(self, folder: Path, required: Iterable[str] = VENDORED) -> None:
        """Raises: FileNotFoundError, when `required` files are not in `folder`."""
        self._files: dict[str, StaticFile] = {}
        self._hashed: dict[str, str] = {}
        self._plain: dict[str, str] = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                self._add(name.as_posix(), path.read_bytes())
        if all(name in self._files for name in STYLE_SHEETS):
            sheets = [self._files[name].content for name in STYLE_SHEETS]
            self._add(STYLE_SHEET, b"\n".join(sheets))
        if missing := [name for name in required if name not in self._files]:
            raise FileNotFoundError(
                f"{', '.join(missing)} not found in {folder}: the build fetches the browser "
                "libraries, so run `make run`, or `pip install -e .`"
            )

    def url(self, path: str, root_path: str = "") -> str:
        """Return the address of a file by its hashed name, below `root_path`.

        Raises: FileNotFoundError, for a file that was not there at the start.
        """
        try:
            return f"{root_path}{PREFIX}/{self._hashed[path]}"
        except KeyError:
            raise FileNotFoundError(f"there is no static file {path}") from None

    @property
    def route(self) -> Route:
        """The route that answers GET and HEAD for these files below /static."""
        return Route(PREFIX + "/{path:path}", self._respond, methods=["GET"], name="static")

    def _add(self, name: str, content: bytes) -> None:
        path = PurePosixPath(name)
        digest = hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
        hashed = path.with_name(f"{path.stem}.{digest}{path.suffix}").as_posix()
        gzipped = None
        if len(content) > MIN_GZIP_BYTES and path.suffix not in COMPRESSED_ALREADY:
            gzipped = gzip.compress(content, mtime=0)
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        self._files[name] = StaticFile(content, gzipped, content_type, digest)
        self._hashed[name] = hashed
        self._plain[hashed] = name

    async def _respond(self, request: Request) -> Response:
        name: str = request.path_params["path"]
        is_hashed = name in self._plain
        file = self._files.get(self._plain[name] if is_hashed else name)
        if file is None:
            raise HTTPException(404)
        content, etag = file.content, f'"{file.digest}"'
        headers = {
            "Cache-Control": FOREVER if is_hashed else ASK_AGAIN,
            "X-Content-Type-Options": "nosniff",
        }
        if file.gzipped is not None:
            headers["Vary"] = "Accept-Encoding"
            if accepts_gzip(request.headers):
                content, etag = file.gzipped, f'"{file.digest}-gzip"'
                headers["Content-Encoding"] = "gzip"
        headers["ETag"] = etag
        if has_current(request.headers, etag):
            headers.pop("Content-Encoding", None)
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = file.content_type
        headers["Content-Length"] = str(len(content))
        return Response(b"" if request.method == "HEAD" else content, headers=headers)


def accepts_gzip(headers: Headers) -> bool:
    """Return whether Accept-Encoding (RFC 9110, 12.5.3) allows gzip, by name or by `*`."""
    accepted: dict[str, bool] = {}
    for item in ",".join(headers.getlist("accept-encoding")).split(","):
        coding, *parameters = item.replace(" ", "").lower().split(";")
        accepted[coding] = not any(is_zero(parameter) for parameter in parameters)
    return accepted.get("gzip", accepted.get("*", False))


def is_zero(parameter: str) -> bool:
    """Return whether a parameter is a quality of nothing: `q=0`, up to three more zeros."""
    return parameter in {"q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000"}


def has_current(headers: Headers, etag: str) -> bool:
    """Return whether If-None-Match (RFC 9110, 13.1.2) names `etag`, so that 304 will do."""
    names = ",".join(headers.getlist("if-none-match")).split(",")
    return any(name.strip().removeprefix("W/") in {etag, "*"} for name in names)
