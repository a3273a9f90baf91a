"""The rows of alerts, within one transaction: rules, states, and when each fired."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.kept import AlertChange, KeptAlert
from gateway.store.schema import ALERT, ALERT_CHANGE, ALERT_FIRING

MAX_FIRINGS = 50
"""Of one alert; older ones are deleted."""


class Alerts:
    """Alerts by their id. A state changes by one step at a time, and each arm fires once."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    def read_number(self) -> int:
        """Return a number that is another one when alerts were added or removed."""
        found: int | None = self._connection.execute(
            select(ALERT_CHANGE.c.number)
        ).scalar_one_or_none()
        return found or 0

    def announce(self) -> None:
        """Let whoever watches the alerts read them again."""
        is_sqlite = self._connection.dialect.name == "sqlite"
        statement = (sqlite if is_sqlite else postgresql).insert(ALERT_CHANGE)
        self._connection.execute(
            statement.values(id=1, number=1).on_conflict_do_update(
                index_elements=["id"], set_={"number": ALERT_CHANGE.c.number + 1}
            )
        )

    def count(self, owner: str) -> int:
        """Return how many alerts somebody has."""
        return self._connection.execute(
            select(func.count()).select_from(ALERT).where(ALERT.c.owner == owner)
        ).scalar_one()

    def read_all(self, owner: str | None = None) -> tuple[KeptAlert, ...]:
        """Return somebody's alerts, the oldest first; everybody's for None."""
        alerts = select(ALERT).order_by(ALERT.c.created_ms, ALERT.c.id)
        firings = select(ALERT_FIRING).order_by(ALERT_FIRING.c.arm.desc())
        if owner is not None:
            alerts = alerts.where(ALERT.c.owner == owner)
            firings = firings.join(ALERT, ALERT.c.id == ALERT_FIRING.c.alert)
            firings = firings.where(ALERT.c.owner == owner)
        found: dict[str, list[str]] = {}
        for row in self._connection.execute(firings):
            found.setdefault(row.alert, []).append(row.firing)
        return tuple(
            KeptAlert(
                *(row.id, row.owner, row.rule, row.state, row.step, row.created_ms),
                firings=tuple(found.get(row.id, ())),
            )
            for row in self._connection.execute(alerts)
        )

    def add(self, id: str, owner: str, rule: str, state: str) -> KeptAlert:
        """Keep a new alert, and return it."""
        self.announce()
        kept = KeptAlert(id, owner, rule, state, 0, self._now_ms)
        self._connection.execute(
            insert(ALERT).values(
                id=id, owner=owner, rule=rule, state=state, step=0, created_ms=self._now_ms
            )
        )
        return kept

    def remove(self, owner: str, id: str) -> bool:
        """Delete an alert and its firings; return whether somebody had it."""
        gone = self._connection.execute(
            delete(ALERT).where(ALERT.c.id == id, ALERT.c.owner == owner)
        )
        if gone.rowcount:
            self.announce()
        return gone.rowcount > 0

    def advance(self, changes: Iterable[AlertChange]) -> set[str]:
        """Keep the next states with their firings; return the alerts that have changed otherwise.

        Of those nothing is kept: whoever wants to change them must read them again.
        """
        outdated = set()
        for each in changes:
            done = self._connection.execute(
                update(ALERT)
                .where(ALERT.c.id == each.id, ALERT.c.step == each.step)
                .values(state=each.state, step=ALERT.c.step + 1)
            )
            if done.rowcount == 0:
                outdated.add(each.id)
                continue
            for arm, firing in each.firings:
                # A second one of this arm would be an error: the primary key refuses it.
                self._connection.execute(
                    insert(ALERT_FIRING).values(alert=each.id, arm=arm, firing=firing)
                )
                self._connection.execute(
                    delete(ALERT_FIRING).where(
                        ALERT_FIRING.c.alert == each.id,
                        ALERT_FIRING.c.arm <= arm - MAX_FIRINGS,
                    )
                )
        return outdated
