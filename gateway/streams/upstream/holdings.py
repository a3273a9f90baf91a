"""Positions and orders of one login's accounts: REST is the truth, pushes are what is newer.

The account stream has neither an initial state nor a replay, so REST is read at the start, every 30
seconds, and at once after whatever may have been missed: a reconnect, a hole in the count of
pushes, an "unauthorized", a fill. Rows are read one by one; one that cannot be read costs itself.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeVar

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import Refused
from gateway.streams.sessions import EXCHANGE_TIME
from gateway.streams.upstream.budget import ORDER_VERSION, RequestBudget
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.frames import HOLE
from gateway.streams.upstream.order_book import OrderBook, OrderChanges, OrderKey
from gateway.streams.upstream.position_book import (
    Changes,
    PositionBook,
    PositionKey,
    is_over,
)
from gateway.streams.upstream.retry import REFUSED_S, TROUBLE, RetryPolicy, describe_error
from gateway.streams.upstream.rows import (
    OrderRow,
    PositionRow,
    Row,
    list_items,
    list_orders_of,
    read_order,
    read_position,
    read_rows,
)
from gateway.streams.upstream.sdk import Push

logger = logging.getLogger(__name__)

READ_S = 30.0
"""Between two readings of the same, when nothing asks for one sooner."""
ORDERS_PER_PAGE = 200
MAX_ORDER_PAGES = 25

What = Literal["positions", "orders"]
T = TypeVar("T")
R = TypeVar("R", PositionRow, OrderRow)


@dataclass(slots=True, eq=False)
class _Part:
    """One list of one account: when it is read again, and how that went."""

    account: str
    what: What
    due_s: float = float("-inf")
    not_before_s: float = float("-inf")
    """After a failure, whatever asks for it."""
    is_tried: bool = False
    trouble: str | None = None
    unreadable: int = 0
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def next_s(self) -> float:
        """When it is to be read."""
        return max(self.due_s, self.not_before_s)


class Holdings:
    """The positions and orders of one login, current within a second of what is pushed.

    `on_positions` and `on_orders` are called with what changed, `on_state` when it changed how well
    they can be read.
    """

    def __init__(
        self, budget: RequestBudget, dropped: DropStats, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.positions = PositionBook()
        self.orders = OrderBook()
        self.on_positions: Callable[[Changes], None] = lambda changes: None
        self.on_orders: Callable[[OrderChanges], None] = lambda changes: None
        self.on_state: Callable[[], None] = lambda: None
        self.readings = 0
        self.pushes = 0
        self.holes = 0
        self._budget = budget
        self._dropped = dropped
        self._clock = clock
        self._parts: list[_Part] = []
        self._read_once: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def is_read(self) -> bool:
        """Whether everything was asked for once."""
        return bool(self._parts) and all(part.is_tried for part in self._parts)

    @property
    def today(self) -> date:
        """The date in New York."""
        return self._clock.now().astimezone(EXCHANGE_TIME).date()

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts whose positions were ever read."""
        return frozenset(self._read_once)

    def find_trouble(self) -> str | None:
        """Return what cannot be read at all, for people; None when everything can."""
        return next((part.trouble for part in self._parts if part.trouble), None)

    def find_remark(self) -> str | None:
        """Return how many rows cannot be read, for people; None without any."""
        found = []
        for what in ("positions", "orders"):
            count = sum(part.unreadable for part in self._parts if part.what == what)
            if count:
                noun = what.removesuffix("s") if count == 1 else what
                found.append(f"{count} {noun} could not be read")
        return "; ".join(found) or None

    def is_stale(self, account: str, what: What) -> bool:
        """Whether this list of an account cannot be read."""
        return any(
            part.trouble is not None
            for part in self._parts
            if part.account == account and part.what == what
        )

    async def run(self, numbers: Sequence[str]) -> None:
        """Keep the lists of these accounts current until cancelled."""
        self._parts = [
            _Part(number, what) for number in numbers for what in ("positions", "orders")
        ]
        while True:
            self._changed.clear()
            part = min(self._parts, key=lambda each: each.next_s)
            delay_s = part.next_s - self._clock.monotonic_s()
            if delay_s > 0:
                try:
                    async with asyncio.timeout(delay_s):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            await self._read(part)

    def read_again(self, account: str | None = None, what: What | None = None) -> None:
        """Read everything again at once, or only this."""
        now_s = self._clock.monotonic_s()
        for part in self._parts:
            if account in (None, part.account) and what in (None, part.what):
                part.due_s = min(part.due_s, now_s)
        self._changed.set()

    def end_day(self) -> None:
        """Let go of the positions that were closed on an earlier day."""
        changes = self.positions.end_day(self.today)
        if changes.removed:
            self.on_positions(changes)

    # --- REST ------------------------------------------------------------------------------------

    async def _read(self, part: _Part) -> None:
        asked_s = self._clock.monotonic_s()
        before = (part.is_tried, part.trouble, part.unreadable)
        part.due_s = asked_s + READ_S  # before the request: who asks meanwhile is heard
        try:
            if part.what == "positions":
                await self._read_positions(part, asked_s)
            else:
                await self._read_orders(part, asked_s)
        except (*TROUBLE, ValueError) as error:
            words = describe_error(error) if isinstance(error, TROUBLE) else str(error)
            logger.warning("reading %s failed: %s", part.what, words)
            delay_s = part.policy.next_delay_s(error)
            part.not_before_s = self._clock.monotonic_s() + (
                REFUSED_S if delay_s is None else min(delay_s, READ_S)
            )
            part.due_s = part.not_before_s
            part.trouble = (
                words
                if isinstance(error, Refused)
                else f"{part.what} cannot be read ({words}); trying again"
            )
        else:
            part.policy.reset()
            part.trouble = None
            part.not_before_s = float("-inf")
            self.readings += 1
        part.is_tried = True
        if before != (part.is_tried, part.trouble, part.unreadable):
            self.on_state()

    async def _read_positions(self, part: _Part, asked_s: float) -> None:
        query = [("include-marks", "true"), ("include-closed-positions", "true")]
        path = f"/accounts/{part.account}/positions"
        data = await self._budget.get("positions", path, query)
        rows = self._sort_out(part, list_items(data), read_position, "CurrentPosition")
        self.take_positions(part.account, rows, asked_s)

    async def _read_orders(self, part: _Part, asked_s: float) -> None:
        path = f"/accounts/{part.account}/orders/live"
        items: list[Any] = []
        for page in range(MAX_ORDER_PAGES):
            query = [("per-page", str(ORDERS_PER_PAGE)), ("page-offset", str(page))]
            data = await self._budget.get("other", path, query, version=ORDER_VERSION)
            found = list_items(data)
            items += found
            if len(found) < ORDERS_PER_PAGE:
                break
        known = {each.get("id") for each in items if isinstance(each, dict)}
        items += [
            each
            for each in await self._list_tied_orders(part.account)
            if isinstance(each, dict) and each.get("id") not in known
        ]
        rows = self._sort_out(part, items, read_order, "Order")
        self.on_orders(self.orders.read(part.account, rows, asked_s))

    async def _list_tied_orders(self, account: str) -> list[Any]:
        """Return the orders of complex orders: what waits for another may be listed only there."""
        path = f"/accounts/{account}/complex-orders/live"
        try:
            data = await self._budget.get("other", path, version=ORDER_VERSION)
        except Refused:
            return []  # not for every account
        return [order for each in list_items(data) for order in list_orders_of(each)]

    def _sort_out(
        self, part: _Part, items: Iterable[Any], read: Callable[[Row], T], kind: str
    ) -> list[T]:
        rows, unreadable = read_rows(items, read)
        if unreadable > part.unreadable:
            self._dropped[kind, "malformed"] += unreadable - part.unreadable
            logger.warning("%d of %s could not be read", unreadable, part.what)
        part.unreadable = unreadable
        return rows

    def take_positions(self, account: str, rows: Iterable[PositionRow], asked_s: float) -> None:
        """Take all positions of an account, which were asked for at `asked_s`."""
        today = self.today
        held = [row for row in rows if not is_over(row, today)]
        self._read_once.add(account)
        self.on_positions(self.positions.read(account, held, asked_s))

    # --- Pushes ----------------------------------------------------------------------------------

    def on_push(self, push: Push) -> None:
        """Take what the account stream said; of what it does not know nothing."""
        if push.kind == HOLE:
            self.holes += 1
            logger.warning("pushes of the account stream were lost; reading everything again")
            self.read_again()
        elif push.kind == "CurrentPosition":
            self._on_row(push, read_position, self._push_position)
        elif push.kind == "Order":
            self._on_row(push, read_order, self._push_order)
        elif push.kind == "ComplexOrder":
            for order in list_orders_of(push.data):
                self._on_row(Push("Order", order), read_order, self._push_order)

    def _on_row(self, push: Push, read: Callable[[Row], R], take: Callable[[R], None]) -> None:
        self.pushes += 1
        rows, unreadable = read_rows([push.data], read)
        for row in rows:
            take(msgspec.structs.replace(row, source="account_stream"))
        if unreadable:
            self._dropped[push.kind, "malformed"] += unreadable
            self.read_again(what="orders" if push.kind == "Order" else "positions")

    def _push_position(self, row: PositionRow) -> None:
        if not self._is_followed(row.account):
            return
        now_s = self._clock.monotonic_s()
        key = PositionKey(row.account, row.holding.broker_symbol)
        if is_over(row, self.today):
            changes = self.positions.drop(key)
        else:
            known = self.positions.get(key)
            changes = self.positions.push(keep_mark(row, known), now_s)
        self.on_positions(changes)

    def _push_order(self, row: OrderRow) -> None:
        if not self._is_followed(row.account):
            return
        known = self.orders.get(OrderKey(row.account, row.order_id))
        before = 0 if known is None else known.fill_count
        self.on_orders(self.orders.push(row, self._clock.monotonic_s()))
        if row.fill_count > before:
            self.read_again(row.account, "positions")

    def _is_followed(self, account: str) -> bool:
        return any(part.account == account for part in self._parts)


def keep_mark(row: PositionRow, known: PositionRow | None) -> PositionRow:
    """Return a pushed row with the broker's mark of the row before: pushes carry none."""
    if known is None or row.holding.broker_mark is not None:
        return row
    return row.with_mark(known.holding.broker_mark)
