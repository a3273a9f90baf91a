"""What the processes around a backplane count, for operators; pure."""

import msgspec

from gateway.streams.reports import LeaderReport


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
    leader: LeaderReport | None = None
