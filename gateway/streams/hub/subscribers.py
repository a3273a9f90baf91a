"""Places in the log: who reads by itself, and who is written to."""

import asyncio
from collections.abc import Callable

from gateway.streams.hub.log import Log
from gateway.streams.hub.position import CONTROL_TYPES, Entry
from gateway.streams.hub.subscription import Group

RATE_SLICE_S = 0.25
"""How long a reader with a rate sleeps at most before it looks again."""


class Subscriber:
    """One open stream: a cursor. See `Hub` for what it promises."""

    __slots__ = (
        "_due_s",
        "_group",
        "_interval_s",
        "_is_waiting",
        "_leave",
        "_log",
        "_told",
        "closed",
        "cursor",
    )

    def __init__(
        self,
        log: Log,
        group: Group,
        cursor: int,
        rate: float | None,
        leave: Callable[[Group], None],
    ) -> None:
        self._log = log
        self._group = group
        self._leave = leave
        self._interval_s = 1.0 / rate if rate else 0.0
        self._due_s = float("-inf")
        self._told = cursor
        self._is_waiting = False
        self.cursor = cursor
        self.closed = False

    async def read(self) -> bytes | None:
        """The next frames as one chunk, never empty; None when the hub or this one is closed."""
        log, group = self._log, self._group
        while log.closing is None and not self.closed:
            if log.flushed > self.cursor:
                if self._interval_s:
                    chunk = self._read_at_rate()
                else:
                    chunk, self.cursor = log.read(group, self.cursor)
                if chunk:
                    return chunk
            if log.flushed > self.cursor:
                # In slices, so that a slow rate holds up neither a status nor a shutdown.
                await asyncio.sleep(min(self._due_s - log.now_s(), RATE_SLICE_S))
            else:
                await self._wait_for_flush()
        return None

    def _read_at_rate(self) -> bytes:
        """Statuses and heartbeats at once, the newest of everything else when it is due."""
        log, told = self._log, self._told
        if log.now_s() < self._due_s:
            entries = [each for each in log.controls if told < each.seq <= log.flushed]
            self._told = log.flushed
        else:
            newest, _, self.cursor = log.changed_after(self.cursor, self._group)
            self._told = self.cursor
            entries = [
                each for each in newest if each.seq > told or each.topic.kind not in CONTROL_TYPES
            ]
            if any(each.topic.kind not in CONTROL_TYPES for each in entries):
                self._due_s = log.now_s() + self._interval_s
        return b"".join([entry.frame for entry in entries])

    async def read_entries(self) -> list[Entry] | None:
        """The newest changed entries, one per key, in order; None as for `read`.

        For readers that make something else of the records than frames.
        """
        log = self._log
        while log.closing is None and not self.closed:
            if log.flushed > self.cursor:
                newest, _, self.cursor = log.changed_after(self.cursor, self._group)
                if newest:
                    return newest
            await self._wait_for_flush()
        return None

    def close(self) -> None:
        """Leave the hub, and end a read that waits; may be called twice."""
        if not self.closed:
            self.closed = True
            if self._is_waiting:
                self._group.wake(0)  # the others, who have missed nothing, wait again
            self._leave(self._group)

    async def _wait_for_flush(self) -> None:
        group = self._group
        if group.waiter is None:
            group.waiter = asyncio.get_running_loop().create_future()
        self._is_waiting = True
        try:
            # Shielded, because the future is everybody's: one cancelled reader must not wake the
            # rest.
            begin = await asyncio.shield(group.waiter)
        finally:
            self._is_waiting = False
        # Whoever waited has read all that matched before this flush. Without this step a reader
        # of a quiet symbol would fall out of the history of the busy ones and scan every key.
        self.cursor = max(self.cursor, begin)


class Pushed:
    """One open stream that the hub writes to by itself; see `Hub.push` and what `Hub` promises."""

    __slots__ = ("_group", "_leave", "_log", "closed", "cursor", "end", "take")

    def __init__(
        self,
        log: Log,
        group: Group,
        cursor: int,
        take: Callable[[bytes], bool],
        end: Callable[[], None],
        leave: Callable[[Group], None],
    ) -> None:
        self._log = log
        self._group = group
        self._leave = leave
        self.cursor = cursor
        self.take = take
        self.end = end
        self.closed = False

    def resume(self) -> None:
        """Take what was missed, then wait for the next flush."""
        log = self._log
        if log.closing is not None:
            self.end()
            return
        while not self.closed and log.flushed > self.cursor:
            chunk, self.cursor = log.read(self._group, self.cursor)
            if chunk and not self.take(chunk):
                return
        if not self.closed:
            self._group.pushed[self] = None

    def close(self) -> None:
        """Leave the hub; may be called twice."""
        if not self.closed:
            self.closed = True
            self._group.pushed.pop(self, None)
            self._leave(self._group)
