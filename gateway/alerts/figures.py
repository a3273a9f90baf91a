"""Which figure of a record an alert may rely on at this moment; pure."""

from decimal import Decimal

from gateway.alerts.rule import Condition
from gateway.streams.account_records import BalanceUpdate, PortfolioUpdate, Removed
from gateway.streams.records import MARKET_TYPES, MarketRecord, MetricsUpdate, QuoteUpdate, Record
from gateway.streams.topics import Topic, account_topic, market_topic

ACCOUNT_KINDS = frozenset({"balance_update", "portfolio_update"})
"""Records of whole accounts, whose subject is the account's number."""

OUTSIDE_HOURS = frozenset({"extended_last"})
"""What there is only outside regular hours."""


def topic_of(condition: Condition) -> Topic:
    """Return the topic of the record that a condition is on."""
    if condition.kind in MARKET_TYPES:
        return market_topic(condition.kind, condition.subject)
    return account_topic(condition.kind, condition.subject, condition.subject)


def key_of(topic: Topic) -> str:
    """Return the record's key as a rule names it."""
    return f"{topic.kind}:{topic.subject}"


def read_figure(record: Record | None, field: str, quote: Record | None) -> Decimal | None:
    """Return the value of a field; None when it is unknown, stale, or its market not open.

    `quote` is the newest of the record's symbol, which says whether the market is open.
    """
    if record is None or isinstance(record, Removed) or getattr(record, "stale", False):
        return None
    if isinstance(record, MarketRecord) and not isinstance(record, MetricsUpdate):
        is_open = isinstance(quote, QuoteUpdate) and quote.market == "open"
        if not is_open and field not in OUTSIDE_HOURS:
            return None
    elif not isinstance(record, MetricsUpdate | BalanceUpdate | PortfolioUpdate):
        return None
    value = getattr(record, field, None)
    if value is None:
        return None
    found = Decimal(value)
    return found if found.is_finite() else None
