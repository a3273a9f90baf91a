"""Market metrics, earnings and dividends as REST gives them; pure."""

from datetime import datetime, timedelta

from gateway.simulator.broker.catalogue.naming import Body, find_book, iso, today
from gateway.simulator.market.book import Book
from gateway.simulator.market.calendar import NEW_YORK
from gateway.simulator.market.corporate import (
    next_dividend,
    next_earnings,
    past_dividends,
    past_earnings,
)
from gateway.simulator.market.market import Market
from gateway.simulator.market.options import find_expiry_volatility
from gateway.simulator.market.universe import Instrument, Kind


def metrics(market: Market, name: str) -> Body | None:
    """Return the metrics of an underlying's REST symbol, or None. Futures have no market cap.

    A product (`/ES`) has those of its contract in front.
    """
    book = find_book(market, name) or _find_front(market, name)
    item = book.instrument if book is not None else None
    if book is None or item is None or item.kind is Kind.CRYPTO:
        return None
    at = iso(market.now)
    rank = f"{min(max((book.volatility / item.volatility - 0.6) / 0.9, 0.0), 1.0):.9f}"
    chains = market.universe.chains.get(item.symbol, ())
    historic = item.volatility * 100
    implied = book.volatility * 100
    body: Body = {
        "symbol": name,
        "implied-volatility-index": f"{book.volatility:.9f}",
        "implied-volatility-index-5-day-change": "0.004",
        "implied-volatility-index-rank": rank,
        "tos-implied-volatility-index-rank": rank,
        "tw-implied-volatility-index-rank": rank,
        "tos-implied-volatility-index-rank-updated-at": at,
        "implied-volatility-index-rank-source": "tos",
        "implied-volatility-percentile": rank,
        "implied-volatility-updated-at": at,
        "implied-volatility-30-day": f"{implied:.2f}",
        "historical-volatility-30-day": f"{historic:.2f}",
        "historical-volatility-60-day": f"{historic * 1.03:.2f}",
        "historical-volatility-90-day": f"{historic * 1.05:.2f}",
        "iv-hv-30-day-difference": f"{implied - historic:.2f}",
        "liquidity-rating": 4 if chains else 2,
        "liquidity-value": "1234.56" if chains else "98.7",
        "liquidity-rank": "0.91" if chains else "0.34",
        "beta": str(item.beta),
        "beta-updated-at": at,
        "corr-spy-3month": "0.6",
        "listed-market": "XNAS" if item.exchange == "Q" else "ARCX",
        "lendability": "Easy To Borrow",
        "borrow-rate": "0.0",
        "created-at": at,
        "updated-at": at,
    }
    if item.kind is Kind.EQUITY:
        body["market-cap"] = round(item.shares * book.last)
    report = _report(item, market)
    if report is not None:
        body["earnings"] = report
    body |= _dividends(item, market, book.last)
    expiries = {
        (option.expiry, option.is_am, chain.kind): option.expires_s
        for chain in chains
        for option in chain.options
    }
    body["option-expiration-implied-volatilities"] = [
        {
            "expiration-date": expiry.isoformat(),
            "settlement-type": "AM" if is_am else "PM",
            "option-chain-type": kind,
            "implied-volatility": f"{find_expiry_volatility(book, at_s, market.now):.9f}",
        }
        for (expiry, is_am, kind), at_s in sorted(expiries.items())
    ]
    return body


def _find_front(market: Market, product: str) -> Book | None:
    contracts = [
        (item.contract.expiry, symbol)
        for symbol, item in market.universe.instruments.items()
        if item.contract is not None and f"/{item.contract.root}" == product
    ]
    return market.find(min(contracts)[1]) if contracts else None


def list_earnings(market: Market, name: str) -> list[Body] | None:
    """Return what was reported, the newest first, or None for an unknown symbol."""
    book = find_book(market, name)
    if book is None or book.instrument is None:
        return None
    return [
        {"symbol": name, "occurred-date": each.day.isoformat(), "eps": f"{each.eps:.2f}"}
        for each in past_earnings(book.instrument, today(market))
    ]


def list_dividends(market: Market, name: str) -> list[Body] | None:
    """Return what was paid, the newest first, or None for an unknown symbol."""
    book = find_book(market, name)
    if book is None or book.instrument is None:
        return None
    return [
        {"symbol": name, "occurred-date": each.ex_day.isoformat(), "amount": f"{each.amount:.2f}"}
        for each in past_dividends(book.instrument, today(market))
    ]


def _report(item: Instrument, market: Market) -> Body | None:
    day = today(market)
    report = next_earnings(item, day)
    if report is None:
        return None
    return {
        "visible": True,
        "expected-report-date": report.day.isoformat(),
        "estimated": report.day - day > timedelta(days=14),
        "late-flag": 0,
        "quarter-end-date": report.quarter_end.isoformat(),
        "consensus-estimate": f"{report.estimate:.2f}",
        "time-of-day": report.time_of_day,
        "updated-at": datetime.combine(day, datetime.min.time(), NEW_YORK).isoformat(),
    }


def _dividends(item: Instrument, market: Market, price: float) -> Body:
    coming = next_dividend(item, today(market))
    if coming is None:
        return {}
    last = past_dividends(item, today(market))[0]
    return {
        "dividend-rate-per-share": f"{coming.amount * 4:.2f}",
        "dividend-yield": f"{coming.amount * 4 / price:.9f}",
        "dividend-ex-date": last.ex_day.isoformat(),
        "dividend-next-date": coming.ex_day.isoformat(),
        "dividend-pay-date": last.pay_day.isoformat(),
        "dividend-updated-at": iso(market.now),
    }
