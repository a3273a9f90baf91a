"""A process that writes until it is killed, and says after each write that it is kept.

Its arguments: the state folder, the address or nothing, and where to begin to count.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from gateway.settings import StoreSettings
from gateway.store.rows import Transaction
from gateway.store.store import Store

OWNER = "ann"
LIST = "Log"


def append(number: int, transaction: Transaction) -> None:
    """Add a symbol to the list, and keep its number as a preference and within a secret."""
    transaction.watchlists.change(OWNER, LIST, [], lambda before: (*before, f"S{number}"))
    transaction.preferences.write(OWNER, "newest", str(number))
    transaction.secrets.write(OWNER, "newest", str(number))


async def main(folder: str, address: str, first: str) -> None:
    store = Store(StoreSettings(Path(folder), SecretStr(address) if address else None))
    number = int(first)
    while True:
        await store.write(partial(append, number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
