"""The hub of a process that follows: ids are the publisher's, and what it makes itself has none."""

from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.hub.hub import opening
from gateway.streams.hub.position import BEGINNING, StreamPosition
from gateway.streams.hub.subscription import Subscription
from gateway.streams.records import DATA_TYPES, Heartbeat
from tests.streams.samples import make_quote, make_status

ALL = Subscription(types=DATA_TYPES)


def ids(hub: FollowerHub) -> list[str]:
    """The ids of the snapshot's frames that have one."""
    frames = [each.frame for each in hub.snapshot(ALL)]
    return [frame.split(b"\n")[1][4:].decode() for frame in frames if b"\nid: " in frame]


def test_what_a_follower_publishes_itself_has_no_id() -> None:
    hub = FollowerHub()
    hub.publish(make_status())
    assert opening(hub, ALL, "0-0")[0] == "snapshot"
    assert hub.last_event_id == "0-0"
    hub.replicate(make_quote("SPY", 1), StreamPosition("7", 1))
    hub.publish(Heartbeat(timestamp=1))
    hub.mark_stale()
    assert (hub.epoch, hub.last_event_id) == ("7", "7-1")
    assert ids(hub) == []


def test_positions_rise_and_what_is_not_newer_is_left_out() -> None:
    hub = FollowerHub()
    assert hub.position == BEGINNING
    assert hub.replicate(make_quote("SPY", 1), StreamPosition("7", 1))
    assert not hub.replicate(make_quote("SPY", 0), StreamPosition("6", 9))
    assert not hub.replicate(make_quote("SPY", 0), StreamPosition("7", 1))
    assert hub.replicate(make_quote("SPY", 2), StreamPosition("10", 1))
    assert ids(hub) == ["10-1"]


def test_ids_of_known_epochs_are_recovered_from() -> None:
    hub = FollowerHub()
    hub.replicate(make_quote("SPY", 1), StreamPosition("10", 1))
    assert opening(hub, ALL, "7-1")[0] == "snapshot"
    hub.recover_from(["7"], StreamPosition("7", 0))
    hub.confirm_epoch("10")
    mode, entries, _ = opening(hub, ALL, "7-1")
    assert (mode, len(entries)) == ("resume", 1)
    assert opening(hub, ALL, "8-1")[0] == "snapshot"
    assert opening(hub, ALL, "10-2")[0] == "snapshot", "of the future"
    hub.recover_from((), StreamPosition("10", 1))
    assert opening(hub, ALL, "7-1")[0] == "snapshot"
    assert opening(hub, ALL, "10-1") == ("resume", [], 1)


def test_what_nobody_has_confirmed_since_an_epoch() -> None:
    hub = FollowerHub()
    old, new = make_quote("SPY", 1), make_quote("QQQ", 1)
    hub.replicate(old, StreamPosition("9", 1))
    hub.replicate(new, StreamPosition("10", 1))
    assert hub.list_before("10") == [old.topic]


def test_a_gap_reaches_everybody() -> None:
    hub = FollowerHub()
    hub.publish_gap("backplane")
    hub.flush()
    assert hub.snapshot(ALL) == []
    assert (hub.seq, hub.position) == (1, BEGINNING)


def test_an_id_that_a_server_lost_is_not_resumed_from() -> None:
    """
    1. A client of another process has seen 7-3, of which this process has read no more than 7-2.
    2. The server loses its tail; the publisher begins epoch 8 and has said little of what it knows.
    Result: the id proves nothing here until all that is known has been published again.
    """
    hub = FollowerHub()
    hub.recover_from((), BEGINNING)
    hub.replicate(make_quote("SPY", 2), StreamPosition("7", 2))
    hub.replicate(make_quote("QQQ", 1), StreamPosition("8", 1))
    assert opening(hub, ALL, "7-2")[0] == "resume"
    assert opening(hub, ALL, "7-3")[0] == "snapshot"
    hub.replicate(make_quote("SPY", 3), StreamPosition("8", 2))
    hub.confirm_epoch("8")
    assert opening(hub, ALL, "7-3")[0] == "resume"
