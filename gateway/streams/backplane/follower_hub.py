"""The hub of a web process that follows what another process publishes."""

from collections.abc import Iterable

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.streams.hub.hub import HISTORY_EVENTS, MAX_LAG_S, TICK_S, Hub
from gateway.streams.hub.position import BEGINNING, Entry, StreamPosition
from gateway.streams.records import MARKET_TYPES, Gap, Record
from gateway.streams.topics import Topic


class FollowerHub(Hub):
    """A hub whose ids are those of the publisher it follows.

    It promises what `Hub` promises. What it publishes itself (heartbeats, staleness while it is cut
    off) has no id. It holds every newest record, so it can resume from ids that were given before
    it began, by any process, back to `recover_from`.
    """

    def __init__(
        self,
        *,
        tick_s: float = TICK_S,
        history_events: int = HISTORY_EVENTS,
        max_lag_s: float = MAX_LAG_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(
            epoch=BEGINNING.epoch,
            tick_s=tick_s,
            history_events=history_events,
            max_lag_s=max_lag_s,
            clock=clock,
        )
        self._position = BEGINNING
        self._offsets: dict[str, int] = {}
        self._confirmed_epoch = int(BEGINNING.epoch)
        self._recoverable: StreamPosition | None = None

    @property
    def position(self) -> StreamPosition:
        """The newest position that was replicated."""
        return self._position

    def publish(self, record: Record) -> int:
        """Append a record of this process, without an id, and return its `seq`."""
        before = self._log.latest.get(record.topic)
        return self._append(record, before.position if before else BEGINNING, is_local=True)

    def replicate(self, record: Record, position: StreamPosition) -> bool:
        """Append a record of the publisher under its position, and return whether it was new.

        Positions must rise; a record that is not newer than all before it is left out.
        """
        if not self.advance(position):
            return False
        self._append(record, position)
        return True

    def advance(self, position: StreamPosition) -> bool:
        """Move on to a position if it is newer than all before, and return whether it is."""
        if position.order <= self._position.order:
            return False
        self._position = position
        self._offsets[position.epoch] = position.offset
        self.epoch = position.epoch
        return True

    def publish_gap(self, reason: str) -> None:
        """Tell every subscriber that updates were lost, nobody knows how many."""
        self._append(Gap(skipped=None, reason=reason), self._position, is_local=True)

    def list_before(self, epoch: str) -> list[Topic]:
        """Return the topics of market records that no publisher since this epoch has confirmed."""
        return [
            topic
            for topic, entry in self._log.latest.items()
            if topic.kind in MARKET_TYPES and int(entry.position.epoch) < int(epoch)
        ]

    def recover_from(self, epochs: Iterable[str], position: StreamPosition) -> None:
        """Accept ids of these epochs, too, and of any epoch none from before this position."""
        for epoch in epochs:
            self._offsets.setdefault(epoch, 0)
        before = self._recoverable
        if before is None or position.order > before.order:
            self._recoverable = position

    def confirm_epoch(self, epoch: str) -> None:
        """Note that the publisher of this epoch has published all that it knows."""
        self._confirmed_epoch = max(self._confirmed_epoch, int(epoch))

    def is_recoverable(self, position: StreamPosition) -> bool:
        """Say whether all that changed since this position, in any known epoch, is known here."""
        known = self._offsets.get(position.epoch)
        if self._recoverable is None or known is None:
            return False
        if not self._recoverable.order <= position.order <= self._position.order:
            return False
        # Of an earlier epoch a client may have seen more than this process did: a server that fails
        # over loses its tail. Only what has been published since then proves that it is newer.
        return position.offset <= known or int(position.epoch) < self._confirmed_epoch

    def is_after(self, entry: Entry, position: StreamPosition) -> bool:
        """Say whether an entry is newer than a recoverable position.

        What this process made has no id, so no client can have proved that it has seen it.
        """
        return entry.is_local or entry.position.order > position.order
