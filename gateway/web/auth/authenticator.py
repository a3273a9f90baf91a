"""Who is let in, until when, and what of theirs ends when that changes.

A viewer proves itself by a token, or by the cookie that a browser got for one. The owner's token
is GATEWAY_TOKEN; the others' are hashed in the viewers file. Every request that is let in carries
an `AuthContext`; streams hold on to theirs and are ended through it: at a sign-out, at the end of a
login, at a change of the viewer's entry.

The cookies themselves are made and read in `gateway.web.auth.sessions`.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.types import Scope

from gateway.clock import SteadyWall
from gateway.errors import ConfigurationError
from gateway.settings import Settings, is_loopback
from gateway.web.auth.sessions import LOGIN_IDLE_S, LOGIN_LIFE_S, Session, SessionStore
from gateway.web.auth.throttle import MAX_ADDRESSES, Throttle, TooManyTries, network_of
from gateway.web.auth.viewers import OWNER, Viewer, find_id, is_token_of, read_viewers

if TYPE_CHECKING:
    # brings redis, which one process alone can spare
    from gateway.web.auth.revocations import Peers

logger = logging.getLogger(__name__)

WATCH_S = 0.25
"""Between two looks at the viewers file and at the logins of open streams."""

SETTLE_S = 0.05
"""A viewers file that was changed so lately may still be being written: it is read at the next
look. An editor empties a file before it fills it, and an empty one lets nobody in."""

VERIFICATIONS = 2
"""How many argon2 runs may go on at once: 40 MiB, and never all cores of a small machine."""

UNGUESSABLE_LENGTH = 32
"""From so many characters on nobody guesses a token, so the right one is never locked out."""

SIGNED_OUT = "signed_out"
"""Why a stream ends: signed out, or the login's time is over."""

ACCESS_CHANGED = "access_changed"
"""Why a stream ends: the viewer's entry was changed or removed."""


@dataclass(frozen=True, slots=True, eq=False)
class AuthContext:
    """A request that was let in: whose it is, and the login it came with, if with one."""

    authenticator: "Authenticator"
    viewer: Viewer
    login: Session | None = None

    @property
    def streams(self) -> int:
        """How many streams this viewer has open."""
        return self.authenticator.count_streams(self.viewer.name)

    def hold(self, end: Callable[[str], None]) -> Callable[[], None]:
        """What a stream calls when it is over; `end` is called once with why it must end."""
        return self.authenticator.hold(self, end)


class Authenticator:
    """Whether a request comes from a viewer; without a token it only has to be from here.

    Promises: no token is logged, sent or kept in the clear but the owner's; comparisons take the
    same time whatever is wrong. With siblings what is signed out here is so in all processes, and
    wrong tokens are counted for all of them together.
    """

    def __init__(
        self,
        token: str | None,
        *,
        viewers: Mapping[str, Viewer] | None = None,
        is_generated: bool = False,
        idle_s: float = LOGIN_IDLE_S,
        life_s: float = LOGIN_LIFE_S,
        peers: "Peers | None" = None,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._token = token
        self.is_generated = is_generated
        self.throttle = Throttle()
        # A clock that is set must neither end logins nor bring back one that was signed out.
        self.logins = SessionStore(token, idle_s=idle_s, life_s=life_s, now_s=now_s or SteadyWall())
        self._peers = peers
        # Of this process alone: what is kept of tokens is worth nothing outside it.
        self._digest_key = secrets.token_bytes(32)
        self._token_digest = self._digest(token or "")
        self._owner_networks: dict[str, None] = {}
        self._viewers: dict[str, Viewer] = {}
        self._by_id: dict[str, Viewer] = {}
        self._verified: dict[str, tuple[Viewer, bytes]] = {}
        self._verifying: dict[str, asyncio.Lock] = {}
        self._limiter: CapacityLimiter | None = None
        self._held: dict[object, tuple[AuthContext, Callable[[str], None]]] = {}
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

    async def authenticate(self, token: str, address: str) -> Viewer | None:
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
            await self._check_peers(network)
            self._owner_networks[network] = None
            _trim(self._owner_networks)
            return OWNER
        await self._fail(network)
        return None

    async def _verify(
        self, viewer: Viewer, token: str, digest: bytes, network: str
    ) -> Viewer | None:
        verified = self._verified.get(viewer.id)
        is_known = verified is not None and verified[0] == viewer
        if verified is not None and is_known and hmac.compare_digest(verified[1], digest):
            return viewer
        key = f"{network} {viewer.id}"
        self._check(key)
        if not is_known:
            await self._check_peers(key)
            if self._limiter is None:
                self._limiter = CapacityLimiter(VERIFICATIONS)
            is_right = await to_thread.run_sync(is_token_of, viewer, token, limiter=self._limiter)
            if is_right:
                if self._viewers.get(viewer.name) != viewer:  # changed in the meantime
                    return None
                self._verified[viewer.id] = (viewer, digest)
                return viewer
        await self._fail(key)
        return None

    def _check(self, key: str) -> None:
        if wait_s := self.throttle.wait_s(key):
            raise TooManyTries(wait_s)

    async def _check_peers(self, key: str) -> None:
        if self._peers is not None:
            self._heed(key, await self._peers.wait_s(self.logins.hide("failures", key)))

    async def _fail(self, key: str) -> None:
        # First here: of many tries at once none may pass while the siblings are asked.
        self.throttle.record(key)
        if self._peers is not None:
            self._heed(key, await self._peers.count_failure(self.logins.hide("failures", key)))

    def _heed(self, key: str, wait_s: int) -> None:
        if wait_s:
            self.throttle.hold_back(key, wait_s)
            raise TooManyTries(wait_s)

    def make_cookie(self, viewer: Viewer) -> str:
        """A cookie value of a new session, good until its time is over."""
        return self.logins.make(viewer)

    def read_cookie(self, value: str) -> AuthContext | None:
        """What a good cookie lets in."""
        found = self.logins.read(value, self._find)
        return None if found is None else AuthContext(self, *found)

    def renew(self, auth_context: AuthContext) -> str | None:
        """The cookie that replaces the one of this request; None while that one will do."""
        login = auth_context.login
        return None if login is None else self.logins.renew(auth_context.viewer, login)

    def max_age_s(self, started_s: float | None = None) -> int:
        """How long a browser should keep a cookie that is made now."""
        return self.logins.max_age_s(started_s)

    def end(self, value: str) -> None:
        """Sign the session of this cookie out; nothing happens when it is none of ours."""
        auth_context = self.read_cookie(value)
        if auth_context is not None and auth_context.login is not None:
            self.logins.end(auth_context.login)
            self.sweep()
            if self._peers is not None:
                self._peers.tell()

    async def run_peers(self) -> None:
        """Follow what the siblings tell, until cancelled; without any there is nothing to do."""
        if self._peers is not None:
            await self._peers.run(self.logins, self.sweep)

    async def look_at_peers(self) -> None:
        """Return when it is known what was signed out before this process began."""
        if self._peers is not None:
            await self._peers.look()

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

    def hold(self, auth_context: AuthContext, end: Callable[[str], None]) -> Callable[[], None]:
        """As `AuthContext.hold`. Ends at once what is over already."""
        if (reason := self._why_over(auth_context)) is not None:
            end(reason)
            return lambda: None
        ticket, name = object(), auth_context.viewer.name
        self._held[ticket] = auth_context, end
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
        for ticket, (auth_context, end) in list(self._held.items()):
            reason = self._why_over(auth_context)
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
            if stamp == known or _is_settling(stamp):
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

    def _why_over(self, auth_context: AuthContext) -> str | None:
        if auth_context.login is not None and self.logins.is_over(auth_context.login):
            return SIGNED_OUT
        viewer = auth_context.viewer
        return None if self._find(viewer.name) == viewer else ACCESS_CHANGED

    def _find(self, name: str) -> Viewer | None:
        return OWNER if name == OWNER.name else self._viewers.get(name)

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._digest_key, token.encode("utf-8", "surrogatepass"), "sha256")


def create_authenticator(settings: Settings, peers: "Peers | None" = None) -> Authenticator:
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
    return Authenticator(
        secrets.token_urlsafe(24) if is_generated else token,
        viewers=viewers,
        is_generated=is_generated,
        idle_s=settings.login_idle_s,
        life_s=settings.login_life_s,
        peers=peers,
    )


def auth_context_of(scope: Scope) -> AuthContext | None:
    """The admission of a request; None where nobody had to be let in."""
    auth_context: AuthContext | None = scope.get("state", {}).get("auth_context")
    return auth_context


def accounts_of(request: Request) -> frozenset[str] | None:
    """The accounts that this viewer may see; None means all. Nothing, where nobody was let in."""
    auth_context = auth_context_of(request.scope)
    return frozenset() if auth_context is None else auth_context.viewer.accounts


def _trim(remembered: dict[str, None]) -> None:
    while len(remembered) > MAX_ADDRESSES:
        del remembered[next(iter(remembered))]


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes with the file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def _is_settling(stamp: tuple[int, ...] | None) -> bool:
    """Whether the file was changed a moment ago; never by a clock that is ahead of ours."""
    return stamp is not None and 0 <= time.time() - stamp[0] / 1e9 < SETTLE_S
