"""Sorting by a click on a head: each is a link to the page sorted by its column."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from gateway.pages.authoring.address import Address

NAMES = frozenset({"symbol", "status"})
"""Columns of words: they begin with A, where numbers begin with the largest."""


class Head(NamedTuple):
    """The head of a column."""

    title: str
    css: str = ""
    meaning: str = ""
    """What an abbreviated title stands for."""
    link: str = ""
    """Where a click leads; empty when the table cannot be sorted by the column."""
    direction: str = ""
    """`ascending` or `descending` when the table is sorted by it, as `aria-sort` has it."""


def is_rising(sort: str) -> bool:
    """Say whether a sort puts the least on top: without a minus it does."""
    return not sort.startswith("-")


class Sorting:
    """By which of its columns a table is sorted: as its viewer chose, else as its page says."""

    def __init__(
        self,
        address: Address,
        panel: str,
        own: str,
        columns: Collection[str],
        is_rising: Callable[[str], bool],
    ) -> None:
        """`own` is the page's, empty for none; `is_rising` is what a table means by its sorts."""
        chosen = address.choice(panel, "sort")
        self.sort = chosen if chosen.removeprefix("-") in columns else own
        """The column, with a minus the other way round."""
        self._address = address
        self._panel = panel
        self._columns = columns
        self._is_rising = is_rising

    def complete(self, heads: Mapping[str, Head]) -> list[Head]:
        """Return heads with their links, by columns."""
        return [self._complete(column, head) for column, head in heads.items()]

    def _complete(self, column: str, head: Head) -> Head:
        if column not in self._columns:
            return head
        ways = (column, f"-{column}")
        if self._is_rising(column) != (column in NAMES):
            ways = (ways[1], ways[0])
        found: dict[str, Any] = {}
        if self.sort in ways:
            found["direction"] = "ascending" if self._is_rising(self.sort) else "descending"
        # The third click brings back the table's own order.
        following = {ways[0]: ways[1], ways[1]: ""}.get(self.sort, ways[0])
        return head._replace(link=self._address.link(self._panel, "sort", following), **found)
