"""What the simulated customers' accounts hold when a simulator starts; pure.

Account numbers are unique to a customer only: the second one has an account of the same number as
the first, as two logins of one gateway may.
"""

from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.amounts import ZERO
from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.books.positions import Position
from gateway.simulator.broker.catalogue.naming import today
from gateway.simulator.market.calendar import instant, monthly_expiry
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Option

HELD_DAYS = 23
CENT = Decimal("0.01")
MAIN, RETIREMENT, JOINT = "5WX00001", "5WY00002", "5WZ00003"


def open_first(market: Market) -> Ledger:
    """Return the accounts of the first customer: a margin account with everything, and an IRA."""
    main = Account(MAIN, "Main", "Individual", True, Decimal("41250.37"))
    retirement = Account(RETIREMENT, "Retirement", "Roth IRA", False, Decimal("8731.90"))
    shares = (
        ("SPY", 200, 0.984), ("AAPL", 150, 1.021), ("NVDA", 60, 0.93), ("DIS", -40, 1.013),
        ("GLD", 30, 0.95), ("XLF", 80, 0.97),
    )  # fmt: skip
    for symbol, count, ratio in shares:
        _hold(market, main, symbol, count, ratio)
    puts = _pick(market, "SPY", is_call=False)
    calls = _pick(market, "TSLA", is_call=True)
    _hold(market, main, puts(0.95), -5, 1.30)
    _hold(market, main, puts(0.92), 5, 1.18)
    _hold(market, main, calls(1.05), 2, 0.85)
    _hold(market, main, _adjusted(market), 1, 0.80)
    future = _front(market, "ES")
    _hold(market, main, future, 2, 0.994)
    _hold(market, main, _future_put(market, future), -3, 1.25)
    _hold(market, main, "BTC/USD:CXTALP", Decimal("0.125"), 0.9)
    for symbol, count, ratio in (("QQQ", 60, 0.955), ("MSFT", 25, 1.008), ("TLT", 100, 1.034)):
        _hold(market, retirement, symbol, count, ratio)
    _hold(market, retirement, _pick(market, "QQQ", is_call=False)(0.94), 1, 1.22)
    ledger = Ledger(market, (main, retirement))
    _trade_today(ledger, market)
    _work(ledger, market)
    main.cash = Decimal("41250.37")
    return ledger


def open_second(market: Market) -> Ledger:
    """Return the accounts of the second customer, one with a number of the first's."""
    own = Account(MAIN, "Pat's own", "Individual", True, Decimal("15000.00"))
    joint = Account(JOINT, "Joint", "Joint", False, Decimal("2500.50"))
    _hold(market, own, "KO", 300, 0.96)
    _hold(market, joint, "IWM", 10, 1.02)
    ledger = Ledger(market, (own, joint))
    price = (market.mark("KO") * Decimal("1.4")).quantize(CENT)
    ledger.place(MAIN, [("Sell to Close", "KO", Decimal(100))], price=price, time_in_force="GTC")
    return ledger


def _trade_today(ledger: Ledger, market: Market) -> None:
    """Buy more, sell a part, close: each in an order of its own, some hours ago."""
    trades = (
        ("Buy to Open", "NVDA", 40, 0.996), ("Buy to Open", "GLD", 50, 1.002),
        ("Sell to Close", "GLD", 45, 1.004), ("Sell to Close", "XLF", 80, 1.006),
    )  # fmt: skip
    midnight = instant(today(market), time())
    for n, (action, symbol, count, ratio) in enumerate(trades):
        at = max(market.now - 7_200 + n * 600, midnight + n)
        price = (market.mark(symbol) * Decimal(str(ratio))).quantize(CENT)
        signed = price if action.startswith("Sell") else -price
        order = ledger.place(MAIN, [(action, symbol, Decimal(count))], price=signed, at=at)
        ledger.fill(MAIN, order.id, at=at + 2)


def _work(ledger: Ledger, market: Market) -> None:
    """Leave orders behind: working far from the market, replaced, contingent, tied, rejected."""
    low = (market.mark("KO") * Decimal("0.7")).quantize(CENT)
    legs = [("Buy to Open", "KO", Decimal(100))]
    first = ledger.place(MAIN, legs, price=-low, time_in_force="GTC")
    ledger.replace(MAIN, first.id, price=-(low + Decimal("0.50")))
    puts = _pick(market, "IWM", is_call=False)
    spread = [
        ("Sell to Open", puts(0.95), Decimal(2)),
        ("Buy to Open", puts(0.90), Decimal(2)),
    ]
    ledger.place(MAIN, spread, price=Decimal("4.50"), time_in_force="Day")
    rule = {"order-conditions": [{
        "id": "1", "action": "route", "symbol": "SPY", "instrument-type": "Equity",
        "indicator": "last", "comparator": "lte", "threshold": "400.0",
        "is-threshold-based-on-notional": False, "price-components": [],
    }]}  # fmt: skip
    ledger.place(MAIN, legs, price=-low, until="Contingent", rule=rule, time_in_force="GTC")
    high = (market.mark("DIS") * Decimal("0.6")).quantize(CENT)
    cover = [("Buy to Close", "DIS", Decimal(40))]
    stop = (market.mark("DIS") * Decimal("1.5")).quantize(CENT)
    take = ledger.place(MAIN, cover, price=-high, time_in_force="GTC")
    loss = ledger.place(MAIN, cover, order_type="Stop", stop_trigger=stop, time_in_force="GTC")
    ledger.place_complex(MAIN, "OCO", [take, loss])
    too_many = [("Buy to Open", "COST", Decimal(900))]
    refused = ledger.place(MAIN, too_many, order_type="Market", until="Received")
    ledger.reject(MAIN, refused.id, "Insufficient buying power")


def _hold(
    market: Market, account: Account, symbol: str, quantity: int | Decimal, ratio: float
) -> None:
    """Give an account a position opened weeks ago at `ratio` times today's price."""
    book = market.find(symbol)
    if book is None:
        raise KeyError(symbol)
    close = Decimal(str(book.prev_close))
    paid = (book.mark * Decimal(str(ratio))).quantize(CENT)
    multiplier = book.option.multiplier if book.option is not None else 1
    if book.instrument is not None:
        multiplier = book.instrument.multiplier
    opened_at = market.now - timedelta(days=HELD_DAYS).total_seconds()
    account.positions[symbol] = Position(
        symbol, book.kind, multiplier, opened_at, Decimal(quantity), paid, close, paid, close,
        ZERO, ZERO, None, opened_at,
    )  # fmt: skip


def _pick(market: Market, underlying: str, *, is_call: bool) -> Callable[[float], str]:
    """Return what finds the option struck at a part of the price, in a monthly some weeks away."""
    spot, day = float(market.mark(underlying)), today(market)
    options = [o for o in market.universe.options_on(underlying) if o.chain_type == "Standard"]

    def pick(reach: float) -> str:
        def distance(option: Option) -> tuple[int, float]:
            days = (option.expiry - day).days
            monthly = option.expiry == monthly_expiry(option.expiry.year, option.expiry.month)
            return (days if monthly and days >= 20 else 9999, abs(option.strike - spot * reach))

        return min((o for o in options if o.is_call is is_call), key=distance).symbol

    return pick


def _adjusted(market: Market) -> str:
    spot = float(market.mark("TSLA"))
    chain = next(each for each in market.universe.chains["TSLA"] if each.kind != "Standard")
    last = chain.expiries()[-1]
    calls = [o for o in chain.options if o.is_call and o.expiry == last]
    return min(calls, key=lambda option: abs(option.strike - spot)).symbol


def _front(market: Market, root: str) -> str:
    found = {
        item.contract.expiry: item.symbol
        for item in market.universe.instruments.values()
        if item.contract is not None and item.contract.root == root
    }
    return found[min(found)]


def _future_put(market: Market, future: str) -> str:
    spot = float(market.mark(future))
    puts = [
        option
        for option in market.universe.future_options.values()
        if option.underlying == future and not option.is_call
    ]
    last = max(option.expiry for option in puts)
    return min(
        (option for option in puts if option.expiry == last),
        key=lambda option: abs(option.strike - spot * 0.97),
    ).symbol
