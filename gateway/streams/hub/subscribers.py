"""Subscribers: cursors in the log, each with the sink that gets what comes behind it."""

import asyncio
from collections.abc import Callable

from gateway.streams.hub.log import Log
from gateway.streams.hub.position import CONTROL_TYPES
from gateway.streams.hub.sink import Sink
from gateway.streams.hub.subscription import Subscription, TopicFilter


class Group(TopicFilter):
    """All subscribers of one subscription: they share the topics that match, and the chunks."""

    __slots__ = ("members", "paced", "ready")

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(subscription)
        self.members = 0
        # Those whose sink can take more, without a rate and with one; dicts for their order.
        self.ready: dict[Subscriber, None] = {}
        self.paced: dict[Subscriber, None] = {}


class Subscriber:
    """One open stream. See `Hub` for what it promises.

    It is among its group's `ready` while its sink can take more, and among its `paced` if it has a
    rate. A subscriber whose sink is full is in neither until `resume_writing`.
    """

    __slots__ = (
        "_controls_seen",
        "_due_s",
        "_group",
        "_interval_s",
        "_is_behind",
        "_leave",
        "_log",
        "_own",
        "_timer",
        "closed",
        "cursor",
        "sink",
    )

    def __init__(
        self,
        log: Log,
        group: Group,
        sink: Sink,
        cursor: int,
        rate: float | None,
        leave: Callable[[Group], None],
    ) -> None:
        self._log = log
        self._group = group
        self._leave = leave
        self._interval_s = 1.0 / rate if rate else 0.0
        self._due_s = float("-inf")
        self._controls_seen = cursor
        self._is_behind = False
        self._own = b""
        self._timer: asyncio.TimerHandle | None = None
        self.sink = sink
        self.cursor = cursor
        self.closed = False

    def resume_writing(self) -> None:
        """Write what was missed while the sink was full, then wait for the next flush."""
        log = self._log
        while not self.closed:
            if log.closing is not None:
                self.sink.close(log.closing)
                return
            if self._own:
                own, self._own = self._own, b""
                if not self.sink.write(own):
                    return
            if log.flushed <= self.cursor:
                break
            if self._interval_s:
                if log.now_s() < self._due_s:
                    chunk = self._read_controls()
                    if chunk and not self.sink.write(chunk):
                        return
                    break
                chunk = self._read_newest()
            else:
                chunk, self.cursor = log.read(self._group, self.cursor)
            if chunk and not self.sink.write(chunk):
                return
        if not self.closed:
            self._wait()

    def follow(self, begin: int) -> None:
        """Write what a flush has for a subscriber with a rate, whose sink is not full.

        Nothing of its group lies between the last flush that it saw and `begin`.
        """
        del self._group.paced[self]
        if not self._is_behind:  # else what lies behind the cursor is still to be written
            self.cursor = max(self.cursor, begin)
        self.resume_writing()

    def tell(self, frame: bytes) -> None:
        """Write a frame that nobody else gets, now or as soon as the sink can take more."""
        self._own += frame
        group = self._group
        if self in group.ready or self in group.paced:  # else its sink is full, and resumes it
            group.ready.pop(self, None)
            group.paced.pop(self, None)
            self.resume_writing()

    def close(self) -> None:
        """Leave the hub; may be called twice."""
        if not self.closed:
            self.closed = True
            self._stop_timer()
            self._group.ready.pop(self, None)
            self._group.paced.pop(self, None)
            self._leave(self._group)

    def _wait(self) -> None:
        if not self._interval_s:
            self._group.ready[self] = None
            return
        self._group.paced[self] = None
        self._stop_timer()
        self._is_behind = self._log.flushed > self.cursor
        if self._is_behind:
            delay_s = self._due_s - self._log.now_s()
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        if self in self._group.paced:  # else its sink is full, and resumes it
            del self._group.paced[self]
            self.resume_writing()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _read_controls(self) -> bytes:
        """Return the control events since the last time; data is not due yet."""
        log, seen = self._log, self._controls_seen
        self._controls_seen = log.flushed
        return b"".join(
            each.frame
            for each in log.controls
            if seen < each.seq <= log.flushed and self._group.matches(each.topic)
        )

    def _read_newest(self) -> bytes:
        """Return the newest of everything, and control events not yet seen."""
        log, seen = self._log, self._controls_seen
        newest, _, self.cursor = log.changed_after(self.cursor, self._group)
        self._controls_seen = self.cursor
        frames, has_data = [], False
        for each in newest:
            if each.topic.kind not in CONTROL_TYPES:
                has_data = True
            elif each.seq <= seen:
                continue
            frames.append(each.frame)
        if has_data:
            self._due_s = log.now_s() + self._interval_s
        return b"".join(frames)
