"""A gateway shared by the tests of a module, where they do not end it."""

from collections.abc import Iterator

import pytest

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
