"""Order chains: what was done with an underlying so far, as the account streamer tells it; pure.

Tastytrade does not document them; the fields are those of its older clients.
"""

from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.amounts import ZERO, plain, signed
from gateway.simulator.broker.books.orders import Order
from gateway.simulator.broker.books.transactions import Transaction
from gateway.simulator.broker.catalogue.naming import iso

Body = dict[str, Any]


def describe_chain(account: Account, underlying: str) -> Body:
    """Return the chain of an underlying. Raises: ValueError when nothing was filled."""
    orders = [
        order
        for order in account.orders.values()
        if order.underlying == underlying and any(leg.fills for leg in order.legs)
    ]
    if not orders:
        raise ValueError(f"no order on {underlying} was filled")
    traded = [each for each in account.transactions if each.order_id in {o.id for o in orders}]
    times = [fill.at for order in orders for leg in order.legs for fill in leg.fills]
    entries = _open_entries(account, orders)
    cost = sum((each.value for each in traded), ZERO)
    fees = sum((each.fees for each in traded), ZERO)
    gained = account.gains.get(underlying, ZERO)
    computed: Body = {
        "open": bool(entries),
        "updated-at": iso(max(times)),
        "opened-at": iso(min(times)),
        "last-occurred-at": iso(max(times)),
        "open-entries": entries,
        "roll-count": 0,
    }
    computed |= signed("total-fees", -fees) | signed("total-cost", cost)
    computed |= signed("realized-gain", gained) | signed("realized-gain-with-fees", gained - fees)
    return {
        "id": orders[0].id,
        "account-number": account.number,
        "underlying-symbol": underlying,
        "description": f"{underlying} orders",
        "created-at": iso(min(times)),
        "updated-at": iso(max(times)),
        "computed-data": computed,
        "lite-nodes-sizes": len(orders),
        "lite-nodes": [_node(order, traded) for order in orders],
    }


def _node(order: Order, traded: list[Transaction]) -> Body:
    own = [each for each in traded if each.order_id == order.id]
    times = [fill.at for leg in order.legs for fill in leg.fills]
    body: Body = {
        "node-type": "order",
        "id": str(order.id),
        "description": order.order_type,
        "occurred-at": iso(max(times)),
        "order-fill-count": len(times),
        "legs": [
            {
                "symbol": leg.name,
                "instrument-type": leg.kind,
                "action": leg.action,
                "fill-quantity": plain(leg.quantity - leg.remaining),
                "order-quantity": plain(leg.quantity),
            }
            for leg in order.legs
        ],
    }
    body |= signed("total-fees", -sum((each.fees for each in own), ZERO))
    return body | signed("total-fill-cost", sum((each.value for each in own), ZERO))


def _open_entries(account: Account, orders: list[Order]) -> list[Body]:
    legs = {leg.symbol: leg for order in orders for leg in order.legs}
    found: list[Body] = []
    for symbol, leg in legs.items():
        held = account.positions.get(symbol)
        quantity = held.quantity if held is not None else Decimal(0)
        if quantity:
            found.append(
                {
                    "symbol": leg.name,
                    "instrument-type": leg.kind,
                    "quantity": plain(abs(quantity)),
                    "quantity-type": "Long" if quantity > 0 else "Short",
                    "quantity-numeric": plain(quantity),
                }
            )
    return found
