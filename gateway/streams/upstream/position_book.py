"""The positions of one login as they are known now, from readings and pushes; pure.

A reading of REST is the whole truth of an account as of the moment it was asked for; a push is the
whole row of one position. A push that came while a reading was on its way is newer than it.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from gateway.streams.upstream.rows import PositionRow


class PositionKey(NamedTuple):
    """What tells a position from the others of a login."""

    account: str
    broker_symbol: str


class Changes(NamedTuple):
    """What a reading or a push has changed."""

    changed: tuple[PositionKey, ...]
    removed: tuple[PositionKey, ...]


NO_CHANGES = Changes((), ())


class PositionBook:
    """The newest row of each position. Bounded by what the broker lists.

    A position that was closed keeps its row until the day is over, with what it realized: the
    day's total would be wrong without it. Times are of any rising clock.
    """

    def __init__(self) -> None:
        self._rows: dict[PositionKey, PositionRow] = {}
        self._pushed_s: dict[PositionKey, float] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[PositionRow]:
        """Return every row, in order of account and symbol."""
        return [self._rows[key] for key in sorted(self._rows)]

    def get(self, key: PositionKey) -> PositionRow | None:
        """Return the row of a position."""
        return self._rows.get(key)

    def push(self, row: PositionRow, now_s: float) -> Changes:
        """Take a pushed row and return what it changed."""
        key = _key_of(row)
        self._pushed_s[key] = now_s
        before = self._rows.get(key)
        if before is not None and _is_older(row, before):
            return NO_CHANGES
        self._rows[key] = row
        return NO_CHANGES if before == row else Changes((key,), ())

    def read(self, account: str, rows: Iterable[PositionRow], asked_s: float) -> Changes:
        """Take all rows of an account, which was asked for at `asked_s`; return what changed.

        A position that is not among them is no more; unless it was pushed since, or was closed
        today.
        """
        listed = {_key_of(row): row for row in rows if row.account == account}
        changed = []
        for key, row in listed.items():
            before = self._rows.get(key)
            if self._pushed_s.get(key, float("-inf")) >= asked_s and before is not None:
                continue
            self._rows[key] = row
            if before != row:
                changed.append(key)
        removed = [
            key
            for key in self._rows
            if key.account == account
            and key not in listed
            and not self._rows[key].holding.is_closed
            and self._pushed_s.get(key, float("-inf")) < asked_s
        ]
        self._drop(removed)
        return Changes(tuple(changed), tuple(removed))

    def end_day(self, today: date) -> Changes:
        """Drop the closed positions whose gains are of an earlier day; return which."""
        over = [key for key, row in self._rows.items() if is_over(row, today)]
        self._drop(over)
        return Changes((), tuple(over))

    def drop(self, key: PositionKey) -> Changes:
        """Drop a position; return whether there was one."""
        gone = (key,) if key in self._rows else ()
        self._drop(gone)
        return Changes((), gone)

    def forget_account(self, account: str) -> Changes:
        """Drop the positions of an account; return which."""
        gone = [key for key in self._rows if key.account == account]
        self._drop(gone)
        return Changes((), tuple(gone))

    def _drop(self, keys: Iterable[PositionKey]) -> None:
        for key in keys:
            del self._rows[key]
            self._pushed_s.pop(key, None)


def is_over(row: PositionRow, today: date) -> bool:
    """Whether it was closed, and what it realized is of an earlier day; `today` is New York's."""
    held = row.holding
    return held.is_closed and today not in (held.realized_day_date, held.realized_today_date)


def _key_of(row: PositionRow) -> PositionKey:
    return PositionKey(row.account, row.holding.broker_symbol)


def _is_older(row: PositionRow, known: PositionRow) -> bool:
    """Whether the broker wrote it before what is known: pushes may come out of order."""
    if row.updated_at is None or known.updated_at is None:
        return False
    return row.updated_at < known.updated_at
