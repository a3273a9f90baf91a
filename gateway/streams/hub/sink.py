"""Between a source of chunks and whoever takes them: how one writes and the other pushes back."""

from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """What a source writes to. Never waits."""

    def write(self, chunk: bytes) -> bool:
        """Accept a chunk, never empty; False when full: no other comes before `resume_writing`."""

    def close(self, reason: str) -> None:
        """End: the source closes and writes nothing more. Not called while the sink is full."""


class Source(Protocol):
    """A place among those that a hub or a page writes to."""

    def resume_writing(self) -> None:
        """Write what was missed while the sink was full, then whatever comes."""

    def close(self) -> None:
        """Leave; may be called twice."""


Attach = Callable[[Sink], Source]
"""Joins a source. It may write to the sink at once."""
