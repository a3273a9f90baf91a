"""What clients other than the SDK ask of REST: forms, codes, refusals."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.simulator.app import Simulator
from tests.simulator.client import fetch, get_token, grant, post, read_state


@pytest.mark.parametrize("how", ["json", "data"])
async def test_a_token_for_json_or_a_form(simulator: Simulator, how: str) -> None:
    at = simulator.addresses
    answer = await post(f"{at.rest}/oauth/token", **{how: grant(at)})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert (await fetch(f"{at.rest}/customers/me", body["access_token"])).status_code == 200


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"client_secret": "x"}, "Client secret mismatch"),
        ({"refresh_token": "x"}, "Invalid JWT"),
    ],
)
async def test_refused_grants(simulator: Simulator, change: dict[str, str], text: str) -> None:
    at = simulator.addresses
    answer = await post(f"{at.rest}/oauth/token", json=grant(at) | change)
    assert answer.status_code == 400
    assert answer.json() == {"error_code": "invalid_grant", "error_description": text}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
async def test_a_body_that_is_no_grant(simulator: Simulator, body: bytes) -> None:
    answer = await post(f"{simulator.addresses.rest}/oauth/token", content=body)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "invalid_request"


async def test_the_authorization_code_flow(simulator: Simulator) -> None:
    at = simulator.addresses
    query = {"response_type": "code", "client_id": "c", "scope": "read", "state": "abc"}
    sent_back = await fetch(
        f"{at.rest}/oauth/authorize", redirect_uri="http://127.0.0.1/back?x=1", **query
    )
    assert sent_back.status_code == 302
    back = parse_qs(urlsplit(sent_back.headers["location"]).query)
    assert (back["state"], back["x"]) == (["abc"], ["1"])
    form = {"grant_type": "authorization_code", "code": back["code"][0], "client_secret": at.secret}
    answer = await post(f"{at.rest}/oauth/token", data=form)
    assert answer.json()["refresh_token"] == at.refresh
    assert (await post(f"{at.rest}/oauth/token", data=form)).status_code == 400
    assert (await fetch(f"{at.rest}/oauth/authorize")).status_code == 400


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_no_good_token(simulator: Simulator, token: str) -> None:
    at = simulator.addresses
    answer = await fetch(f"{at.rest}/customers/me/accounts", token)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "token_invalid"
    state = await read_state(at)
    assert state["unauthorized"] == {"/customers/me/accounts": 1}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/customers/me/accounts/5WZ", 403, "not_permitted"),
        ("/accounts/5WZ/balances", 403, "not_permitted"),
        ("/instruments/bonds", 404, "not_found"),
        ("/market-data/by-type?equity=" + ",".join(["A"] * 101), 400, "too_many_symbols"),
    ],
)
async def test_errors_have_an_envelope(
    simulator: Simulator, path: str, status: int, code: str
) -> None:
    at = simulator.addresses
    answer = await fetch(f"{at.rest}{path}" if "?" not in path else at.rest + path.split("?")[0],
                         await get_token(at),
                         **({"equity": path.split("=")[1]} if "?" in path else {}))  # fmt: skip
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code


async def test_orders_are_refused(simulator: Simulator) -> None:
    at = simulator.addresses
    headers = {"Authorization": await get_token(at)}
    answer = await post(f"{at.rest}/accounts/5WX00001/orders", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_permitted")


async def test_balances_come_as_a_list_too(closed: Simulator) -> None:
    at = closed.addresses
    token = await get_token(at)
    many: dict[str, Any] = (await fetch(f"{at.rest}/accounts/5WX00001/balances", token)).json()
    one: dict[str, Any] = (await fetch(f"{at.rest}/accounts/5WX00001/balances/USD", token)).json()
    assert many["data"]["items"] == [one["data"]]
    assert many["context"] == "/accounts/5WX00001/balances"
    assert all(isinstance(value, str) for key, value in one["data"].items() if "value" in key)
