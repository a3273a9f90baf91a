"""The rows of alerts: each step once, each arm once, and a number that says what is new."""

import pytest

from gateway.store.alert_rows import MAX_FIRINGS
from gateway.store.database import Database
from gateway.store.kept import AlertChange


@pytest.fixture
def kept(database: Database) -> Database:
    """A store with an alert of ann's."""
    with database.begin(writes=True) as rows:
        rows.alerts.add("a1", "ann", "rule", "new")
    return database


def test_what_is_added_is_read_and_removed_by_its_owner_alone(kept: Database) -> None:
    with kept.begin(writes=True) as rows:
        (found,) = rows.alerts.read_all("ann")
        assert (found.id, found.owner, found.rule, found.state) == ("a1", "ann", "rule", "new")
        assert (found.step, found.firings) == (0, ())
        assert rows.alerts.read_all("bob") == ()
        assert not rows.alerts.remove("bob", "a1")
        assert rows.alerts.remove("ann", "a1")
        assert rows.alerts.read_all() == ()


def test_the_number_changes_with_every_alert_that_comes_or_goes(kept: Database) -> None:
    numbers = []
    with kept.begin(writes=True) as rows:
        numbers.append(rows.alerts.read_number())
        rows.alerts.remove("ann", "a1")
        numbers.append(rows.alerts.read_number())
        rows.alerts.add("a2", "ann", "rule", "new")
        numbers.append(rows.alerts.read_number())
        rows.alerts.remove("ann", "none")
        assert rows.alerts.read_number() == numbers[-1]
        rows.forget("ann")
        numbers.append(rows.alerts.read_number())
    assert len(set(numbers)) == 4


def test_a_step_is_made_once(kept: Database) -> None:
    change = AlertChange("a1", 0, "done", ((1, "first"),))
    with kept.begin(writes=True) as rows:
        assert rows.alerts.advance([change]) == set()
    with kept.begin(writes=True) as rows:
        assert rows.alerts.advance([change]) == {"a1"}, "of another leader, or a second time"
        assert rows.alerts.advance([AlertChange("gone", 0, "done", ((1, "x"),))]) == {"gone"}
        (found,) = rows.alerts.read_all()
    assert (found.state, found.step, found.firings) == ("done", 1, ("first",))


def test_old_firings_go_and_the_newest_is_first(kept: Database) -> None:
    with kept.begin(writes=True) as rows:
        for arm in range(1, MAX_FIRINGS + 5):
            change = AlertChange("a1", arm - 1, "s", ((arm, str(arm)),))
            assert rows.alerts.advance([change]) == set()
        (found,) = rows.alerts.read_all("ann")
    assert found.firings == tuple(str(n) for n in range(MAX_FIRINGS + 4, 4, -1))


def test_a_firing_goes_with_its_alert(kept: Database) -> None:
    with kept.begin(writes=True) as rows:
        rows.alerts.advance([AlertChange("a1", 0, "done", ((1, "first"),))])
        rows.alerts.remove("ann", "a1")
        rows.alerts.add("a1", "ann", "rule", "new")
        (found,) = rows.alerts.read_all()
    assert found.firings == ()
