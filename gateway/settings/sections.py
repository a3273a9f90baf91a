"""The sections of the settings, each for one part of the gateway."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What one login to the broker needs."""

    secret: SecretStr | None = None
    refresh: SecretStr | None = None
    is_test: bool = False
    accounts: tuple[str, ...] = ()
    """The numbers of the accounts to follow; all of them when empty."""
    simulator_rest: str | None = None
    simulator_account_ws: str | None = None
    refresh_s: float = 600.0
    balance_poll_s: float = 30.0

    @property
    def uses_simulator(self) -> bool:
        """Whether the broker is the simulator; nothing real can be reached then."""
        return self.simulator_rest is not None


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """What the market data feed needs."""

    market: Literal["auto", "open", "closed"] = "auto"
    aggregation_s: float = 0.1
    stale_s: float = 4.0
    symbols: tuple[str, ...] = ()
    """What is always followed."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What the store needs: where it is, and the keys of its secrets."""

    folder: Path | None = None
    """The state folder; None for the system's own."""
    database_url: SecretStr | None = None
    keys: SecretStr | None = None
    file_name: str = "gateway.db"


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What streams to clients need, and what bounds them."""

    symbols: tuple[str, ...]
    """What a stream or page without symbols of its own shows."""
    heartbeat_s: float
    send_timeout_s: float
    max_streams: int
    max_streams_per_viewer: int
    max_symbols_per_stream: int


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may come in, and for how long."""

    host: str
    token: SecretStr | None
    viewers: Path | None
    login_idle_s: float
    login_life_s: float
    is_simulation: bool
    """Whether nothing real can be seen; see `Settings.is_simulation`."""


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Under which names and addresses the gateway answers, and whose word it takes for them."""

    host: str
    allowed_hosts: tuple[str, ...]
    root_path: str
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    max_query_bytes: int


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the HTTP server needs, and what bounds its connections."""

    host: str
    port: int
    keep_alive_s: float
    drain_s: float
    request_timeout_s: float
    max_connections: int
    max_connections_per_address: int
    max_header_bytes: int
    max_body_bytes: int
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
