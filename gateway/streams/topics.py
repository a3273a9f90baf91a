"""What a record is about: its kind, who owns it, and its subject; pure.

Market data has no owner: whoever may enter may see it. Everything else belongs to a broker login,
or to one account of it, and two logins may well have an account of the same number.
"""

from collections.abc import Iterable, Iterator
from itertools import product, starmap
from typing import NamedTuple

MAIN_LOGIN = "main"
"""The login of TT_SECRET and TT_REFRESH, which also carries the market data."""


class Owner(NamedTuple):
    """Whose a record is: nobody's, a login's, or one account's of that login."""

    login: str = ""
    account: str = ""


NOBODY = Owner()
"""The owner of what everybody may see."""


class Topic(NamedTuple):
    """What a record is the newest of."""

    kind: str
    """The event type, such as `quote_update`."""
    owner: Owner
    subject: str
    """The symbol, the account, the upstream: whatever tells it from others of its kind."""


def market_topic(kind: str, symbol: str) -> Topic:
    """Return the topic of market data of a symbol."""
    return Topic(kind, NOBODY, symbol)


def list_market_topics(kinds: Iterable[str], symbols: Iterable[str]) -> Iterator[Topic]:
    """Yield the topic of each of these kinds of market data for each of these symbols."""
    return starmap(market_topic, product(kinds, symbols))


def status_topic(upstream: str, login: str = MAIN_LOGIN) -> Topic:
    """Return the topic of the status of an upstream; that of another login is only its own."""
    return Topic("status", NOBODY if login == MAIN_LOGIN else Owner(login), upstream)


def balance_topic(account: str, login: str = MAIN_LOGIN) -> Topic:
    """Return the topic of an account's balance."""
    return Topic("balance_update", Owner(login, account), account)
