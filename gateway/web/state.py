"""What every route is given: one object made in `app.py`, so that nothing is global."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.settings import Settings
from gateway.streams.backplane.stats import BackplaneStats
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub


@dataclass(slots=True)
class Context:
    """The hub, who wants which symbols, the settings, and how to ask upstream for a report.

    `report` returns what `/status` tells of the upstreams: plain JSON values, no secrets.
    `figures` are those of the backplane, None without one.
    `find_trouble` says why there is nothing to serve yet, None when nothing is in the way.
    `started_s` is of the monotonic clock.
    `streams` counts the open ones, of `/events` and of the pages; see `gateway.web.sse.stream`.
    """

    settings: Settings
    hub: Hub
    demand: Demand
    report: Callable[[], dict[str, Any]] = field(default=dict)
    figures: Callable[[], BackplaneStats | None] = field(default=lambda: None)
    find_trouble: Callable[[], str | None] = field(default=lambda: None)
    started_s: float = field(default_factory=time.monotonic)
    streams: int = 0
    streams_opened: int = 0
    streams_evicted: int = 0
    streams_cut: int = 0
    streams_refused: int = 0
    loop_lag_s: float = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no further stream may be opened."""
        return self.streams >= self.settings.max_streams
