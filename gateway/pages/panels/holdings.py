"""The shape that positions and orders share: private rows that come and go, named by what they are.

A panel shows what the viewer may see of the accounts that the page names, or of all.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from markupsafe import Markup, escape

from gateway.pages.authoring.address import link_chain, link_symbol
from gateway.pages.authoring.builder import PageError, plain_id
from gateway.pages.panel import Key, TablePanel
from gateway.pages.panels.sorting import Head, Sorting
from gateway.pages.panels.table import AGE
from gateway.streams.topics import Topic, TopicPattern

_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,32}\Z")
_FUTURE = re.compile(r"(/[A-Z0-9]+[FGHJKMNQUVXZ])\d(\d):")
"""The feed's name of a contract: the broker leaves out the decade and the exchange."""


def check_accounts(name: str, accounts: Sequence[str]) -> frozenset[str] | None:
    """Return the accounts that a panel names; None when it names none, which means all.

    Raises:
        PageError: when one is no account number.
    """
    for account in accounts:
        if not _ACCOUNT.match(str(account)):
            raise PageError(
                f'{name}: {account!r} is no account number: write {name}("5WX00001"), '
                f"or {name}() for all"
            )
    return frozenset(accounts) or None


class HoldingTable(TablePanel):
    """Rows of one kind of account record, in chosen columns."""

    frame: ClassVar[str] = "panels/holdings.html"
    record_type: ClassVar[str]
    label: ClassVar[str]
    """What it is called where it has no title."""

    first: ClassVar[str]
    """The head of the first column."""

    style: ClassVar[str]
    """A class of its own."""

    document: ClassVar[str]
    """Where the same is as JSON and as CSV."""

    is_private: bool = True

    sorting: Sorting
    """How it is sorted."""

    def __init__(
        self,
        id: str,
        accounts: frozenset[str] | None,
        columns: Sequence[str],
        title: str | None = None,
    ) -> None:
        super().__init__(id)
        self.columns = tuple(columns)
        self.title = title
        self._keys: tuple[Key, ...] = (TopicPattern(self.record_type, accounts),)

    @property
    def heads(self) -> list[Head]:
        """Of the columns, for the frame."""
        return [self.head(each) for each in self.columns]

    @property
    def row_heads(self) -> list[Head]:
        """Of the name and of the columns, with their links."""
        heads = {"symbol": Head(self.first), **dict(zip(self.columns, self.heads, strict=True))}
        return self.sorting.complete(heads)

    @property
    def cell_tags(self) -> tuple[str, ...]:
        """The name, and a figure for each column."""
        return ('th scope="row"', *["td"] * len(self.columns))

    def keys(self) -> tuple[Key, ...]:
        """All of these accounts, those to come included."""
        return self._keys

    def row_id(self, key: Topic) -> str:
        """The panel's id, the account and the subject."""
        owner = f"{key.owner.login} {key.owner.account}"
        return f"{self.id}-{plain_id(f'{key.kind[:3]} {owner} {key.subject}')}"

    @abstractmethod
    def head(self, column: str) -> Head:
        """The head of a column."""
        ...


def names_of(symbol: str) -> frozenset[str]:
    """Return how the broker's records write a symbol: as the feed, and of a future its own way."""
    contract = _FUTURE.match(symbol)
    return frozenset({symbol, f"{contract[1]}{contract[2]}"} if contract else {symbol})


def write_row_name(
    name: str,
    note: str = "",
    tooltip: str = "",
    since: str = "",
    opens: str | None = None,
    options_on: str = "",
) -> str:
    """Return the first cell: a name, a note beside it, and in its place the age of old values.

    `opens` is whose page the name leads to, `options_on` whose chain.
    """
    title = Markup(' title="{}"').format(tooltip) if tooltip else ""
    if options_on:
        name = Markup('<a href="{}">{}</a>').format(link_chain(options_on), name)
    elif opens:
        name = Markup('<a href="{}">{}</a>').format(link_symbol(opens), name)
    html = Markup("<b{}>{}</b>").format(title, name)
    if since:
        html += Markup(AGE.format(escape(since))) + "stale" + Markup("</small>")
    elif note:
        html += Markup("<small>{}</small>").format(note)
    return str(html)
