"""`GET /files/…`: the folder `static` beside the page files, for the styles and pictures of pages.

Viewers only, as pages are. What begins with a dot, and what a link leads out of the folder to, is
not there.
"""

import mimetypes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from gateway.pages.authoring.forbidden import OWN_FILES
from gateway.pages.authoring.library import Library


def routes(library: Library) -> list[BaseRoute]:
    """Return the route; none where no page comes from a file."""
    if library.files is None:
        return []
    mimetypes.init()  # reads files, at the first request otherwise
    files = StaticFiles(directory=library.files, check_dir=False)

    async def respond(request: Request) -> Response:
        path: str = request.path_params["path"]
        if any(part.startswith(".") for part in path.split("/")):
            raise HTTPException(404)
        response = await files.get_response(path, request.scope)
        # Asked for again each time, and mostly answered with 304: its author is changing it.
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    return [Route(OWN_FILES + "{path:path}", respond, methods=["GET"], name="files")]
