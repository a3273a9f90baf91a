"""How often a wrong token may be tried, and what counts as one client."""

import pytest

from gateway.web.auth.throttle import MAX_ADDRESSES, Throttle, network_of


def test_the_throttle_forgets_after_a_while_and_forgets_the_oldest_address() -> None:
    now_s = [0.0]
    throttle = Throttle(lambda: now_s[0])
    for second in range(5):
        now_s[0] = float(second)
        assert throttle.wait_s("a") == 0
        throttle.record("a")
    assert throttle.wait_s("a") == 297
    assert throttle.wait_s("b") == 0
    now_s[0] = 300.0
    assert throttle.wait_s("a") == 0, "the first failure is over"
    for number in range(MAX_ADDRESSES + 10):
        throttle.record(str(number))
    assert len(throttle._failures) == MAX_ADDRESSES
    assert "a" not in throttle._failures


def test_what_was_counted_elsewhere_holds_as_long_as_it_does_there() -> None:
    now_s = [0.0]
    throttle = Throttle(lambda: now_s[0])
    throttle.record("a")
    throttle.hold_back("a", 10)
    assert throttle.wait_s("a") == 11
    now_s[0] = 10.0
    assert throttle.wait_s("a") == 0
    assert len(throttle._failures) == 1


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "", True),
        ("unix", "192.0.2.1", False),
    ],
)
def test_one_client_has_all_addresses_of_its_network(one: str, other: str, is_same: bool) -> None:
    assert (network_of(one) == network_of(other)) is is_same
