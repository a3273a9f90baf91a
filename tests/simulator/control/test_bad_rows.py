"""Bad rows on demand: each kind over REST and as a push, the rows around it good."""

from typing import Any

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.broker.test_account_stream import open_stream
from tests.simulator.client import get, get_token, post, switch

MAIN = "5WX00001"
POSITIONS = f"/accounts/{MAIN}/positions"
LEG = {"action": "Buy to Open", "symbol": "KO", "quantity": 10}


async def read(simulator: Simulator, path: str) -> Any:
    at = simulator.addresses
    answer = await get(f"{at.rest}{path}", await get_token(at))
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def differences(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    names = before.keys() | after.keys()
    found = {name: (before.get(name), after.get(name)) for name in names - {"updated-at"}}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("new-instrument-type", {"instrument-type": ("Equity", "Perpetual")}),
        ("effect-without-amount",
         {"realized-today": ("240.075", None)}),
        ("zero-close", {"close-price": ("246.76", "0.0")}),
        ("no-day-basis", {"average-daily-market-close-price": ("248.0475", None)}),
    ],
)  # fmt: skip
async def test_a_position_is_spoilt_alone(
    closed: Simulator, kind: str, changed: dict[str, tuple[Any, Any]]
) -> None:
    at = closed.addresses
    before = (await read(closed, POSITIONS))["items"]
    await switch(at, "spoil", kind=kind, match={"symbol": "GLD"})
    after = (await read(closed, POSITIONS))["items"]
    found = {
        new["symbol"]: names
        for old, new in zip(before, after, strict=True)
        if (names := differences(old, new))
    }
    assert found.keys() == {"GLD"}
    assert found["GLD"].keys() - {"realized-today-effect"} == changed.keys()
    for name, (_, value) in changed.items():
        assert found["GLD"][name][1] == value
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=[MAIN])
        await switch(at, "position", account=MAIN, symbol="GLD", frozen=False)
        pushed = (await stream.hear())["data"]
        assert differences(next(r for r in after if r["symbol"] == "GLD"), pushed).keys() <= {
            "mark", "mark-price",
        }  # fmt: skip
    await switch(at, "spoil")
    assert not any(
        differences(old, new)
        for old, new in zip(before, (await read(closed, POSITIONS))["items"], strict=True)
    )


@pytest.mark.parametrize(
    ("kind", "status"), [("unknown-status", "Pondering"), ("bare-contingent", "Contingent")]
)
async def test_an_order_is_spoilt_in_lists_alone_and_in_pushes(
    closed: Simulator, kind: str, status: str
) -> None:
    at = closed.addresses
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=[MAIN])
        identity = (await switch(at, "order", account=MAIN, legs=[LEG], price="-1"))["done"]
        for _ in range(4):
            await stream.hear()
        await switch(at, "spoil", kind=kind, match={"id": identity})
        await switch(at, "order", do="fill", account=MAIN, id=identity, quantity=4)
        pushed = (await stream.hear())["data"]
    shown = await read(closed, f"/accounts/{MAIN}/orders/{identity}")
    listed = (await read(closed, f"/accounts/{MAIN}/orders/live"))["items"]
    everyone = (await read(closed, "/customers/me/orders/live"))["items"]
    for order in (pushed, shown, listed[0], everyone[0]):
        assert (order["id"], order["status"]) == (identity, status)
        if kind == "bare-contingent":
            assert "received-at" not in order
            assert order["order-rule"].keys() == {"order-conditions"}
    assert status not in {order["status"] for order in listed[1:] if order["status"] != status}
    # What it is in the books is not touched: it can be filled.
    await switch(at, "spoil")
    await switch(at, "order", do="fill", account=MAIN, id=identity)
    order = await read(closed, f"/accounts/{MAIN}/orders/{identity}")
    assert order["status"] == "Filled"


async def test_metrics_lose_their_market_cap(closed: Simulator) -> None:
    await switch(closed.addresses, "spoil", kind="no-market-cap", match={"symbol": "AAPL"})
    bodies = (await read(closed, "/market-metrics?symbols=AAPL,MSFT"))["items"]
    assert ["market-cap" in body for body in bodies] == [False, True]


async def test_any_row_can_be_spoilt_and_a_reset_mends_it(closed: Simulator) -> None:
    at = closed.addresses
    await switch(
        at, "spoil", at="/watchlists", match={"name": "Tech"}, set={"order-index": "first"},
        omit=["group-name"], add=[{"name": None}],
    )  # fmt: skip
    lists = (await read(closed, "/watchlists"))["items"]
    assert lists[0]["order-index"] == "first"
    assert "group-name" not in lists[0]
    assert lists[-1] == {"name": None}
    await switch(at, "reset")
    assert (await read(closed, "/watchlists"))["items"][0]["order-index"] == 1


async def test_an_unknown_kind_is_refused(closed: Simulator) -> None:
    at = closed.addresses
    for body in ({"kind": "rotten"}, {"set": {"a": 1}}):
        assert (await post(f"{at.control}/spoil", json=body)).status_code == 400
