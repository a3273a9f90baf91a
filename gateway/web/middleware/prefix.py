"""Serves the gateway below a path, whether or not the proxy in front cuts that path off."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.problem import root_path_of

MAX_PREFIX_LENGTH = 256

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*/?\Z")


class Prefix:
    """Serves everything below `root_path`, the setting GATEWAY_ROOT_PATH."""

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = parse_prefix(root_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._root_path:
            add_prefix(scope, self._root_path)
        await self._app(scope, receive, send)


def parse_prefix(text: str) -> str:
    """Return a prefix in its one spelling: `/gw`, `/a/b`, or nothing.

    Raises:
        ValueError: with a sentence for people, when it is no path or leads out of itself.
    """
    prefix = text.strip()
    parts = prefix.split("/")
    if len(prefix) > MAX_PREFIX_LENGTH or not _PREFIX.match(prefix) or {".", ".."} & {*parts}:
        raise ValueError("must be a path such as /gateway")
    return prefix.rstrip("/")


def add_prefix(scope: Scope, prefix: str) -> None:
    """Put a prefix in front of the request's path, unless it is there (ASGI: `root_path`)."""
    root_path, path = root_path_of(scope), str(scope["path"])
    if not _is_below(root_path, prefix):
        scope["root_path"] = prefix + root_path
    if not _is_below(path, scope["root_path"]):
        # The proxy cut it off; an application around us may have put its own part back.
        added = str(scope["root_path"])
        if _is_below(path, root_path):
            added = added.removesuffix(root_path)
        scope["path"] = added + path
        if isinstance(raw := scope.get("raw_path"), bytes):
            scope["raw_path"] = added.encode() + raw


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
