"""What every route is given: one object, made in `app.py`, so that nothing is global."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.settings import Settings, StreamSettings
from gateway.store.store import Store
from gateway.streams.backplane.stats import BackplaneStats
from gateway.streams.demand import Demand
from gateway.streams.documents import Documents
from gateway.streams.hub.hub import Hub
from gateway.streams.records import MARKET_TYPES
from gateway.streams.reports import UpstreamReport
from gateway.streams.topics import MAIN_LOGIN, Owner, market_topic
from gateway.web.auth.throttle import LoginStats

OPERATOR = frozenset({Owner(MAIN_LOGIN)})
"""The grant for the states, without a reason, that `/readyz` and `/metrics` tell: of the gateway's
own login, and of no other."""


@dataclass(slots=True)
class AppState:
    """The hub, the demand for symbols, the settings, and how to ask the upstream half for a report.

    `settings` are for `app.py` to hand out; everything else reads `limits`, or its own section.
    `report` returns what `/status` shows of the upstream half, no secrets.
    `figures` returns the stats of the backplane, None without one.
    `documents` asks the broker; None where no login is.
    `find_trouble` says why there is nothing to serve yet, None when nothing is in the way.
    `store` keeps what viewers make; without one their lists are in cookies.
    `wake_alerts` lets whoever watches alerts look for new ones at once, where that is here.
    `started_s` is of the clock's `monotonic_s`.
    `streams` counts the open ones, of `/events` and of the pages; see `gateway.web.sse.response`.
    """

    settings: Settings
    hub: Hub
    demand: Demand
    report: Callable[[], UpstreamReport] = field(default=UpstreamReport)
    figures: Callable[[], BackplaneStats | None] = field(default=lambda: None)
    find_trouble: Callable[[], str | None] = field(default=lambda: None)
    documents: Documents | None = None
    logins: LoginStats = field(default_factory=LoginStats)
    clock: Clock = SYSTEM_CLOCK
    store: Store | None = None
    wake_alerts: Callable[[], None] = field(default=lambda: None)
    limits: StreamSettings = field(init=False)
    started_s: float = field(init=False)
    streams: int = 0
    streams_opened: int = 0
    streams_evicted: int = 0
    streams_cut: int = 0
    streams_refused: int = 0
    loop_lag_s: float = 0.0

    def __post_init__(self) -> None:
        self.limits = self.settings.streams
        self.started_s = self.clock.monotonic_s()

    @property
    def is_full(self) -> bool:
        """Whether no further stream may be opened."""
        return self.streams >= self.limits.max_streams

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return self.clock.monotonic_s() - self.started_s


def has_values(hub: Hub, symbol: str) -> bool:
    """Return whether any market record of this symbol has come: what `Demand.is_known` asks."""
    return any(hub.latest(market_topic(kind, symbol)) is not None for kind in MARKET_TYPES)
