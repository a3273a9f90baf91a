"""Rows: what was written is read, by its owner alone, on SQLite and on Postgres."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from gateway.settings import StoreSettings
from gateway.store.database import Database
from gateway.store.kept import MappedSymbol
from gateway.store.rows import Transaction
from gateway.store.schema import OWNED


def names(transaction: Transaction, owner: str) -> list[str]:
    return [each.name for each in transaction.watchlists.read_all(owner)]


def append(symbol: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda before: (*before, symbol)


def test_a_list_is_read_as_it_was_written(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        written = transaction.watchlists.write("ann", "Tech", ["QQQ", "AAPL", "QQQ"])
    assert written.symbols == ("QQQ", "AAPL")
    with database.begin(writes=False) as transaction:
        assert transaction.watchlists.read("ann", "Tech") == written
        assert transaction.watchlists.read_all("ann") == (written,)
        assert transaction.watchlists.read_all("bob") == ()
        assert transaction.watchlists.read("bob", "Tech") is None


def test_a_list_is_replaced_and_removed(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        transaction.watchlists.write("ann", "Tech", ["QQQ"])
        transaction.watchlists.write("ann", "Empty", [])
        transaction.watchlists.write("bob", "Tech", ["SPY"])
        transaction.watchlists.write("ann", "Tech", ["AAPL", "MSFT"])
        assert names(transaction, "ann") == ["Empty", "Tech"]
        assert transaction.watchlists.remove("ann", "Tech")
        assert not transaction.watchlists.remove("ann", "Tech")
    with database.begin(writes=False) as transaction:
        assert names(transaction, "ann") == ["Empty"]
        assert [each.symbols for each in transaction.watchlists.read_all("bob")] == [("SPY",)]


def test_a_change_begins_with_what_is_there(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        transaction.watchlists.change("ann", "Home", ["SPY"], append("QQQ"))
        after = transaction.watchlists.change("ann", "Home", ["SPY"], append("IWM"))
    assert after.symbols == ("SPY", "QQQ", "IWM")


def test_changes_at_once_follow_each_other(database: Database) -> None:
    people, each_adds = 4, 5
    barrier = Barrier(people)

    def add(person: int) -> None:
        barrier.wait()
        for number in range(each_adds):
            symbol = f"S{person}{number}"
            with database.begin(writes=True) as transaction:
                transaction.watchlists.change("ann", "Home", [], append(symbol))

    threads = [Thread(target=add, args=(person,)) for person in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.begin(writes=False) as transaction:
        found = transaction.watchlists.read("ann", "Home")
    assert found is not None
    assert len(set(found.symbols)) == len(found.symbols) == people * each_adds


def test_an_exception_undoes_everything(database: Database) -> None:
    def write_half(transaction: Transaction) -> None:
        transaction.watchlists.write("ann", "Tech", ["QQQ"])
        transaction.preferences.write("ann", "sort", "last")
        raise LookupError

    with pytest.raises(LookupError), database.begin(writes=True) as transaction:
        write_half(transaction)
    with database.begin(writes=False) as transaction:
        assert names(transaction, "ann") == []
        assert transaction.preferences.read_all("ann") == {}


def test_preferences(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        preferences = transaction.preferences
        preferences.write("ann", "home/sort", "last")
        preferences.write("ann", "home/sort", "-change_pct")
        preferences.write("ann", "home%columns", "last,bid")
        preferences.write("ann", "other/sort", "symbol")
        preferences.write("bob", "home/sort", "volume")
    with database.begin(writes=True) as transaction:
        preferences = transaction.preferences
        assert preferences.read_all("ann", "home/") == {"home/sort": "-change_pct"}
        assert preferences.read_all("ann", "home%") == {"home%columns": "last,bid"}
        assert len(preferences.read_all("ann")) == 3
        preferences.write("ann", "home/sort", None)
        preferences.write("ann", "home/sort", None)
        assert preferences.read_all("ann", "home/") == {}
        assert preferences.read_all("bob") == {"home/sort": "volume"}


OPTION = MappedSymbol("SPY   261218C00600000", ".SPY261218C600", "Equity Option")


def test_the_symbol_map(database: Database) -> None:
    older = MappedSymbol("SPY1  261218C00600000", ".SPY261218C600", "Equity Option")
    with database.begin(writes=True) as transaction:
        transaction.symbols.write([older])
    with database.begin(writes=True) as transaction:
        transaction.symbols.write(
            [OPTION, MappedSymbol(OPTION.broker_symbol, "wrong", "Equity Option"), OPTION]
        )
    many = [OPTION.broker_symbol, *(f"NONE{number}" for number in range(1200))]
    with database.begin(writes=False) as transaction:
        assert transaction.symbols.read(many) == {OPTION.broker_symbol: OPTION}
        assert set(transaction.symbols.read_streamer(".SPY261218C600")) == {OPTION, older}
        assert transaction.symbols.read_streamer("wrong") == ()
        assert transaction.symbols.read([]) == {}


def test_a_secret_is_sealed(database: Database, settings: StoreSettings, tmp_path: Path) -> None:
    with database.begin(writes=True) as transaction:
        transaction.secrets.write("ann", "refresh", "canary-0f3a")
        transaction.secrets.write("ann", "refresh", "canary-1b7d")
    with database.begin(writes=True) as transaction:
        assert transaction.secrets.read("ann", "refresh") == "canary-1b7d"
        assert transaction.secrets.read("bob", "refresh") is None
        assert transaction.secrets.read("ann", "secret") is None
    database.close()
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes(), path
    with database.begin(writes=True) as transaction:
        assert transaction.secrets.remove("ann", "refresh")
        assert not transaction.secrets.remove("ann", "refresh")


def test_rows_that_were_swapped_stay_closed(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        transaction.secrets.write("ann", "refresh", "of ann")
        transaction.secrets.write("bob", "refresh", "of bob")
        transaction.connection.exec_driver_sql(
            "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE owner = 'ann')"
            " WHERE owner = 'bob'"
        )
        assert transaction.secrets.read("ann", "refresh") == "of ann"
        assert transaction.secrets.read("bob", "refresh") is None


def test_whoever_is_forgotten_leaves_no_row(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        for owner in ("ann", "bob"):
            transaction.watchlists.write(owner, "Tech", ["QQQ"])
            transaction.preferences.write(owner, "sort", "last")
            transaction.secrets.write(owner, "refresh", "secret")
            transaction.alerts.add(f"{owner}1", owner, "{}", "{}")
        transaction.forget("ann")
    with database.begin(writes=False) as transaction:
        for table in OWNED:
            owners = transaction.connection.execute(select(table.c.owner)).scalars().all()
            assert set(owners) == {"bob"}, table.name
