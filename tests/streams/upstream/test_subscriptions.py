"""One task follows the wanted set by type, and asks again for what upstream loses or closes."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.upstream.subscriptions import AUDIT_S, AUDIT_STEP_S, merge_audits


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_audits_are_neither_put_off_nor_heaped_up(steps: list[float]) -> None:
    """However additions come and go, each is looked at soon after each of its offsets."""
    now_s = 0.0
    audits: deque[float] = deque()
    held: list[float] = []
    wanted: list[float] = []
    for step_s in steps:
        now_s += step_s
        while audits and audits[0] <= now_s:
            held.append(audits.popleft())
        audits = merge_audits(audits, now_s)
        wanted += [now_s + each for each in AUDIT_S]
        assert len(audits) <= AUDIT_S[-1] / AUDIT_STEP_S + 1
    held += audits
    for at_s in wanted:
        assert any(at_s <= each < at_s + AUDIT_STEP_S for each in held), at_s
