"""Who else can read a file with a secret, and how platforms mount them."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from tests.settings.values import AROUND, CANARY, SECRET


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


def test_a_file_for_a_group_of_nobody_else_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.chmod(0o440)
    monkeypatch.setenv("TT_SECRET_FILE", "secret")
    monkeypatch.setattr("gateway.settings.secret_files._has_others", lambda status: False)
    assert load_settings().tt_secret is not None
    monkeypatch.setattr("gateway.settings.secret_files._has_others", lambda status: True)
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
        monkeypatch.setattr("gateway.settings.secret_files.PLATFORM_FOLDERS", (str(folder),))
    path.write_text(f"{SECRET}\n")
    path.chmod(mode)
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", str(path))
    assert load_settings().token is not None
