"""The code flow as a browser and a server walk it, and grants of several customers."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.client import fetch, get, post, switch

BACK = "http://127.0.0.1:9/back"


def ask(simulator: Simulator, **change: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": simulator.addresses.client_id,
        "redirect_uri": BACK,
        "scope": "read",
        "state": "of-this-session",
    } | change


async def come_back(simulator: Simulator, **change: str) -> dict[str, str]:
    at = simulator.addresses
    answer = await fetch(f"{at.rest}/oauth/authorize", **ask(simulator, **change))
    assert answer.status_code == 302, answer.text
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == BACK
    return {name: values[0] for name, values in parse_qs(target.query).items()}


async def exchange(simulator: Simulator, code: str) -> dict[str, Any]:
    at = simulator.addresses
    form = {
        "grant_type": "authorization_code", "code": code, "client_secret": at.secret,
        "client_id": at.client_id, "redirect_uri": BACK,
    }  # fmt: skip
    issued: dict[str, Any] = (await post(f"{at.rest}/oauth/token", data=form)).json()
    return issued


async def refresh(simulator: Simulator, token: str) -> Any:
    at = simulator.addresses
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_secret": at.secret}
    return await post(f"{at.rest}/oauth/token", data=form)


async def test_each_customer_signs_in_to_accounts_of_their_own(closed: Simulator) -> None:
    """Two people, one account number: each sees their own row."""
    at = closed.addresses
    names, values = {}, {}
    for customer in ("sam", "pat"):
        back = await come_back(closed, customer=customer)
        assert back["state"] == "of-this-session"
        token = (await exchange(closed, back["code"]))["access_token"]
        names[customer] = (await get(f"{at.rest}/customers/me", token)).json()["data"]["first-name"]
        balance = (await get(f"{at.rest}/accounts/5WX00001/balances/USD", token)).json()["data"]
        values[customer] = balance["cash-balance"]
    assert names == {"sam": "Sam", "pat": "Pat"}
    assert values == {"sam": "41250.37", "pat": "15000.0"}


async def test_accounts_of_another_customer_are_not_permitted(closed: Simulator) -> None:
    at = closed.addresses
    (pat,) = (each for each in at.customers if each["customer"] == "pat")
    token = (await refresh(closed, pat["refresh"])).json()["access_token"]
    assert (await get(f"{at.rest}/accounts/5WZ00003/balances", token)).status_code == 200
    assert (await get(f"{at.rest}/accounts/5WY00002/balances", token)).status_code == 403
    assert (await fetch(f"{at.control}/logins")).json() == list(at.customers)


async def test_the_page_offers_everybody_and_a_way_out(closed: Simulator) -> None:
    at = closed.addresses
    page = await fetch(f"{at.rest}/auth.html", **ask(closed, state='"><script>'))
    assert page.status_code == 200
    assert "Allow as Sam" in page.text
    assert "Allow as Pat" in page.text
    assert "<script>" not in page.text
    back = await come_back(closed, deny="true")
    assert (back["error"], back["state"]) == ("access_denied", "of-this-session")


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "somebody"},
        {"redirect_uri": "https://evil.invalid/"},
        {"redirect_uri": ""},
        {"response_type": "token"},
        {"customer": "nobody"},
    ],
)
async def test_nobody_is_sent_where_they_should_not_go(
    closed: Simulator, change: dict[str, str]
) -> None:
    at = closed.addresses
    answer = await fetch(f"{at.rest}/oauth/authorize", **ask(closed, **change))
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_registered_addresses_match_exactly(closed: Simulator) -> None:
    at = closed.addresses
    await switch(at, "oauth", redirect_uris=[f"{BACK}/exactly"])
    answer = await fetch(f"{at.rest}/oauth/authorize", **ask(closed))
    assert answer.status_code == 400
    right = ask(closed, redirect_uri=f"{BACK}/exactly")
    assert (await fetch(f"{at.rest}/oauth/authorize", **right)).status_code == 302


async def test_a_forged_state_on_demand(closed: Simulator) -> None:
    await switch(closed.addresses, "oauth", wrong_state=True)
    assert (await come_back(closed))["state"] == "forged"


async def test_a_refresh_token_is_rotated_on_demand(closed: Simulator) -> None:
    at = closed.addresses
    assert "refresh_token" not in (await refresh(closed, at.refresh)).json()
    await switch(at, "oauth", rotate=True)
    new = (await refresh(closed, at.refresh)).json()["refresh_token"]
    assert (await refresh(closed, at.refresh)).status_code == 400
    assert (await refresh(closed, new)).status_code == 200


async def test_one_customer_is_revoked_alone(closed: Simulator) -> None:
    at = closed.addresses
    await switch(at, "customer", customer="pat", revoke=True)
    refused = await refresh(closed, at.customers[1]["refresh"])
    assert refused.json()["error_description"] == "Grant revoked"
    assert (await refresh(closed, at.refresh)).status_code == 200
    await switch(at, "customer", customer="pat", revoke=False)
    assert (await refresh(closed, at.customers[1]["refresh"])).status_code == 200
