"""What files, shells and people put around a value is taken off; what cannot be right is named."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, describe_suspicions, load_settings
from tests.settings.values import AROUND, CANARY, SECRET

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
