"""Rows made bad on demand: in answers of REST, and in pushes of the account streamer; pure.

A client meets them sooner or later: values that are new, fields that are missing, rows of a kind
that nobody has seen. Everything around a bad row stays good.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spoil:
    """What is done to some rows.

    `at` is a part of the path, or the type of a push. `match` holds the fields by which the rows
    are chosen (all rows if empty), `fields` are laid over them, `omitted` are left out, and `added`
    rows stand behind those of a list.
    """

    at: str
    match: Body = field(default_factory=dict)
    fields: Body = field(default_factory=dict)
    omitted: tuple[str, ...] = ()
    added: tuple[Body, ...] = ()

    def apply(self, row: Any) -> Any:
        """Return a row as it is told: the same one when it is not chosen."""
        if not isinstance(row, dict) or any(row.get(n) != v for n, v in self.match.items()):
            return row
        return {n: v for n, v in (row | self.fields).items() if n not in self.omitted}


def spoil_row(spoils: Iterable[Spoil], at: str, row: Any) -> Any:
    """Return a single row of a path or a push after everything that is done to it."""
    for each in spoils:
        if each.at in at:
            row = each.apply(row)
    return row


def spoil_rows(spoils: Iterable[Spoil], at: str, rows: Sequence[Any]) -> list[Any]:
    """Return the rows of a list, with those that are added."""
    found = list(rows)
    for each in spoils:
        if each.at in at:
            found = [*(each.apply(row) for row in found), *each.added]
    return found
