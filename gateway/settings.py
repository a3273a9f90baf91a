"""Settings from the environment and `.env`, checked once at the start; secrets mask themselves."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.streams.events import ConfigurationError
from gateway.streams.symbols import split_symbols

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

DEFAULT_SYMBOLS = "SPY,QQQ,IWM,SPX,VIX,AAPL,MSFT,NVDA,TSLA,AMD,/ESZ26:XCME,BTC/USD:CXTALP"

Names = Annotated[tuple[str, ...], NoDecode]


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    return host.strip("[]").lower() in LOOPBACK_HOSTS


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
    tt_test: bool = Field(False, validation_alias="TT_TEST")
    tt_accounts: Names = Field((), validation_alias="TT_ACCOUNTS")
    simulator_rest: str | None = Field(None, validation_alias="SIMULATOR_REST")
    simulator_account_ws: str | None = Field(None, validation_alias="SIMULATOR_ACCOUNT_WS")

    host: str = Field("127.0.0.1", validation_alias="HOST", min_length=1)
    port: int = Field(8000, validation_alias="PORT", ge=0, le=65535)
    token: SecretStr | None = Field(None, validation_alias="GATEWAY_TOKEN", min_length=16)
    allowed_hosts: Names = Field((), validation_alias="GATEWAY_ALLOWED_HOSTS")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="GATEWAY_LOG_LEVEL"
    )

    symbols: Names = Field(
        tuple(DEFAULT_SYMBOLS.split(",")), validation_alias="GATEWAY_SYMBOLS", validate_default=True
    )
    market: Literal["auto", "open", "closed"] = Field("auto", validation_alias="GATEWAY_MARKET")
    aggregation_s: float = Field(0.1, validation_alias="GATEWAY_AGGREGATION_S", ge=0, le=60)
    stale_s: float = Field(4.0, validation_alias="GATEWAY_STALE_S", gt=0, le=60)
    refresh_s: float = Field(600.0, validation_alias="GATEWAY_REFRESH_S", ge=0, le=840)
    balance_poll_s: float = Field(30.0, validation_alias="GATEWAY_BALANCE_POLL_S", ge=1, le=3600)
    linger_s: float = Field(30.0, validation_alias="GATEWAY_LINGER_S", ge=0, le=3600)
    tick_ms: float = Field(10.0, validation_alias="GATEWAY_TICK_MS", ge=0, le=1000)
    heartbeat_s: float = Field(15.0, validation_alias="GATEWAY_HEARTBEAT_S", ge=0.1, le=50)
    max_streams: int = Field(2000, validation_alias="GATEWAY_MAX_STREAMS", ge=1)
    max_symbols: int = Field(5000, validation_alias="GATEWAY_MAX_SYMBOLS", ge=1, le=25000)
    max_symbols_per_stream: int = Field(
        500, validation_alias="GATEWAY_MAX_SYMBOLS_PER_STREAM", ge=1, le=5000
    )
    drain_s: float = Field(4.0, validation_alias="GATEWAY_DRAIN_S", ge=0.1, le=25)

    @field_validator("tt_accounts", "allowed_hosts", "symbols", mode="before")
    @classmethod
    def _split(cls, value: Any, info: Any) -> Any:
        if isinstance(value, str):
            if info.field_name == "symbols":
                return tuple(split_symbols(value))
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

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

    @model_validator(mode="after")
    def _simulator_is_whole(self) -> Self:
        if (self.simulator_rest is None) != (self.simulator_account_ws is None):
            missing = "SIMULATOR_REST" if self.simulator_rest is None else "SIMULATOR_ACCOUNT_WS"
            raise ValueError(f"{missing}: set it too; `gateway simulator` prints both")
        return self

    @property
    def uses_simulator(self) -> bool:
        """Whether the upstream is the simulator; nothing real can be reached then."""
        return self.simulator_rest is not None

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
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_first_line(error)) from None


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
