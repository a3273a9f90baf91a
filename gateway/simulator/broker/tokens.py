"""Which secrets and tokens are good, and for how long; takes `now` in seconds of any steady clock.

A refused grant gets what Tastytrade answers: status 400 with `error_code` and `error_description`,
not the usual error envelope. A refresh token belongs to one customer; all customers use one client.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

ACCESS_LIFE_S = 900.0
QUOTE_LIFE_S = 86_400.0
CODE_LIFE_S = 60.0
SCOPES = ("read", "trade", "openid")
ALL_SCOPES = frozenset(SCOPES)


class GrantRefused(Exception):
    """A grant that is refused: `code` and text as the OAuth answer gives them."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Access:
    """Whom a token lets in, and to what."""

    customer: str
    scopes: frozenset[str]
    ends_s: float


@dataclass(frozen=True, slots=True)
class Issued:
    """What a grant was exchanged for; `refresh` is empty where the old one stays."""

    access: str
    refresh: str
    customer: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: good once, for the client and the address it was made for."""

    customer: str
    client_id: str
    redirect_uri: str
    scopes: frozenset[str]
    ends_s: float


@dataclass(slots=True)
class Tokens:
    """Everything issued by one simulator. Nothing survives a restart."""

    secret: str
    client_id: str = "simulated-client"
    redirect_uris: tuple[str, ...] = ()  # registered ones; without any, every loopback address
    told_s: float = ACCESS_LIFE_S
    honoured_s: float = ACCESS_LIFE_S
    quote_life_s: float = QUOTE_LIFE_S
    is_revoked: bool = False
    revoked: set[str] = field(default_factory=set)  # customers
    rotates: bool = False  # each use of a refresh token brings a new one and ends the old
    _refresh: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    _access: dict[str, Access] = field(default_factory=dict)
    _quote: dict[str, float] = field(default_factory=dict)
    _codes: dict[str, Code] = field(default_factory=dict)

    def add_grant(self, customer: str, scopes: frozenset[str] = ALL_SCOPES) -> str:
        """Return a new refresh token of a customer."""
        token = secrets.token_urlsafe(64)
        self._refresh[token] = customer, scopes
        return token

    def grant(self, form: dict[str, str], now: float) -> Issued:
        """Exchange a refresh token or a code for an access token. Raises: GrantRefused."""
        kind = form.get("grant_type", "")
        if kind not in {"refresh_token", "authorization_code"}:
            raise GrantRefused("unsupported_grant_type", "Unsupported grant type")
        if self.is_revoked:
            raise GrantRefused("invalid_grant", "Grant revoked")
        if not secrets.compare_digest(_plain(form.get("client_secret")), _plain(self.secret)):
            raise GrantRefused("invalid_grant", "Client secret mismatch")
        refresh = ""
        if kind == "refresh_token":
            given = form.get("refresh_token", "")
            customer, scopes = self._refresh.get(given, ("", frozenset[str]()))
            if not customer:
                raise GrantRefused("invalid_grant", "Invalid JWT")
            if self.rotates and customer not in self.revoked:
                del self._refresh[given]
                refresh = self.add_grant(customer, scopes)
        else:
            code = self._take_code(form, now)
            customer, scopes = code.customer, code.scopes
            refresh = self.add_grant(customer, scopes)
        if customer in self.revoked:
            raise GrantRefused("invalid_grant", "Grant revoked")
        self._forget(now)
        access = secrets.token_urlsafe(48)
        self._access[access] = Access(customer, scopes, now + self.honoured_s)
        return Issued(access, refresh, customer, scopes)

    def make_code(
        self, now: float, *, customer: str, client_id: str, redirect_uri: str, scope: str = ""
    ) -> str:
        """Return an authorization code, good once; an empty scope is all that there is."""
        asked = frozenset(scope.split()) & ALL_SCOPES if scope else ALL_SCOPES
        code = secrets.token_urlsafe(24)
        self._codes[code] = Code(customer, client_id, redirect_uri, asked, now + CODE_LIFE_S)
        return code

    def is_client(self, client_id: str, redirect_uri: str) -> bool:
        """Return whether the client is known and may be sent back to an address, exactly."""
        if client_id != self.client_id:
            return False
        if self.redirect_uris:
            return redirect_uri in self.redirect_uris
        return redirect_uri.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))

    def make_quote_token(self, now: float) -> str:
        """Return a token for the quote streamer."""
        token = secrets.token_urlsafe(32)
        self._quote[token] = now + self.quote_life_s
        return token

    def find_access(self, header: str | None, now: float) -> Access | None:
        """Return whom a header, with or without `Bearer`, lets in, or None."""
        found = self._access.get((header or "").removeprefix("Bearer ").strip())
        return found if found is not None and found.ends_s > now else None

    def is_access(self, header: str | None, now: float) -> bool:
        """Return whether a header, with or without `Bearer`, holds a good access token."""
        return self.find_access(header, now) is not None

    def is_quote(self, token: str, now: float) -> bool:
        """Return whether a quote token is good."""
        return self._quote.get(token, 0.0) > now

    def quote_end(self, token: str) -> float:
        """Return when a good quote token ends."""
        return self._quote[token]

    def expire_access(self) -> int:
        """Make every access token bad and return how many there were."""
        count = len(self._access)
        self._access.clear()
        return count

    def expire_quote(self) -> int:
        """Make every quote token bad and return how many there were."""
        count = len(self._quote)
        self._quote.clear()
        return count

    def clear_faults(self) -> None:
        """Give tokens their usual life again and the grants back; rotated tokens stay rotated."""
        self.told_s = self.honoured_s = ACCESS_LIFE_S
        self.quote_life_s = QUOTE_LIFE_S
        self.is_revoked = self.rotates = False
        self.revoked.clear()
        self.redirect_uris = ()

    def _take_code(self, form: dict[str, str], now: float) -> Code:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.ends_s <= now:
            raise GrantRefused("invalid_grant", "Invalid code")
        same = (form.get("client_id"), form.get("redirect_uri"))
        if same != (code.client_id, code.redirect_uri):
            raise GrantRefused("invalid_grant", "Client or redirect_uri mismatch")
        return code

    def _forget(self, now: float) -> None:
        ends: tuple[tuple[dict[str, Any], dict[str, float]], ...] = (
            (self._access, {token: access.ends_s for token, access in self._access.items()}),
            (self._quote, dict(self._quote)),
            (self._codes, {token: code.ends_s for token, code in self._codes.items()}),
        )
        for table, until in ends:
            for token in [token for token, end in until.items() if end <= now]:
                del table[token]


def _plain(text: str | None) -> bytes:
    # compare_digest takes only ASCII text, and a client may send anything.
    return (text or "").encode()
