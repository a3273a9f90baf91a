"""What can be done to the rows, within one transaction; each class knows one kind of thing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.alert_rows import Alerts
from gateway.store.kept import MappedSymbol, Watchlist
from gateway.store.schema import (
    OWNED,
    PREFERENCE,
    SECRET,
    SYMBOL_MAP,
    WATCHLIST,
    WATCHLIST_ENTRY,
)
from gateway.store.sealing import Keyring

BATCH = 500
"""Names in one query; SQLite takes 32,766 variables, Postgres 65,535."""


class Transaction:
    """One transaction: all that is done through it is kept together, or not at all."""

    def __init__(
        self, connection: Connection, now_ms: int, read_keyring: Callable[[], Keyring]
    ) -> None:
        self.connection = connection
        self.watchlists = Watchlists(connection, now_ms)
        self.preferences = Preferences(connection, now_ms)
        self.secrets = Secrets(connection, now_ms, read_keyring)
        self.symbols = SymbolMap(connection, now_ms)
        self.alerts = Alerts(connection, now_ms)

    def forget(self, owner: str) -> None:
        """Delete every row of a person."""
        self.alerts.announce()
        for table in OWNED:
            self.connection.execute(delete(table).where(table.c.owner == owner))


class Watchlists:
    """Named lists of symbols, each symbol once, in their order."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    def read_all(self, owner: str) -> tuple[Watchlist, ...]:
        """Return somebody's lists, by name."""
        lists = self._connection.execute(
            select(WATCHLIST.c.name, WATCHLIST.c.updated_ms)
            .where(WATCHLIST.c.owner == owner)
            .order_by(WATCHLIST.c.name)
        ).all()
        entries = self._connection.execute(
            select(WATCHLIST_ENTRY.c.name, WATCHLIST_ENTRY.c.symbol)
            .where(WATCHLIST_ENTRY.c.owner == owner)
            .order_by(WATCHLIST_ENTRY.c.place)
        ).all()
        found: dict[str, list[str]] = {name: [] for name, _ in lists}
        for name, symbol in entries:
            found[name].append(symbol)
        return tuple(Watchlist(name, tuple(found[name]), ms) for name, ms in lists)

    def count(self, owner: str) -> int:
        """Return how many lists somebody has."""
        return self._connection.execute(
            select(func.count()).select_from(WATCHLIST).where(WATCHLIST.c.owner == owner)
        ).scalar_one()

    def read(self, owner: str, name: str) -> Watchlist | None:
        """Return one list; None when there is none of this name."""
        found = self._connection.execute(
            select(WATCHLIST.c.updated_ms).where(
                WATCHLIST.c.owner == owner, WATCHLIST.c.name == name
            )
        ).scalar_one_or_none()
        return None if found is None else Watchlist(name, self._read_symbols(owner, name), found)

    def write(self, owner: str, name: str, symbols: Sequence[str]) -> Watchlist:
        """Make the list what is given, and return it."""
        self._touch(owner, name)
        return self._replace(owner, name, symbols)

    def change(
        self,
        owner: str,
        name: str,
        first: Sequence[str],
        change: Callable[[tuple[str, ...]], Sequence[str]],
    ) -> Watchlist:
        """Make of a list what `change` makes of it; a list that is not there begins as `first`.

        Two changes at once follow each other, so neither undoes the other.
        """
        is_new = self._touch(owner, name)
        before = tuple(first) if is_new else self._read_symbols(owner, name)
        return self._replace(owner, name, change(before))

    def remove(self, owner: str, name: str) -> bool:
        """Delete a list; return whether there was one."""
        gone = self._connection.execute(
            delete(WATCHLIST).where(WATCHLIST.c.owner == owner, WATCHLIST.c.name == name)
        )
        return gone.rowcount > 0

    def _touch(self, owner: str, name: str) -> bool:
        """Lock the list's row until the end, and make it where there is none; say if it is new."""
        values = {"owner": owner, "name": name, "revision": 1, "updated_ms": self._now_ms}
        statement = _insert(self._connection, WATCHLIST).values(values)
        revision: int = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["owner", "name"],
                set_={"revision": WATCHLIST.c.revision + 1, "updated_ms": self._now_ms},
            ).returning(WATCHLIST.c.revision)
        ).scalar_one()
        return revision == 1

    def _replace(self, owner: str, name: str, symbols: Iterable[str]) -> Watchlist:
        kept = tuple(dict.fromkeys(symbols))
        self._connection.execute(
            delete(WATCHLIST_ENTRY).where(
                WATCHLIST_ENTRY.c.owner == owner, WATCHLIST_ENTRY.c.name == name
            )
        )
        if kept:
            self._connection.execute(
                insert(WATCHLIST_ENTRY),
                [
                    {"owner": owner, "name": name, "symbol": symbol, "place": place}
                    for place, symbol in enumerate(kept)
                ],
            )
        return Watchlist(name, kept, self._now_ms)

    def _read_symbols(self, owner: str, name: str) -> tuple[str, ...]:
        return tuple(
            self._connection.execute(
                select(WATCHLIST_ENTRY.c.symbol)
                .where(WATCHLIST_ENTRY.c.owner == owner, WATCHLIST_ENTRY.c.name == name)
                .order_by(WATCHLIST_ENTRY.c.place)
            ).scalars()
        )


class Preferences:
    """How somebody wants to see a page: short texts by key."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    def read_all(self, owner: str, prefix: str = "") -> dict[str, str]:
        """Return somebody's preferences whose key begins so."""
        rows = self._connection.execute(
            select(PREFERENCE.c.key, PREFERENCE.c.value)
            .where(PREFERENCE.c.owner == owner)
            .where(PREFERENCE.c.key.startswith(prefix, autoescape=True))
            .order_by(PREFERENCE.c.key)
        )
        return {row.key: row.value for row in rows}

    def write(self, owner: str, key: str, value: str | None) -> None:
        """Keep a preference; None deletes it."""
        if value is None:
            self._connection.execute(
                delete(PREFERENCE).where(PREFERENCE.c.owner == owner, PREFERENCE.c.key == key)
            )
            return
        row = {"owner": owner, "key": key, "value": value, "updated_ms": self._now_ms}
        _upsert(self._connection, PREFERENCE, row)


class Secrets:
    """Secrets of a person by their purpose; in the database they are sealed."""

    def __init__(
        self, connection: Connection, now_ms: int, read_keyring: Callable[[], Keyring]
    ) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._read_keyring = read_keyring

    def write(self, owner: str, purpose: str, secret: str) -> None:
        """Keep a secret."""
        sealed = self._read_keyring().seal(owner, purpose, secret)
        row = {"owner": owner, "purpose": purpose, "sealed": sealed, "updated_ms": self._now_ms}
        _upsert(self._connection, SECRET, row)

    def read(self, owner: str, purpose: str) -> str | None:
        """Return the secret; None when there is none, or no key opens it: then ask for it again."""
        sealed = self._connection.execute(
            select(SECRET.c.sealed).where(SECRET.c.owner == owner, SECRET.c.purpose == purpose)
        ).scalar_one_or_none()
        return None if sealed is None else self._read_keyring().unseal(owner, purpose, sealed)

    def remove(self, owner: str, purpose: str) -> bool:
        """Delete a secret; return whether there was one."""
        gone = self._connection.execute(
            delete(SECRET).where(SECRET.c.owner == owner, SECRET.c.purpose == purpose)
        )
        return gone.rowcount > 0

    def reseal_all(self) -> tuple[int, int]:
        """Seal every secret by the newest key; return how many, and how many no key opens."""
        keyring = self._read_keyring()
        rows = self._connection.execute(select(SECRET).with_for_update()).all()
        closed = 0
        for row in rows:
            sealed = keyring.reseal(row.sealed)
            if sealed is None:
                closed += 1
                continue
            self._connection.execute(
                update(SECRET)
                .where(SECRET.c.owner == row.owner, SECRET.c.purpose == row.purpose)
                .values(sealed=sealed)
            )
        return len(rows) - closed, closed


class SymbolMap:
    """Which of the broker's symbols is which of the streamer's; learned, never derived."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    def read(self, broker_symbols: Iterable[str]) -> dict[str, MappedSymbol]:
        """Return what is known of these symbols of the broker."""
        wanted = list(dict.fromkeys(broker_symbols))
        found: dict[str, MappedSymbol] = {}
        for begin in range(0, len(wanted), BATCH):
            batch = wanted[begin : begin + BATCH]
            rows = self._connection.execute(
                select(SYMBOL_MAP).where(SYMBOL_MAP.c.broker_symbol.in_(batch))
            )
            for row in rows:
                found[row.broker_symbol] = _read_mapped(row)
        return found

    def read_streamer(self, streamer_symbol: str) -> tuple[MappedSymbol, ...]:
        """Return what the broker calls a symbol of the streamer, the newest name first."""
        rows = self._connection.execute(
            select(SYMBOL_MAP)
            .where(SYMBOL_MAP.c.streamer_symbol == streamer_symbol)
            .order_by(SYMBOL_MAP.c.updated_ms.desc(), SYMBOL_MAP.c.broker_symbol)
        )
        return tuple(_read_mapped(row) for row in rows)

    def write(self, symbols: Iterable[MappedSymbol]) -> None:
        """Keep what was learned; what was known of the same symbols of the broker is replaced."""
        for each in symbols:
            _upsert(
                self._connection,
                SYMBOL_MAP,
                {
                    "broker_symbol": each.broker_symbol,
                    "streamer_symbol": each.streamer_symbol,
                    "instrument_type": each.instrument_type,
                    "updated_ms": self._now_ms,
                },
            )


def _read_mapped(row: Any) -> MappedSymbol:
    return MappedSymbol(row.broker_symbol, row.streamer_symbol, row.instrument_type)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    dialect = connection.dialect.name
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _upsert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keys}
    statement = _insert(connection, table).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
