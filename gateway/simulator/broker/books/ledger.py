"""Two accounts, what they hold and what it is worth: bodies for REST and for pushes; pure.

Net liquidating value is cash plus every position at its mark, computed from the same books at the
same instant wherever it is asked for, so REST and the account streamer cannot disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Kind, Option, third_friday

ZERO = Decimal(0)
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """A holding; `quantity` is negative when it is owed."""

    symbol: str
    quantity: int
    average_price: Decimal
    multiplier: int
    opened_at: datetime


@dataclass(slots=True)
class Account:
    """One account; `omitted` fields are left out of its balance, `adjustment` is cash by hand."""

    number: str
    nickname: str
    kind: str
    is_margin: bool
    cash: Decimal
    positions: tuple[Position, ...]
    adjustment: Decimal = ZERO
    omitted: set[str] = field(default_factory=set)


class Ledger:
    """The accounts of the simulated customer."""

    def __init__(self, market: Market, now: float) -> None:
        self._market = market
        self._opened_at = datetime.fromtimestamp(now, UTC) - timedelta(days=23)
        today = datetime.fromtimestamp(now, UTC).date()
        margin = Account(
            "5WX00001", "Main", "Individual", True, Decimal("41250.37"),
            (
                self._hold("SPY", 200, 0.984),
                self._hold("AAPL", 150, 1.021),
                self._hold("NVDA", 100, 0.93),
                self._hold("DIS", -40, 1.013),
                self._hold(self._pick("SPY", today, is_call=False, reach=0.95), -5, 1.30),
                self._hold(self._pick("SPY", today, is_call=False, reach=0.92), 5, 1.18),
                self._hold(self._pick("TSLA", today, is_call=True, reach=1.05), 2, 0.85),
            ),
        )  # fmt: skip
        retirement = Account(
            "5WY00002", "Retirement", "Roth IRA", False, Decimal("8731.90"),
            (
                self._hold("QQQ", 60, 0.955),
                self._hold("MSFT", 25, 1.008),
                self._hold("TLT", 100, 1.034),
                self._hold(self._pick("QQQ", today, is_call=False, reach=0.94), 1, 1.22),
            ),
        )  # fmt: skip
        self.accounts = {account.number: account for account in (margin, retirement)}

    def describe(self, number: str) -> Body:
        """Return the account object. Raises: KeyError."""
        account = self.accounts[number]
        opened = "2023-03-14T15:21:07.482+00:00"
        return {
            "account-number": account.number,
            "account-type-name": account.kind,
            "created-at": opened,
            "day-trader-status": False,
            "external-id": f"A{account.number[3:]}",
            "ext-crm-id": "001dr00000000000",
            "external-fdid": f"tasty{account.number[3:]}",
            "funding-date": "2023-03-21",
            "investment-objective": "SPECULATION",
            "investment-time-horizon": "SHORT",
            "is-closed": False,
            "is-firm-error": False,
            "is-firm-proprietary": False,
            "is-foreign": False,
            "is-futures-approved": account.is_margin,
            "is-test-drive": False,
            "liquidity-needs": "LIQUIDITY",
            "margin-or-cash": "Margin" if account.is_margin else "Cash",
            "nickname": account.nickname,
            "opened-at": opened,
            "regulatory-domain": "USA",
            "risk-tolerance": "AGGRESSIVE",
            "suitable-options-level": "No Restrictions",
        }

    def value(self, number: str) -> Decimal:
        """Return the net liquidating value. Raises: KeyError."""
        account = self.accounts[number]
        return account.cash + account.adjustment + sum(self._worth(account), ZERO)

    def balance(self, number: str) -> Body:
        """Return the balance object of REST and of the pushes. Raises: KeyError."""
        account = self.accounts[number]
        cash = account.cash + account.adjustment
        long_stock = short_stock = long_option = short_option = ZERO
        for position, worth in zip(account.positions, self._worth(account), strict=True):
            if self._is_option(position.symbol):
                long_option += max(worth, ZERO)
                short_option += max(-worth, ZERO)
            else:
                long_stock += max(worth, ZERO)
                short_stock += max(-worth, ZERO)
        value = cash + long_stock + long_option - short_stock - short_option
        needed = (long_stock + short_stock) / (4 if account.is_margin else 1)
        if account.is_margin:
            needed += short_option * 2
        free = max(value - needed - long_option, ZERO) if account.is_margin else max(cash, ZERO)
        at = datetime.fromtimestamp(self._market.now, UTC)
        amounts = {
            "cash-balance": cash,
            "long-equity-value": long_stock,
            "short-equity-value": short_stock,
            "long-derivative-value": long_option,
            "short-derivative-value": short_option,
            "long-margineable-value": long_stock if account.is_margin else ZERO,
            "margin-equity": value,
            "equity-buying-power": free * 2 if account.is_margin else free,
            "derivative-buying-power": free,
            "day-trading-buying-power": free * 4 if account.is_margin else ZERO,
            "available-trading-funds": free,
            "maintenance-requirement": needed,
            "net-liquidating-value": value,
            "cash-available-to-withdraw": max(min(cash, free), ZERO),
            "day-trade-excess": free,
            "used-derivative-buying-power": needed,
            "reg-t-margin-requirement": needed * 2 if account.is_margin else needed,
            "maintenance-excess": free,
            "sma-equity-option-buying-power": free,
        }
        body: Body = {"account-number": number}
        body |= {name: _money(amount) for name, amount in amounts.items()}
        body |= dict.fromkeys(NOTHING, "0.0")
        body |= {
            "pending-cash-effect": "None",
            "buying-power-adjustment-effect": "None",
            "unsettled-cryptocurrency-fiat-effect": "None",
            "currency": "USD",
            "snapshot-date": at.date().isoformat(),
            "updated-at": at.isoformat(timespec="milliseconds"),
        }
        return {name: value for name, value in body.items() if name not in account.omitted}

    def positions(self, number: str, *, with_marks: bool = True) -> list[Body]:
        """Return the position objects. Raises: KeyError."""
        return [
            self._describe(number, held, with_marks) for held in self.accounts[number].positions
        ]

    def _describe(self, number: str, held: Position, with_marks: bool) -> Body:
        book = self._market.find(held.symbol)
        if book is None:
            raise KeyError(held.symbol)
        option = book.option
        mark = book.mark
        at = datetime.fromtimestamp(self._market.now, UTC)
        body: Body = {
            "account-number": number,
            "symbol": option.occ if option else held.symbol,
            "instrument-type": book.kind.value,
            "underlying-symbol": option.underlying if option else held.symbol,
            "quantity": str(abs(held.quantity)),
            "quantity-direction": "Long" if held.quantity > 0 else "Short",
            "close-price": _money(Decimal(str(book.prev_close))),
            "average-open-price": _money(held.average_price),
            "average-yearly-market-close-price": _money(held.average_price),
            "average-daily-market-close-price": _money(Decimal(str(book.prev_close))),
            "multiplier": held.multiplier,
            "cost-effect": "Credit" if held.quantity > 0 else "Debit",
            "is-suppressed": False,
            "is-frozen": False,
            "restricted-quantity": "0.0",
            "realized-day-gain": "0.0",
            "realized-day-gain-effect": "None",
            "realized-day-gain-date": at.date().isoformat(),
            "realized-today": "0.0",
            "realized-today-effect": "None",
            "realized-today-date": at.date().isoformat(),
            "streamer-symbol": held.symbol,
            "created-at": held.opened_at.isoformat(timespec="milliseconds"),
            "updated-at": at.isoformat(timespec="milliseconds"),
        }
        if option:
            body["expires-at"] = f"{option.expiry.isoformat()}T21:00:00.000+00:00"
        if with_marks:
            body["mark"] = _money(mark * abs(held.quantity) * held.multiplier)
            body["mark-price"] = _money(mark)
        return body

    def _hold(self, symbol: str, quantity: int, ratio: float) -> Position:
        """A position opened at `ratio` times today's price."""
        price = (self._market.mark(symbol) * Decimal(str(ratio))).quantize(Decimal("0.01"))
        return Position(
            symbol, quantity, price, 100 if self._is_option(symbol) else 1, self._opened_at
        )

    def _pick(self, underlying: str, today: date, *, is_call: bool, reach: float) -> str:
        """The option struck at `reach` times the price, in a monthly at least 20 days away."""
        spot = float(self._market.mark(underlying))
        chain = self._market.universe.chains[underlying].options

        def distance(option: Option) -> tuple[int, float]:
            days = (option.expiry - today).days
            monthly = option.expiry == third_friday(option.expiry.year, option.expiry.month)
            return (days if monthly and days >= 20 else 9999, abs(option.strike - spot * reach))

        return min((o for o in chain if o.is_call is is_call), key=distance).symbol

    def _worth(self, account: Account) -> Iterator[Decimal]:
        for held in account.positions:
            yield self._market.mark(held.symbol) * held.quantity * held.multiplier

    def _is_option(self, symbol: str) -> bool:
        return symbol in self._market.universe.options


NOTHING = (
    "long-futures-value",
    "short-futures-value",
    "long-futures-derivative-value",
    "short-futures-derivative-value",
    "short-margineable-value",
    "futures-margin-requirement",
    "maintenance-call-value",
    "reg-t-call-value",
    "day-trading-call-value",
    "day-equity-call-value",
    "pending-cash",
    "long-cryptocurrency-value",
    "short-cryptocurrency-value",
    "cryptocurrency-margin-requirement",
    "unsettled-cryptocurrency-fiat-amount",
    "closed-loop-available-balance",
    "equity-offering-margin-requirement",
    "long-bond-value",
    "bond-margin-requirement",
    "futures-overnight-margin-requirement",
    "futures-intraday-margin-requirement",
    "pending-margin-interest",
    "effective-cryptocurrency-buying-power",
    "apex-starting-day-margin-equity",
    "buying-power-adjustment",
    "special-memorandum-account-value",
    "special-memorandum-account-apex-adjustment",
    "total-settle-balance",
    "cash-settle-balance",
    "previous-day-cryptocurrency-fiat-amount",
    "debit-margin-balance",
    "intraday-equities-cash-amount",
    "intraday-futures-cash-amount",
)


def _money(amount: Decimal) -> str:
    # Half a cent survives: a mark is the middle of a one-cent spread.
    text = f"{amount.quantize(Decimal('0.001')):f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


__all__ = ["Account", "Kind", "Ledger", "Position"]
