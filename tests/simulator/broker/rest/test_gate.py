"""What every REST request passes first."""

from typing import Any

import httpx
import pytest

from gateway.simulator.app import Simulator
from tests.simulator.client import get, get_token, post, read_state, switch

ACCOUNT = "/accounts/5WX00001"
ROUTES = [
    *("/customers/me", "/customers/me/accounts", "/customers/me/orders/live"),
    *(f"{ACCOUNT}/balances", f"{ACCOUNT}/positions", f"{ACCOUNT}/balance-snapshots"),
    *(f"{ACCOUNT}/orders", f"{ACCOUNT}/orders/live", f"{ACCOUNT}/complex-orders"),
    *(f"{ACCOUNT}/transactions", f"{ACCOUNT}/transactions/total-fees", f"{ACCOUNT}/position-limit"),
    *(f"{ACCOUNT}/trading-status", f"{ACCOUNT}/margin-requirements/SPY/effective"),
    f"{ACCOUNT}/net-liq",
    *(f"{ACCOUNT}/net-liq/history?time-back=1d", "/margin/accounts/5WX00001/requirements"),
    *("/watchlists", "/public-watchlists", "/pairs-watchlists", "/quote-alerts"),
    *("/market-time/sessions/current", "/market-time/sessions", "/market-time/equities/holidays"),
    *("/market-time/futures/holidays/CME", "/market-time/equities/sessions/next"),
    *("/instruments/equities", "/instruments/equities/active", "/instruments/futures"),
    *("/instruments/future-products", "/instruments/future-option-products"),
    *("/instruments/quantity-decimal-precisions", "/instruments/warrants"),
    *("/option-chains/SPY/nested", "/option-chains/SPY/compact", "/option-chains/SPY"),
    *("/futures-option-chains/ES", "/futures-option-chains/ES/nested", "/symbols/search/AAP"),
    *("/market-metrics?symbols=SPY", "/market-data/by-type?equity=SPY", "/api-quote-tokens"),
    "/market-metrics/historic-corporate-events/dividends/KO",
    "/market-metrics/historic-corporate-events/earnings-reports/AAPL",
]


@pytest.mark.parametrize("path", ROUTES)
async def test_every_route_is_served_and_fails_on_demand(closed: Simulator, path: str) -> None:
    at = closed.addresses
    token = await get_token(at)
    served = await get(f"{at.rest}{path}", token)
    assert served.status_code == 200, served.text
    assert served.json()["data"]
    await switch(at, "rest", path=path.split("?")[0], status=503, count=1, retry_after_s=7)
    failed = await get(f"{at.rest}{path}", token)
    assert (failed.status_code, failed.headers["Retry-After"]) == (503, "7")
    assert (await get(f"{at.rest}{path}", token)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("html", 200, b"<html>"),
        ("empty", 200, b""),
        ("bare", 200, b'{"items":[]}'),
        ("truncated", 200, b'{"data":{"items":[{"symbol":'),
        ("redirect", 302, b""),
    ],
)
async def test_bodies_that_are_no_answers(
    closed: Simulator, kind: str, status: int, content: bytes
) -> None:
    at = closed.addresses
    await switch(at, "rest", path="/accounts", kind=kind, status=200)
    answer = await get(f"{at.rest}{ACCOUNT}/positions", await get_token(at))
    assert answer.status_code == status
    assert answer.content.startswith(content)
    with pytest.raises((ValueError, KeyError)):
        answer.json()["data"]


async def test_an_answer_that_is_too_big(closed: Simulator) -> None:
    at = closed.addresses
    await switch(at, "rest", path="/accounts", kind="oversized", status=200)
    answer = await get(f"{at.rest}{ACCOUNT}/positions", await get_token(at))
    assert len(answer.content) > 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"User-Agent": ""}, 401),
        ({"User-Agent": "Mozilla"}, 401),
        ({"User-Agent": "gateway/1.0 (python)"}, 200),
        ({"User-Agent": "tastytrade-sdk-js"}, 200),
        ({"Accept": "text/html"}, 406),
        ({"Accept": "text/html, application/json;q=0.9"}, 200),
        ({"Accept-Version": "20251101"}, 200),
        ({"Accept-Version": "1"}, 406),
    ],
)
async def test_headers(closed: Simulator, headers: dict[str, str], status: int) -> None:
    at = closed.addresses
    answer = await get(f"{at.rest}/customers/me", await get_token(at), headers=headers)
    assert answer.status_code == status


async def test_headers_need_not_be_checked_and_versions_go_away(closed: Simulator) -> None:
    at = closed.addresses
    token = await get_token(at)
    await switch(at, "limits", agent=False, versions=["20261012"])
    url = f"{at.rest}/customers/me"
    assert (await get(url, token, headers={"User-Agent": ""})).status_code == 200
    old = await get(url, token, headers={"Accept-Version": "20251101"})
    assert old.status_code == 406


async def test_old_versions_go_away_on_a_day(closed: Simulator) -> None:
    at = closed.addresses
    for instant, old in (("2027-04-11T12:00-04:00", 200), ("2027-04-12T12:00-04:00", 406)):
        await switch(at, "clock", at=instant)
        token = await get_token(at)
        url = f"{at.rest}/customers/me"
        for version, status in (("20251101", old), ("20261012", 200)):
            answer = await get(url, token, headers={"Accept-Version": version})
            assert answer.status_code == status, (instant, version)


async def test_rates_are_limited_on_demand(closed: Simulator) -> None:
    at = closed.addresses
    token = await get_token(at)
    url = f"{at.rest}{ACCOUNT}/positions"
    assert [(await get(url, token)).status_code for _ in range(4)] == [200] * 4
    await switch(at, "limits", rates=True)
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": token}
        answers = [await client.get(url, headers=headers) for _ in range(3)]
        assert answers[0].status_code == 200
        assert {answer.status_code for answer in answers[1:]} <= {200, 429}
        assert any(answer.status_code == 429 for answer in answers)
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["Retry-After"] == "1"
        # Another kind of request has a budget of its own.
        other = await client.get(f"{at.rest}{ACCOUNT}/balances", headers=headers)
        assert other.status_code == 200
    assert (await read_state(at))["counters"]["rate_limited"] >= 1


async def test_a_grant_without_read_reads_nothing(closed: Simulator) -> None:
    at = closed.addresses
    address = "http://127.0.0.1/back"
    code = closed.world.tokens.make_code(
        closed.world.now(), customer="sam", client_id=at.client_id, redirect_uri=address,
        scope="openid",
    )  # fmt: skip
    form = {
        "grant_type": "authorization_code", "code": code, "client_secret": at.secret,
        "client_id": at.client_id, "redirect_uri": address,
    }  # fmt: skip
    issued: dict[str, Any] = (await post(f"{at.rest}/oauth/token", data=form)).json()
    answer = await get(f"{at.rest}/customers/me", issued["access_token"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")
