"""Orders over REST: searches, today's, single ones, complex ones, and odd ones on demand."""

from typing import Any

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.client import get, get_token, post, switch

MAIN = "5WX00001"
LEG = {"action": "Buy to Open", "symbol": "KO", "quantity": 10}


async def read(simulator: Simulator, path: str, **query: Any) -> Any:
    at = simulator.addresses
    answer = await get(f"{at.rest}{path}", await get_token(at), **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_an_order_goes_through_its_stages(closed: Simulator) -> None:
    at = closed.addresses
    placed = await switch(at, "order", account=MAIN, legs=[LEG], price="-10.5", until="Routed")
    identity = placed["done"]
    order = await read(closed, f"/accounts/{MAIN}/orders/{identity}")
    assert (order["status"], order["price"], order["price-effect"]) == ("Routed", "10.5", "Debit")
    assert isinstance(order["updated-at"], int)
    assert "live-at" not in order
    assert "terminal-at" not in order
    common: dict[str, Any] = {"account": MAIN, "id": identity}
    await switch(at, "order", do="advance", status="Live", **common)
    await switch(at, "order", do="fill", quantity=4, price="-10.25", **common)
    order = await read(closed, f"/accounts/{MAIN}/orders/{identity}")
    (leg,) = order["legs"]
    assert (order["status"], leg["remaining-quantity"]) == ("Live", 6)
    assert (leg["fills"][0]["fill-price"], leg["fills"][0]["quantity"]) == ("10.25", 4)
    await switch(at, "order", do="cancel", **common)
    order = await read(closed, f"/accounts/{MAIN}/orders/{identity}")
    assert (order["status"], order["cancelled-size"]) == ("Cancelled", 6)
    assert {"received-at", "live-at", "cancelled-at", "terminal-at"} <= order.keys()


async def test_what_an_account_starts_with(closed: Simulator) -> None:
    live = (await read(closed, f"/accounts/{MAIN}/orders/live"))["items"]
    statuses = {order["status"] for order in live}
    assert statuses == {"Live", "Filled", "Cancelled", "Contingent", "Rejected"}
    (contingent,) = (order for order in live if order["status"] == "Contingent")
    # A rule that has not triggered has none of the times of that.
    assert contingent["order-rule"].keys() == {"order-conditions"}
    (refused,) = (order for order in live if order["status"] == "Rejected")
    assert refused["reject-reason"]
    (replaced,) = (order for order in live if "replacing-order-id" in order)
    new = await read(closed, f"/accounts/{MAIN}/orders/{replaced['replacing-order-id']}")
    assert new["replaces-order-id"] == replaced["id"]
    (tied,) = (await read(closed, f"/accounts/{MAIN}/complex-orders/live"))["items"]
    assert tied["type"] == "OCO"
    assert {part["complex-order-id"] for part in tied["orders"]} == {tied["id"]}
    assert await read(closed, f"/accounts/{MAIN}/complex-orders/{tied['id']}") == tied
    assert (await read(closed, f"/accounts/{MAIN}/complex-orders"))["items"] == [tied]


async def test_orders_of_all_accounts_and_filters(closed: Simulator) -> None:
    at, other = closed.addresses, closed.addresses.accounts[1]
    await switch(at, "order", account=other, legs=[LEG], price="-1")
    everything = (await read(closed, "/customers/me/orders/live"))["items"]
    assert {order["account-number"] for order in everything} == {MAIN, other}
    query = {"account-numbers[]": other}
    (only,) = (await read(closed, "/customers/me/orders/live", **query))["items"]
    assert only["account-number"] == other
    working = await read(closed, f"/accounts/{MAIN}/orders", **{"status[]": "Live"})
    assert {order["status"] for order in working["items"]} == {"Live"}
    ko = await read(closed, f"/accounts/{MAIN}/orders", **{"underlying-symbol": "KO"})
    assert {order["underlying-symbol"] for order in ko["items"]} == {"KO"}
    later = await read(closed, f"/accounts/{MAIN}/orders", **{"start-date": "2100-01-01"})
    assert later["items"] == []


async def test_searches_are_paged(closed: Simulator) -> None:
    at = closed.addresses
    url, token = f"{at.rest}/accounts/{MAIN}/orders", await get_token(at)
    seen: list[int] = []
    for offset in range(20):
        query: dict[str, Any] = {"per-page": 3, "page-offset": offset}
        body = (await get(url, token, **query)).json()
        seen += [order["id"] for order in body["data"]["items"]]
        assert body["pagination"]["current-item-count"] == len(body["data"]["items"])
        if offset + 1 == body["pagination"]["total-pages"]:
            break
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == body["pagination"]["total-items"] > 6
    assert (await get(url, token, **{"per-page": "many"})).status_code == 400
    assert (await get(url, token, **{"per-page": 0})).status_code == 400


@pytest.mark.parametrize(
    ("version", "query", "status"),
    [
        ("20251101", {}, 200),
        ("20261012", {}, 400),
        ("20261012", {"start-date": "2026-01-01"}, 200),
        ("20261012", {"start-date": "soon"}, 400),
        ("19990101", {}, 406),
    ],
)
async def test_versions_of_the_order_interface(
    closed: Simulator, version: str, query: dict[str, str], status: int
) -> None:
    at = closed.addresses
    headers = {"Accept-Version": version}
    answer = await get(
        f"{at.rest}/accounts/{MAIN}/orders", await get_token(at), headers=headers, **query
    )
    assert answer.status_code == status


async def test_unknown_values_and_missing_fields_on_demand(closed: Simulator) -> None:
    at = closed.addresses
    placed = await switch(at, "order", account=MAIN, legs=[LEG], price="-1")
    await switch(
        at, "order", do="odd", account=MAIN, id=placed["done"],
        set={"status": "Pondering"}, omit=["size"],
    )  # fmt: skip
    order = await read(closed, f"/accounts/{MAIN}/orders/{placed['done']}")
    assert order["status"] == "Pondering"
    assert "size" not in order


@pytest.mark.parametrize(
    "body",
    [
        {"do": "fill", "id": 1},
        {"do": "dance"},
        {"legs": []},
        {"legs": [{**LEG, "symbol": "NOPE"}]},
        {"legs": [{**LEG, "quantity": "NaN"}]},
    ],
)
async def test_what_no_order_is(closed: Simulator, body: dict[str, Any]) -> None:
    url = f"{closed.addresses.control}/order"
    assert (await post(url, json={"account": MAIN, **body})).status_code == 400


async def test_an_order_that_is_not_there(closed: Simulator) -> None:
    at = closed.addresses
    token = await get_token(at)
    for path in ("orders/1", "complex-orders/1"):
        answer = await get(f"{at.rest}/accounts/{MAIN}/{path}", token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "record_not_found")
    query: Any = {"account-numbers[]": "5WZ"}
    answer = await get(f"{at.rest}/customers/me/orders", token, **query)
    assert answer.status_code == 403
    for customer, status in (("U0000000001", 200), ("U0000000002", 403)):
        answer = await get(f"{at.rest}/customers/{customer}/orders/live", token)
        assert answer.status_code == status
