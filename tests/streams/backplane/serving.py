"""A Valkey server and the backplane over it."""

from gateway.streams.backplane.codec import make_holder
from gateway.streams.backplane.server import Backplane

LEASE_S = 30.0
ONE, TWO = make_holder("one", LEASE_S), make_holder("two", LEASE_S)


async def acquire(
    backplane: Backplane,
    holder: str = ONE,
    *,
    now_ms: int = 1000,
    floor: int = 0,
    accept: bool = False,
    lease_s: float = LEASE_S,
) -> tuple[str, str]:
    return await backplane.acquire(
        holder, lease_s, now_ms, floor=floor, accept=accept, stand_by_s=LEASE_S
    )
