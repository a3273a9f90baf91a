"""Ever new subscriptions, pages, parameters and cookies: what is kept of them is bounded."""

import asyncio
from itertools import islice, product
from string import ascii_uppercase

import pytest

from gateway.streams.demand import TooManySymbols
from gateway.streams.topics import grant_accounts
from gateway.web.auth import sessions
from gateway.web.auth.authenticator import Authenticator
from gateway.web.auth.throttle import MAX_ADDRESSES, TooManyTries
from gateway.web.auth.viewers import OWNER
from gateway.web.query import parse_query
from tests.faults.trial import Trial
from tests.web.running import TOKEN, get, log_in, make_protected, make_quote, open_gateway


@pytest.mark.fault(53)
def test_distinct_requests_leave_nothing_behind(trial: Trial) -> None:
    """
    1. Documents, first fragments and pages of ever other symbols are asked for, with ever other
       parameters and cookies.
    Result: few views linger, no more symbols are followed than the limit, nothing is held.
    """
    tries = trial.count(150, 10_000)
    names = map("".join, islice(product(ascii_uppercase, repeat=4), tries))
    settings = make_protected(token=TOKEN, max_symbols=200, linger_s=3600)
    with open_gateway(settings) as gateway:
        signed_in = f"gateway={log_in(gateway).cookies['gateway']}"
        for number, name in enumerate(names):
            gateway.publish(make_quote(name))
            headers = {"Cookie": f"{signed_in}; watchlist={name}; c{number}=x"}
            for path in (f"/api/snapshot?symbols={name}&_={number}", f"/?p{number}=1"):
                assert get(gateway.url + path, headers=headers).status_code == 200
            once = f"{gateway.url}/live/home/once?symbols={name}&q{number}=1"
            assert get(once, headers=headers).status_code == 200
        demand = gateway.context.demand
        assert len(demand.wanted) <= 200
        assert len(gateway.app.state.authenticator.sessions._seen) == 1
        assert not gateway.app.state.authenticator.throttle._failures
        trial.tell(f"{3 * tries:,} requests, {len(demand.wanted)} symbols followed at the end")


@pytest.mark.fault(53)
def test_distinct_subscriptions_are_cut_to_a_share(trial: Trial) -> None:
    tries = trial.count(5_000, 100_000)
    settings = make_protected(token=TOKEN, max_symbols=100, max_symbols_per_viewer=50)
    with open_gateway(settings) as gateway:
        demand, refused = gateway.context.demand, 0
        for number in range(tries):
            query = parse_query(
                [("symbols", f"N{number}")], max_symbols=9, granted=grant_accounts(None)
            )
            assert query.symbols is not None
            try:
                with demand.acquire(query.symbols, f"viewer{number % 7}"):
                    assert len(demand.wanted) <= 100
            except TooManySymbols:
                refused += 1
        assert not demand._held
        trial.tell(f"{tries:,} subscriptions, {refused} refused, {len(demand.wanted)} symbols kept")


@pytest.mark.fault(53)
def test_wrong_tokens_and_sign_outs_are_forgotten_in_order(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go; a session whose sign-out was forgotten stays over all the same."""
    tries = trial.count(12_000, 100_000)
    monkeypatch.setattr(sessions, "MAX_REVOKED", 500)
    authenticator = Authenticator(TOKEN)
    first = authenticator.make_cookie(OWNER)
    authenticator.sign_out(first)
    for _ in range(2_000):
        authenticator.sign_out(authenticator.make_cookie(OWNER))
    assert len(authenticator.sessions.revoked) <= 500
    assert authenticator.read_cookie(first) is None

    async def guess() -> int:
        locked = 0
        for number in range(tries):
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            try:
                await authenticator.authenticate(f"wrong-{number}", address)
            except TooManyTries:
                locked += 1
        return locked

    assert asyncio.run(guess()) == 0
    assert len(authenticator.throttle._failures) == MAX_ADDRESSES
    trial.tell(f"{tries:,} addresses tried a token, {MAX_ADDRESSES:,} remembered")
