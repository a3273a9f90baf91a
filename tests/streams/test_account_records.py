"""Records of accounts are their owner's, and so is what says that one is no more."""

import typing
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.account_records import (
    ACCOUNT_TYPES,
    AccountRecord,
    Removed,
    RemovedKind,
    removal_of,
)
from gateway.streams.topics import MAIN_LOGIN, NOBODY, Owner, covers
from tests.streams.samples import make_balance, make_order, make_portfolio, make_position

LOGINS = st.sampled_from([MAIN_LOGIN, "ann"])
NUMBERS = st.sampled_from(["5WX00001", "5WX00002"])
NAMES = st.sampled_from(["1", "2", "SPY", "5WX00001"])
RECORDS: st.SearchStrategy[AccountRecord] = st.one_of(
    st.builds(make_balance, NUMBERS, login=LOGINS),
    st.builds(make_position, NUMBERS, NAMES, login=LOGINS),
    st.builds(make_order, NUMBERS, NAMES, login=LOGINS),
    st.builds(make_portfolio, NUMBERS, login=LOGINS),
)


def kind_of(record: AccountRecord) -> str:
    return str(record.__struct_config__.tag)


@given(RECORDS)
def test_a_record_is_its_accounts_alone(record: AccountRecord) -> None:
    owner = Owner(record.login, record.account)
    assert record.topic.kind == kind_of(record)
    assert record.topic.owner == owner != NOBODY
    assert not covers(frozenset(), record.topic.owner)
    assert not covers(frozenset({Owner(record.login)}), record.topic.owner)
    assert covers(frozenset({owner}), record.topic.owner)


@given(RECORDS, RECORDS)
def test_two_records_of_one_topic_are_of_the_same_thing(
    one: AccountRecord, other: AccountRecord
) -> None:
    def identify(record: AccountRecord) -> tuple[object, ...]:
        name = getattr(record, "broker_symbol", None) or getattr(record, "order_id", None)
        return (type(record), record.login, record.account, name)

    assert (one.topic == other.topic) is (identify(one) == identify(other))


@given(RECORDS)
def test_a_removal_is_of_the_records_own_topic(record: AccountRecord) -> None:
    removed = removal_of(record)
    assert removed.topic == record.topic
    assert removed.of == kind_of(record)
    keys = {"symbol", "broker_symbol", "order_id"}
    given_keys = {name for name in keys if getattr(removed, name) is not None}
    assert given_keys == {
        "position_update": {"symbol", "broker_symbol"},
        "order_update": {"order_id"},
    }.get(removed.of, set())


def test_a_position_whose_streamer_symbol_is_unknown_has_a_topic_all_the_same() -> None:
    one = make_position(symbol="A", broker_symbol="A")
    other = make_position(symbol="B", broker_symbol="B")
    unknown = [make_position(symbol=name) for name in ("A", "B")]
    assert unknown[0].topic == one.topic != other.topic
    nameless = Removed(of="position_update", account="5WX00001", broker_symbol="A")
    assert nameless.topic == one.topic


def test_the_kinds_are_those_of_the_records() -> None:
    tags = {each.__struct_config__.tag for each in typing.get_args(AccountRecord)}
    assert tags == ACCOUNT_TYPES == set(typing.get_args(RemovedKind))


@pytest.mark.parametrize(
    "record", [make_balance(), make_position(), make_order(), make_portfolio()], ids=kind_of
)
def test_what_is_not_given_is_unknown_and_never_zero(record: AccountRecord) -> None:
    optional = {
        name
        for name, hint in typing.get_type_hints(type(record)).items()
        if type(None) in typing.get_args(hint)
    }
    assert optional
    for name in optional - {"symbol"}:
        assert getattr(record, name) is None, name
        assert getattr(record, name) != Decimal(0)
