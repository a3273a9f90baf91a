"""One world: whose a token is, which clock is which, and who hears of a change of the books."""

from datetime import date, time
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.books.opening import open_first, open_second
from gateway.simulator.broker.customer import list_customers
from gateway.simulator.broker.tokens import Tokens
from gateway.simulator.clock import Clock
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe
from gateway.simulator.world import Login, World

TODAY = date(2026, 11, 20)


class Stream:
    """An open account stream that keeps what it is to push."""

    def __init__(self) -> None:
        self.noted: list[tuple[Ledger, str, str]] = []

    def note(self, ledger: Ledger, kind: str, number: str, body: dict[str, Any]) -> None:
        self.noted.append((ledger, kind, number))

    def note_alert(self, ledger: Ledger, body: dict[str, Any]) -> None:
        """Nothing: no alert fires here."""

    async def push(self) -> None:
        """Nothing: no socket is open here."""

    def abort(self) -> None:
        """Nothing."""

    async def close(self, code: int, reason: str) -> None:
        """Nothing."""

    async def inject(self, text: str) -> None:
        """Nothing."""

    def stall(self, is_stalled: bool) -> None:
        """Nothing."""


def make_world() -> World:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    tokens = Tokens("a secret")
    ledgers = open_first(market), open_second(market)
    logins = {
        customer.key: Login(customer, ledger, tokens.add_grant(customer.key))
        for customer, ledger in zip(list_customers(), ledgers, strict=False)
    }
    return World(Clock(), market, tokens, logins)


def test_an_access_token_is_its_customers_and_nobody_elses() -> None:
    world = make_world()
    one, other = world.logins.values()
    form = {"grant_type": "refresh_token", "client_secret": "a secret"}
    for login in (one, other):
        issued = world.tokens.grant(form | {"refresh_token": login.refresh}, world.now())
        assert world.find_login(f"Bearer {issued.access}") is login
    assert world.ledger is one.ledger
    assert world.find_login(None) is None
    assert world.find_login("Bearer of-nobody") is None


def test_a_change_is_noted_by_every_open_stream_with_its_books() -> None:
    world = make_world()
    streams = Stream(), Stream()
    world.streams.update(streams)
    assert not world.has_pushes.is_set()
    for login in world.logins.values():
        login.ledger.deposit(next(iter(login.ledger.accounts)), Decimal(5))
    assert world.has_pushes.is_set()
    for stream in streams:
        assert {id(ledger) for ledger, _, _ in stream.noted} == {
            id(login.ledger) for login in world.logins.values()
        }
        for ledger, _, number in stream.noted:
            assert number in ledger.accounts
    count = len(streams[0].noted)
    world.streams.discard(streams[0])
    world.ledger.deposit(next(iter(world.ledger.accounts)), Decimal(5))
    assert len(streams[0].noted) == count < len(streams[1].noted)


def test_moving_the_market_in_time_ends_no_token() -> None:
    world = make_world()
    steady_s = world.now()
    world.clock.move_to(instant(date(2027, 1, 4), time(11)))
    assert world.market_time() >= instant(date(2027, 1, 4), time(11))
    assert 0 <= world.now() - steady_s < 60


def test_a_new_world_answers() -> None:
    assert make_world().answering.is_set()
