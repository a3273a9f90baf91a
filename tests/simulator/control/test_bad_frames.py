import json

import pytest

from gateway.simulator.broker.dxlink.rows import FIELDS
from gateway.simulator.control.bad_frames import KINDS, make_bad_frame


@pytest.mark.parametrize("event_type", FIELDS)
@pytest.mark.parametrize("kind", KINDS)
def test_bad_frames(kind: str, event_type: str) -> None:
    text = make_bad_frame(kind, channel=3, event_type=event_type, symbol="SPY", rows=[1, "NaN"])
    width = len(FIELDS[event_type])
    if kind in ("garbage", "text"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        return
    message = json.loads(text)
    data = message.get("data", [])
    match kind:
        case "nan":
            assert (data[0], len(data[1])) == (event_type, width)
            assert "NaN" in data[1]
        case "arity":
            assert len(data[1]) == width - 1
        case "empty":
            assert data == []
        case "oversized":
            assert len(text) > 65_536
            assert len(data[1]) % width == 0
        case "rows":
            assert data == [event_type, [1, "NaN"]]
        case "error":
            assert (message["type"], message["message"]) == ("ERROR", "Session not found: api")
        case _:
            assert message["type"] == "SURPRISE"


def test_what_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="kind"):
        make_bad_frame("odd", channel=1, event_type="Quote", symbol="SPY")
    with pytest.raises(ValueError, match="type"):
        make_bad_frame("nan", channel=1, event_type="Odd", symbol="SPY")
