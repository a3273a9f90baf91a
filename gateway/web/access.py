"""Who is let in, until when, and what of theirs ends when that changes.

A viewer proves itself by a token, or by the cookie that a browser got for one. The owner's token
is GATEWAY_TOKEN; the others' are hashed in the viewers file. Every request that is let in carries
an `Admission`; streams hold on to theirs and are ended through it: at a sign-out, at the end of a
login, at a change of the viewer's entry.

A cookie is `2.name.session.started.seen.HMAC`. Its key comes from the owner's token and the
viewer's hash, so logins survive a restart, end when either changes, and cannot be forged from the
file alone.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.types import Scope

from gateway.clock import SteadyWall
from gateway.settings import Settings, is_loopback
from gateway.streams.events import ConfigurationError
from gateway.web.viewers import OWNER, Viewer, find_id, is_token_of, read_viewers

logger = logging.getLogger(__name__)

LOGIN_IDLE_S = 12 * 3600.0
LOGIN_LIFE_S = 7 * 24 * 3600.0

RENEWALS = 12
"""How often in its idle time a cookie in use is replaced by a fresh one, at most."""

WATCH_S = 0.25
"""Between two looks at the viewers file and at the logins of open streams."""

VERIFICATIONS = 2
"""How many argon2 runs may go on at once: 40 MiB, and never all cores of a small machine."""

MAX_FAILURES = 5
FAILURE_WINDOW_S = 300.0
MAX_ADDRESSES = 10_000
"""How many addresses and sessions are remembered; the oldest give way."""

UNGUESSABLE_LENGTH = 32
"""From so many characters on nobody guesses a token, so the right one is never locked out."""

SIGNED_OUT = "signed_out"
"""Why a stream ends: signed out, or the login's time is over."""

ACCESS_CHANGED = "access_changed"
"""Why a stream ends: the viewer's entry was changed or removed."""


class TooManyTries(Exception):
    """Too many wrong tokens came from there; another try is allowed after `wait_s`."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


class Throttle:
    """Counts failures by a key: at most `MAX_FAILURES` in `FAILURE_WINDOW_S`."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures: dict[str, list[float]] = {}

    def wait_s(self, key: str) -> int:
        """Seconds until another try is allowed; 0 when it is now."""
        now_s = self._now_s()
        recent = [each for each in self._failures.get(key, ()) if each > now_s]
        if len(recent) < MAX_FAILURES:
            return 0
        return max(1, int(recent[-MAX_FAILURES] - now_s) + 1)

    def record(self, key: str) -> None:
        """Remember one failure."""
        now_s = self._now_s()
        recent = [each for each in self._failures.pop(key, ()) if each > now_s]
        recent.append(now_s + FAILURE_WINDOW_S)
        self._failures[key] = recent[-MAX_FAILURES:]
        while len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]


@dataclass(frozen=True, slots=True)
class Login:
    """What a good cookie says: whose it is, which session, since when, when it was made."""

    name: str
    session: str
    started_s: int
    seen_s: int


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """A request that was let in: whose it is, and the login it came with, if with one."""

    access: "Access"
    viewer: Viewer
    login: Login | None = None

    @property
    def streams(self) -> int:
        """How many streams this viewer has open."""
        return self.access.count_streams(self.viewer.name)

    def hold(self, end: Callable[[str], None]) -> Callable[[], None]:
        """What a stream calls when it is over; `end` is called once with why it must end."""
        return self.access.hold(self, end)


class Access:
    """Whether a request comes from a viewer; without a token it only has to be from here.

    Promises: no token is logged, sent or kept in the clear but the owner's; comparisons take the
    same time whatever is wrong. Sessions that were signed out are remembered until they would have
    ended; a restart forgets them.
    """

    def __init__(
        self,
        token: str | None,
        *,
        viewers: Mapping[str, Viewer] | None = None,
        is_generated: bool = False,
        idle_s: float = LOGIN_IDLE_S,
        life_s: float = LOGIN_LIFE_S,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._token = token
        self.is_generated = is_generated
        self.idle_s = idle_s
        self.life_s = life_s
        self.throttle = Throttle()
        # A clock that is set must neither end logins nor bring back one that was signed out.
        self._now_s = now_s or SteadyWall()
        self._key = hashlib.sha256(b"gateway cookie\0" + (token or "").encode()).digest()
        # Of this process alone: what is kept of tokens is worth nothing outside it.
        self._digest_key = secrets.token_bytes(32)
        self._token_digest = self._digest(token or "")
        self._owner_networks: dict[str, None] = {}
        self._viewers: dict[str, Viewer] = {}
        self._by_id: dict[str, Viewer] = {}
        self._verified: dict[str, tuple[Viewer, bytes]] = {}
        self._verifying: dict[str, asyncio.Lock] = {}
        self._limiter: CapacityLimiter | None = None
        self._ended: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._held: dict[object, tuple[Admission, Callable[[str], None]]] = {}
        self._streams: Counter[str] = Counter()
        self.change(viewers or {})

    @property
    def is_open(self) -> bool:
        """Whether everybody on this machine is the owner: only with a simulated upstream."""
        return self._token is None

    @property
    def token(self) -> str | None:
        """What lets the owner in; for the other processes of this gateway."""
        return self._token

    def login_fragment(self) -> str:
        """What makes a link to /login log in; a fragment is never sent to a server."""
        return f"#token={quote(self._token or '', safe='')}"

    async def recognize(self, token: str, address: str) -> Viewer | None:
        """Whose token this is; None when it is nobody's.

        Right tokens cost a keyed hash: argon2 runs for the first use of a viewer's token in this
        process, in a thread. What is locked out is a guesser at one address against one viewer's
        token, and to be counted against a viewer one must know the id in the token.

        Raises:
            TooManyTries: also for the right token, if that could have been guessed.
        """
        digest = self._digest(token)
        network = network_of(address)
        is_owner = self._token is not None and hmac.compare_digest(digest, self._token_digest)
        if is_owner and (len(token) >= UNGUESSABLE_LENGTH or network in self._owner_networks):
            return OWNER
        viewer = self._by_id.get(find_id(token) or "")
        if viewer is not None:
            # One at a time, so that many requests at a start cost one run, and count once.
            async with self._verifying.setdefault(viewer.id, asyncio.Lock()):
                return await self._verify(viewer, token, digest, network)
        self._check(network)
        if is_owner:
            self._owner_networks[network] = None
            _trim(self._owner_networks)
            return OWNER
        self.throttle.record(network)
        return None

    async def _verify(
        self, viewer: Viewer, token: str, digest: bytes, network: str
    ) -> Viewer | None:
        verified = self._verified.get(viewer.id)
        if verified is not None and verified[0] == viewer:
            if hmac.compare_digest(verified[1], digest):
                return viewer
            key = f"{network} {viewer.id}"
            self._check(key)
            self.throttle.record(key)
            return None
        key = f"{network} {viewer.id}"
        self._check(key)
        if self._limiter is None:
            self._limiter = CapacityLimiter(VERIFICATIONS)
        is_right = await to_thread.run_sync(is_token_of, viewer, token, limiter=self._limiter)
        if not is_right:
            self.throttle.record(key)
            return None
        if self._viewers.get(viewer.name) != viewer:  # changed in the meantime
            return None
        self._verified[viewer.id] = (viewer, digest)
        return viewer

    def _check(self, key: str) -> None:
        if wait_s := self.throttle.wait_s(key):
            raise TooManyTries(wait_s)

    def make_cookie(self, viewer: Viewer) -> str:
        """A cookie value of a new session, good until its time is over."""
        now_s = int(self._now_s())
        return self._format(viewer, Login(viewer.name, secrets.token_hex(16), now_s, now_s))

    def read_cookie(self, value: str) -> Admission | None:
        """What a good cookie lets in: one of ours, in time, not signed out."""
        payload, _, signature = value.rpartition(".")
        version, _, rest = payload.partition(".")
        viewer = self._find(rest.partition(".")[0])
        # Signed also for nobody, so that the time taken does not tell which names exist.
        right = self._sign(payload, viewer or OWNER)
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(right.encode(), given) or viewer is None or version != "2":
            return None
        name, session, started_s, seen_s = rest.split(".")
        login = Login(name, session, int(started_s), int(seen_s))
        return None if self._is_over(login) else Admission(self, viewer, login)

    def renew(self, admission: Admission) -> str | None:
        """The cookie that replaces the one of this request; None while that one will do."""
        login = admission.login
        if login is None:
            return None
        now_s = int(self._now_s())
        self._seen.pop(login.session, None)
        self._seen[login.session] = now_s
        _trim(self._seen)
        if now_s - login.seen_s < self.idle_s / RENEWALS:
            return None
        return self._format(
            admission.viewer, Login(login.name, login.session, login.started_s, now_s)
        )

    def max_age_s(self, started_s: float | None = None) -> int:
        """How long a browser should keep a cookie that is made now."""
        now_s = self._now_s()
        left_s = self.life_s - (now_s - (now_s if started_s is None else started_s))
        return max(0, int(min(self.idle_s, left_s)))

    def end(self, value: str) -> None:
        """Sign the session of this cookie out; nothing happens when it is none of ours."""
        admission = self.read_cookie(value)
        if admission is not None and admission.login is not None:
            now_s = self._now_s()
            self._ended = {each: at_s for each, at_s in self._ended.items() if at_s > now_s}
            self._ended[admission.login.session] = admission.login.started_s + self.life_s
            self.sweep()

    def change(self, viewers: Mapping[str, Viewer]) -> None:
        """Let in these and no others from now on; what that changes for a stream ends it."""
        self._viewers = dict(viewers)
        self._by_id = {each.id: each for each in viewers.values()}
        self._verified = {
            id: found for id, found in self._verified.items() if self._by_id.get(id) == found[0]
        }
        self._verifying = {
            id: lock for id, lock in self._verifying.items() if id in self._by_id or lock.locked()
        }
        self.sweep()

    def hold(self, admission: Admission, end: Callable[[str], None]) -> Callable[[], None]:
        """As `Admission.hold`. Ends at once what is over already."""
        if (reason := self._why_over(admission)) is not None:
            end(reason)
            return lambda: None
        ticket, name = object(), admission.viewer.name
        self._held[ticket] = admission, end
        self._streams[name] += 1

        def release() -> None:
            self._held.pop(ticket, None)
            self._streams[name] -= 1
            if self._streams[name] == 0:
                del self._streams[name]

        return release

    def count_streams(self, name: str) -> int:
        """How many streams the viewer of this name has open."""
        return self._streams[name]

    def sweep(self) -> None:
        """End every stream whose admission is over."""
        for ticket, (admission, end) in list(self._held.items()):
            reason = self._why_over(admission)
            if reason is not None and self._held.pop(ticket, None) is not None:
                end(reason)

    async def watch(self, path: Path | None) -> None:
        """Follow the viewers file and the end of logins, until cancelled.

        A file that is gone lets nobody in but the owner. One that cannot be read as a whole
        changes nothing: somebody is in the middle of editing it.
        """
        known: object = self  # no stamp: it may have changed since it was read at the start
        while True:
            await asyncio.sleep(WATCH_S)
            self.sweep()
            if path is None:
                continue
            stamp = await to_thread.run_sync(_stamp, path)
            if stamp == known:
                continue
            known = stamp
            try:
                viewers = {} if stamp is None else await to_thread.run_sync(read_viewers, path)
            except ConfigurationError as error:
                logger.error("the viewers stay as they were: %s", error)
                continue
            if viewers != self._viewers:
                self.change(viewers)
                logger.info("the viewers file was read again; viewers: %d", len(viewers))

    def _why_over(self, admission: Admission) -> str | None:
        if admission.login is not None and self._is_over(admission.login):
            return SIGNED_OUT
        viewer = admission.viewer
        return None if self._find(viewer.name) == viewer else ACCESS_CHANGED

    def _find(self, name: str) -> Viewer | None:
        return OWNER if name == OWNER.name else self._viewers.get(name)

    def _is_over(self, login: Login) -> bool:
        now_s = self._now_s()
        seen_s = max(login.seen_s, self._seen.get(login.session, 0))
        return (
            login.session in self._ended
            or now_s >= login.started_s + self.life_s
            or now_s >= seen_s + self.idle_s
        )

    def _format(self, viewer: Viewer, login: Login) -> str:
        payload = f"2.{login.name}.{login.session}.{login.started_s}.{login.seen_s}"
        return f"{payload}.{self._sign(payload, viewer)}"

    def _sign(self, payload: str, viewer: Viewer) -> str:
        key = hmac.digest(self._key, viewer.token_hash.encode(), "sha256")
        return hmac.new(key, payload.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._digest_key, token.encode("utf-8", "surrogatepass"), "sha256")


def open_access(settings: Settings) -> Access:
    """The access that these settings ask for; a token is generated where one is missing.

    Raises:
        ConfigurationError: where other machines could come in without a token, or the viewers
            file cannot be read.
    """
    token = settings.token.get_secret_value() if settings.token is not None else None
    if token is None and not is_loopback(settings.host):
        raise ConfigurationError(
            "GATEWAY_TOKEN: must be set when HOST is not loopback, "
            "because other machines could come in"
        )
    viewers: dict[str, Viewer] = {}
    if settings.viewers is not None:
        # There may be none yet: `gateway viewer add` makes the file.
        with suppress(FileNotFoundError):
            settings.viewers.stat()
            viewers = read_viewers(settings.viewers)
    is_generated = token is None and not (settings.is_simulation and settings.viewers is None)
    return Access(
        secrets.token_urlsafe(24) if is_generated else token,
        viewers=viewers,
        is_generated=is_generated,
        idle_s=settings.login_idle_s,
        life_s=settings.login_life_s,
    )


def admission_of(scope: Scope) -> Admission | None:
    """The admission of a request; None where nobody had to be let in."""
    admission: Admission | None = scope.get("state", {}).get("admission")
    return admission


def accounts_of(request: Request) -> frozenset[str] | None:
    """The accounts that this viewer may see; None means all. Nothing, where nobody was let in."""
    admission = admission_of(request.scope)
    return frozenset() if admission is None else admission.viewer.accounts


def network_of(address: str) -> str:
    """What one client can easily have all of: an address, or 64 bits of one in IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return parsed.exploded[:19]
    return str(parsed)


def _trim(remembered: dict[str, int] | dict[str, None]) -> None:
    while len(remembered) > MAX_ADDRESSES:
        del remembered[next(iter(remembered))]


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes with the file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
