"""Which secrets and tokens are good, and for how long; takes `now` in seconds of any steady clock.

A refused grant gets what Tastytrade answers: status 400 with `error_code` and `error_description`,
not the usual error envelope.
"""

import secrets
from dataclasses import dataclass, field

ACCESS_LIFE_S = 900.0
QUOTE_LIFE_S = 86_400.0
CODE_LIFE_S = 60.0


class GrantRefused(Exception):
    """A grant that is refused: `code` and text as the OAuth answer gives them."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(slots=True)
class Tokens:
    """Everything issued by one simulator. Nothing survives a restart."""

    secret: str
    refresh: str
    told_s: float = ACCESS_LIFE_S
    honoured_s: float = ACCESS_LIFE_S
    quote_life_s: float = QUOTE_LIFE_S
    is_revoked: bool = False
    _access: dict[str, float] = field(default_factory=dict)
    _quote: dict[str, float] = field(default_factory=dict)
    _codes: dict[str, float] = field(default_factory=dict)

    def grant(self, form: dict[str, str], now: float) -> str:
        """Return a new access token for a grant. Raises: GrantRefused."""
        kind = form.get("grant_type", "")
        if kind not in {"refresh_token", "authorization_code"}:
            raise GrantRefused("unsupported_grant_type", "Unsupported grant type")
        if self.is_revoked:
            raise GrantRefused("invalid_grant", "Grant revoked")
        if not secrets.compare_digest(_plain(form.get("client_secret")), _plain(self.secret)):
            raise GrantRefused("invalid_grant", "Client secret mismatch")
        if kind == "refresh_token":
            if not secrets.compare_digest(_plain(form.get("refresh_token")), _plain(self.refresh)):
                raise GrantRefused("invalid_grant", "Invalid JWT")
        elif self._codes.pop(form.get("code", ""), 0.0) <= now:
            raise GrantRefused("invalid_grant", "Invalid code")
        token = secrets.token_urlsafe(48)
        self._forget(now)
        self._access[token] = now + self.honoured_s
        return token

    def make_code(self, now: float) -> str:
        """Return an authorization code, good once."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = now + CODE_LIFE_S
        return code

    def make_quote_token(self, now: float) -> str:
        """Return a token for the quote streamer."""
        token = secrets.token_urlsafe(32)
        self._quote[token] = now + self.quote_life_s
        return token

    def is_access(self, header: str | None, now: float) -> bool:
        """Return whether a header, with or without `Bearer`, holds a good access token."""
        token = (header or "").removeprefix("Bearer ").strip()
        return self._access.get(token, 0.0) > now

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
        """Give tokens their usual life again and the grant back."""
        self.told_s = self.honoured_s = ACCESS_LIFE_S
        self.quote_life_s = QUOTE_LIFE_S
        self.is_revoked = False

    def _forget(self, now: float) -> None:
        for table in (self._access, self._quote, self._codes):
            for token in [token for token, end in table.items() if end <= now]:
                del table[token]


def _plain(text: str | None) -> bytes:
    # compare_digest takes only ASCII text, and a client may send anything.
    return (text or "").encode()
