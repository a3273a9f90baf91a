"""Settings: each variable by its name, each mistake in one line that never shows a value."""

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import (
    DEFAULT_SYMBOLS,
    Settings,
    describe_suspicions,
    load_settings,
    variables,
)
from gateway.streams.symbols import split_symbols

CANARY = "canary-8c1f"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing set, and no .env but the test's own."""
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(f"{CANARY * 2}\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "address").write_text("redis://cache.example\n")
    (tmp_path / "address").chmod(0o600)
    (tmp_path / "database").write_text("sqlite:///gateway.db\n")
    (tmp_path / "database").chmod(0o600)
    (tmp_path / "keys").write_text(f"{'k' * 43}=\n")
    (tmp_path / "keys").chmod(0o600)


def test_without_anything_set_there_are_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert ",".join(settings.symbols) == DEFAULT_SYMBOLS
    assert not settings.has_credentials
    assert not settings.uses_simulator


GOOD = {
    "TT_SECRET": CANARY,
    "TT_REFRESH": CANARY,
    "TT_SECRET_FILE": "secret",
    "TT_REFRESH_FILE": "secret",
    "TT_TEST": "true",
    "TT_ACCOUNTS": " 5WX00001 ,5WY00002,",
    "SIMULATOR_REST": "http://127.0.0.1:1234/",
    "SIMULATOR_ACCOUNT_WS": "ws://localhost:1234/x",
    "HOST": "::1",
    "PORT": "0",
    "GATEWAY_TOKEN": "x" * 16,
    "GATEWAY_TOKEN_FILE": "secret",
    "REDIS_URL_FILE": "address",
    "GATEWAY_VIEWERS": "viewers.toml",
    "GATEWAY_LOGIN_IDLE_S": "1",
    "GATEWAY_LOGIN_LIFE_S": "1",
    "GATEWAY_ROOT_PATH": "/gateway/",
    "GATEWAY_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,::1",
    "GATEWAY_ALLOWED_HOSTS": "a.example,b.example",
    "GATEWAY_LOG_LEVEL": "DEBUG",
    "GATEWAY_SYMBOLS": "spy,SPY{=5m,tho=true}",
    "GATEWAY_PAGES": "pages",
    "GATEWAY_MARKET": "open",
    "GATEWAY_AGGREGATION_S": "0",
    "GATEWAY_STALE_S": "5",
    "GATEWAY_REFRESH_S": "0",
    "GATEWAY_BALANCE_POLL_S": "1",
    "GATEWAY_LINGER_S": "0",
    "GATEWAY_TICK_MS": "0",
    "GATEWAY_HISTORY_EVENTS": "1024",
    "GATEWAY_HEARTBEAT_S": "50",
    "GATEWAY_MAX_STREAMS": "1",
    "GATEWAY_MAX_SYMBOLS": "25000",
    "GATEWAY_MAX_SYMBOLS_PER_STREAM": "1",
    "GATEWAY_MAX_SYMBOLS_PER_VIEWER": "1",
    "GATEWAY_MAX_STREAMS_PER_VIEWER": "1",
    "GATEWAY_MAX_CONNECTIONS": "1",
    "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "1",
    "GATEWAY_MAX_HEADER_BYTES": "1024",
    "GATEWAY_MAX_QUERY_BYTES": "256",
    "GATEWAY_MAX_BODY_BYTES": "1024",
    "GATEWAY_REQUEST_TIMEOUT_S": "0.1",
    "GATEWAY_KEEP_ALIVE_S": "0.1",
    "GATEWAY_SEND_TIMEOUT_S": "0.1",
    "GATEWAY_DRAIN_S": "0.1",
    "REDIS_URL": "rediss://user:word@cache.example:6380/1",
    "GATEWAY_LEASE_S": "1",
    "GATEWAY_STATE_DIR": "state",
    "DATABASE_URL": "postgresql://user:word@base.example/gateway",
    "DATABASE_URL_FILE": "database",
    "GATEWAY_KEYS": f"{'k' * 43}=,{'l' * 43}=",
    "GATEWAY_KEYS_FILE": "keys",
}

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


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", "secret")
    settings = load_settings()
    assert settings.token is not None
    assert settings.token.get_secret_value() == CANARY * 2
    monkeypatch.setenv("GATEWAY_TOKEN", "the-variable-itself-wins")
    settings = load_settings()
    assert settings.token is not None
    assert settings.token.get_secret_value() == "the-variable-itself-wins"


@pytest.mark.parametrize(
    ("mode", "content", "complaint"),
    [
        (0o640, b"x" * 16, "the file is open to other users of this machine; chmod 600 it"),
        (0o644, b"x" * 16, "the file is open to other users of this machine; chmod 600 it"),
        (0o604, b"x" * 16, "the file is open to other users of this machine; chmod 600 it"),
        (0o444, b"x" * 16, "the file is open to other users of this machine; chmod 600 it"),
        (0o600, b" \n", "the file is empty"),
        (0o600, b'\xef\xbb\xbf""\n', "the file is empty"),
        (0o600, b"\x00\x00\x00", "the file is not text"),
        (0o600, b"\x90\x81", "the file is not text"),
    ],
)
def test_a_file_that_cannot_hold_a_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int, content: bytes, complaint: str
) -> None:
    path = tmp_path / CANARY
    path.write_bytes(content)
    path.chmod(mode)
    monkeypatch.setenv("TT_SECRET_FILE", str(path))
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == f"TT_SECRET_FILE: {complaint}"


def test_a_folder_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TT_REFRESH_FILE", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"^TT_REFRESH_FILE: "):
        load_settings()


def test_a_short_token_in_a_file_is_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", "secret")
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_TOKEN: "):
        load_settings()


def test_lists_are_split_and_symbols_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TT_ACCOUNTS", "GATEWAY_SYMBOLS"):
        monkeypatch.setenv(variable, GOOD[variable])
    settings = load_settings().with_symbols(split_symbols)
    assert settings.tt_accounts == ("5WX00001", "5WY00002")
    assert settings.symbols == ("SPY", "SPY{=5m,tho=true}")


def test_the_environment_wins_over_the_file_and_the_caller_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=1\nHOST=localhost\nGATEWAY_STALE_S=9\nOTHER=x\n")
    assert (load_settings().port, load_settings().host) == (1, "localhost")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("GATEWAY_STALE_S", "8")
    settings = load_settings(stale_s=7)
    assert (settings.port, settings.host, settings.stale_s) == (2, "localhost", 7)


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


def test_a_mistake_of_the_caller_is_told_too() -> None:
    wrong: dict[str, Any] = {"port": "x"}
    with pytest.raises(ConfigurationError, match=r"^PORT: "):
        load_settings(**wrong)


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


def test_the_address_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "address"
    path.write_text("rediss://user:hidden%2Dword@cache.example\n")
    path.chmod(0o600)
    monkeypatch.setenv("REDIS_URL_FILE", str(path))
    settings = load_settings(_env_file=None)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "rediss://user:hidden%2Dword@cache.example"
    assert {"hidden-word", "hidden%2Dword"} < settings.secrets
    assert "word" not in repr(settings)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL_FILE: .*chmod 600"):
        load_settings(_env_file=None)
    path.chmod(0o600)
    path.write_text("http://hidden-word")
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: must look like") as caught:
        load_settings(_env_file=None)
    assert "hidden-word" not in str(caught.value)


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


SECRET = "abcdef0123456789-abcdef"

AROUND = ["{}\n", "{}\r\n", " {}\t", "\ufeff{}", "{}\u00a0", "\u200b{}\u200b", '"{}"', "'{}'"]
AROUND += [
    "\u201c{}\u201d",
    "\u201e{}\u201c",
    "\u2018{}\u2019",
    "\u00ab{}\u00bb",
    '\ufeff "{}" \n',
    "`{}`",
]
"""What files, shells and people put around a value."""

PLAIN = {
    "TT_SECRET": SECRET,
    "TT_REFRESH": SECRET,
    "GATEWAY_TOKEN": SECRET,
    "TT_ACCOUNTS": "5WX00001",
    "HOST": "127.0.0.1",
    "GATEWAY_ALLOWED_HOSTS": "gw.example.com",
    "GATEWAY_SYMBOLS": "SPY",
    "PORT": "8123",
    "GATEWAY_STALE_S": "5",
    "REDIS_URL": "redis://cache.example",
    "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8",
    "GATEWAY_LOG_LEVEL": "DEBUG",
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("variable", PLAIN)
def test_a_value_is_taken_as_it_is_meant(
    variable: str, around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, PLAIN[variable])
    expected = load_settings()
    monkeypatch.setenv(variable, around.format(PLAIN[variable]))
    assert load_settings() == expected


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_secret_of_a_file_is_taken_as_it_is_meant(
    around: str, encoding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(around.format(SECRET).encode(encoding))
    monkeypatch.setenv("TT_REFRESH_FILE", "secret")
    settings = load_settings()
    assert settings.tt_refresh is not None
    assert settings.tt_refresh.get_secret_value() == SECRET


@pytest.mark.parametrize("variable", ["TT_SECRET", "TT_REFRESH", "GATEWAY_TOKEN", "REDIS_URL"])
@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("\n", "a line break"),
        (" ", "a blank"),
        ("\u00a0", "a blank"),
        ("\u200b", "an invisible character"),
        ("\u00e9", "a character that is not ASCII"),
        ("\x07", "a character that is not ASCII"),
    ],
)
def test_what_no_secret_holds_is_named(
    variable: str, inside: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"{CANARY}{inside}{CANARY}")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == f"{variable}: holds {what}, which no secret does; copy it again"


def test_half_a_pair_of_quotation_marks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", f'"{SECRET}')
    with pytest.raises(
        ConfigurationError, match=r"^GATEWAY_TOKEN: has a quotation mark at one end"
    ):
        load_settings()


@pytest.mark.parametrize(
    "text", ['"SPY","QQQ"', '"SPY, QQQ"', "SPY,\u00a0QQQ\n", "\u201cSPY\u201d, 'QQQ'"]
)
def test_each_value_of_a_list_may_have_its_own_marks(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SYMBOLS", text)
    assert load_settings().symbols == ("SPY", "QQQ")


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


@pytest.mark.parametrize("variable", sorted(set(variables().values()) - {"host", "port"}))
def test_only_documented_names_count(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    1. The environment and `.env` have the name of a field, in small and in capital letters.
    Result: the settings are the defaults.
    """
    documented = variables()
    names = {variable, variable.upper(), variable.title()} - documented.keys()
    names = {name for name in names if name.upper() not in documented}
    for name in names:
        monkeypatch.setenv(name, "/nowhere")
    (tmp_path / ".env").write_text("".join(f"{name}=/nowhere\n" for name in sorted(names)))
    assert load_settings() == Settings(_env_file=None)
    assert load_settings().model_fields_set == set()


def test_small_letters_count_in_the_file_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("gateway_stale_s=9\n")
    monkeypatch.setenv("gateway_linger_s", "3")
    settings = load_settings()
    assert (settings.stale_s, settings.linger_s) == (9, 30)


def test_misspelt_names_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert describe_suspicions() == []
    (tmp_path / ".env").write_text(f"TT_SECERT={CANARY}\nOTHER=x\n")
    monkeypatch.setenv("GATEWAY_SYMBOL", CANARY)
    monkeypatch.setenv("gateway_port", CANARY)
    monkeypatch.setenv("GATEWAY_SERVICE_HOST", "10.0.0.1")  # Kubernetes, for a service `gateway`
    monkeypatch.setenv("GATEWAY_PORT_8000_TCP_ADDR", "10.0.0.1")
    assert describe_suspicions() == [
        "GATEWAY_SYMBOL: there is no such setting; did you mean GATEWAY_SYMBOLS?",
        "TT_SECERT: there is no such setting; did you mean TT_SECRET?",
        "gateway_port: there is no such setting",
    ]


def test_a_file_with_secrets_that_others_can_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"TT_SECRET={CANARY}\n")
    path.chmod(0o644)
    (notice,) = describe_suspicions()
    assert notice.startswith(".env: other users of this machine can read the secrets in it; chmod")
    path.chmod(0o600)
    assert describe_suspicions() == []
    path.write_text("PORT=1\n")
    path.chmod(0o644)
    assert describe_suspicions() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_file_is_read_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    text = f"# f\u00fcr zu Hause\r\nexport TT_SECRET = '{SECRET}'\r\nPORT=8123\r\n"
    (tmp_path / ".env").write_bytes(text.encode(encoding))
    settings = load_settings()
    assert settings.port == 8123
    assert settings.tt_secret is not None
    assert settings.tt_secret.get_secret_value() == SECRET


def test_a_secret_in_the_file_is_no_template(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TT_SECRET=abc${HOME}\nGATEWAY_PAGES=${NOWHERE}/pages\n")
    settings = load_settings()
    assert settings.tt_secret is not None
    assert settings.tt_secret.get_secret_value() == "abc${HOME}"
    assert settings.pages == "/pages"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x00\x00\x00", ".env: the file is not text"),
        (f"PORT=1\n'{CANARY} = \n".encode(), ".env: line 2 is not NAME=value"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == complaint


def test_a_folder_of_that_name_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load_settings() == Settings(_env_file=None)


def test_another_file_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\n")
    (tmp_path / "other").write_text("PORT=2\n")
    monkeypatch.setenv("GATEWAY_ENV_FILE", "other")
    assert load_settings().port == 2
    monkeypatch.setenv("GATEWAY_ENV_FILE", "none")
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_ENV_FILE: there is no such file$"):
        load_settings()


def test_a_file_for_a_group_of_nobody_else_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.chmod(0o440)
    monkeypatch.setenv("TT_SECRET_FILE", "secret")
    monkeypatch.setattr("gateway.secret_files._has_others", lambda status: False)
    assert load_settings().tt_secret is not None
    monkeypatch.setattr("gateway.secret_files._has_others", lambda status: True)
    with pytest.raises(ConfigurationError, match=r"^TT_SECRET_FILE: the file is open"):
        load_settings()


@pytest.mark.parametrize("platform", ["kubernetes", "compose", "systemd"])
@pytest.mark.parametrize("mode", [0o440, 0o444, 0o644])
def test_secrets_as_platforms_lay_them_are_read(
    platform: str, mode: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "laid"
    path = folder / "token"
    if platform == "kubernetes":
        (folder / "..2026_11_28").mkdir(parents=True)
        (folder / "..data").symlink_to("..2026_11_28")
        path.symlink_to("..data/token")
    else:
        folder.mkdir()
    if platform == "systemd":
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    if platform == "compose":
        monkeypatch.setattr("gateway.secret_files.PLATFORM_FOLDERS", (str(folder),))
    path.write_text(f"{SECRET}\n")
    path.chmod(mode)
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", str(path))
    assert load_settings().token is not None


def test_a_network_is_read_as_it_is_meant() -> None:
    settings = load_settings(trusted_proxies="10.1.2.3/8, ::ffff:192.0.2.0/120, [::1]")
    assert [str(each) for each in settings.trusted_proxies] == [
        "10.0.0.0/8",
        "192.0.2.0/24",
        "::1/128",
    ]
