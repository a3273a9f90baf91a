"""What a record is about: its kind, who owns it, and its subject; pure.

Market data has no owner: whoever may enter may see it. Everything else belongs to a broker login,
or to one account of it, and two logins may well have an account of the same number; or to the
viewer who made it, as an alert does.
"""

from collections.abc import Iterable, Iterator
from itertools import product, starmap
from typing import NamedTuple

MAIN_LOGIN = "main"
"""The login of TT_SECRET and TT_REFRESH, which also carries the market data."""


class Owner(NamedTuple):
    """Whose a record is: nobody's, a login's, one account's of that login, or a viewer's."""

    login: str = ""
    account: str = ""
    viewer: str = ""
    """The key of a viewer, under which the store keeps what he made; has neither of the others."""


NOBODY = Owner()
"""The owner of what everybody may see."""

Grant = frozenset[Owner] | None
"""The owners whose records somebody may see; None means everybody's, for what serves no viewer."""

ANY_ACCOUNT = "*"
"""In a grant, for all accounts of a login, those to come included. No account number has a star."""


class Topic(NamedTuple):
    """What a record is the newest of."""

    kind: str
    """The event type, such as `quote_update`."""
    owner: Owner
    subject: str
    """The symbol, the account, the upstream: whatever tells it from others of its kind."""


class TopicPattern(NamedTuple):
    """All topics of a kind that have an owner, those to come included; a grant says which of them.

    `accounts` leaves only those of these accounts, None all: also those of logins themselves.
    """

    kind: str
    accounts: frozenset[str] | None = None

    def matches(self, topic: Topic) -> bool:
        """Say whether a topic is one of them."""
        _, owner, _ = topic
        is_wanted = self.accounts is None or owner.account in self.accounts
        return topic.kind == self.kind and owner != NOBODY and is_wanted


def market_topic(kind: str, symbol: str) -> Topic:
    """Return the topic of market data of a symbol."""
    return Topic(kind, NOBODY, symbol)


def list_market_topics(kinds: Iterable[str], symbols: Iterable[str]) -> Iterator[Topic]:
    """Yield the topic of each of these kinds of market data for each of these symbols."""
    return starmap(market_topic, product(kinds, symbols))


def status_topic(upstream: str, login: str = MAIN_LOGIN) -> Topic:
    """Return the topic of the status of an upstream.

    The feed is nobody's, whichever login carries it; a session and accounts are their login's.
    """
    return Topic("status", NOBODY if upstream == "feed" else Owner(login), upstream)


def grant_accounts(accounts: Iterable[str] | None, login: str = MAIN_LOGIN) -> frozenset[Owner]:
    """Return the grant for these accounts of a login; None stands for all, those to come included.

    A grant is the owners whose records somebody may see. It holds the login itself (its statuses)
    only if that is granted too, as `Owner(login)`.
    """
    return frozenset(
        Owner(login, each) for each in ([ANY_ACCOUNT] if accounts is None else accounts)
    )


def covers(grant: Grant, owner: Owner) -> bool:
    """Say whether a grant includes the records of this owner; what is nobody's is in every one."""
    if grant is None or owner == NOBODY or owner in grant:
        return True
    return owner.account != "" and Owner(owner.login, ANY_ACCOUNT) in grant


def narrow_grant(grant: frozenset[Owner], accounts: frozenset[str]) -> frozenset[Owner]:
    """Return what of a grant concerns these accounts, and the logins that it holds."""
    kept = {each for each in grant if each.account in accounts or not each.account}
    every = [each.login for each in grant if each == Owner(each.login, ANY_ACCOUNT)]
    return frozenset(kept | {Owner(login, account) for login in every for account in accounts})


def account_topic(kind: str, account: str, subject: str, login: str = MAIN_LOGIN) -> Topic:
    """Return the topic of a record of an account, such as one of its positions."""
    return Topic(kind, Owner(login, account), subject)


def balance_topic(account: str, login: str = MAIN_LOGIN) -> Topic:
    """Return the topic of an account's balance."""
    return account_topic("balance_update", account, account, login)
