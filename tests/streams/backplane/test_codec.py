"""What is written can be read back; what cannot be read is left out and raises nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.account_records import removal_of
from gateway.streams.backplane.codec import (
    HEARTBEAT,
    decode_change,
    decode_demand,
    decode_position,
    decode_record,
    decode_report,
    decode_revoked,
    encode_change,
    find_age_s,
    find_name,
    make_holder,
    to_ms,
)
from gateway.streams.backplane.outbox import Change, EpochComplete, Tombstone
from gateway.streams.hub.position import BEGINNING, StreamPosition
from tests.streams.samples import make_balance, make_quote, make_status

CHANGES: list[Change] = [
    make_quote("SPY", "450.20"),
    make_balance(balance="1234.50", login="ann"),
    make_status(reason="why"),
    removal_of(make_balance()),
    Tombstone((make_quote("SPY").topic, make_balance(login="ann").topic)),
    EpochComplete(),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: type(each).__name__)
def test_a_change_comes_out_as_it_went_in(change: Change) -> None:
    kind, fields, data = encode_change(change)
    assert decode_change(str(kind).encode(), data) == change
    assert len(fields.splitlines()) == (
        2 if isinstance(change, Tombstone) else not isinstance(change, EpochComplete)
    )


def test_two_logins_with_an_account_of_one_number_have_two_fields() -> None:
    assert encode_change(make_balance())[1] != encode_change(make_balance(login="ann"))[1]


def test_a_heartbeat_changes_nothing() -> None:
    assert decode_change(HEARTBEAT[0], HEARTBEAT[2]) is None


@given(st.sampled_from([b"r", b"x", b"f", b"c", b"b", b"?"]), st.binary(max_size=40))
def test_no_bytes_raise(kind: bytes, data: bytes) -> None:
    if kind != b"c":
        assert decode_change(kind, data) is None or kind == b"f"
    assert decode_record(data) is None
    decode_report(data)
    decode_demand([data])
    decode_position(data)
    decode_revoked([(b"1-0", [data, data])])


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_position_is_read_from_the_id_of_its_entry(epoch: int, offset: int) -> None:
    assert decode_position(b"%d-%d" % (epoch, offset)) == StreamPosition(str(epoch), offset)


@pytest.mark.parametrize("identity", [None, b"", b"7", b"-", b"7-", b"a-1", b"1-a"])
def test_what_is_no_position_is_the_beginning(identity: bytes | None) -> None:
    assert decode_position(identity) == BEGINNING


def test_a_holder_says_who_and_for_how_long() -> None:
    holder = make_holder("host:7", 30.0).encode()
    assert find_name(holder) == "host:7"
    assert find_age_s(holder, 25_000) == 5.0
    assert find_age_s(holder, 31_000) == 0.0
    assert find_name(None) is None
    assert find_age_s(None, 0) is None
    assert to_ms(0.0001) == 1
