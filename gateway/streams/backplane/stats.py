"""What the processes around a backplane count, for operators; pure."""

import msgspec


class LeaderStats(msgspec.Struct, frozen=True, gc=False):
    """Counters of the feed process that publishes, since it began."""

    appended: int
    """Entries that it appended to the stream."""
    reconnects: int
    """Times that it reached the server again."""
    waiting: int
    """Changes that have yet to be sent."""
    conflated: int
    """Updates that a newer one replaced before they were sent."""


class BackplaneStats(msgspec.Struct, frozen=True):
    """Counters of a web process that follows; None for what it does not know."""

    is_reachable: bool
    lag_s: float | None
    """From publishing to this process's hub, as last measured."""
    read: int
    """Entries read from the stream."""
    loads: int
    """Times that all newest records were read."""
    gaps: int
    """Times that entries were trimmed before they were read."""
    reconnects: int
    unreadable: int
    """Records that could not be read: written by a newer gateway, or by somebody else."""
    epoch: int
    holder: str | None = None
    """Who holds the lease."""
    lease_age_s: float | None = None
    """Since its last renewal."""
    fenced: int | None = None
    """Entries refused because their publisher had lost the lease."""
    leader: LeaderStats | None = None
