"""The frames of the account stream: acknowledgements, pushes, batches and refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    AccountRefused,
    Unauthorized,
    UpstreamError,
)
from gateway.streams.upstream.frames import HOLE, AccountFilter, FilteredSocket
from tests.streams.upstream.wire import JUNK, Closed, Wire
from tests.streams.virtual_time import run

# The account stream


def account_wire(*frames: Any) -> tuple[Wire, list[Any]]:
    wire = Wire(*frames)
    pushes: list[Any] = []
    socket: Any = wire.socket
    account_filter = AccountFilter(wire.dropped, lambda kind, data: pushes.append((kind, data)))
    wire.guard = FilteredSocket(socket, account_filter, wire.dropped, wire.count)
    return wire, pushes


def test_acknowledgements_pass_and_pushes_are_handed_out() -> None:
    frames = [
        {"status": "ok", "action": "connect", "request-id": 1},
        {"status": "ok", "action": "heartbeat", "request-id": "2"},
        {"status": "ok", "action": "heartbeat"},
        {"type": "AccountBalance", "data": {"n": 1}, "timestamp": 1},
        {"type": "CurrentPosition", "data": {"n": 2}, "timestamp": 1},
    ]
    wire, pushes = account_wire(*frames)
    assert run(wire.receive_all()) == frames[:3]
    assert pushes == [("AccountBalance", {"n": 1}), ("CurrentPosition", {"n": 2})]


def test_batches_are_taken_apart() -> None:
    one, two, three = ({"type": "AccountBalance", "data": {"n": n}} for n in range(3))
    wire, pushes = account_wire(
        {"results": [one, "x", None, {"results": [two]}, three, {"results": []}]}
    )
    assert run(wire.receive_all()) == []
    assert pushes == [("AccountBalance", {"n": n}) for n in range(3)]
    assert wire.dropped == {("frame", "malformed"): 2}


@pytest.mark.parametrize(
    ("counts", "holes"),
    [
        ([1, 2, 3], 0),
        ([7, 8], 0),  # whether it begins at 1 is not known
        ([1, 3, 4], 1),
        ([5, 1, 2], 1),
        ([1, None, "2", True, 2], 0),
        ([None, None], 0),
    ],
)
def test_a_hole_in_the_count_is_handed_out_before_what_follows(
    counts: list[Any], holes: int
) -> None:
    frames = [{"type": "Order", "data": n, "ws-sequence": n} for n in counts]
    wire, pushes = account_wire(*frames)
    assert run(wire.receive_all()) == []
    assert [kind for kind, _ in pushes].count(HOLE) == holes
    assert [data for kind, data in pushes if kind != HOLE] == counts


@pytest.mark.parametrize("value", ["abc", "", "1.5", "²", "9" * 5_000, [], [1], {}, 1.5])
def test_an_ack_that_the_sdk_cannot_read_is_dropped(value: Any) -> None:
    """It says `int(request_id)`; an error there would end its reader."""
    wire, _ = account_wire({"status": "ok", "action": "heartbeat", "request-id": value})
    assert run(wire.receive_all()) == []
    assert wire.dropped == {("frame", "malformed"): 1}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Invalid Token", Unauthorized),
        ("not authorized", Unauthorized),
        ("failed to find session", Unauthorized),
        ("unauthorized", Unauthorized),
        ("session_expired", Unauthorized),
        ("not-authorized-for-account", AccountRefused),
        ("Not authorized for account", AccountRefused),
        ("authentication service is restarting", UpstreamError),
        ("token bucket is empty", UpstreamError),
        ("connect-not-completed", UpstreamError),
        (None, UpstreamError),
        ([], UpstreamError),
        ("x" * 70_000, UpstreamError),
    ],
)
@pytest.mark.parametrize("request_id", [None, 1])
def test_a_refusal_is_raised(message: Any, kind: type[Exception], request_id: int | None) -> None:
    frame = {"status": "error", "action": "connect", "message": message}
    wire, _ = account_wire(frame | ({} if request_id is None else {"request-id": request_id}))
    with pytest.raises(UpstreamError) as caught:
        run(wire.receive_all())
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 200


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "data", "status", "request-id", "results", "message"]),
            JUNK | st.sampled_from(["error", "ok", "AccountBalance"]),
        )
        | JUNK,
        max_size=4,
    )
)
def test_no_account_frame_raises_but_on_purpose(frames: list[Any]) -> None:
    wire, _ = account_wire(*frames)

    async def read() -> None:
        while True:
            try:
                message = await wire.guard.receive_json()
            except Closed:
                return
            except UpstreamError:
                continue
            # What the SDK does with it.
            assert message.get("type") is None
            int(message.get("request-id") or 0)

    run(read())
