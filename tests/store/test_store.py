"""The store from the event loop: a database that does not do its work never holds anybody up."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.errors import StoreUnavailable
from gateway.settings import StoreSettings
from gateway.store.rows import Transaction
from gateway.store.store import LATE, RETRY_S, Store
from tests.postgres import MISSING, find_program, open_postgres
from tests.simulation import ROOT
from tests.valkey import find_port
from tests.waiting import eventually, scaled
from tests.web.auth.people import SteppedClock

FILES = ("gateway.db", "gateway.db-wal", "gateway.db-shm")


def write(transaction: Transaction) -> None:
    transaction.preferences.write("ann", "sort", "last")


def read(transaction: Transaction) -> dict[str, str]:
    return transaction.preferences.read_all("ann")


@pytest.fixture
async def store(settings: StoreSettings) -> AsyncIterator[Store]:
    opened = Store(settings, timeout_s=scaled(10))
    yield opened
    await opened.close()


async def test_what_was_written_is_read(store: Store) -> None:
    await store.warm_up()
    await asyncio.gather(*(store.write(write) for _ in range(10)))
    assert await store.read(read) == {"sort": "last"}
    assert store.trouble is None


def test_nothing_is_imported_before_the_first_call() -> None:
    program = (
        "import sys; from gateway.store.store import Store; from gateway.app import create_app;"
        "print([each for each in ('sqlalchemy', 'alembic', 'cryptography') if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, text=True
    )
    assert done.stdout == "[]\n"


async def test_a_mistake_of_ours_is_no_trouble(store: Store) -> None:
    def fail(transaction: Transaction) -> None:
        write(transaction)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(fail)
    assert store.trouble is None
    assert await store.read(read) == {}


async def test_a_locked_file_is_said_and_the_loop_goes_on(tmp_path: Path) -> None:
    clock = SteppedClock()
    store = Store(StoreSettings(tmp_path), clock=clock.as_clock(), timeout_s=scaled(10))
    await store.write(write)
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await store.read(read) == {"sort": "last"}, "readers do not wait for writers"
        task = asyncio.create_task(store.write(write))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert turns > 50
        with pytest.raises(StoreUnavailable, match="database is locked"):
            await task
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable, match="database is locked"):
            await store.read(read)
        assert time.monotonic() - began_s < 0.5, "the next fails at once"
        other.execute("ROLLBACK")
    clock.now_s += RETRY_S
    await store.write(write)
    assert store.trouble is None
    await store.close()


async def test_a_file_that_is_gone_is_not_begun_again(tmp_path: Path) -> None:
    clock = SteppedClock()
    store = Store(StoreSettings(tmp_path), clock=clock.as_clock(), timeout_s=scaled(10))
    await store.write(write)
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in FILES:
        (tmp_path / name).rename(aside / name)
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.write(write)
    assert not (tmp_path / "gateway.db").exists()
    for name in FILES:
        (aside / name).rename(tmp_path / name)
    clock.now_s += RETRY_S
    assert await store.read(read) == {"sort": "last"}
    await store.close()


async def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"nothing of ours" * 1000)
    store = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
    with pytest.raises(StoreUnavailable, match="damaged"):
        await store.read(read)
    await store.close()


async def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """A limit for the number of pages stands for it: SQLite says the same of both."""
    clock = SteppedClock()
    store = Store(StoreSettings(tmp_path), clock=clock.as_clock(), timeout_s=scaled(10))
    await store.write(write)

    def limit_pages(transaction: Transaction) -> None:
        pages = transaction.connection.exec_driver_sql("PRAGMA page_count").scalar()
        transaction.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        for number in range(100):
            transaction.preferences.write("bob", str(number), "x" * 4000)

    with pytest.raises(StoreUnavailable, match="the disk is full"):
        await store.write(limit_pages)
    clock.now_s += RETRY_S
    assert await store.read(read) == {"sort": "last"}
    await store.close()


async def test_a_call_that_hangs_is_left_behind(tmp_path: Path) -> None:
    clock = SteppedClock()
    store = Store(StoreSettings(tmp_path), clock=clock.as_clock(), timeout_s=scaled(10))
    await store.write(write)
    store._timeout_s = 0.05
    with pytest.raises(StoreUnavailable, match=LATE):
        await store.read(lambda _: time.sleep(0.5))
    assert store.trouble == LATE
    clock.now_s += RETRY_S
    store._timeout_s = scaled(10)
    assert await store.read(read) == {"sort": "last"}
    await store.close()


def test_a_call_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    program = f"""
import asyncio, time
from pathlib import Path
from gateway.errors import StoreUnavailable
from gateway.settings import StoreSettings
from gateway.store.store import Store

async def main():
    store = Store(StoreSettings(Path({str(tmp_path)!r})))
    await store.warm_up()
    try:
        await store.read(lambda _: time.sleep(600))
    except StoreUnavailable as error:
        print(error)
    await store.close()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
        timeout=scaled(30),
    )
    assert done.stdout.strip() == LATE


async def test_a_server_that_is_not_there_is_said() -> None:
    url = f"postgresql://gateway:canary-77@127.0.0.1:{find_port()}/x"
    store = Store(StoreSettings(database_url=SecretStr(url)), timeout_s=scaled(10))
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        await store.read(read)
    assert "canary" not in str(raised.value)
    await store.close()


async def test_a_server_that_comes_back_is_used_again() -> None:
    if find_program("initdb") is None:
        pytest.skip(MISSING)
    clock = SteppedClock()
    with open_postgres() as server:
        url = SecretStr(server.make_database())
        store = Store(StoreSettings(database_url=url), clock=clock.as_clock(), timeout_s=scaled(10))
        await store.write(write)
        await asyncio.to_thread(server.stop)
        with pytest.raises(StoreUnavailable):
            await store.write(write)
        await asyncio.to_thread(server.start)

        async def is_back() -> bool:
            clock.now_s += RETRY_S
            try:
                return await store.read(read) == {"sort": "last"}
            except StoreUnavailable:
                return False

        await eventually(is_back)
        await store.close()


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def use() -> None:
        store = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
        await store.write(write)
        await store.close()

    await use()
    before = await asyncio.to_thread(count)
    for _ in range(20):
        await use()
    assert await asyncio.to_thread(count) <= before
