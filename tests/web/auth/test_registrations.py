"""Streams end once when their access is over, and are counted while they are open."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.auth.registrations import Registrations

NAMES = ["anna", "bert"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "leave", "revoke", "allow", "sweep"]), st.sampled_from(NAMES)
        ),
        max_size=40,
    )
)
def test_no_stream_outlives_its_access_and_none_ends_twice(steps: list[tuple[str, str]]) -> None:
    over: set[str] = set()
    ended: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    releases = {}
    registrations = Registrations[str](
        find_reason=lambda name: "revoked" if name in over else None, find_name=lambda name: name
    )
    for number, (step, name) in enumerate(steps):
        if step == "open":
            ended[number], names[number] = [], name
            releases[number] = registrations.register(name, ended[number].append)
            assert bool(ended[number]) == (name in over)
        elif step == "leave":
            for each in [each for each in releases if names[each] == name]:
                releases.pop(each)()
        elif step == "revoke":
            over.add(name)
        elif step == "allow":
            over.discard(name)
        else:
            registrations.sweep()
            assert all(ended[each] for each in releases if names[each] in over)
        assert all(len(each) <= 1 for each in ended.values())
    for release in releases.values():
        release()
    assert [registrations.count(name) for name in NAMES] == [0, 0]
