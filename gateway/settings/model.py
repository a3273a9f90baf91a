"""Every setting: its variable, its default, its limits. Secrets mask themselves."""

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.addresses import is_loopback, parse_network
from gateway.errors import ConfigurationError
from gateway.hostnames import parse_host
from gateway.redaction import find_passwords
from gateway.settings.environment import clean
from gateway.settings.sections import (
    AccessSettings,
    BrokerSettings,
    FeedSettings,
    ServerSettings,
    SiteSettings,
    StoreSettings,
    StreamSettings,
)
from gateway.settings.sources import DocumentedNames, find_env_file
from gateway.settings.store_keys import split_keys

S = TypeVar("S", FeedSettings, StreamSettings, AccessSettings, SiteSettings, ServerSettings)

DEFAULT_SYMBOLS = "SPY,QQQ,IWM,SPX,VIX,AAPL,MSFT,NVDA,TSLA,AMD,/ESZ26:XCME,BTC/USD:CXTALP"

DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")

REDIS_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")

MIN_TOKEN_LENGTH, MAX_TOKEN_LENGTH = 16, 1024
"""Shorter ones can be guessed; longer ones fit into no header of some proxies."""

Names = Annotated[tuple[str, ...], NoDecode]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]


class Settings(BaseSettings):
    """Everything that can be set; the README lists each with its meaning."""

    model_config = SettingsConfigDict(
        env_file=".",  # a folder: pydantic itself reads nothing; see `DocumentedNames`
        extra="ignore",
        populate_by_name=True,  # for callers
        hide_input_in_errors=True,
        frozen=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read documented names only: pydantic's own sources read field names too."""
        given = cast(DotEnvSettingsSource, dotenv_settings).env_file
        return init_settings, DocumentedNames(
            cls, variables(), None if given is None else find_env_file()
        )

    tt_secret: SecretStr | None = Field(None, validation_alias="TT_SECRET")
    tt_refresh: SecretStr | None = Field(None, validation_alias="TT_REFRESH")
    tt_secret_file: Path | None = Field(None, validation_alias="TT_SECRET_FILE")
    tt_refresh_file: Path | None = Field(None, validation_alias="TT_REFRESH_FILE")
    tt_test: bool = Field(False, validation_alias="TT_TEST")
    tt_accounts: Names = Field((), validation_alias="TT_ACCOUNTS")
    simulator_rest: str | None = Field(None, validation_alias="SIMULATOR_REST")
    simulator_account_ws: str | None = Field(None, validation_alias="SIMULATOR_ACCOUNT_WS")

    host: str = Field("127.0.0.1", validation_alias="HOST", min_length=1)
    port: int = Field(8000, validation_alias="PORT", ge=0, le=65535)
    token: SecretStr | None = Field(None, validation_alias="GATEWAY_TOKEN")
    token_file: Path | None = Field(None, validation_alias="GATEWAY_TOKEN_FILE")
    viewers: Path | None = Field(None, validation_alias="GATEWAY_VIEWERS")
    login_idle_s: float = Field(
        12 * 3600.0, validation_alias="GATEWAY_LOGIN_IDLE_S", ge=1, le=7 * 24 * 3600
    )
    login_life_s: float = Field(
        7 * 24 * 3600.0, validation_alias="GATEWAY_LOGIN_LIFE_S", ge=1, le=31 * 24 * 3600
    )
    allowed_hosts: Names = Field((), validation_alias="GATEWAY_ALLOWED_HOSTS")
    root_path: str = Field("", validation_alias="GATEWAY_ROOT_PATH")
    trusted_proxies: Networks = Field((), validation_alias="GATEWAY_TRUSTED_PROXIES")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="GATEWAY_LOG_LEVEL"
    )

    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    redis_url_file: Path | None = Field(None, validation_alias="REDIS_URL_FILE")
    state_dir: Path | None = Field(None, validation_alias="GATEWAY_STATE_DIR")
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    database_url_file: Path | None = Field(None, validation_alias="DATABASE_URL_FILE")
    keys: SecretStr | None = Field(None, validation_alias="GATEWAY_KEYS")
    keys_file: Path | None = Field(None, validation_alias="GATEWAY_KEYS_FILE")
    lease_s: float = Field(6.0, validation_alias="GATEWAY_LEASE_S", ge=1, le=60)

    symbols: Names = Field(
        tuple(DEFAULT_SYMBOLS.split(",")), validation_alias="GATEWAY_SYMBOLS", validate_default=True
    )
    pages: str | None = Field(None, validation_alias="GATEWAY_PAGES")
    market: Literal["auto", "open", "closed"] = Field("auto", validation_alias="GATEWAY_MARKET")
    aggregation_s: float = Field(0.1, validation_alias="GATEWAY_AGGREGATION_S", ge=0, le=60)
    stale_s: float = Field(4.0, validation_alias="GATEWAY_STALE_S", gt=0, le=60)
    refresh_s: float = Field(600.0, validation_alias="GATEWAY_REFRESH_S", ge=0, le=840)
    balance_poll_s: float = Field(30.0, validation_alias="GATEWAY_BALANCE_POLL_S", ge=1, le=3600)
    linger_s: float = Field(30.0, validation_alias="GATEWAY_LINGER_S", ge=0, le=3600)
    tick_ms: float = Field(10.0, validation_alias="GATEWAY_TICK_MS", ge=0, le=1000)
    history_events: int = Field(
        32_768, validation_alias="GATEWAY_HISTORY_EVENTS", ge=1024, le=1_048_576
    )
    heartbeat_s: float = Field(15.0, validation_alias="GATEWAY_HEARTBEAT_S", ge=0.1, le=50)
    max_streams: int = Field(2000, validation_alias="GATEWAY_MAX_STREAMS", ge=1)
    max_symbols: int = Field(5000, validation_alias="GATEWAY_MAX_SYMBOLS", ge=1, le=25000)
    max_symbols_per_viewer: int = Field(
        1000, validation_alias="GATEWAY_MAX_SYMBOLS_PER_VIEWER", ge=1, le=25000
    )
    max_symbols_per_stream: int = Field(
        500, validation_alias="GATEWAY_MAX_SYMBOLS_PER_STREAM", ge=1, le=5000
    )
    max_streams_per_viewer: int = Field(
        200, validation_alias="GATEWAY_MAX_STREAMS_PER_VIEWER", ge=1
    )
    max_connections: int = Field(4000, validation_alias="GATEWAY_MAX_CONNECTIONS", ge=1)
    max_connections_per_address: int = Field(
        1000, validation_alias="GATEWAY_MAX_CONNECTIONS_PER_ADDRESS", ge=1
    )
    max_header_bytes: int = Field(
        32_768, validation_alias="GATEWAY_MAX_HEADER_BYTES", ge=1024, le=1_048_576
    )
    max_query_bytes: int = Field(
        16_384, validation_alias="GATEWAY_MAX_QUERY_BYTES", ge=256, le=1_048_576
    )
    max_body_bytes: int = Field(
        65_536, validation_alias="GATEWAY_MAX_BODY_BYTES", ge=1024, le=1_048_576
    )
    request_timeout_s: float = Field(
        10.0, validation_alias="GATEWAY_REQUEST_TIMEOUT_S", ge=0.1, le=120
    )
    keep_alive_s: float = Field(15.0, validation_alias="GATEWAY_KEEP_ALIVE_S", ge=0.1, le=600)
    send_timeout_s: float = Field(120.0, validation_alias="GATEWAY_SEND_TIMEOUT_S", ge=0.1, le=3600)
    drain_s: float = Field(4.0, validation_alias="GATEWAY_DRAIN_S", ge=0.1, le=25)

    @field_validator("tt_accounts", "allowed_hosts", "symbols", mode="before")
    @classmethod
    def _split(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        # Not within braces: `SPY{=5m,tho=true}` is one symbol.
        parts = re.split(r",(?![^{}]*\})", value)
        name = cls.model_fields[info.field_name].validation_alias
        return tuple(part for each in parts if (part := clean(str(name), each)))

    @field_validator("tt_accounts")
    @classmethod
    def _are_numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(each.isascii() and each.isalnum() for each in value):
            raise ValueError("must be account numbers such as 5WX00001, separated by commas")
        return tuple(each.upper() for each in value)

    @field_validator("allowed_hosts")
    @classmethod
    def _can_match(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse_host(each) for each in value)

    @field_validator("root_path")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        value = value.strip("/")
        if not re.fullmatch(r"[A-Za-z0-9._~-]*(?:/[A-Za-z0-9._~-]+)*", value):
            raise ValueError("must look like /gateway; letters, digits, dots and dashes")
        return f"/{value}" if value else ""

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        value = value.strip("[]")
        if "/" in value or value.count(":") == 1:
            raise ValueError("must be an address alone, without a scheme or port; see PORT")
        return value

    @field_validator("token")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise ValueError(f"is too short; it has at least {MIN_TOKEN_LENGTH} characters")
        if value is not None and len(value.get_secret_value()) > MAX_TOKEN_LENGTH:
            raise ValueError(f"is too long; it has at most {MAX_TOKEN_LENGTH} characters")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parse_networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = [clean("GATEWAY_TRUSTED_PROXIES", each) for each in value.split(",")]
        try:
            return tuple(parse_network(part) for part in parts if part)
        except ValueError:
            raise ValueError(
                "must be addresses or networks such as 10.0.0.0/8, separated by commas"
            ) from None

    @field_validator("simulator_rest", "simulator_account_ws")
    @classmethod
    def _only_loopback(cls, value: str | None, info: Any) -> str | None:
        if value is None:
            return None
        schemes = ("http",) if info.field_name == "simulator_rest" else ("ws",)
        parts = urlsplit(value)
        if parts.scheme not in schemes or not is_loopback(parts.hostname or ""):
            raise ValueError(f"must be {schemes[0]}://127.0.0.1:PORT; a simulator is on loopback")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _is_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parts = urlsplit(value.get_secret_value())
                is_right = parts.scheme in REDIS_SCHEMES and bool(parts.hostname or parts.path)
                is_right = is_right and (parts.port is None or parts.port > 0)
                is_right = is_right and not parts.fragment and "@" not in parts.path
            except ValueError:
                is_right = False
            if not is_right:
                raise ValueError(
                    "must look like redis://HOST:PORT/0 or rediss://USER:PASSWORD@HOST; "
                    "in a password write # as %23, / as %2F, ? as %3F, @ as %40"
                )
        return value

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            scheme, separator, rest = value.get_secret_value().partition("://")
            if scheme not in DATABASE_SCHEMES or not separator or not rest.strip("/"):
                raise ValueError(
                    "must look like sqlite:////var/lib/gateway/gateway.db or "
                    "postgresql://USER:PASSWORD@HOST/DATABASE"
                )
        return value

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            split_keys(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _simulator_is_whole(self) -> Self:
        if (self.simulator_rest is None) != (self.simulator_account_ws is None):
            missing = "SIMULATOR_REST" if self.simulator_rest is None else "SIMULATOR_ACCOUNT_WS"
            raise ValueError(f"{missing}: set it too; `gateway simulator` prints both")
        return self

    def with_symbols(self, parse: Callable[[str], Iterable[str]]) -> Self:
        """Return the same settings with the default symbols as `parse` writes them.

        Raises:
            ConfigurationError: one line with what `parse` says is wrong.
        """
        try:
            symbols = tuple(parse(",".join(self.symbols)))
        except ValueError as error:
            raise ConfigurationError(f"GATEWAY_SYMBOLS: {error}") from None
        return self if symbols == self.symbols else self.model_copy(update={"symbols": symbols})

    @property
    def broker(self) -> BrokerSettings:
        """The section of the login to the broker."""
        return BrokerSettings(
            secret=self.tt_secret,
            refresh=self.tt_refresh,
            is_test=self.tt_test,
            accounts=self.tt_accounts,
            simulator_rest=self.simulator_rest,
            simulator_account_ws=self.simulator_account_ws,
            refresh_s=self.refresh_s,
            balance_poll_s=self.balance_poll_s,
        )

    @property
    def feed(self) -> FeedSettings:
        """The section of the market data feed."""
        return self._section(FeedSettings)

    @property
    def streams(self) -> StreamSettings:
        """The section of the streams to clients."""
        return self._section(StreamSettings)

    @property
    def access(self) -> AccessSettings:
        """The section of who may come in."""
        return self._section(AccessSettings)

    @property
    def site(self) -> SiteSettings:
        """The section of the addresses under which the gateway answers."""
        return self._section(SiteSettings)

    @property
    def server(self) -> ServerSettings:
        """The section of the HTTP server."""
        return self._section(ServerSettings)

    def _section(self, section: type[S]) -> S:
        return section(**{each.name: getattr(self, each.name) for each in fields(section)})

    @property
    def store(self) -> StoreSettings:
        """The section of what people keep; what a simulation keeps is in a file of its own."""
        if self.is_simulation and self.database_url is None:
            return StoreSettings(self.state_dir, None, self.keys, "demo.db")
        return StoreSettings(self.state_dir, self.database_url, self.keys)

    @property
    def uses_simulator(self) -> bool:
        """Whether the upstream is the simulator; nothing real can be reached then."""
        return self.simulator_rest is not None

    @property
    def is_simulation(self) -> bool:
        """Whether all that this process can ever show comes from the simulator that it was given.

        With REDIS_URL another process decides what is shown.
        """
        return self.uses_simulator and self.redis_url is None

    @property
    def secrets(self) -> frozenset[str]:
        """What no log may show: every secret, and the password within an address."""
        values = [getattr(self, name) for name in type(self).model_fields]
        found = {each.get_secret_value() for each in values if isinstance(each, SecretStr)}
        for address in (self.redis_url, self.database_url):
            if address is not None:
                found |= find_passwords(address.get_secret_value())
        if self.keys is not None:
            found |= set(split_keys(self.keys.get_secret_value()))
        return frozenset(found)

    @property
    def has_credentials(self) -> bool:
        """Whether there is something to log in with."""
        return self.tt_secret is not None and self.tt_refresh is not None


def variables() -> dict[str, str]:
    """Return the field name by environment variable."""
    found = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        assert isinstance(alias, str)
        found[alias] = name
    return found
