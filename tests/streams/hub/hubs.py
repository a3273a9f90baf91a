"""Hubs in virtual time, and what their clients read."""

import asyncio
import json
from decimal import Decimal
from typing import Any

from gateway.clock import Clock
from gateway.streams.hub.hub import Hub
from gateway.streams.hub.position import parse_event_id
from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.records import (
    DATA_TYPES,
)
from gateway.streams.topics import (
    ANY_ACCOUNT,
    MAIN_LOGIN,
    Owner,
)
from tests.sse import parse

EPOCH = "k3f9"


SYMBOLS = ["SPY", "QQQ", "/ESZ26:XCME", ".SPY261218C600"]


ACCOUNTS = ["5WX00001", "5WX00002"]


LOGINS = [MAIN_LOGIN, "ann"]
"""Both have accounts of the same numbers."""


OWNERS = [Owner(login, each) for login in LOGINS for each in ("", ANY_ACCOUNT, *ACCOUNTS)]
"""What may be granted: a login, all its accounts, or one of them."""
CONTROL = {"status", "heartbeat"}


def make_hub(**options: Any) -> Hub:
    clock = Clock(monotonic_s=asyncio.get_running_loop().time)
    return Hub(epoch=EPOCH, clock=clock, **options)


def everything() -> Subscription:
    return subscription_for(types=DATA_TYPES)


def parse_frames(chunk: bytes) -> list[tuple[int | None, dict[str, Any]]]:
    """Sequence (None without an id) and JSON of each frame; event name and type agree."""
    found = []
    for event in parse(chunk):
        body = json.loads(event.data, parse_float=Decimal)
        assert event.event == body["type"]
        parsed = None if event.id is None else parse_event_id(event.id)
        assert (event.id is None) == (parsed is None)
        assert parsed is None or parsed[0] == EPOCH
        found.append((parsed[1] if parsed else None, body))
    return found


async def turn(times: int = 5) -> None:
    """Let everything run that is ready."""
    for _ in range(times):
        await asyncio.sleep(0)
