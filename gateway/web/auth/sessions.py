"""Sessions of browsers: the cookies that carry them, how long they last, which were revoked.

A cookie is `2.name.session.started.seen.HMAC`. Its key comes from the owner's token and the
viewer's hash, so sessions survive a restart, end when either changes, and cannot be forged from
the viewers file alone.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.clock import SteadyWall
from gateway.web.auth.viewers import OWNER, Viewer

LOGIN_IDLE_S = 12 * 3600.0
LOGIN_LIFE_S = 7 * 24 * 3600.0

RENEWALS = 12
"""How often in its idle time a cookie in use is replaced by a fresh one, at most."""

MAX_REVOKED = 50_000
"""Of so many sessions it is remembered that they were signed out. Beyond that the oldest are
forgotten, and every session that began no later ends with them."""

MAX_SESSIONS = 10_000
"""Of how many sessions the last use is remembered; the oldest give way."""

HIDDEN_LENGTH = 32
"""Letters of what stands for a session or a client outside this process: 128 bits."""


@lru_cache(maxsize=4)
def _make_key(token: str) -> bytes:
    """Derive the key of cookies, slowly: a stolen cookie must not tell quickly whether a guess of a
    token that a person chose is right. RFC 7914's interactive cost, once at the start (50 ms)."""
    return hashlib.scrypt(token.encode(), salt=b"gateway cookie", n=2**14, r=8, p=1, dklen=32)


@dataclass(frozen=True, slots=True)
class Session:
    """What a good cookie says: whose session it is, its id, when it began, when it was renewed."""

    name: str
    id: str
    started_s: int
    seen_s: int
    hidden: str
    """What stands for the session outside this process."""


class SessionStore:
    """Makes and reads cookies, and knows which sessions were signed out.

    Those are remembered until they would have ended; `add_revoked` adds what other processes know.
    Bounded by MAX_SESSIONS and MAX_REVOKED. A restart forgets what no other process was told.
    """

    def __init__(
        self,
        token: str | None,
        *,
        idle_s: float = LOGIN_IDLE_S,
        life_s: float = LOGIN_LIFE_S,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self.idle_s = idle_s
        self.life_s = life_s
        # A clock that is set must neither end sessions nor bring back one that was signed out.
        self._now_s = now_s or SteadyWall()
        self._key = _make_key(token or "")
        self._revoked: dict[str, float] = {}
        self._void_until_s = 0.0
        self._seen: dict[str, int] = {}

    @property
    def revoked(self) -> Mapping[str, float]:
        """The sessions that were signed out, hidden, and when each would have ended (s)."""
        return self._revoked

    def hide(self, kind: str, text: str) -> str:
        """Return what stands for this outside; it is the same in every process of a gateway."""
        digest = hmac.digest(
            self._key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256"
        )
        return digest.hex()[:HIDDEN_LENGTH]

    def make(self, viewer: Viewer) -> str:
        """Begin a session and return its cookie's value."""
        now_s = int(self._now_s())
        return self._format(viewer, secrets.token_hex(16), now_s, now_s)

    def read(
        self, value: str, find: Callable[[str], Viewer | None]
    ) -> tuple[Viewer, Session] | None:
        """Return the viewer and the session of a good cookie: ours, in time, not signed out."""
        payload, _, signature = value.rpartition(".")
        version, _, rest = payload.partition(".")
        viewer = find(rest.partition(".")[0])
        # Signed also for nobody, so that the time taken does not tell which names exist.
        right = self._sign(payload, viewer or OWNER)
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(right.encode(), given) or viewer is None or version != "2":
            return None
        name, id, started_s, seen_s = rest.split(".")
        session = Session(name, id, int(started_s), int(seen_s), self.hide("session", id))
        return None if self.has_ended(session) else (viewer, session)

    def renew(self, viewer: Viewer, session: Session) -> str | None:
        """Note that the session is used; return the cookie to replace its one, if it is old."""
        now_s = int(self._now_s())
        self._seen.pop(session.id, None)
        self._seen[session.id] = now_s
        while len(self._seen) > MAX_SESSIONS:
            del self._seen[next(iter(self._seen))]
        if now_s - session.seen_s < self.idle_s / RENEWALS:
            return None
        return self._format(viewer, session.id, session.started_s, now_s)

    def max_age_s(self, started_s: float | None = None) -> int:
        """Return how long a browser should keep a cookie that is made now."""
        now_s = self._now_s()
        left_s = self.life_s - (now_s - (now_s if started_s is None else started_s))
        return max(0, int(min(self.idle_s, left_s)))

    def revoke(self, session: Session) -> None:
        """Sign a session out."""
        self.add_revoked({session.hidden: session.started_s + self.life_s})

    def add_revoked(self, revoked: Mapping[str, float]) -> None:
        """Remember that these sessions were signed out, and when each would have ended (s)."""
        now_s = self._now_s()
        self._revoked.update(revoked)
        # Nearly in the order of their ends: forgetting from the front is enough, and cheap.
        while self._revoked:
            oldest = next(iter(self._revoked))
            if (ends_s := self._revoked[oldest]) > now_s:
                if len(self._revoked) <= MAX_REVOKED:
                    break
                self._void_until_s = max(self._void_until_s, ends_s)
            del self._revoked[oldest]

    def has_ended(self, session: Session) -> bool:
        """Return whether it was signed out, or its time is over."""
        now_s = self._now_s()
        seen_s = max(session.seen_s, self._seen.get(session.id, 0))
        return (
            session.hidden in self._revoked
            or session.started_s + self.life_s <= max(now_s, self._void_until_s)
            or now_s >= seen_s + self.idle_s
        )

    def _format(self, viewer: Viewer, id: str, started_s: int, seen_s: int) -> str:
        payload = f"2.{viewer.name}.{id}.{started_s}.{seen_s}"
        return f"{payload}.{self._sign(payload, viewer)}"

    def _sign(self, payload: str, viewer: Viewer) -> str:
        key = hmac.digest(self._key, viewer.token_hash.encode(), "sha256")
        return hmac.new(key, payload.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
