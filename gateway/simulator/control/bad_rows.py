"""Control of bad rows: any field of any row by hand, and the kinds that broke clients before."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from gateway.simulator.broker.spoiling import Spoil
from gateway.simulator.world import World

Body = dict[str, Any]
POSITIONS = ("/positions", "CurrentPosition")
ORDERS = ("/orders", "Order")

RULE: Body = {
    "order-conditions": [
        {"id": "1", "action": "route", "symbol": "SPY", "instrument-type": "Equity",
         "indicator": "last", "comparator": "lte", "threshold": "400.0",
         "is-threshold-based-on-notional": False, "price-components": []},
    ],
}  # fmt: skip
STAMPS = ("received-at", "in-flight-at", "live-at", "terminal-at", "cancelled-at")


def _both(places: tuple[str, ...], **what: Any) -> tuple[Spoil, ...]:
    return tuple(Spoil(place, **what) for place in places)


KINDS: dict[str, tuple[Spoil, ...]] = {
    "new-instrument-type": _both(POSITIONS, fields={"instrument-type": "Perpetual"}),
    "effect-without-amount": _both(
        POSITIONS, fields={"realized-today-effect": "Debit"}, omitted=("realized-today",)
    ),
    "zero-close": _both(POSITIONS, fields={"close-price": "0.0"}),
    "no-day-basis": _both(POSITIONS, omitted=("average-daily-market-close-price",)),
    "unknown-status": _both(ORDERS, fields={"status": "Pondering"}),
    "bare-contingent": _both(
        ORDERS, fields={"status": "Contingent", "order-rule": RULE}, omitted=STAMPS
    ),
    "no-market-cap": (Spoil("/market-metrics", omitted=("market-cap",)),),
}


class BadRows:
    """The action that makes rows bad, until `{}` or a reset makes all of them good again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.actions: dict[str, Callable[[Body], Awaitable[int]]] = {"spoil": self.spoil}

    async def spoil(self, body: Body) -> int:
        """Spoil the rows at a place or in a known way, beside those spoilt before."""
        faults = self._world.faults
        if not body:
            faults.spoils = ()
            return 0
        match = dict(body.get("match", {}))
        if "kind" in body:
            faults.spoils += tuple(replace(each, match=match) for each in KINDS[body["kind"]])
        else:
            faults.spoils += (
                Spoil(
                    str(body["at"]),
                    match,
                    dict(body.get("set", {})),
                    tuple(body.get("omit", ())),
                    tuple(dict(row) for row in body.get("add", ())),
                ),
            )
        return len(faults.spoils)
