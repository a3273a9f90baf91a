"""Control of what comes to customers beside orders: transfers of money, and alerts on prices."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from gateway.simulator.world import Login, World

Body = dict[str, Any]


class Customers:
    """Actions on one customer; `customer` in a body is the first one by default."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.actions: dict[str, Callable[[Body], Awaitable[int]]] = {
            "transfer": self.transfer,
            "quote_alert": self.quote_alert,
        }

    async def transfer(self, body: Body) -> int:
        """Send money on its way, or let it come (`id`); pushed at once. Returns its id."""
        world, ledger = self._world, self._login(body).ledger
        now = world.market_time()
        if "id" in body:
            made = world.transfers.settle(ledger, int(body["id"]), now)
        else:
            amount = Decimal(str(body["amount"]))
            if not amount.is_finite():
                raise ValueError(f"{amount} is no amount")
            made = world.transfers.begin(ledger, body["account"], amount, now)
        await world.push()
        return made.id

    async def quote_alert(self, body: Body) -> int:
        """Set an alert; pushed as soon as the market meets it. Returns how many there are."""
        world = self._world
        external_id = self._login(body).customer.external_id
        world.alerts.add(
            world.market,
            external_id,
            symbol=str(body.get("symbol", "SPY")),
            field=str(body.get("field", "Last")),
            operator=str(body.get("operator", ">")),
            threshold=float(body["threshold"]),
        )
        world.match_alerts()
        await world.push()
        return len(world.alerts.list_of(external_id))

    def _login(self, body: Body) -> Login:
        logins = self._world.logins
        return logins[body.get("customer") or next(iter(logins))]
