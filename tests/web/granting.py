"""A gateway with viewers of different grants."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import read_viewers
from tests.web.running import (
    Reader,
    Running,
    make_balance,
    make_quote,
    post,
)

ACCOUNTS = ("5WX00001", "5WX00002", "5WX00003")


# What no page shows by chance: the amounts of each account, however they are written.
AMOUNTS = {"5WX00001": 1741357, "5WX00002": 2852468, "5WX00003": 3963579}


@dataclass(slots=True)
class House:
    """A gateway with a viewers file, and everybody's token."""

    gateway: Running
    path: Path
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return self.gateway.url

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def log_in(self, name: str) -> str:
        """The cookie's value."""
        answer = post(f"{self.url}/login", data={"token": self.tokens[name]})
        assert answer.status_code == 303
        return answer.cookies[COOKIE]

    def publish(self) -> None:
        """A new amount of every account, and a quote."""
        balances = [make_balance(account, f"{AMOUNTS[account]}.00") for account in ACCOUNTS]
        self.gateway.publish(*balances, make_quote())

    def open(self, name: str, path: str = "/events") -> Reader:
        headers = f"Authorization: Bearer {self.tokens[name]}\r\n"
        return Reader(self.gateway.port, path, headers=headers)

    def change(self, name: str, accounts: set[str] | None) -> None:
        """Edit the entry, as a person would."""
        entry = read_viewers(self.path)[name]
        shown = '"all"' if accounts is None else json.dumps(sorted(accounts))
        before = f'token = "{entry.token_hash}"\n'
        text = self.path.read_text()
        head, tail = text.split(before)
        self.path.write_text(f"{head}{before}accounts = {shown}\n{tail.partition(chr(10))[2]}")


def find_accounts(content: bytes) -> set[str]:
    """The accounts of which anything is in there: the number, or the amount in any dress."""
    text = content.decode().replace(",", "").replace("\u202f", "").replace(" ", "")
    return {
        account
        for account, amount in AMOUNTS.items()
        if account in text or str(amount) in text or f"{amount / 1e6:.2f}M" in text
    }


def read_raw(reader: Reader, is_enough: Callable[[], bool]) -> None:
    """As `Reader.wait_for`, of a stream of fragments."""
    while not is_enough() and not reader.is_over:
        chunk = reader.socket.recv(65536)
        reader.is_over = not chunk
        reader._rest += chunk
        reader._dechunk()


def end_of(reader: Reader) -> tuple[str, float]:
    """The reason of the `bye`, and how long it took to come."""
    begun_s = time.monotonic()
    read_raw(reader, lambda: False)
    took_s = time.monotonic() - begun_s
    (bye,) = re.findall(rb"event: bye\ndata: ({.*})\n\n\Z", reader.body)
    return json.loads(bye)["reason"], took_s
