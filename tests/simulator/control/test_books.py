"""The switches of the books: every kind of order and how it ends, and late answers."""

import time
from typing import Any

from gateway.simulator.app import Simulator
from tests.simulator.client import get, get_token, switch

MAIN = "5WX00001"
LEG = {"action": "Buy to Open", "symbol": "KO", "quantity": 10}


async def read(simulator: Simulator, path: str) -> Any:
    at = simulator.addresses
    answer = await get(f"{at.rest}/accounts/{MAIN}/{path}", await get_token(at))
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def place(simulator: Simulator, **fields: Any) -> int:
    given = {"account": MAIN, "legs": [LEG], "price": "-1"} | fields
    placed = await switch(simulator.addresses, "order", **given)
    identity: int = placed["done"]
    return identity


async def test_an_order_is_rejected_with_a_reason(closed: Simulator) -> None:
    identity = await place(closed, until="Received")
    await switch(
        closed.addresses, "order", do="reject", account=MAIN, id=identity, reason="No margin"
    )
    order = await read(closed, f"orders/{identity}")
    assert (order["status"], order["reject-reason"]) == ("Rejected", "No margin")


async def test_an_order_is_replaced(closed: Simulator) -> None:
    old = await place(closed)
    new = (await switch(closed.addresses, "order", do="replace", account=MAIN, id=old, price="-2"))[
        "done"
    ]
    assert (await read(closed, f"orders/{new}"))["replaces-order-id"] == old
    assert (await read(closed, f"orders/{old}"))["replacing-order-id"] == new


async def test_a_trigger_releases_one_of_two(closed: Simulator) -> None:
    at = closed.addresses
    close = {**LEG, "action": "Sell to Close"}
    trigger = await place(closed)
    take = await place(closed, legs=[close], price="900", until="Contingent")
    stop = await place(
        closed, legs=[close], price=None, type="Stop", stop_trigger="1", until="Contingent"
    )
    tied = await switch(
        at, "order", do="tie", account=MAIN, kind="OTOCO", ids=[take, stop], trigger=trigger
    )
    body = await read(closed, f"complex-orders/{tied['done']}")
    assert body["trigger-order"]["id"] == trigger
    assert [order["status"] for order in body["orders"]] == ["Contingent", "Contingent"]
    await switch(at, "order", do="fill", account=MAIN, id=trigger)
    await switch(at, "order", do="fill", account=MAIN, id=stop, price="0.95")
    body = await read(closed, f"complex-orders/{tied['done']}")
    assert [order["status"] for order in body["orders"]] == ["Cancelled", "Filled"]
    assert body["terminal-at"]


async def test_a_trigger_that_is_cancelled_takes_the_rest_along(closed: Simulator) -> None:
    at = closed.addresses
    trigger, other = await place(closed), await place(closed, until="Contingent")
    await switch(at, "order", do="tie", account=MAIN, kind="OTO", ids=[other], trigger=trigger)
    await switch(at, "order", do="cancel", account=MAIN, id=trigger)
    assert (await read(closed, f"orders/{other}"))["status"] == "Cancelled"


async def test_answers_come_late_on_demand(closed: Simulator) -> None:
    at = closed.addresses
    token = await get_token(at)
    await switch(at, "rest", status=None, delay_s=0.2)
    begun_s = time.monotonic()
    answer = await get(f"{at.rest}/accounts/{MAIN}/balances", token)
    assert answer.status_code == 200
    assert time.monotonic() - begun_s >= 0.2
