"""Topics, patterns of them, and what a grant covers."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.topics import (
    ANY_ACCOUNT,
    MAIN_LOGIN,
    NOBODY,
    Owner,
    Topic,
    TopicPattern,
    balance_topic,
    covers,
    grant_accounts,
    market_topic,
    narrow_grant,
    status_topic,
)

ACCOUNTS = st.sampled_from(["1", "2", "3"])
LOGINS = st.sampled_from([MAIN_LOGIN, "ann"])
OWNERS = st.builds(Owner, LOGINS, ACCOUNTS | st.just("") | st.just(ANY_ACCOUNT))
GRANTS = st.frozensets(OWNERS, max_size=4)


def test_the_feed_is_nobodys_and_everything_else_of_a_login_is_its_own() -> None:
    assert status_topic("feed", "ann") == status_topic("feed") == Topic("status", NOBODY, "feed")
    assert status_topic("session") == Topic("status", Owner(MAIN_LOGIN), "session")
    assert status_topic("accounts", "ann").owner == Owner("ann")


def test_a_pattern_is_of_one_kind_and_of_what_has_an_owner() -> None:
    every, one = TopicPattern("balance_update"), TopicPattern("balance_update", frozenset({"1"}))
    assert every.matches(balance_topic("2", "ann"))
    assert one.matches(balance_topic("1", "ann"))
    assert not one.matches(balance_topic("2", "ann"))
    assert not every.matches(market_topic("balance_update", "1"))
    assert not every.matches(Topic("order_update", Owner(MAIN_LOGIN, "1"), "7"))
    assert TopicPattern("status").matches(status_topic("session"))
    assert not TopicPattern("status").matches(status_topic("feed"))
    assert not TopicPattern("status", frozenset({"1"})).matches(status_topic("session"))


@given(GRANTS, LOGINS, ACCOUNTS)
def test_a_grant_covers_what_is_nobodys_and_what_it_names(
    grant: frozenset[Owner], login: str, account: str
) -> None:
    assert covers(grant, NOBODY)
    assert covers(None, Owner(login, account))
    assert covers(grant, Owner(login)) is (Owner(login) in grant)
    named = {Owner(login, account), Owner(login, ANY_ACCOUNT)}
    assert covers(grant, Owner(login, account)) is not named.isdisjoint(grant)


@given(GRANTS, st.frozensets(ACCOUNTS), OWNERS.filter(lambda owner: owner.account != ANY_ACCOUNT))
def test_narrowing_takes_accounts_away_and_never_adds_any(
    grant: frozenset[Owner], accounts: frozenset[str], owner: Owner
) -> None:
    is_kept = owner.account in accounts or not owner.account
    assert covers(narrow_grant(grant, accounts), owner) is (is_kept and covers(grant, owner))


def test_a_grant_of_accounts_is_none_of_the_login_itself() -> None:
    for grant in (grant_accounts(None), grant_accounts(["1"])):
        assert covers(grant, Owner(MAIN_LOGIN, "1"))
        assert not covers(grant, Owner(MAIN_LOGIN))
        assert not covers(grant, Owner("ann", "1"))
