"""What is hidden in a text, what is not, and that it is so in all that a process writes."""

import io
import subprocess
import sys
from typing import TextIO, cast

import pytest

from gateway.redaction import RedactedStream, Redactor, find_secrets, reveal
from tests.processes import clean_environment

SECRET = "canary/8c1f+ab=="


@pytest.mark.parametrize(
    "text",
    [
        f"a {SECRET} b",
        f"x{SECRET}y",
        f"Illegal header value b'Bearer {SECRET}\\n'",
        f"{{'Authorization': 'Basic {SECRET}'}}",
        "GET /?next=%2F&q=canary%2F8c1f%2Bab%3D%3D",
    ],
)
def test_a_known_secret_is_hidden_however_it_is_written(text: str) -> None:
    for given in (SECRET, f"{SECRET}\n", f"\ufeff{SECRET}", f'"{SECRET}"'):
        redacted = Redactor([given]).redact(text)
        assert "canary" not in redacted
        assert "[hidden]" in redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer eyJhb.c-1_x, next", "Authorization: Bearer [hidden], next"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "{'authorization': 'Basic [hidden]'}"),
        ("(b'Authorization', b'Bearer abc')", "(b'Authorization', b'Bearer [hidden]')"),
        ("/login#token=abc next", "/login#token=[hidden] next"),
        ("refresh_token=abc&client_secret=def", "refresh_token=[hidden]&client_secret=[hidden]"),
        ('{"session-token": "abc"}', '{"session-token": "[hidden]"}'),
        ("redis://:pa55@host:1/0 refuses", "redis://:[hidden]@host:1/0 refuses"),
        ("https://me:pa55@gw.test/x", "https://me:[hidden]@gw.test/x"),
        ("gw_0123456789abcdef_secret", "gw_0123456789abcdef_[hidden]"),
        ("cookie __Host-gateway=2.abc.def; x", "cookie __Host-gateway=2.[hidden]; x"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, expected: str) -> None:
    assert Redactor().redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "gateway: GATEWAY_TOKEN: must be set when HOST is not loopback",
        "gateway: GATEWAY_TOKEN_FILE: the file is empty",
        "the bearers of tokens",
        "as a bearer token, or at /login",
        "live on http://127.0.0.1:8000",
        "INFO gateway.app: started, epoch k3x9qz",
        "SPY  redis://host:6379/0 a@b",
    ],
)
@pytest.mark.parametrize("secret", ["", "p", "y", "app", "gateway", "token", "1234", "K3x9"])
def test_ordinary_words_stay_readable_whatever_is_secret(text: str, secret: str) -> None:
    assert Redactor([secret]).redact(text) == text


def test_a_short_secret_is_hidden_where_it_stands_by_itself() -> None:
    assert Redactor(["K3x9"]).redact("refused K3x9 here, aK3x9b") == "refused [hidden] here, aK3x9b"


def test_the_secrets_of_an_environment_are_found() -> None:
    variables = {"TT_SECRET": "a\n", "REDIS_URL": "redis://:p%40ss@host", "HOME": "/root"}
    assert find_secrets(variables) == {"a\n", "redis://:p%40ss@host", "p%40ss", "p@ss"}


def test_a_line_is_hidden_as_a_whole_however_it_is_written() -> None:
    below = io.StringIO()
    stream = RedactedStream(below, Redactor([SECRET]))
    for letter in f"a {SECRET} b\nrest {SECRET[:4]}":
        stream.write(letter)
    assert below.getvalue() == "a [hidden] b\n"
    stream.write(SECRET[4:])
    stream.flush()
    assert below.getvalue() == "a [hidden] b\nrest [hidden]"
    reveal(cast(TextIO, stream), SECRET)
    assert below.getvalue().endswith(SECRET)


PROGRAM = """
import logging, os, sys, threading, warnings
from gateway import redaction
redaction.install()
secret = os.environ["TT_SECRET"]
print("print", secret)
sys.stdout.writelines(["lines ", secret, "\\n"])
warnings.warn(secret)
logging.warning("log %s", secret)
def fail():
    raise ValueError("thread " + secret)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Broken:
    def __del__(self):
        raise ValueError("unraisable " + secret)
Broken()
raise ValueError("uncaught " + secret)
"""


def test_nothing_that_a_process_writes_shows_a_secret() -> None:
    """
    1. A process prints a secret, warns of it, logs it, and fails with it: in a thread, in a
       finalizer, and for good.
    Result: all of it is written, and the secret is hidden each time.
    """
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env=clean_environment(TT_SECRET=f"{SECRET}\n"),
        check=False,
    )
    assert result.returncode == 1
    output = result.stdout + result.stderr
    assert "canary" not in output
    for words in ("print", "lines", "UserWarning:", "log", "thread", "unraisable", "uncaught"):
        assert f"{words} [hidden]" in output
