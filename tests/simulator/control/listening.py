"""What control tests hear on a connection of the feed."""

import anyio
import pytest

from tests.simulator.client import (
    DXLink,
)


async def assert_silent(link: DXLink, seconds: float = 0.25) -> None:
    """Nothing comes for a while."""
    with pytest.raises(TimeoutError):
        with anyio.fail_after(seconds):
            await link.socket.recv()


async def drain(link: DXLink) -> None:
    """Take what is already on its way."""
    with anyio.move_on_after(0.15):
        while True:
            await link.socket.recv()
