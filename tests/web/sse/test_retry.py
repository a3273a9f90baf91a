"""When clients come back."""

from gateway.web.sse.retry import FULL_RETRY_MS, choose_retry_ms, encode_bye
from tests.web.running import parse_frames


def test_goodbyes_are_spread_and_one_block() -> None:
    frames = [parse_frames(encode_bye("shutdown")) for _ in range(200)]
    assert all(len(each) == 1 for each in frames), "`retry:` never stands alone"
    waits = {bye.data["retry_ms"] for (bye,) in frames}
    assert len(waits) > 100
    assert 500 <= min(waits) < 1500 < 4000 < max(waits) <= 5000
    assert all(bye.retry == bye.data["retry_ms"] for (bye,) in frames)


def test_a_reconnection_time_is_within_its_spread() -> None:
    waits = {choose_retry_ms(FULL_RETRY_MS) for _ in range(200)}
    assert 5000 <= min(waits) < max(waits) <= 15000
