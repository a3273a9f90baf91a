"""Requests as they are written, to a running gateway or to its application."""

import socket

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import Message

from tests.waiting import scaled
from tests.web.running import Running


def ask_raw(gateway: Running, request: str) -> bytes:
    """The whole answer to a request as it is written here."""
    with socket.create_connection(("127.0.0.1", gateway.port), scaled(5)) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


async def ask_app(
    app: Starlette, method: str, path: str, headers: dict[str, str]
) -> tuple[int, Headers, bytes]:
    """Status, headers and the beginning of the body; the client leaves after its request."""
    sent: list[Message] = []
    received = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    name, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": name,
        "raw_path": name.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    body = b"".join(each.get("body", b"") for each in sent)
    return sent[0]["status"], Headers(raw=sent[0]["headers"]), body
