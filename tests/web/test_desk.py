"""The desk's documents over HTTP: the same records as on the streams, and nobody else's."""

import csv
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.streams.account_records import removal_of
from gateway.streams.documents import (
    Back,
    BrokerUnavailable,
    ChainRow,
    Expiration,
    NetLiqHistory,
    NetLiqPoint,
    NotListed,
    OptionChain,
    OptionQuote,
    SearchResult,
)
from gateway.streams.reports import DeskReport, UpstreamReport
from gateway.streams.topics import MAIN_LOGIN, Owner
from gateway.web.auth.viewers import add_viewer
from tests.streams.samples import make_balance, make_order, make_portfolio, make_position
from tests.web.running import TOKEN, Running, get, make_protected, open_gateway

FIRST, SECOND = "5WX00001", "5WX00002"
EXPIRATION = Expiration(
    date=date(2026, 12, 18),
    days=28,
    root="SPY",
    kind="Regular",
    settlement="PM",
    is_standard=True,
    shares_per_contract=Decimal(100),
    underlying="SPY",
)


class Broker:
    """A broker that answers what it is asked, and keeps what that was."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.error: Exception | None = None

    async def chain(
        self,
        underlying: str,
        expiration: date | None = None,
        root: str | None = None,
        *,
        strikes: int,
    ) -> OptionChain:
        self._note(underlying, expiration, root, strikes)
        call = OptionQuote(symbol=".SPY261218C600", broker_symbol="SPY", bid=Decimal("1.20"))
        return OptionChain(
            underlying=underlying,
            price=Decimal("600.10"),
            expirations=(EXPIRATION,),
            expiration=EXPIRATION,
            rows=(ChainRow(strike=Decimal(600), call=call, put=None),),
        )

    async def net_liq(self, owner: Owner, back: Back) -> NetLiqHistory:
        self._note(owner, back)
        point = NetLiqPoint(
            time="2026-11-20", open=None, high=None, low=None, close=Decimal("9.50")
        )
        return NetLiqHistory(account=owner.account, back=back, points=(point,))

    async def search(self, text: str) -> tuple[SearchResult, ...]:
        self._note(text)
        found = SearchResult(
            symbol=text, description=None, instrument_type=None, market=None, has_options=None
        )
        return (found,)

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error


class House:
    """A gateway with two accounts, and viewers of both, of one, and of none."""

    def __init__(self, gateway: Running, tokens: dict[str, str], broker: Broker) -> None:
        self.gateway = gateway
        self.broker = broker
        self._tokens = tokens

    def get(self, path: str, viewer: str = "owner", **headers: str) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self._tokens[viewer]}"}
        return get(f"{self.gateway.url}{path}", headers=bearer | headers)

    def read(self, path: str, viewer: str = "owner") -> Any:
        answer = self.get(path, viewer)
        assert answer.status_code == 200, answer.text
        assert "no-store" in answer.headers["cache-control"]
        return json.loads(answer.text, parse_float=Decimal)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    path = tmp_path / "viewers.toml"
    tokens = {
        "owner": TOKEN,
        "alice": add_viewer(path, "alice", frozenset({FIRST})),
        "carol": add_viewer(path, "carol", frozenset({"5WX99999"})),
    }
    with open_gateway(make_protected(token=TOKEN, viewers=path)) as gateway:
        broker = Broker()
        gateway.context.documents = broker
        gateway.publish(
            make_balance(FIRST),
            make_balance(SECOND),
            make_position(FIRST, "SPY", 2, value=Decimal("1200.20")),
            make_position(FIRST, "KO", -3),
            make_position(SECOND, "SPY", 1),
            make_order(FIRST, "1", "Filled"),
            make_order(FIRST, "2", "Live"),
            make_order(SECOND, "3", "Live"),
            make_portfolio(FIRST, "100.50", pnl_day=Decimal("1.50")),
            make_portfolio(SECOND, 50, unknown=2),
        )
        yield House(gateway, tokens, broker)


def keys(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["account"], each.get("broker_symbol") or each["order_id"]) for each in found]


def test_positions_are_the_newest_records(house: House) -> None:
    document = house.read("/api/positions")
    assert keys(document["positions"]) == [(FIRST, "KO"), (FIRST, "SPY"), (SECOND, "SPY")]
    position = document["positions"][1]
    assert position["value"] == Decimal("1200.20")
    assert position["mark"] is None
    assert document["last_event_id"] == house.gateway.context.hub.last_event_id
    house.gateway.publish(removal_of(make_position(FIRST, "KO")))
    assert keys(house.read(f"/api/positions?account={FIRST}")["positions"]) == [(FIRST, "SPY")]


def test_working_orders_come_first_or_alone(house: House) -> None:
    assert keys(house.read("/api/orders")["orders"]) == [(FIRST, "2"), (SECOND, "3"), (FIRST, "1")]
    assert keys(house.read("/api/orders?working=false")["orders"]) == [(FIRST, "1")]
    working = house.read(f"/api/orders?working=true&account={FIRST}")["orders"]
    assert keys(working) == [(FIRST, "2")]


def test_a_total_over_accounts_says_what_is_missing(house: House) -> None:
    document = house.read("/api/portfolio")
    assert [each["account"] for each in document["portfolios"]] == [FIRST, SECOND]
    total = document["total"]
    assert total["net_liq"] == Decimal("150.50")
    assert total["pnl_day"] == Decimal("1.50")
    assert total["day_change"] is None
    assert total["unknown"] == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [("positions", "positions"), ("orders", "orders"), ("portfolio", "portfolios")],
)
def test_nobody_sees_what_is_not_granted(house: House, path: str, name: str) -> None:
    for viewer, accounts in (("alice", {FIRST}), ("carol", set())):
        document = house.read(f"/api/{path}", viewer)
        assert {each["account"] for each in document[name]} == accounts
        assert house.read(f"/api/{path}?account={SECOND}", viewer)[name] == []
        assert SECOND not in house.get(f"/api/{path}.csv", viewer).text
    assert get(f"{house.gateway.url}/api/{path}").status_code == 401


def test_streams_carry_what_is_granted_and_its_end(house: House) -> None:
    query = "types=position_update,order_update,portfolio_update&snapshot=only"
    everything = house.get(f"/events?{query}").text
    assert everything.count("event: position_update") == 3
    known = everything.rpartition("id: ")[2].partition("\n")[0]
    house.gateway.publish(removal_of(make_position(FIRST, "KO")))
    for viewer, accounts in (("owner", {FIRST, SECOND}), ("alice", {FIRST}), ("carol", set())):
        text = house.get(f"/events?{query}", viewer).text
        assert {each for each in (FIRST, SECOND) if each in text} == accounts
        assert "removed" not in text
        resumed = house.get(f"/events?{query}&last_event_id={known}", viewer).text
        assert ("event: removed" in resumed) is (FIRST in accounts)


def test_a_history_of_somebody_else_does_not_exist(house: House) -> None:
    assert house.read(f"/api/net-liq/{FIRST}?back=1w", "alice")["points"][0]["close"] == 9.5
    for viewer, account in (("alice", SECOND), ("carol", FIRST), ("owner", "5WX00000")):
        assert house.get(f"/api/net-liq/{account}", viewer).status_code == 404
    assert house.broker.asked == [(Owner(MAIN_LOGIN, FIRST), "1w")]


def test_lists_come_as_csv_by_name_or_when_asked_for(house: House) -> None:
    by_name = house.get("/api/positions.csv")
    by_header = house.get("/api/positions", Accept="text/csv")
    assert by_name.text == by_header.text
    assert by_name.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(by_name.text)))
    assert [(each["broker_symbol"], each["quantity"], each["mark"]) for each in rows] == [
        ("KO", "-3", ""),
        ("SPY", "2", ""),
        ("SPY", "1", ""),
    ]
    accept = "text/csv, application/json"
    assert house.get("/api/positions", Accept=accept).headers["content-type"] == "application/json"


def test_a_text_is_no_formula_in_a_spreadsheet(house: House) -> None:
    house.gateway.publish(make_order(FIRST, "9", reject_reason="=cmd|' /C calc'!A1"))
    rows = list(csv.DictReader(StringIO(house.get("/api/orders.csv").text)))
    (reason,) = [each["reject_reason"] for each in rows if each["order_id"] == "9"]
    assert reason.startswith("'=")


def test_a_chain_is_asked_of_the_broker(house: House) -> None:
    document = house.read("/api/chain/spy?expiration=2026-12-18&root=SPY&strikes=4")
    assert house.broker.asked == [("SPY", date(2026, 12, 18), "SPY", 4)]
    assert document["rows"][0]["call"]["bid"] == Decimal("1.20")
    assert document["rows"][0]["put"] is None
    assert document["expirations"][0]["date"] == "2026-12-18"
    rows = list(csv.DictReader(StringIO(house.get("/api/chain/SPY", Accept="text/csv").text)))
    assert [rows[0]["strike"], rows[0]["call_bid"], rows[0]["put_bid"]] == ["600", "1.20", ""]


def test_an_underlying_with_a_slash_works_in_the_address(house: House) -> None:
    for path in ("/api/chain/%2FES", "/api/chain/BRK%2FB", "/api/chain/BRK/B"):
        house.read(path)
    assert [each[0] for each in house.broker.asked] == ["/ES", "BRK/B", "BRK/B"]


def test_a_search_is_asked_of_the_broker(house: House) -> None:
    assert house.read("/api/search?q=spy")["results"][0]["symbol"] == "SPY"
    house.broker.error = NotListed("nothing")
    assert house.read("/api/search?q=zzz")["results"] == []


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/positions?acount=1", "acount"),
        ("/api/positions?account=a%20b", "account"),
        ("/api/orders?working=maybe", "working"),
        ("/api/chain/SPY?strikes=0", "strikes"),
        ("/api/chain/SPY?strikes=%C2%B2", "strikes"),
        ("/api/chain/SPY?expiration=tomorrow", "expiration"),
        (f"/api/net-liq/{FIRST}?back=2d", "back"),
        ("/api/search", "q"),
        ("/api/search?q=%07", "q"),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_name(house: House, path: str, parameter: str) -> None:
    answer = house.get(path)
    assert answer.status_code == 400
    assert answer.json()["parameter"] == parameter
    assert house.broker.asked == []


def test_parameters_of_others_are_ignored(house: House) -> None:
    assert house.read("/api/positions?utm_source=mail&_=17")["positions"]


def test_a_broker_that_cannot_answer_is_a_503_with_the_reason(house: House) -> None:
    house.broker.error = BrokerUnavailable("Tastytrade cannot answer: no answer in time")
    for path in ("/api/chain/SPY", f"/api/net-liq/{FIRST}", "/api/search?q=spy"):
        answer = house.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "no answer in time" in answer.json()["detail"]
    house.broker.error = NotListed("Tastytrade knows nothing under this name")
    assert house.get("/api/chain/SPY").status_code == 404
    assert house.get("/api/chain/two%20words").status_code == 404


def test_how_much_somebody_holds_is_told_to_the_owner_alone(house: House) -> None:
    held = DeskReport(positions=17, orders=3, not_followed=0, net_liq_drift=0.5)
    house.gateway.context.report = lambda: UpstreamReport(desk=held)
    assert house.read("/status")["upstream"]["desk"]["positions"] == 17
    for viewer in ("alice", "carol"):
        assert house.read("/status", viewer)["upstream"] == {}


def test_without_a_login_it_says_so(house: House) -> None:
    house.gateway.context.documents = None
    answer = house.get("/api/chain/SPY")
    assert answer.status_code == 503
    assert "no login" in answer.json()["detail"]
