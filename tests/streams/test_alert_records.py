"""The record of an alert: it is its viewer's, and of nobody else."""

from typing import Any

from gateway.streams.alert_records import AlertUpdate
from gateway.streams.backplane.codec import decode_record, encode_change
from gateway.streams.topics import NOBODY, Owner, Topic, covers, grant_accounts

GIVEN: dict[str, Any] = dict.fromkeys(AlertUpdate.__struct_fields__) | {
    "id": "a1",
    "viewer": "ann",
    "arm": 1,
    "state": "armed",
    "threshold": 5,
    "key": "quote_update:SPY",
    "field": "last",
    "op": "above",
    "note": "",
}


def test_an_alert_is_in_no_grant_but_its_viewers() -> None:
    topic = AlertUpdate(**GIVEN).topic
    assert topic == Topic("alert", Owner(viewer="ann"), "a1")
    others = grant_accounts(None) | {Owner("main"), Owner(viewer="owner"), NOBODY}
    assert not covers(others, topic.owner)
    assert covers(frozenset({Owner(viewer="ann")}), topic.owner)


def test_an_alert_goes_over_the_backplane_with_its_viewer() -> None:
    kind, field, data = encode_change(AlertUpdate(**GIVEN))
    assert (kind, field) == ("r", "alert //ann a1")
    assert decode_record(data) == AlertUpdate(**GIVEN)
