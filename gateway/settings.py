"""Settings from the environment and `.env`, checked once at the start; secrets mask themselves."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.addresses import LOOPBACK_HOSTS as LOOPBACK_HOSTS
from gateway.addresses import is_loopback as is_loopback
from gateway.errors import ConfigurationError
from gateway.redaction import OUTPUT, find_passwords
from gateway.streams.symbols import split_symbols

DEFAULT_SYMBOLS = "SPY,QQQ,IWM,SPX,VIX,AAPL,MSFT,NVDA,TSLA,AMD,/ESZ26:XCME,BTC/USD:CXTALP"

REDIS_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")

MAX_SECRET_BYTES = 1_048_576

Names = Annotated[tuple[str, ...], NoDecode]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]

FILES = {
    "tt_secret": "tt_secret_file",
    "tt_refresh": "tt_refresh_file",
    "token": "token_file",
    "redis_url": "redis_url_file",
}
"""Secrets that may stand in a file of their own, and the setting that names it."""


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


class Settings(BaseSettings):
    """Everything that can be set; the README lists each with its meaning."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
        frozen=True,
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
    token: SecretStr | None = Field(None, validation_alias="GATEWAY_TOKEN", min_length=16)
    token_file: Path | None = Field(None, validation_alias="GATEWAY_TOKEN_FILE")
    viewers: Path | None = Field(None, validation_alias="GATEWAY_VIEWERS")
    login_idle_s: float = Field(
        12 * 3600.0, validation_alias="GATEWAY_LOGIN_IDLE_S", ge=1, le=7 * 24 * 3600
    )
    login_life_s: float = Field(
        7 * 24 * 3600.0, validation_alias="GATEWAY_LOGIN_LIFE_S", ge=1, le=31 * 24 * 3600
    )
    allowed_hosts: Names = Field((), validation_alias="GATEWAY_ALLOWED_HOSTS")
    trusted_proxies: Networks = Field((), validation_alias="GATEWAY_TRUSTED_PROXIES")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="GATEWAY_LOG_LEVEL"
    )

    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    redis_url_file: Path | None = Field(None, validation_alias="REDIS_URL_FILE")
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
        if isinstance(value, str):
            if info.field_name == "symbols":
                return tuple(split_symbols(value))
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parse_networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
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
            except ValueError:
                is_right = False
            if not is_right:
                raise ValueError(
                    "must look like redis://HOST:PORT/0 or rediss://USER:PASSWORD@HOST"
                )
        return value

    @model_validator(mode="after")
    def _simulator_is_whole(self) -> Self:
        if (self.simulator_rest is None) != (self.simulator_account_ws is None):
            missing = "SIMULATOR_REST" if self.simulator_rest is None else "SIMULATOR_ACCOUNT_WS"
            raise ValueError(f"{missing}: set it too; `gateway simulator` prints both")
        return self

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
        return FeedSettings(
            market=self.market,
            aggregation_s=self.aggregation_s,
            stale_s=self.stale_s,
            symbols=self.symbols,
        )

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
        if self.redis_url is not None:
            found |= find_passwords(self.redis_url.get_secret_value())
        return frozenset(found)

    @property
    def has_credentials(self) -> bool:
        """Whether there is something to log in with."""
        return self.tt_secret is not None and self.tt_refresh is not None


def load_settings(**overrides: Any) -> Settings:
    """The settings, from `overrides`, then the environment, then `.env`.

    Raises:
        ConfigurationError: one line that names the variable, never its value.
    """
    try:
        settings = Settings(**overrides)
        found = _read_files(settings)
        settings = Settings(**{**overrides, **found}) if found else settings
    except ValidationError as error:
        raise ConfigurationError(_first_line(error)) from None
    OUTPUT.hide(*settings.secrets)
    return settings


def read_private(path: Path, variable: str) -> str:
    """The text of a file that nobody but its owner may read.

    Raises:
        ConfigurationError: one line with the variable that names the file.
    """
    try:
        with path.open("rb") as file:
            # Of the open file, so that what was checked is what is read.
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigurationError(f"{variable}: it is not a file")
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(
                    f"{variable}: the file is open to other users of this machine; chmod 600 it"
                )
            return file.read(MAX_SECRET_BYTES).decode()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigurationError(f"{variable}: the file cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: the file is not text") from None


def _read_files(settings: Settings) -> dict[str, str]:
    """The secrets that stand in files; one that is set itself is not looked for."""
    found = {}
    for name, file_name in FILES.items():
        path: Path | None = getattr(settings, file_name)
        if path is None or getattr(settings, name) is not None:
            continue
        variable = str(Settings.model_fields[file_name].validation_alias)
        found[name] = read_private(path, variable).strip()
        if not found[name]:
            raise ConfigurationError(f"{variable}: the file is empty")
    return found


def _first_line(error: ValidationError) -> str:
    first: Mapping[str, Any] = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:
        return str(first["msg"]).removeprefix("Value error, ")
    name = str(first["loc"][0])
    field = Settings.model_fields.get(name)
    if field is not None and isinstance(field.validation_alias, str):
        name = field.validation_alias
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"


def variables() -> dict[str, str]:
    """Field name by environment variable, for the README's test and `gateway check`."""
    found = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        assert isinstance(alias, str)
        found[alias] = name
    return found
