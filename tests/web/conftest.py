"""A gateway shared by the tests of a module, where they do not end it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.web.auth.viewers import add_viewer
from tests.web.granting import House
from tests.web.running import (
    TOKEN,
    Running,
    make_balance,
    make_protected,
    make_quote,
    make_status,
    open_gateway,
)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A gateway that knows two quotes, a balance and a status."""
    with open_gateway() as gateway:
        gateway.publish(make_status(), make_quote("SPY"), make_quote("QQQ", "380.10"))
        gateway.publish(make_balance())
        yield gateway


@pytest.fixture(scope="module")
def protected() -> Iterator[Running]:
    """A gateway that wants a token, and knows a quote."""
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        gateway.publish(make_quote())
        yield gateway


@pytest.fixture
def fresh() -> Iterator[Running]:
    """A gateway that wants a token, for one test alone."""
    with open_gateway(make_protected(token=TOKEN)) as gateway:
        yield gateway


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    path = tmp_path / "viewers.toml"
    tokens = {
        "alice": add_viewer(path, "alice", frozenset({"5WX00001"})),
        "bob": add_viewer(path, "bob", frozenset({"5WX00002"})),
        "carol": add_viewer(path, "carol", frozenset({"5WX99999"})),
        "dora": add_viewer(path, "dora", None),
        "owner": TOKEN,
    }
    with open_gateway(make_protected(token=TOKEN, viewers=path)) as gateway:
        house = House(gateway, path, tokens)
        house.publish()
        gateway.publish(make_status("live"), make_status("live", "accounts"))
        yield house
