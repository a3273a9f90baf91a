"""How records travel between processes: Valkey or Redis Streams, 6.2 or newer.

One stream of records under ids `epoch-sequence`, the newest record of every key, a lease that says
who may publish, what each web process wants, and what they tell each other of their logins. Every
step that must not be torn is a script of `gateway.streams.backplane.scripts`. Nothing secret is
ever written: no token, no credential, no session.
"""

import asyncio
import errno
import os
import ssl
from collections import deque
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

import msgspec
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.errors import BackplaneError, LeaseLost
from gateway.streams.backplane.codec import (
    BEAT,
    Lease,
    Newest,
    Revoked,
    Wish,
    decode_change,
    decode_record,
    decode_report,
    decode_revoked,
    decode_wishes,
    encode_change,
    find_age_s,
    find_name,
    to_ms,
    to_origin,
)
from gateway.streams.backplane.outbox import Change
from gateway.streams.backplane.scripts import (
    ACQUIRE,
    COMPLETE,
    COUNT_FAILURE,
    ENDED,
    EPOCHS,
    EVENTS,
    FENCED,
    INVITE,
    KEYS,
    LEASE,
    MARK,
    MAX_STREAM_BYTES,
    NEWEST,
    PROVABLE,
    PUBLISH,
    READ_WANTED,
    RELEASE,
    REPORT,
    WANT,
    WANTED,
)
from gateway.streams.hub.position import Origin, order_of

MIN_VERSION = (6, 2)

MAX_REVOKED = 20_000
"""Logins that were signed out and are remembered, about: 2 MB; the oldest give way."""

TIMEOUT_S = 2.0
"""For an answer. Longer, and a server that hangs would not be told from a slow one in time."""

READ_ENTRIES = 1000
"""Of one read, so that a reader that was away does not get everything in one piece."""

Verdict = Literal["leading", "invited", "held"]
"""Of asking for the lease: it is ours, its holder lets us have it, or it is another's."""

WITH_DATA = frozenset({b"r", b"f"})
"""Kinds of entries that say nothing when their data cannot be read."""

T = TypeVar("T")


class Backplane:
    """One server. Every call ends within its time-out and raises nothing but BackplaneError, whose
    words are for people and never show the address's password."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._redis = Redis.from_url(
            _as_redis(url),
            # `_ask` has the time-out. With one of its own redis-py (8.1) sends in `wait_for`, which
            # before Python 3.12 loses a cancellation now and then: the task would go on for ever.
            socket_timeout=None,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),  # who calls decides whether to try again
            protocol=2,
            client_name="gateway",
            driver_info=None,  # 8.1 reads its own version from disk for each connection: it blocks
            decode_responses=False,
        )
        self._redis.response_callbacks.clear()  # the plain answers, without a pass over each entry
        self._scripts = {
            text: self._redis.register_script(text)
            for text in (ACQUIRE, PUBLISH, INVITE, RELEASE, WANT, READ_WANTED, COUNT_FAILURE)
        }
        self._sizes: deque[tuple[str, int]] = deque()
        self._stream_bytes = 0
        self.unreadable = 0
        """Records that could not be read: of a newer gateway, or of somebody else."""

    async def check(self) -> None:
        """Whether this server will do.

        Raises:
            BackplaneError: it cannot be reached, is too old, or can only be read.
        """
        answer: bytes = await self._command("INFO")
        about = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line[1:])
        version = about.get("redis_version", "")
        parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if parts < MIN_VERSION:
            raise BackplaneError(
                f"REDIS_URL: the server's version {version} is too old; "
                f"{'.'.join(map(str, MIN_VERSION))} is needed"
            )
        if about.get("role") == "slave" and about.get("slave_read_only", "1") == "1":
            raise BackplaneError(_READ_ONLY)

    async def acquire(
        self, holder: str, lease_s: float, now_ms: int, *, floor: int, take: bool, stand_by_s: float
    ) -> tuple[Verdict, str]:
        """The verdict, and the epoch when it is `leading`: one that nobody ever had."""
        verdict, epoch = await self._run(
            ACQUIRE,
            holder,
            to_ms(lease_s),
            now_ms,
            floor,
            "1" if take else "0",
            to_ms(stand_by_s),
        )
        return cast(Verdict, verdict.decode()), epoch.decode()

    async def publish(
        self, holder: str, lease_s: float, mark: Origin, changes: Sequence[Change]
    ) -> tuple[Origin, int]:
        """The new mark, and the count of changes of what is wanted; renews the lease.

        Nothing to publish is published as a sign of life.

        Raises:
            LeaseLost: nothing was published.
        """
        fields = [part for change in changes for part in encode_change(change)] or BEAT
        floor = self._find_floor()
        answer, count = await self._run(
            PUBLISH, holder, to_ms(lease_s), f"{mark[0]}-{mark[1]}", floor, *fields
        )
        if answer == b"lost":
            raise LeaseLost("the lease is lost")
        size = sum(map(len, fields))
        self._sizes.append((answer.decode(), size))
        self._stream_bytes += size
        return to_origin(answer), int(count)

    def _find_floor(self) -> str:
        """The oldest entry that there is room for; nothing while there is room for all.

        What a publisher before us wrote is below all of ours, and goes with the first of them.
        """
        floor = ""
        while self._stream_bytes > MAX_STREAM_BYTES and len(self._sizes) > 1:
            self._stream_bytes -= self._sizes.popleft()[1]
            floor = self._sizes[0][0]
        return floor

    async def invite(self, holder: str, for_s: float) -> bool:
        """Whether there is one that stands by, who may now take the lease."""
        return bool(await self._run(INVITE, holder, to_ms(for_s)) == 1)

    async def release(self, holder: str) -> None:
        """Let anybody have the lease, if it is ours."""
        await self._run(RELEASE, holder)

    async def read_newest(self) -> Newest:
        """The newest record of every key, as they all were at one moment."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.execute_command("GET", MARK)
        pipeline.execute_command("GET", PROVABLE)
        pipeline.execute_command("ZRANGE", EPOCHS, 0, -1)
        pipeline.execute_command("GET", COMPLETE)
        pipeline.execute_command("GET", LEASE)
        pipeline.execute_command("PTTL", LEASE)
        pipeline.execute_command("HGETALL", NEWEST)
        answers = await self._ask(pipeline.execute())
        mark, provable, epochs, complete, holder, left_ms, found = answers
        records = []
        for index, value in enumerate(found[1::2]):
            identity, _, data = value.partition(b" ")
            record = decode_record(data)
            if record is None:
                self.unreadable += 1
            else:
                records.append((to_origin(identity), record))
            if index % READ_ENTRIES == READ_ENTRIES - 1:
                await asyncio.sleep(0)
        records.sort(key=lambda each: order_of(each[0]))
        is_complete = complete is not None and (mark or b"").startswith(complete + b"-")
        return Newest(
            records=records,
            mark=to_origin(mark),
            is_complete=is_complete,
            provable_from=to_origin(provable),
            epochs=[each.decode() for each in epochs],
            silent_s=find_age_s(holder, left_ms) if is_complete else None,
        )

    async def read_lease(self) -> Lease:
        """Who may publish, and where the stream ends."""
        pipeline = self._redis.pipeline(transaction=True)
        for command in (("GET", LEASE), ("PTTL", LEASE), ("GET", MARK), ("GET", FENCED)):
            pipeline.execute_command(*command)
        holder, left_ms, mark, fenced = await self._ask(pipeline.execute())
        return Lease(
            holder=find_name(holder),
            age_s=find_age_s(holder, left_ms),
            mark=to_origin(mark),
            fenced=int(fenced or 0),
        )

    async def read_after(self, mark: Origin) -> list[tuple[Origin, Change | None]]:
        """What was published since, in order, as soon as there is anything; None is a sign of life.

        Empty when nothing came in time.
        """
        block_ms = to_ms(self._timeout_s / 2)
        answer = await self._command(
            "XREAD",
            *("COUNT", READ_ENTRIES, "BLOCK", block_ms),
            *("STREAMS", EVENTS, f"{mark[0]}-{mark[1]}"),
        )
        entries = answer[0][1] if answer else ()
        changes = []
        for identity, (kind, data, *_) in entries:
            change = decode_change(kind, data)
            if change is None and kind in WITH_DATA:
                self.unreadable += 1
            changes.append((to_origin(identity), change))
        return changes

    async def want(self, name: str, wish: Wish, for_s: float) -> None:
        """Make known what the web process of this name wants, for so long."""
        await self._run(WANT, name, to_ms(for_s), msgspec.json.encode(wish))

    async def want_nothing(self, name: str) -> None:
        """Take back what a web process wanted."""
        await self._command("HDEL", WANTED, name)

    async def read_wanted(self) -> tuple[frozenset[str], int]:
        """What all web processes together want, and the newest epoch that any has seen."""
        wishes = decode_wishes(await self._run(READ_WANTED))
        symbols = frozenset(symbol for wish in wishes for symbol in wish.symbols)
        return symbols, max((wish.epoch for wish in wishes), default=0)

    async def write_report(self, report: dict[str, Any], for_s: float) -> None:
        """Make known what the feed process tells of itself, for so long."""
        data = msgspec.json.encode(report)
        await self._command("SET", REPORT, data, "PX", to_ms(for_s))

    async def read_report(self) -> dict[str, Any] | None:
        """What the feed process tells of itself; None when it has not of late."""
        return decode_report(await self._command("GET", REPORT))

    async def count_failure(
        self, client: str, limit: int, window_s: float, *, has_failed: bool
    ) -> float:
        """Seconds until this client may try a token; when it may now, a failure is remembered."""
        arguments = (client, limit, to_ms(window_s), "1" if has_failed else "0")
        return int(await self._run(COUNT_FAILURE, *arguments)) / 1000

    async def write_revoked(self, revoked: Mapping[str, float]) -> None:
        """Make known which logins were signed out."""
        pipeline = self._redis.pipeline(transaction=False)
        for login, at_s in revoked.items():
            trim = ("MAXLEN", "~", MAX_REVOKED)
            pipeline.execute_command("XADD", ENDED, *trim, "*", login, f"{at_s:.0f}")
        await self._ask(pipeline.execute())

    async def read_revoked(self, mark: str = "", *, waits: bool = False) -> Revoked:
        """Some of what was signed out after this mark, from the beginning when there is none.

        The mark stays when nothing is left; or, if this waits, when nothing came in time.
        """
        block = ("BLOCK", to_ms(self._timeout_s / 2)) if waits else ()
        answer = await self._command(
            "XREAD", "COUNT", READ_ENTRIES, *block, "STREAMS", ENDED, mark or "0-0"
        )
        entries = answer[0][1] if answer else ()
        return Revoked(
            revoked=decode_revoked(entries),
            mark=entries[-1][0].decode() if entries else mark,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    async def _command(self, *parts: str | int | bytes) -> Any:
        return await self._ask(self._redis.execute_command(*parts))  # type: ignore[no-untyped-call]

    async def _run(self, script: str, *arguments: str | int | bytes) -> Any:
        return await self._ask(self._scripts[script](KEYS, arguments))

    async def _ask(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise BackplaneError(_words(error)) from None


_READ_ONLY = "REDIS_URL: this server can only be read (a replica); name the one to write to"


def _words(error: Exception) -> str:
    """What is wrong, for people; never an address, which may hold a password."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return "REDIS_URL: the server refuses the user or the password"
    if isinstance(error, exceptions.ReadOnlyError):
        return _READ_ONLY
    if isinstance(error, exceptions.NoPermissionError):
        return "REDIS_URL: the server does not let this user do what is needed"
    if isinstance(error, exceptions.OutOfMemoryError):
        return "REDIS_URL: the server is out of memory"
    if isinstance(error, exceptions.BusyLoadingError):
        return "REDIS_URL: the server is still loading its data"
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return "REDIS_URL: the server does not answer in time"
    if isinstance(error, exceptions.ConnectionError | OSError):
        cause = next((each for each in _causes(error) if isinstance(each, OSError)), None)
        if isinstance(cause, ssl.SSLError):
            return "REDIS_URL: the server's TLS cannot be used or trusted"
        code = cause.errno if cause is not None else None
        known = code is not None and code in errno.errorcode
        reason = os.strerror(code).lower() if code is not None and known else "the connection ended"
        return f"REDIS_URL: the server cannot be reached: {reason}"
    if isinstance(error, exceptions.ResponseError):
        return f"REDIS_URL: the server refuses: {str(error).split(' ')[0][:40]}"
    return f"REDIS_URL: the server answered strangely ({type(error).__name__})"


def _causes(error: BaseException) -> Iterable[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _as_redis(url: str) -> str:
    """Valkey's own schemes under the names that redis-py knows."""
    for ours, theirs in (("valkey://", "redis://"), ("valkeys://", "rediss://")):
        if url.startswith(ours):
            return theirs + url.removeprefix(ours)
    return url
