"""What no output may show, and the streams that hide it: tokens, secrets, passwords.

Everything that a command writes goes through here: its words, its log, warnings, the traceback of
an error that nobody caught. Messages are written so that they quote no header, no address with a
password and no setting in the first place; this is the second lock.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "[hidden]"

SECRET_VARIABLES = (
    "TT_SECRET",
    "TT_REFRESH",
    "GATEWAY_TOKEN",
    "REDIS_URL",
    "DATABASE_URL",
    "GATEWAY_KEYS",
)

MIN_LENGTH = 4
"""A secret that is shorter protects nothing; hiding it would make every message unreadable."""

ANYWHERE_LENGTH = 8
"""A shorter one is hidden where it stands by itself, and not inside of other words."""

INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""Zero-width characters and byte-order marks, which come along when text is copied."""

QUOTATION_MARKS = "\"'`\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e"

_PATTERNS = (
    # Bearer tokens, those of viewers, login cookies: what no setting knows.
    re.compile(
        r"(?i)(\bbearer\s+(?!tokens?\b)|\btoken=|\bgw_[0-9a-f]{16}_|\bgateway=2\.)[^\s\"',;&]+"
    ),
    re.compile(r"(?i)(\bauthorization\b[\"']?\s*[:=,]\s*b?[\"']?(?:\w+\s+)?)[^\s\"',;&]{8,}"),
    # Fields of a form or of JSON.
    re.compile(
        r"(?i)(\b\w*(?:token|secret|password)(?:=|[\"']\s*[:=]\s*b?[\"']))[^\s\"',;&]+",
    ),
    # The password of an address.
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)[^\s/@\"']+(?=@)"),
)


class Redactor:
    """Hides in a text what looks like a secret, and the secrets that it was given."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.hide(*secrets)

    def hide(self, *secrets: str) -> None:
        """Hide these from now on, also as an address, JSON or a program writes them."""
        for secret in secrets:
            for value in {secret, secret.strip(), strip(secret)}:
                self._known |= {
                    *(value, quote(value, safe=""), quote_plus(value), unquote(value)),
                    *(json.dumps(value)[1:-1], repr(value)[1:-1]),
                }
        hidden = sorted(filter(is_hidden, self._known), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_match, hidden))) if hidden else None

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{HIDDEN}", text)
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def strip(value: str) -> str:
    """Return a value without the blanks and quotation marks that files and people put around it."""
    around = re.escape(INVISIBLE + QUOTATION_MARKS)
    return re.sub(rf"^[\s{around}]+|[\s{around}]+$", "", value)


def _match(value: str) -> str:
    pattern = re.escape(value)
    return pattern if len(value) >= ANYWHERE_LENGTH else rf"(?<![\w.]){pattern}(?![\w.])"


def is_hidden(value: str) -> bool:
    """Return whether a secret is long enough, or odd enough, to be told from ordinary words."""
    if len(value) >= ANYWHERE_LENGTH:
        return True
    return len(value) >= MIN_LENGTH and not (value.isalpha() and value.islower())


def find_secrets(variables: Mapping[str, str]) -> set[str]:
    """Return the secrets among these variables, and the passwords within addresses."""
    found = {value for name in SECRET_VARIABLES if (value := variables.get(name))}
    return found | {password for value in found for password in find_passwords(value)}


def find_passwords(address: str) -> set[str]:
    """Return the password of an address, as it is written and as it is meant."""
    try:
        password = urlsplit(address).password or ""
    except ValueError:
        return set()
    return {password, unquote(password)} - {""}


OUTPUT = Redactor()
"""Of this process: what reads a secret hides it here."""


class RedactedStream:
    """A text stream that hides secrets line by line: what is one line is never written in parts."""

    def __init__(self, stream: TextIO, redactor: Redactor = OUTPUT) -> None:
        self._stream = stream
        self._redactor = redactor
        self._rest = ""
        # Reentrant, because a signal handler may write while its thread does.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write whole lines; the rest waits for its end, or for `flush`."""
        with self._lock:
            lines, end, self._rest = (self._rest + text).rpartition("\n")
            if end:
                self._stream.write(self._redactor.redact(lines + end))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what has waited, and flush the stream below."""
        with self._lock:
            rest, self._rest = self._rest, ""
            if rest:
                self._stream.write(self._redactor.redact(rest))
            self._stream.flush()

    def reveal(self, text: str) -> None:
        """Write a text as it stands."""
        with self._lock:
            self.flush()
            self._stream.write(text)
            self._stream.flush()

    @property
    def bare(self) -> TextIO:
        """The stream below, which hides nothing."""
        return self._stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Hide secrets in all that this process writes to its standard streams from now on.

    What the terminal cannot show is replaced instead of ending the command.
    """
    OUTPUT.hide(*find_secrets(os.environ))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, RedactedStream):
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        setattr(sys, name, cast(TextIO, RedactedStream(stream)))


def reveal(stream: TextIO, text: str) -> None:
    """Write what a person is meant to read, such as a new token, to one of the standard streams."""
    if isinstance(stream, RedactedStream):
        stream.reveal(text)
    else:
        stream.write(text)
        stream.flush()
