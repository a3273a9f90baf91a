"""Who is let in, until when, and which streams end when that changes.

A viewer proves itself by a token, or by the cookie that a browser got for one. The owner's token
is GATEWAY_TOKEN; the others' are hashed in the viewers file. Every request that is let in carries
an `AuthContext`; streams register with theirs and are ended through it: at a sign-out, at the end
of a session, at a change of the viewer's entry.

Cookies are made and read in `gateway.web.auth.sessions`.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.types import Scope

from gateway.addresses import is_loopback, network_of
from gateway.clock import SYSTEM_CLOCK, Clock, SteadyWall
from gateway.errors import ConfigurationError
from gateway.settings import AccessSettings
from gateway.streams.topics import MAIN_LOGIN, Owner, grant_accounts
from gateway.web.auth.registrations import Registrations
from gateway.web.auth.sessions import LOGIN_IDLE_S, LOGIN_LIFE_S, Session, SessionStore
from gateway.web.auth.throttle import MAX_ADDRESSES, LoginStats, Throttle, TooManyTries
from gateway.web.auth.viewers import (
    OWNER,
    Viewer,
    find_id,
    find_stamp,
    is_settling,
    is_token_of,
    key_of,
    read_viewers,
)

if TYPE_CHECKING:
    # brings redis, which one process alone can spare
    from gateway.web.auth.revocations import Peers

logger = logging.getLogger(__name__)

WATCH_S = 0.25
"""Between two checks of the viewers file and of the sessions of open streams."""

VERIFICATIONS = 2
"""How many argon2 runs may go on at once: 40 MiB, and never all cores of a small machine."""

UNGUESSABLE_LENGTH = 32
"""From so many characters on nobody guesses a token, so the right one is never locked out."""

SIGNED_OUT = "signed_out"
"""Why a stream ends: signed out, or the session's time is over."""

ACCESS_CHANGED = "access_changed"
"""Why a stream ends: the viewer's entry was changed or removed."""


@dataclass(frozen=True, slots=True, eq=False)
class AuthContext:
    """A request that was let in: the viewer, and the session if it came with a cookie."""

    authenticator: "Authenticator"
    viewer: Viewer
    session: Session | None = None

    @property
    def streams(self) -> int:
        """How many streams this viewer has open."""
        return self.authenticator.count_streams(self.viewer.name)

    def register(self, end: Callable[[str], None]) -> Callable[[], None]:
        """Register a stream; `end` is called once with why it must end.

        Return what the stream calls when it is over.
        """
        return self.authenticator.register(self, end)


class Authenticator:
    """Decides whether a request comes from a viewer; without a token it only has to be local.

    Promises: no token is logged, sent or kept in the clear but the owner's; comparisons take the
    same time whatever is wrong. With peers what is signed out here is so in all processes, and
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
        clock: Clock = SYSTEM_CLOCK,
        stats: LoginStats | None = None,
    ) -> None:
        self._token = token
        self._clock = clock
        self.is_generated = is_generated
        self.stats = stats or LoginStats()
        self.throttle = Throttle(clock.monotonic_s)
        self.sessions = SessionStore(token, idle_s=idle_s, life_s=life_s, now_s=SteadyWall(clock))
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
        self._registrations = Registrations[AuthContext](
            find_reason=self._why_over, find_name=lambda each: each.viewer.name
        )
        self.set_viewers(viewers or {})

    @property
    def is_open(self) -> bool:
        """Whether everybody on this machine is the owner: only with a simulated upstream."""
        return self._token is None

    @property
    def token(self) -> str | None:
        """The owner's token; for the other processes of this gateway."""
        return self._token

    def login_fragment(self) -> str:
        """Return what makes a link to /login sign in; a fragment is never sent to a server."""
        return f"#token={quote(self._token or '', safe='')}"

    async def authenticate(self, token: str, address: str, proxy: str = "") -> Viewer | None:
        """Return the viewer whose token this is; None when it is nobody's.

        Right tokens cost a keyed hash: argon2 runs for the first use of a viewer's token in this
        process, in a thread. What is locked out is a guesser at one address against one viewer's
        token, and to be counted against a viewer one must know the id in the token. `proxy` is
        the trusted proxy that named the address, if one did: a proxy that passes on what the
        client wrote lets a guesser have a new address for each try, so that its addresses with a
        wrong token are counted, too.

        Raises:
            TooManyTries: also for the right token, if that could have been guessed.
        """
        digest = self._digest(token)
        network = network_of(address)
        is_owner = self._token is not None and hmac.compare_digest(digest, self._token_digest)
        if is_owner and (len(token) >= UNGUESSABLE_LENGTH or network in self._owner_networks):
            return OWNER
        viewer = self._by_id.get(find_id(token) or "")
        keys = [network, *([f"proxy {network_of(proxy)}"] if proxy else [])]
        try:
            if viewer is not None:
                keys = [f"{key} {viewer.id}" for key in keys]
                # One at a time, so that many requests at a start cost one run, and count once.
                async with self._verifying.setdefault(viewer.id, asyncio.Lock()):
                    found = await self._verify(viewer, token, digest, keys)
            else:
                found = OWNER if is_owner else None
                await self._check(keys, asks_peers=is_owner)
        except TooManyTries:
            self.stats.throttled += 1
            raise
        if found is None:
            self.stats.wrong += 1
            whose = "a wrong token" if viewer is None else f"a wrong token for {viewer.name}"
            through = f" through the proxy {proxy}" if proxy else ""
            logger.warning("%s came from %s%s", whose, address or "a Unix socket", through)
            await self._count_failure(keys)
        elif found == OWNER:
            self._owner_networks[network] = None
            _trim(self._owner_networks)
        return found

    async def _verify(
        self, viewer: Viewer, token: str, digest: bytes, keys: Iterable[str]
    ) -> Viewer | None:
        verified = self._verified.get(viewer.id)
        is_known = verified is not None and verified[0] == viewer
        if verified is not None and is_known and hmac.compare_digest(verified[1], digest):
            return viewer
        await self._check(keys, asks_peers=not is_known)
        if is_known:
            return None
        if self._limiter is None:
            self._limiter = CapacityLimiter(VERIFICATIONS)
        if not await to_thread.run_sync(is_token_of, viewer, token, limiter=self._limiter):
            return None
        if self._viewers.get(viewer.name) != viewer:  # changed in the meantime
            return None
        self._verified[viewer.id] = (viewer, digest)
        return viewer

    async def _check(self, keys: Iterable[str], *, asks_peers: bool) -> None:
        for key in keys:
            if wait_s := self.throttle.wait_s(key):
                raise TooManyTries(wait_s)
        if self._peers is not None and asks_peers:
            for key in keys:
                self._obey(key, await self._peers.wait_s(self.sessions.hide("failures", key)))

    async def _count_failure(self, keys: Iterable[str]) -> None:
        client, *proxies = keys
        # First here: of many tries at once none may pass while the peers are asked.
        is_first = self.throttle.record(client)
        # Through a proxy an address counts once, so that one guesser cannot lock out the others.
        counted = [client, *(proxies if is_first else [])]
        for key in counted[1:]:
            self.throttle.record(key)
        if self._peers is not None:
            for key in counted:
                hidden = self.sessions.hide("failures", key)
                self._obey(key, await self._peers.count_failure(hidden))

    def _obey(self, key: str, wait_s: int) -> None:
        if wait_s:
            self.throttle.hold_back(key, wait_s)
            raise TooManyTries(wait_s)

    def make_cookie(self, viewer: Viewer) -> str:
        """Begin a session and return its cookie's value."""
        return self.sessions.make(viewer)

    def read_cookie(self, value: str) -> AuthContext | None:
        """Return what a good cookie lets in."""
        found = self.sessions.read(value, self._find)
        return None if found is None else AuthContext(self, *found)

    def renew(self, auth_context: AuthContext) -> str | None:
        """Return the cookie that replaces the one of this request; None while that one will do."""
        session = auth_context.session
        return None if session is None else self.sessions.renew(auth_context.viewer, session)

    def max_age_s(self, started_s: float | None = None) -> int:
        """Return how long a browser should keep a cookie that is made now."""
        return self.sessions.max_age_s(started_s)

    def sign_out(self, value: str) -> None:
        """Revoke the session of this cookie; nothing happens when it is none of ours."""
        auth_context = self.read_cookie(value)
        if auth_context is not None and auth_context.session is not None:
            self.sessions.revoke(auth_context.session)
            self.sweep()
            if self._peers is not None:
                self._peers.announce()

    async def run_peers(self) -> None:
        """Share sign-outs with the peers until cancelled; return at once when there are none."""
        if self._peers is not None:
            await self._peers.run(self.sessions, self.sweep)

    async def sync_peers(self) -> None:
        """Return when it is known what was signed out before this process began."""
        if self._peers is not None:
            await self._peers.wait_until_synced()

    def set_viewers(self, viewers: Mapping[str, Viewer]) -> None:
        """Let in these and no others from now on, and end the streams that this concerns."""
        self._viewers = dict(viewers)
        self._by_id = {each.id: each for each in viewers.values()}
        self._verified = {
            id: found for id, found in self._verified.items() if self._by_id.get(id) == found[0]
        }
        self._verifying = {
            id: lock for id, lock in self._verifying.items() if id in self._by_id or lock.locked()
        }
        self.sweep()

    def register(self, auth_context: AuthContext, end: Callable[[str], None]) -> Callable[[], None]:
        """As `AuthContext.register`; ends the stream at once when its access is over already."""
        return self._registrations.register(auth_context, end)

    def count_streams(self, name: str) -> int:
        """Return how many streams the viewer of this name has open."""
        return self._registrations.count(name)

    def sweep(self) -> None:
        """End every stream whose access is over."""
        self._registrations.sweep()

    async def watch(self, path: Path | None) -> None:
        """Follow the viewers file and the end of sessions, until cancelled.

        A file that is gone lets nobody in but the owner. One that cannot be read as a whole
        changes nothing: somebody is in the middle of editing it.
        """
        known: object = self  # no stamp: it may have changed since it was read at the start
        while True:
            await asyncio.sleep(WATCH_S)
            self.sweep()
            if path is None:
                continue
            stamp = await to_thread.run_sync(find_stamp, path)
            if stamp == known or is_settling(stamp, self._clock.wall_s()):
                continue
            known = stamp
            try:
                viewers = {} if stamp is None else await to_thread.run_sync(read_viewers, path)
            except ConfigurationError as error:
                logger.error("the viewers stay as they were: %s", error)
                continue
            if viewers != self._viewers:
                self.set_viewers(viewers)
                logger.info("read the viewers file again; viewers: %d", len(viewers))

    def _why_over(self, auth_context: AuthContext) -> str | None:
        if auth_context.session is not None and self.sessions.has_ended(auth_context.session):
            return SIGNED_OUT
        viewer = auth_context.viewer
        return None if self._find(viewer.name) == viewer else ACCESS_CHANGED

    def _find(self, name: str) -> Viewer | None:
        return OWNER if name == OWNER.name else self._viewers.get(name)

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._digest_key, token.encode("utf-8", "surrogatepass"), "sha256")


def create_authenticator(
    settings: AccessSettings,
    peers: "Peers | None" = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
    stats: LoginStats | None = None,
) -> Authenticator:
    """Create the authenticator that these settings ask for, with a token where one is missing.

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
        clock=clock,
        stats=stats,
    )


def auth_context_of(scope: Scope) -> AuthContext | None:
    """Return the viewer and session of a request; None where nobody had to be let in."""
    auth_context: AuthContext | None = scope.get("state", {}).get("auth_context")
    return auth_context


def grant_of(request: Request) -> frozenset[Owner]:
    """Return whose private records this viewer may see; nobody's, where nobody was let in.

    The statuses of the gateway's own login are its owner's, not those of viewers of its accounts.
    """
    auth_context = auth_context_of(request.scope)
    if auth_context is None:
        return frozenset()
    granted = grant_accounts(auth_context.viewer.accounts)
    granted |= {Owner(viewer=key_of(auth_context.viewer))}
    return granted | {Owner(MAIN_LOGIN)} if auth_context.viewer == OWNER else granted


def viewer_of(request: Request) -> str | None:
    """Return the name under which a viewer's share is counted; None for the owner."""
    auth_context = auth_context_of(request.scope)
    if auth_context is None:
        return ""
    return None if auth_context.viewer == OWNER else auth_context.viewer.name


def _trim(remembered: dict[str, None]) -> None:
    while len(remembered) > MAX_ADDRESSES:
        del remembered[next(iter(remembered))]
