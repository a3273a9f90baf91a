"""How records travel between processes: Valkey or Redis Streams, 6.2 or newer.

One stream of records under ids `epoch-offset`, the newest record of each topic, a lease that says
who may publish, what each web process wants, and which logins were revoked. Every step that must
not be torn is a script of `gateway.streams.backplane.scripts`. Nothing secret is ever written: no
token, no credential, no session.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

import msgspec
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.errors import BackplaneError, LeaseLost
from gateway.streams.backplane.codec import (
    HEARTBEAT,
    Lease,
    ProcessDemand,
    Revoked,
    Snapshot,
    decode_change,
    decode_demand,
    decode_position,
    decode_record,
    decode_report,
    decode_revoked,
    encode_change,
    find_age_s,
    find_name,
    to_ms,
)
from gateway.streams.backplane.outbox import Change
from gateway.streams.backplane.scripts import (
    ACQUIRE,
    ANSWERS,
    COMPLETE,
    COUNT_FAILURE,
    DEMAND,
    ENDED,
    EPOCHS,
    EVENTS,
    FENCED,
    FORMAT,
    FORMAT_KEY,
    INVITE,
    KEYS,
    LEASE,
    MAX_STREAM_BYTES,
    NEWEST,
    OLD_LEASE,
    POSITION,
    PUBLISH,
    QUESTIONS,
    READ_DEMAND,
    RECOVERABLE,
    RELEASE,
    REPORT,
    SCRIPTS,
    WRITE_DEMAND,
)
from gateway.streams.backplane.server_errors import READ_ONLY, explain
from gateway.streams.hub.position import StreamPosition
from gateway.streams.reports import UpstreamReport

MIN_VERSION = (6, 2)

MAX_REVOKED = 20_000
"""Logins that were signed out and are remembered, about: 2 MB; the oldest give way."""

TIMEOUT_S = 2.0
"""For an answer. With more, a server that hangs would be noticed too late."""

MAX_QUESTIONS = 100
"""That wait; the oldest give way."""

ANSWER_S = 10.0
"""How long an answer waits for who has asked."""

READ_ENTRIES = 1000
"""Of one read, so that a reader that was away does not get everything in one piece."""

Verdict = Literal["leading", "invited", "held"]
"""Of asking for the lease: it is ours, its holder invites us to take it, or another holds it."""

WITH_DATA = frozenset({b"r", b"f", b"x"})
"""Kinds of entries that are worth nothing when their data cannot be read."""

T = TypeVar("T")


class Backplane:
    """One server. Every call ends within its time-out and raises nothing but BackplaneError, whose
    message is for people and never shows the password in the address."""

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
        self._scripts = {text: self._redis.register_script(text) for text in SCRIPTS}
        self._sizes: deque[tuple[str, int]] = deque()
        self._stream_bytes = 0
        self.unreadable = 0
        """Records that could not be read: written by a newer gateway, or by somebody else."""

    async def check(self) -> None:
        """Check that this server can be used.

        Raises:
            BackplaneError: it cannot be reached, is too old, can only be read, or a gateway of
                another release publishes on it.
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
            raise BackplaneError(READ_ONLY)
        old_lease, found = await self._command("MGET", OLD_LEASE, FORMAT_KEY)
        in_use = b"1" if old_lease else found
        if in_use not in (None, str(FORMAT).encode()):
            raise BackplaneError(
                "REDIS_URL: a gateway of another release publishes on this server "
                f"(format {in_use.decode(errors='replace')[:9]} instead of {FORMAT}); "
                "stop it, or use another database number"
            )

    async def acquire(
        self,
        holder: str,
        lease_s: float,
        now_ms: int,
        *,
        floor: int,
        accept: bool,
        stand_by_s: float,
    ) -> tuple[Verdict, str]:
        """Ask for the lease, and return the verdict and, when it is `leading`, a new epoch.

        The epoch is one that nobody ever had, above `floor`. `accept` takes up an invitation.
        """
        verdict, epoch = await self._run(
            ACQUIRE,
            holder,
            to_ms(lease_s),
            now_ms,
            floor,
            "1" if accept else "0",
            to_ms(stand_by_s),
            FORMAT,
        )
        return cast(Verdict, verdict.decode()), epoch.decode()

    async def publish(
        self, holder: str, lease_s: float, position: StreamPosition, changes: Sequence[Change]
    ) -> tuple[StreamPosition, int]:
        """Append changes behind a position and renew the lease.

        Returns the new position, and how often what is wanted has changed. Without changes a
        heartbeat is appended.

        Raises:
            LeaseLost: nothing was published.
        """
        fields = [part for change in changes for part in encode_change(change)] or HEARTBEAT
        floor = self._find_floor()
        answer, count = await self._run(
            PUBLISH, holder, to_ms(lease_s), position.event_id, floor, *fields
        )
        if answer == b"lost":
            raise LeaseLost("the lease is lost")
        size = sum(map(len, fields))
        self._sizes.append((answer.decode(), size))
        self._stream_bytes += size
        return decode_position(answer), int(count)

    def _find_floor(self) -> str:
        """Return the oldest entry that there is room for; empty while there is room for all.

        What a publisher before us wrote is older than all of ours, and goes with the first of them.
        """
        floor = ""
        while self._stream_bytes > MAX_STREAM_BYTES and len(self._sizes) > 1:
            self._stream_bytes -= self._sizes.popleft()[1]
            floor = self._sizes[0][0]
        return floor

    async def invite(self, holder: str, for_s: float) -> bool:
        """Let a feed that stands by take the lease, and return whether there is one."""
        return bool(await self._run(INVITE, holder, to_ms(for_s)) == 1)

    async def release(self, holder: str) -> None:
        """Give the lease up, if it is ours."""
        await self._run(RELEASE, holder)

    async def read_snapshot(self) -> Snapshot:
        """Read the newest record of each topic, as they all were at one moment."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.execute_command("GET", POSITION)
        pipeline.execute_command("GET", RECOVERABLE)
        pipeline.execute_command("ZRANGE", EPOCHS, 0, -1)
        pipeline.execute_command("GET", COMPLETE)
        pipeline.execute_command("GET", LEASE)
        pipeline.execute_command("PTTL", LEASE)
        pipeline.execute_command("HGETALL", NEWEST)
        answers = await self._ask(pipeline.execute())
        position, recoverable, epochs, complete, holder, left_ms, found = answers
        records = []
        for index, value in enumerate(found[1::2]):
            identity, _, data = value.partition(b" ")
            record = decode_record(data)
            if record is None:
                self.unreadable += 1
            else:
                records.append((decode_position(identity), record))
            if index % READ_ENTRIES == READ_ENTRIES - 1:
                await asyncio.sleep(0)
        records.sort(key=lambda each: each[0].order)
        is_complete = complete is not None and (position or b"").startswith(complete + b"-")
        return Snapshot(
            records=records,
            position=decode_position(position),
            is_complete=is_complete,
            recoverable_from=decode_position(recoverable),
            epochs=[each.decode() for each in epochs],
            silent_s=find_age_s(holder, left_ms) if is_complete else None,
        )

    async def read_lease(self) -> Lease:
        """Read who may publish, and where the stream ends."""
        pipeline = self._redis.pipeline(transaction=True)
        for command in (("GET", LEASE), ("PTTL", LEASE), ("GET", POSITION), ("GET", FENCED)):
            pipeline.execute_command(*command)
        holder, left_ms, position, fenced = await self._ask(pipeline.execute())
        return Lease(
            holder=find_name(holder),
            age_s=find_age_s(holder, left_ms),
            position=decode_position(position),
            fenced=int(fenced or 0),
        )

    async def read_after(
        self, position: StreamPosition
    ) -> list[tuple[StreamPosition, Change | None]]:
        """Read what was published behind a position, in order; wait if there is nothing yet.

        None is a heartbeat. Empty when nothing came in time.
        """
        block_ms = to_ms(self._timeout_s / 2)
        answer = await self._command(
            "XREAD",
            *("COUNT", READ_ENTRIES, "BLOCK", block_ms),
            *("STREAMS", EVENTS, position.event_id),
        )
        entries = answer[0][1] if answer else ()
        changes = []
        for identity, (kind, data, *_) in entries:
            change = decode_change(kind, data)
            if change is None and kind in WITH_DATA:
                self.unreadable += 1
            changes.append((decode_position(identity), change))
        return changes

    async def write_demand(self, name: str, demand: ProcessDemand, for_s: float) -> None:
        """Publish what the web process of this name wants, valid for so long."""
        await self._run(WRITE_DEMAND, name, to_ms(for_s), msgspec.json.encode(demand))

    async def clear_demand(self, name: str) -> None:
        """Withdraw what a web process wanted."""
        await self._command("HDEL", DEMAND, name)

    async def read_demand(self) -> tuple[frozenset[str], int]:
        """Read what all web processes want together, and the newest epoch that any has seen."""
        found = decode_demand(await self._run(READ_DEMAND))
        symbols = frozenset(symbol for each in found for symbol in each.symbols)
        return symbols, max((each.epoch for each in found), default=0)

    async def write_report(self, report: UpstreamReport, for_s: float) -> None:
        """Publish what the feed process says of itself, valid for so long."""
        data = msgspec.json.encode(report)
        await self._command("SET", REPORT, data, "PX", to_ms(for_s))

    async def read_report(self) -> UpstreamReport | None:
        """Read what the feed process says of itself; None when it has not recently."""
        return decode_report(await self._command("GET", REPORT))

    async def count_failure(
        self, client: str, limit: int, window_s: float, *, has_failed: bool
    ) -> float:
        """Return the seconds until this client may try a token; if it may now, note a failure."""
        arguments = (client, limit, to_ms(window_s), "1" if has_failed else "0")
        return int(await self._run(COUNT_FAILURE, *arguments)) / 1000

    async def write_revoked(self, revoked: Mapping[str, float]) -> None:
        """Publish which logins were signed out."""
        pipeline = self._redis.pipeline(transaction=False)
        for login, at_s in revoked.items():
            trim = ("MAXLEN", "~", MAX_REVOKED)
            pipeline.execute_command("XADD", ENDED, *trim, "*", login, f"{at_s:.0f}")
        await self._ask(pipeline.execute())

    async def read_revoked(self, mark: str = "", *, waits: bool = False) -> Revoked:
        """Read some of what was signed out after this mark, from the beginning when there is none.

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

    async def ask(self, question: bytes, for_s: float) -> None:
        """Leave a question for whoever is upstream, valid for so long."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.execute_command("LPUSH", QUESTIONS, question)
        pipeline.execute_command("LTRIM", QUESTIONS, 0, MAX_QUESTIONS - 1)
        pipeline.execute_command("PEXPIRE", QUESTIONS, to_ms(for_s))
        await self._ask(pipeline.execute())

    async def take_question(self) -> bytes | None:
        """Take the oldest question; wait if there is none, and return None if none came in time."""
        return await self._pop(QUESTIONS)

    async def answer(self, name: str, answer: bytes) -> None:
        """Leave the answer to the question of this name."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.execute_command("LPUSH", f"{ANSWERS}{name}", answer)
        pipeline.execute_command("PEXPIRE", f"{ANSWERS}{name}", to_ms(ANSWER_S))
        await self._ask(pipeline.execute())

    async def take_answer(self, name: str) -> bytes | None:
        """Take the answer to a question; wait for it, and return None if none came in time."""
        return await self._pop(f"{ANSWERS}{name}")

    async def _pop(self, key: str) -> bytes | None:
        found = await self._command("BRPOP", key, f"{self._timeout_s / 2:g}")
        return None if found is None else cast(bytes, found[1])

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
            raise BackplaneError(explain(error)) from None


def _as_redis(url: str) -> str:
    """Return Valkey's own schemes under the names that redis-py knows."""
    for ours, theirs in (("valkey://", "redis://"), ("valkeys://", "rediss://")):
        if url.startswith(ours):
            return theirs + url.removeprefix(ours)
    return url
