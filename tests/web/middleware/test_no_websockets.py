"""No websocket is served."""

import pytest

from tests.web.middleware.asking import ask_raw
from tests.web.running import Running

WEBSOCKET = (
    "GET {path} HTTP/1.1\nHost: localhost\nConnection: Upgrade, close\nUpgrade: websocket\n"
    "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
)


@pytest.mark.parametrize("path", ["/events?snapshot=only", "/healthz", "/ws"])
def test_no_websocket_is_served(running: Running, path: str) -> None:
    answer = ask_raw(running, WEBSOCKET.format(path=path))
    assert b" 101 " not in answer
    assert b"sec-websocket-accept" not in answer.lower()


async def test_a_server_that_offers_websockets_is_told_no(running: Running) -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/events", "headers": [], "scheme": "ws"}
    await running.app(scope, receive, send)
    assert [each["type"] for each in sent if isinstance(each, dict)] == ["websocket.close"]
