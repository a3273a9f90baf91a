"""Each variable by its name, each mistake in one line that never shows a value."""

from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, load_settings, variables
from gateway.settings.model import DEFAULT_SYMBOLS
from gateway.streams.symbols import split_symbols
from tests.settings.values import CANARY, GOOD


def test_without_anything_set_there_are_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert ",".join(settings.symbols) == DEFAULT_SYMBOLS
    assert not settings.has_credentials
    assert not settings.uses_simulator


BAD = {
    "TT_SECRET": None,  # any text may be one
    "TT_REFRESH": None,
    "TT_SECRET_FILE": f"/nowhere/{CANARY}",
    "TT_REFRESH_FILE": f"/nowhere/{CANARY}",
    "TT_TEST": CANARY,
    "TT_ACCOUNTS": CANARY,
    "SIMULATOR_REST": f"http://{CANARY}.example",
    "SIMULATOR_ACCOUNT_WS": f"http://127.0.0.1/{CANARY}",
    "HOST": f"http://{CANARY}",
    "PORT": "65536",
    "GATEWAY_TOKEN": CANARY,
    "GATEWAY_TOKEN_FILE": f"/nowhere/{CANARY}",
    "REDIS_URL_FILE": f"/nowhere/{CANARY}",
    "GATEWAY_VIEWERS": None,
    "GATEWAY_LOGIN_IDLE_S": "0",
    "GATEWAY_LOGIN_LIFE_S": "2678401",
    "GATEWAY_ROOT_PATH": f"https://{CANARY}",
    "GATEWAY_TRUSTED_PROXIES": CANARY,
    "GATEWAY_ALLOWED_HOSTS": f"*.{CANARY}.example",
    "GATEWAY_LOG_LEVEL": CANARY,
    "GATEWAY_SYMBOLS": f"SPY,<{CANARY}>",
    "GATEWAY_PAGES": None,  # whether they are there is asked at the start
    "GATEWAY_MARKET": CANARY,
    "GATEWAY_AGGREGATION_S": "-1",
    "GATEWAY_STALE_S": "61",
    "GATEWAY_REFRESH_S": "841",
    "GATEWAY_BALANCE_POLL_S": "0",
    "GATEWAY_LINGER_S": CANARY,
    "GATEWAY_TICK_MS": "1001",
    "GATEWAY_HISTORY_EVENTS": "1023",
    "GATEWAY_HEARTBEAT_S": "51",
    "GATEWAY_MAX_STREAMS": "0",
    "GATEWAY_MAX_SYMBOLS": "25001",
    "GATEWAY_MAX_SYMBOLS_PER_STREAM": "5001",
    "GATEWAY_MAX_SYMBOLS_PER_VIEWER": "0",
    "GATEWAY_MAX_STREAMS_PER_VIEWER": "0",
    "GATEWAY_MAX_CONNECTIONS": "0",
    "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "0",
    "GATEWAY_MAX_HEADER_BYTES": "1023",
    "GATEWAY_MAX_QUERY_BYTES": "255",
    "GATEWAY_MAX_BODY_BYTES": "1023",
    "GATEWAY_REQUEST_TIMEOUT_S": "121",
    "GATEWAY_KEEP_ALIVE_S": "601",
    "GATEWAY_SEND_TIMEOUT_S": "3601",
    "GATEWAY_DRAIN_S": "26",
    "REDIS_URL": f"http://{CANARY}",
    "GATEWAY_LEASE_S": "0.5",
    "GATEWAY_STATE_DIR": None,
    "DATABASE_URL": f"mysql://{CANARY}",
    "DATABASE_URL_FILE": f"/nowhere/{CANARY}",
    "GATEWAY_KEYS": f"{'k' * 43}=,{CANARY}",
    "GATEWAY_KEYS_FILE": f"/nowhere/{CANARY}",
}

TOGETHER = {"SIMULATOR_REST", "SIMULATOR_ACCOUNT_WS"}

"""One without the other is a mistake."""


def set_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    for other in TOGETHER if variable in TOGETHER else ():
        monkeypatch.setenv(other, GOOD[other])
    monkeypatch.setenv(variable, value)


def test_every_variable_is_tried() -> None:
    assert GOOD.keys() == BAD.keys() == variables().keys()
    assert set(variables().values()) == set(Settings.model_fields)


@pytest.mark.parametrize("variable", GOOD)
def test_a_good_value_is_taken(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(load_settings(), variables()[variable])
    set_variable(monkeypatch, variable, GOOD[variable])
    assert getattr(load_settings(), variables()[variable]) != default


@pytest.mark.fault(31)
@pytest.mark.parametrize("variable", sorted(TOGETHER))
def test_half_a_simulator_is_a_mistake(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, GOOD[variable])
    (missing,) = TOGETHER - {variable}
    with pytest.raises(ConfigurationError, match=rf"^{missing}: "):
        load_settings()


@pytest.mark.fault(31)
@pytest.mark.parametrize("variable", [name for name, value in BAD.items() if value is not None])
def test_a_bad_value_is_named_and_not_shown(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = BAD[variable]
    assert value is not None
    set_variable(monkeypatch, variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings().with_symbols(split_symbols)
    message = str(caught.value)
    assert message.startswith(f"{variable}: ")
    assert "\n" not in message
    assert value not in message
    assert CANARY not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.fault(31)
@pytest.mark.parametrize("variable", GOOD)
def test_an_empty_value_means_the_default(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "")
    assert load_settings() == Settings()


def test_secrets_mask_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TT_SECRET", "TT_REFRESH", "GATEWAY_TOKEN"):
        monkeypatch.setenv(variable, CANARY * 2)
    settings = load_settings()
    assert settings.has_credentials
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings)
    assert CANARY not in settings.model_dump_json()


def test_lists_are_split_and_symbols_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TT_ACCOUNTS", "GATEWAY_SYMBOLS"):
        monkeypatch.setenv(variable, GOOD[variable])
    settings = load_settings().with_symbols(split_symbols)
    assert settings.tt_accounts == ("5WX00001", "5WY00002")
    assert settings.symbols == ("SPY", "SPY{=5m,tho=true}")


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("https://127.0.0.1:1", False),
        ("http://127.0.0.1.example:1", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://api.example", False),
        ("127.0.0.1:1", False),
        ("http://", False),
    ],
)
def test_a_simulator_is_on_this_machine(url: str, is_taken: bool) -> None:
    given = {"simulator_rest": url, "simulator_account_ws": "ws://127.0.0.1:1"}
    if is_taken:
        assert load_settings(**given).uses_simulator
    else:
        with pytest.raises(ConfigurationError, match=r"^SIMULATOR_REST: must be http://127"):
            load_settings(**given)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://:word@[::1]:6379/3",
        "rediss://user:word@cache.example:6380",
        "valkey://cache.example",
        "unix:///run/valkey.sock",
    ],
)
def test_redis_url(url: str) -> None:
    settings = load_settings(_env_file=None, redis_url=url)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == url
    assert "word" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["cache.example:6379", "http://hidden-word", "redis://", "redis://hidden-word:x/"]
)
def test_a_wrong_redis_url_is_named_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(_env_file=None, redis_url=url)
    assert str(caught.value).startswith("REDIS_URL: must look like redis://")
    assert "hidden-word" not in str(caught.value)


def test_what_a_simulation_keeps_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().store.file_name == "gateway.db"
    for variable in TOGETHER:
        monkeypatch.setenv(variable, GOOD[variable])
    assert load_settings().store.file_name == "demo.db"


def test_the_parts_of_keys_and_addresses_are_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:p%40ss-8c1f@base.example/gateway")
    monkeypatch.setenv("GATEWAY_KEYS", GOOD["GATEWAY_KEYS"])
    found = load_settings().secrets
    assert {"p%40ss-8c1f", "p@ss-8c1f", f"{'k' * 43}=", f"{'l' * 43}="} <= found


def test_with_a_backplane_nothing_is_known_to_be_simulated() -> None:
    given: dict[str, Any] = {
        "_env_file": None,
        "simulator_rest": "http://127.0.0.1:1",
        "simulator_account_ws": "ws://127.0.0.1:1",
    }
    assert load_settings(**given).is_simulation
    assert not load_settings(**given, redis_url="redis://127.0.0.1").is_simulation


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("gw.example.com:8443", ("gw.example.com",)),
        ("https://GW.example.com/", ("gw.example.com",)),
        ("gw.test.", ("gw.test",)),
        ("[fd00::1]:8443, fd00:0::2", ("fd00::1", "fd00::2")),
        ("10.0.0.1", ("10.0.0.1",)),
        ("m\u00fcnchen.example", ("xn--mnchen-3ya.example",)),
    ],
)
def test_hosts_are_taken_as_they_are_meant(
    text: str, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_ALLOWED_HOSTS", text)
    assert load_settings().allowed_hosts == hosts


@pytest.mark.parametrize(
    "text", ["*", "*.example.com", ".example.com", "a b", "https://", "a..b", "-"]
)
def test_a_host_that_no_request_can_have_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_ALLOWED_HOSTS", f"good.example,{text}")
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_ALLOWED_HOSTS: "):
        load_settings()


def test_a_network_is_read_as_it_is_meant() -> None:
    settings = load_settings(trusted_proxies="10.1.2.3/8, ::ffff:192.0.2.0/120, [::1]")
    assert [str(each) for each in settings.trusted_proxies] == [
        "10.0.0.0/8",
        "192.0.2.0/24",
        "::1/128",
    ]
