"""What the processes that are joined by a backplane count, for operators; pure."""

import msgspec


class LeaderStats(msgspec.Struct, frozen=True, gc=False):
    """What the feed process that publishes counts of itself, since it began."""

    appended: int
    """Entries that it published."""
    reconnects: int
    """Times that it reached the server again."""
    waiting: int
    """Changes that have yet to be carried."""
    conflated: int
    """Updates that a newer one replaced before they were carried."""


class BackplaneStats(msgspec.Struct, frozen=True):
    """What a web process knows of the backplane; None for what it does not."""

    is_reachable: bool
    lag_s: float | None
    """From publishing to this process's hub, of the newest that was looked at."""
    read: int
    """Entries read from the stream."""
    loads: int
    """Times that all newest records were read."""
    gaps: int
    """Times that entries could not be read any more."""
    reconnects: int
    unreadable: int
    """Records that could not be read: of a newer gateway, or of somebody else."""
    epoch: int
    holder: str | None = None
    """Who holds the lease."""
    lease_age_s: float | None = None
    """Since its last renewal."""
    fenced: int | None = None
    """Entries refused because their publisher held the lease no more."""
    leader: LeaderStats | None = None
