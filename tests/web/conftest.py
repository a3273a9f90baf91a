"""A gateway shared by the tests of a module, where they do not end it."""

from collections.abc import Iterator

import pytest

from tests.web.running import Running, make_balance, make_quote, make_status, open_gateway


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A gateway that knows two quotes, a balance and a status."""
    with open_gateway() as gateway:
        gateway.publish(make_status(), make_quote("SPY"), make_quote("QQQ", "380.10"))
        gateway.publish(make_balance())
        yield gateway
