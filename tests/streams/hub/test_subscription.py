"""What a subscription matches: by type, by symbol, and by what was granted."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.hub.hub import Hub
from gateway.streams.hub.subscription import subscription_for
from gateway.streams.records import (
    DATA_TYPES,
    MARKET_TYPES,
)
from gateway.streams.topics import (
    ANY_ACCOUNT,
    MAIN_LOGIN,
    Owner,
    balance_topic,
    market_topic,
    status_topic,
)
from tests.streams.hub.hubs import (
    ACCOUNTS,
    CONTROL,
    EPOCH,
    LOGINS,
    OWNERS,
    SYMBOLS,
    make_hub,
    parse_frames,
    turn,
)
from tests.streams.pulling import Puller
from tests.streams.samples import make_quote, topic_of
from tests.streams.virtual_time import run


def test_equal_subscriptions_share_one_object() -> None:
    async def scenario() -> None:
        hub = make_hub()
        subscribers = [
            Puller(hub, subscription_for(symbols=symbols))
            for symbols in (["SPY", "QQQ"], ["QQQ", "SPY"], {"SPY", "QQQ"})
        ]
        for number in range(3):
            reads = [asyncio.create_task(each.read()) for each in subscribers]
            await turn()
            hub.publish(make_quote("SPY", number))
            hub.publish(make_quote("QQQ", number))
            first, *others = await asyncio.gather(*reads)
            assert first
            assert all(each is first for each in others)
            assert [body["symbol"] for _, body in parse_frames(first)] == ["SPY", "QQQ"]
        for each in subscribers:
            each.close()
        assert hub.subscribers == 0

    run(scenario())


@given(st.data())
def test_a_group_matches_what_its_subscription_matches(data: st.DataObject) -> None:
    subjects = st.sampled_from([*SYMBOLS, *ACCOUNTS, ""])
    subscription = subscription_for(
        types=data.draw(st.frozensets(st.sampled_from(sorted(DATA_TYPES)))),
        symbols=data.draw(st.none() | st.sets(subjects)),
        owners=data.draw(st.none() | st.sets(st.sampled_from(OWNERS))),
    )
    hub = Hub(epoch=EPOCH)
    subscriber = Puller(hub, subscription)
    (group,) = hub._groups.values()
    kinds = st.sampled_from(sorted(DATA_TYPES | CONTROL))
    topics = data.draw(
        st.sets(st.builds(topic_of, kinds, subjects, st.sampled_from(LOGINS)), max_size=6)
    )
    for topic in topics:
        assert group.matches(topic) is subscription.matches(topic)
    expected = any(map(subscription.matches, topics))
    others = [topic for topic in topics if topic.kind not in MARKET_TYPES]
    assert group.matches_any(topics, {topic.kind for topic in topics}, others) is expected
    subscriber.close()


def test_a_wish_for_nothing_matches_nothing() -> None:
    """An empty grant is not the same as no restriction."""
    nobody = subscription_for(types=DATA_TYPES, symbols=[], owners=[])
    assert not nobody.matches(balance_topic(ACCOUNTS[0]))
    assert not nobody.matches(market_topic("quote_update", "SPY"))
    assert nobody.matches(status_topic("feed"))
    quotes = frozenset({"quote_update"})
    main, one = Owner(MAIN_LOGIN), Owner(MAIN_LOGIN, ACCOUNTS[0])
    shared = subscription_for(types=quotes, owners=[])
    assert subscription_for(types=quotes, owners=[one]) == shared, "they see the same"
    assert subscription_for(types=quotes, owners=[main]) != shared, "it sees the login's statuses"


def test_the_statuses_of_every_login_reach_its_owner_alone() -> None:
    viewer = subscription_for(types=DATA_TYPES, owners=[Owner(MAIN_LOGIN, ANY_ACCOUNT)])
    owner = subscription_for(types=DATA_TYPES, owners=[Owner(MAIN_LOGIN)])
    for upstream in ("session", "accounts"):
        assert not viewer.matches(status_topic(upstream))
        assert owner.matches(status_topic(upstream))
        assert not owner.matches(status_topic(upstream, "ann"))
    for each in (viewer, owner):
        assert each.matches(status_topic("feed", "ann")), "whichever login carries it"


def test_a_grant_need_not_list_what_it_covers() -> None:
    every = subscription_for(types=DATA_TYPES, owners=[Owner("ann", ANY_ACCOUNT)])
    assert every.matches(balance_topic("5WX00009", "ann")), "an account that came later"
    assert not every.matches(balance_topic("5WX00009")), "the same number of another login"
    assert not every.matches(status_topic("session", "ann")), "the login itself was not granted"
    mine = subscription_for(types=DATA_TYPES, owners=[Owner("ann"), Owner("ann", "5WX00001")])
    assert mine.matches(status_topic("session", "ann"))
    assert not mine.matches(status_topic("session", "bob"))
    assert not mine.matches(balance_topic("5WX00002", "ann"))
