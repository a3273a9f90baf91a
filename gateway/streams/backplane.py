"""How records travel between processes: Valkey or Redis Streams, 6.2 or newer.

One stream of records under ids `epoch-sequence`, the newest record of every key, a lease that says
who may publish, and what each web process wants. Every step that must not be torn is one script,
which the server runs alone. Nothing secret is ever written: no token, no credential.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Literal, TypeVar, cast

import msgspec
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.streams.events import BackplaneError, DataRecord, Key, LeaseLost, Status, encode
from gateway.streams.hub import Origin, order_of
from gateway.streams.outlet import Change, Complete, Forget

MIN_VERSION = (6, 2)

TIMEOUT_S = 2.0
"""For an answer. Longer, and a server that hangs would not be told from a slow one in time."""

MAX_ENTRIES = 32_768
"""Length of the stream, about: seconds of a busy market, 12 MB; the newest records are apart."""

MAX_EPOCHS = 64
"""Publishers whose ids can still be resumed from."""

READ_ENTRIES = 1000
"""Of one read, so that a reader that was away does not get everything in one piece."""

Verdict = Literal["leading", "invited", "held"]
"""Of asking for the lease: it is ours, its holder lets us have it, or it is another's."""

T = TypeVar("T")

# The KEYS of every script; the braces keep them on one node of a cluster.
_KEYS: Final = tuple(
    f"{{gateway}}:{name}"
    for name in (
        "lease",  # 1: who may publish
        "mark",  # 2: epoch and sequence of the newest entry
        "events",  # 3: the stream
        "newest",  # 4: type and subject -> id and record
        "provable",  # 5: ids before this one cannot be resumed from
        "epochs",  # 6: epochs whose ids can
        "standby",  # 7: a feed that could take over
        "invited",  # 8: the one that the holder lets take over
        "wanted",  # 9: web process -> until when, and the symbols it wants
        "changes",  # 10: counts the changes of what is wanted
        "report",  # 11: what the feed process tells of itself
        "complete",  # 12: the epoch in which everything known has been published again
    )
)
LEASE, MARK, EVENTS, NEWEST, PROVABLE, EPOCHS, _, _, WANTED, _, REPORT, COMPLETE = _KEYS

# Holder, its lease in ms, the time, an epoch to be above, "1" to take it when invited, how long
# standing by is remembered in ms. An epoch is a time in ms: it rises even if everything is lost.
_ACQUIRE = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  if redis.call('GET', KEYS[8]) ~= ARGV[1] then
    redis.call('SET', KEYS[7], ARGV[1], 'PX', ARGV[6])
    return {'held', ''}
  elseif ARGV[5] ~= '1' then
    return {'invited', ''}
  end
end
local last = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+)-') or 0
local top = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
top = top and string.match(top[1], '^(%d+)-') or 0
local epoch = math.max(ARGV[3], ARGV[4] + 1, last + 1, top + 1)
epoch = string.format('%.0f', epoch)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], epoch .. '-0')
redis.call('SET', KEYS[5], epoch .. '-0', 'NX')
redis.call('ZADD', KEYS[6], epoch, epoch)
redis.call('ZREMRANGEBYRANK', KEYS[6], 0, -MAX_EPOCHS - 1)
redis.call('DEL', KEYS[8])
if redis.call('GET', KEYS[7]) == ARGV[1] then redis.call('DEL', KEYS[7]) end
return {'leading', epoch}
""".replace("MAX_EPOCHS", str(MAX_EPOCHS))

# Holder, its lease in ms, the newest entry as the holder knows it, then kind, key and data of each
# change. The stream refuses ids of an older epoch by itself; this refuses whoever is not the
# holder any more, and a holder that goes on from what the server has lost.
_PUBLISH = """
local mark = redis.call('GET', KEYS[2])
if redis.call('GET', KEYS[1]) ~= ARGV[1] or mark ~= ARGV[3] then return {'lost', ''} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local epoch, seq = string.match(mark, '^(%d+)-(%d+)$')
for i = 4, #ARGV, 3 do
  local kind, key, data = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  seq = seq + 1
  mark = epoch .. '-' .. string.format('%.0f', seq)
  redis.call('XADD', KEYS[3], mark, kind, data)
  if kind == 'r' then
    redis.call('HSET', KEYS[4], key, mark .. ' ' .. data)
  elseif kind == 'f' then
    for each in string.gmatch(key, '[^\\n]+') do redis.call('HDEL', KEYS[4], each) end
    redis.call('SET', KEYS[5], mark)
  elseif kind == 'c' then
    redis.call('SET', KEYS[12], epoch)
  end
end
redis.call('XTRIM', KEYS[3], 'MAXLEN', '~', MAX_ENTRIES)
redis.call('SET', KEYS[2], mark)
return {mark, redis.call('GET', KEYS[10]) or '0'}
""".replace("MAX_ENTRIES", str(MAX_ENTRIES))

# Holder, how long the invitation holds in ms.
_INVITE = """
local standby = redis.call('GET', KEYS[7])
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not standby or standby == ARGV[1] then return 0 end
redis.call('SET', KEYS[8], standby, 'PX', ARGV[2])
return 1
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

# Below Redis 7 a script that asks for the time may not write unless it says so first.
_CLOCK = """
if redis.replicate_commands then redis.replicate_commands() end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# Web process, for how long in ms, what.
_WANT = (
    _CLOCK
    + """
local before = redis.call('HGET', KEYS[9], ARGV[1])
if not before or string.match(before, ' (.*)$') ~= ARGV[3] then redis.call('INCR', KEYS[10]) end
redis.call('HSET', KEYS[9], ARGV[1], string.format('%.0f', now + ARGV[2]) .. ' ' .. ARGV[3])
return 1
"""
)

_READ_WANTED = (
    _CLOCK
    + """
local found = {}
local all = redis.call('HGETALL', KEYS[9])
for i = 1, #all, 2 do
  local expiry, wish = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(expiry) < now then
    redis.call('HDEL', KEYS[9], all[i])
  else
    found[#found + 1] = wish
  end
end
return found
"""
)

BEAT: Final = (b"b", b"", b"")


class Wish(msgspec.Struct, frozen=True, array_like=True):
    """What one web process wants, and the newest epoch that it has seen."""

    epoch: int
    symbols: tuple[str, ...]


class Newest(msgspec.Struct, frozen=True):
    """All that a new web process needs: records in order, and how far what they say reaches."""

    records: list[tuple[Origin, DataRecord | Status]]
    mark: Origin
    is_complete: bool
    """Whether what is not among them is not known any more."""
    provable_from: Origin
    epochs: list[str]
    silent_s: float | None
    """Since the publisher of these records was last heard of; None when that is not known."""


_decode_record: Callable[[bytes], DataRecord | Status] = msgspec.json.Decoder(
    DataRecord | Status
).decode
_decode_keys = msgspec.json.Decoder(tuple[Key, ...]).decode
_decode_wish = msgspec.json.Decoder(Wish).decode


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
            for text in (_ACQUIRE, _PUBLISH, _INVITE, _RELEASE, _WANT, _READ_WANTED)
        }
        self.refused = 0
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
            _ACQUIRE,
            holder,
            _ms(lease_s),
            now_ms,
            floor,
            "1" if take else "0",
            _ms(stand_by_s),
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
        fields = [part for change in changes for part in _encode_change(change)] or BEAT
        answer, count = await self._run(
            _PUBLISH, holder, _ms(lease_s), f"{mark[0]}-{mark[1]}", *fields
        )
        if answer == b"lost":
            raise LeaseLost("the lease is lost")
        return _to_origin(answer), int(count)

    async def invite(self, holder: str, for_s: float) -> bool:
        """Whether there is one that stands by, who may now take the lease."""
        return bool(await self._run(_INVITE, holder, _ms(for_s)) == 1)

    async def release(self, holder: str) -> None:
        """Let anybody have the lease, if it is ours."""
        await self._run(_RELEASE, holder)

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
        for index, value in enumerate(_values(found)):
            identity, _, data = value.partition(b" ")
            record = self._decode_record(data)
            if record is not None:
                records.append((_to_origin(identity), record))
            if index % READ_ENTRIES == READ_ENTRIES - 1:
                await asyncio.sleep(0)
        records.sort(key=lambda each: order_of(each[0]))
        is_complete = complete is not None and (mark or b"").startswith(complete + b"-")
        silent_s = None
        if holder is not None and is_complete:
            silent_s = max(0.0, (_lease_ms(holder) - left_ms) / 1000)
        return Newest(
            records=records,
            mark=_to_origin(mark or b"0-0"),
            is_complete=is_complete,
            provable_from=_to_origin(provable or b"0-0"),
            epochs=[each.decode() for each in epochs],
            silent_s=silent_s,
        )

    async def read_after(self, mark: Origin) -> list[tuple[Origin, Change | None]]:
        """What was published since, in order, as soon as there is anything; None is a sign of life.

        Empty when nothing came in time.
        """
        block_ms = _ms(self._timeout_s / 2)
        answer = await self._command(
            "XREAD",
            *("COUNT", READ_ENTRIES, "BLOCK", block_ms),
            *("STREAMS", EVENTS, f"{mark[0]}-{mark[1]}"),
        )
        entries = answer[0][1] if answer else ()
        return [(_to_origin(each[0]), self._decode_change(*each[1])) for each in entries]

    async def want(self, name: str, wish: Wish, for_s: float) -> None:
        """Make known what the web process of this name wants, for so long."""
        await self._run(_WANT, name, _ms(for_s), msgspec.json.encode(wish))

    async def want_nothing(self, name: str) -> None:
        """Take back what a web process wanted."""
        await self._command("HDEL", WANTED, name)

    async def read_wanted(self) -> tuple[frozenset[str], int]:
        """What all web processes together want, and the newest epoch that any has seen."""
        wishes = [_decode_wish(each) for each in await self._run(_READ_WANTED)]
        symbols = frozenset(symbol for wish in wishes for symbol in wish.symbols)
        return symbols, max((wish.epoch for wish in wishes), default=0)

    async def write_report(self, report: dict[str, Any], for_s: float) -> None:
        """Make known what the feed process tells of itself, for so long."""
        data = msgspec.json.encode(report)
        await self._command("SET", REPORT, data, "PX", _ms(for_s))

    async def read_report(self) -> dict[str, Any] | None:
        """What the feed process tells of itself; None when it has not of late."""
        data = await self._command("GET", REPORT)
        return None if data is None else cast(dict[str, Any], msgspec.json.decode(data))

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    def _decode_change(self, kind: bytes, data: bytes) -> Change | None:
        if kind == b"r":
            return self._decode_record(data)
        if kind == b"f":
            return Forget(_decode_keys(data))
        return Complete() if kind == b"c" else None

    def _decode_record(self, data: bytes) -> DataRecord | Status | None:
        try:
            return _decode_record(data)
        except msgspec.MsgspecError:
            self.refused += 1
            return None

    async def _command(self, *parts: str | int | bytes) -> Any:
        return await self._ask(self._redis.execute_command(*parts))  # type: ignore[no-untyped-call]

    async def _run(self, script: str, *arguments: str | int | bytes) -> Any:
        return await self._ask(self._scripts[script](_KEYS, arguments))

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


def make_holder(name: str, lease_s: float) -> str:
    """What stands in the lease: who, and how long from a renewal to its end in ms."""
    return f"{name}:{_ms(lease_s)}"


def _lease_ms(holder: bytes) -> int:
    return int(holder.rpartition(b":")[2])


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _to_origin(identity: bytes) -> Origin:
    epoch, _, seq = identity.partition(b"-")
    return epoch.decode(), int(seq)


def _values(flat: Sequence[bytes]) -> Iterable[bytes]:
    return flat[1::2]


def _field(key: Key) -> str:
    return f"{key[0]} {key[1]}"


def _encode_change(change: Change) -> tuple[str | bytes, str | bytes, bytes]:
    if isinstance(change, Forget):
        return "f", "\n".join(map(_field, change.keys)), msgspec.json.encode(change.keys)
    if isinstance(change, Complete):
        return "c", b"", b""
    return "r", _field(change.key), encode(change)
