"""The process: listening socket, HTTP protocol, workers, feed process, logging.

`serve` and `open_socket` are what an application of one's own needs.
"""

from typing import Any

__all__ = ["open_socket", "serve"]


def __getattr__(name: str) -> Any:
    """Import the server at first use: a child process that only watches its parent spares it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gateway.server import server

    return getattr(server, name)
