"""The cookies of browsers: how they are made and read, how long they are good, which are over.

A cookie is `2.name.session.started.seen.HMAC`. Its key comes from the owner's token and the
viewer's hash, so logins survive a restart, end when either changes, and cannot be forged from the
viewers file alone.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.web.auth.viewers import OWNER, Viewer

LOGIN_IDLE_S = 12 * 3600.0
LOGIN_LIFE_S = 7 * 24 * 3600.0

RENEWALS = 12
"""How often in its idle time a cookie in use is replaced by a fresh one, at most."""

MAX_SESSIONS = 10_000
"""Of how many sessions the last use is remembered; the oldest give way."""

HIDDEN_LENGTH = 32
"""Letters of what stands for a session or a client where others may read: 128 bits."""


@lru_cache(maxsize=4)
def _make_key(token: str) -> bytes:
    """The key of cookies: slow to make, or a stolen cookie would tell quickly whether a guess of a
    token that a person chose is right. RFC 7914's interactive cost, once at the start (50 ms)."""
    return hashlib.scrypt(token.encode(), salt=b"gateway cookie", n=2**14, r=8, p=1, dklen=32)


@dataclass(frozen=True, slots=True)
class Session:
    """What a good cookie says: whose it is, which session, since when, when it was made."""

    name: str
    session: str
    started_s: int
    seen_s: int
    hidden: str
    """What stands for the session outside this process."""


class SessionStore:
    """Makes and reads cookies, and knows which sessions were signed out.

    Those are remembered until they would have ended; `learn` adds what other processes know. A
    restart forgets what no other process was told.
    """

    def __init__(
        self,
        token: str | None,
        *,
        idle_s: float = LOGIN_IDLE_S,
        life_s: float = LOGIN_LIFE_S,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.idle_s = idle_s
        self.life_s = life_s
        self._now_s = now_s
        self._key = _make_key(token or "")
        self._revoked: dict[str, float] = {}
        self._seen: dict[str, int] = {}

    @property
    def revoked(self) -> Mapping[str, float]:
        """The sessions that were signed out, hidden, and when each would have ended (s)."""
        return self._revoked

    def hide(self, kind: str, text: str) -> str:
        """What stands for this where others may read: the same in every process of a gateway."""
        digest = hmac.digest(
            self._key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256"
        )
        return digest.hex()[:HIDDEN_LENGTH]

    def make(self, viewer: Viewer) -> str:
        """A cookie value of a new session, good until its time is over."""
        now_s = int(self._now_s())
        return self._format(viewer, secrets.token_hex(16), now_s, now_s)

    def read(
        self, value: str, find: Callable[[str], Viewer | None]
    ) -> tuple[Viewer, Session] | None:
        """Whose a good cookie is, and what it says: one of ours, in time, not signed out."""
        payload, _, signature = value.rpartition(".")
        version, _, rest = payload.partition(".")
        viewer = find(rest.partition(".")[0])
        # Signed also for nobody, so that the time taken does not tell which names exist.
        right = self._sign(payload, viewer or OWNER)
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(right.encode(), given) or viewer is None or version != "2":
            return None
        name, session, started_s, seen_s = rest.split(".")
        login = Session(name, session, int(started_s), int(seen_s), self.hide("session", session))
        return None if self.is_over(login) else (viewer, login)

    def renew(self, viewer: Viewer, login: Session) -> str | None:
        """The cookie that replaces one that is used now; None while that one will do."""
        now_s = int(self._now_s())
        self._seen.pop(login.session, None)
        self._seen[login.session] = now_s
        while len(self._seen) > MAX_SESSIONS:
            del self._seen[next(iter(self._seen))]
        if now_s - login.seen_s < self.idle_s / RENEWALS:
            return None
        return self._format(viewer, login.session, login.started_s, now_s)

    def max_age_s(self, started_s: float | None = None) -> int:
        """How long a browser should keep a cookie that is made now."""
        now_s = self._now_s()
        left_s = self.life_s - (now_s - (now_s if started_s is None else started_s))
        return max(0, int(min(self.idle_s, left_s)))

    def end(self, login: Session) -> None:
        """Sign a session out."""
        self.learn({login.hidden: login.started_s + self.life_s})

    def learn(self, revoked: Mapping[str, float]) -> None:
        """Remember that these sessions were signed out."""
        now_s = self._now_s()
        known = {**self._revoked, **revoked}
        self._revoked = {each: at_s for each, at_s in known.items() if at_s > now_s}

    def is_over(self, login: Session) -> bool:
        """Whether it was signed out, or its time is over."""
        now_s = self._now_s()
        seen_s = max(login.seen_s, self._seen.get(login.session, 0))
        return (
            login.hidden in self._revoked
            or now_s >= login.started_s + self.life_s
            or now_s >= seen_s + self.idle_s
        )

    def _format(self, viewer: Viewer, session: str, started_s: int, seen_s: int) -> str:
        payload = f"2.{viewer.name}.{session}.{started_s}.{seen_s}"
        return f"{payload}.{self._sign(payload, viewer)}"

    def _sign(self, payload: str, viewer: Viewer) -> str:
        key = hmac.digest(self._key, viewer.token_hash.encode(), "sha256")
        return hmac.new(key, payload.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
