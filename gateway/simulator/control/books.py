"""Control of what customers have: money, orders, positions, grants; and of the clock."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.opening import open_first, open_second
from gateway.simulator.broker.books.orders import Order
from gateway.simulator.market.universe import list_universe
from gateway.simulator.world import Login, World

Body = dict[str, Any]
Action = Callable[[Body], Awaitable[int]]
KEPT_DAYS = 4.0  # the clock may go so far ahead before everything begins again
DAY_S = 86_400.0
RECONNECT = 1012


class Books:
    """Actions on the books of one world; `customer` in a body is the first one by default."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.actions: dict[str, Action] = {
            "balance": self.balance,
            "account": self.account,
            "order": self.order,
            "position": self.position,
            "trading_status": self.trading_status,
            "customer": self.customer,
            "clock": self.clock,
        }
        self._orders: dict[str, Callable[[Login, Account, Body], int]] = {
            "place": self._place,
            "advance": self._advance,
            "fill": self._fill,
            "cancel": self._cancel,
            "reject": self._reject,
            "replace": self._replace,
            "tie": self._tie,
            "odd": self._odd,
        }

    def list_logins(self) -> list[Body]:
        """Return every customer with the first refresh token and the accounts."""
        return [
            {"customer": key, "refresh": login.refresh, "accounts": list(login.ledger.accounts)}
            for key, login in self._world.logins.items()
        ]

    async def balance(self, body: Body) -> int:
        """Move money in or out, set pending cash, or leave fields out; pushed at once."""
        login, account = self._find(body)
        delta = _amount(body.get("cash_delta", "0"))
        if body.get("pending") is not None:
            account.pending = _amount(body["pending"])
        if body.get("omit") is not None:
            account.omitted = set(body["omit"])
        login.ledger.deposit(account.number, delta)
        await self._push()
        return 1

    async def account(self, body: Body) -> int:
        """Change how the account streamer pushes and refuses."""
        faults = self._world.faults
        faults.push_s = max(float(body.get("push_s", faults.push_s)), 0.01)
        faults.push_marks = bool(body.get("push_marks", faults.push_marks))
        faults.batch_pushes = bool(body.get("batch", faults.batch_pushes))
        faults.bare_errors = bool(body.get("bare_errors", faults.bare_errors))
        faults.lost_pushes = int(body.get("lose", faults.lost_pushes))
        self._world.has_pushes.set()
        return 1

    async def order(self, body: Body) -> int:
        """Place, move, fill, cancel, reject, replace, tie or spoil an order; returns its id."""
        login, account = self._find(body)
        done = self._orders[body.get("do", "place")](login, account, body)
        await self._push()
        return done

    async def position(self, body: Body) -> int:
        """Put odd rows beside the positions of an account, or freeze one of them."""
        login, account = self._find(body)
        if "odd" in body:
            account.odd_rows = [dict(row) for row in body["odd"]]
        if "symbol" in body:
            account.positions[body["symbol"]].is_frozen = bool(body.get("frozen", True))
            login.ledger.note_position(account.number, body["symbol"])
        await self._push()
        return len(account.odd_rows)

    async def trading_status(self, body: Body) -> int:
        """Change what an account may do; pushed at once."""
        login, account = self._find(body)
        account.status |= dict(body.get("set", {}))
        login.ledger.note_status(account.number)
        await self._push()
        return 1

    async def customer(self, body: Body) -> int:
        """Change facts about a customer, or revoke the grants of that one alone."""
        login = self._login(body)
        login.customer.facts |= dict(body.get("set", {}))
        key, revoked = login.customer.key, self._world.tokens.revoked
        if "revoke" in body:
            (revoked.add if body["revoke"] else revoked.discard)(key)
        return 1

    async def clock(self, body: Body) -> int:
        """Move the clock to an instant: text with an offset, or epoch seconds; null: the machine's.

        Far ahead or back, everything begins again with what that day lists, and sockets are closed
        with 1012. Returns how many were.
        """
        world, given = self._world, body.get("at")
        if given is None:
            world.clock.follow_machine()
        else:
            world.clock.move_to(_instant(given))
        now = world.clock.now()
        if 0 <= now - world.market.now <= KEPT_DAYS * DAY_S or _is_same_day(now, world.market.now):
            changed = world.market.move_to(now)
            for feed in world.feeds:
                feed.note_changes(changed, world.now())
            for login in world.logins.values():
                login.ledger.match()
            await self._push()
            return 0
        world.market.relist(list_universe(datetime.fromtimestamp(now, UTC).date()), now)
        for login, opened in zip(world.logins.values(), (open_first, open_second), strict=False):
            login.ledger = opened(world.market)
        world.listen()
        peers = [*world.feeds, *world.streams]
        for peer in peers:
            await peer.close(RECONNECT, "Reconnection is required")
        return len(peers)

    # --- orders --------------------------------------------------------------------------------

    def _place(self, login: Login, account: Account, body: Body) -> int:
        legs = [(leg["action"], leg["symbol"], _amount(leg["quantity"])) for leg in body["legs"]]
        fields: Body = {
            "order_type": str(body.get("type", "Limit")),
            "time_in_force": str(body.get("tif", "Day")),
            "stop_trigger": _optional(body.get("stop_trigger")),
            "rule": body.get("rule"),
        }
        order = login.ledger.place(
            account.number,
            legs,
            price=_optional(body.get("price")),
            until=str(body.get("until", "Live")),
            **fields,
        )
        return order.id

    def _advance(self, login: Login, account: Account, body: Body) -> int:
        return login.ledger.advance(account.number, int(body["id"]), str(body["status"])).id

    def _fill(self, login: Login, account: Account, body: Body) -> int:
        quantity, price = _optional(body.get("quantity")), _optional(body.get("price"))
        ledger = login.ledger
        return ledger.fill(account.number, int(body["id"]), quantity=quantity, price=price).id

    def _cancel(self, login: Login, account: Account, body: Body) -> int:
        return login.ledger.cancel(account.number, int(body["id"])).id

    def _reject(self, login: Login, account: Account, body: Body) -> int:
        reason = str(body.get("reason", "Rejected on demand"))
        return login.ledger.reject(account.number, int(body["id"]), reason).id

    def _replace(self, login: Login, account: Account, body: Body) -> int:
        ledger = login.ledger
        return ledger.replace(account.number, int(body["id"]), price=_amount(body["price"])).id

    def _tie(self, login: Login, account: Account, body: Body) -> int:
        orders = [account.orders[int(identity)] for identity in body["ids"]]
        trigger: Order | None = None
        if body.get("trigger") is not None:
            trigger = account.orders[int(body["trigger"])]
        kind = str(body.get("kind", "OCO"))
        return login.ledger.place_complex(account.number, kind, orders, trigger).id

    def _odd(self, login: Login, account: Account, body: Body) -> int:
        """Lay unknown values over an order, or leave fields out of it; pushed."""
        order = account.orders[int(body["id"])]
        order.extra, order.omitted = dict(body.get("set", {})), set(body.get("omit", ()))
        return login.ledger.advance(account.number, order.id, order.status).id

    # --- inside --------------------------------------------------------------------------------

    def _login(self, body: Body) -> Login:
        logins = self._world.logins
        return logins[body.get("customer") or next(iter(logins))]

    def _find(self, body: Body) -> tuple[Login, Account]:
        login = self._login(body)
        return login, login.ledger.accounts[body["account"]]

    async def _push(self) -> None:
        await self._world.push()


def _amount(value: Any) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise ValueError(f"{value} is no amount")
    return amount


def _optional(value: Any) -> Decimal | None:
    return None if value is None else _amount(value)


def _instant(value: Any) -> float:
    if isinstance(value, str):
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("an instant has an offset from UTC")
        return at.timestamp()
    return float(value)


def _is_same_day(one: float, other: float) -> bool:
    return datetime.fromtimestamp(one, UTC).date() == datetime.fromtimestamp(other, UTC).date()
