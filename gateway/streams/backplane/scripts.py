"""The keys of the backplane and the scripts that change them; pure.

Each script is one step that must not be torn: the server runs it alone. It is given all keys, and
the arguments that the comment above it names.
"""

from typing import Final

MAX_ENTRIES = 32_768
"""Length of the stream, about: seconds of a busy market, 12 MB; the newest records are apart."""

MAX_STREAM_BYTES = 64 * 1024 * 1024
"""Of the records in it: a history of candles has a hundred times the size of a quote, and with
charts alone the stream would grow to a gigabyte."""

MAX_EPOCHS = 64
"""Publishers whose ids can still be resumed from."""

MAX_FAILING = 10_000
"""Clients whose wrong tokens are counted; the oldest give way."""

# The KEYS of every script; the braces keep them on one node of a cluster.
KEYS: Final = tuple(
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
        "fenced",  # 13: counts the entries that came from who is not the holder any more
        "failures",  # 14: client, hidden -> when each of its wrong tokens is forgotten
        "failing",  # 15: the same clients by when all of them are
        "ended",  # 16: a stream of logins that were signed out
    )
)
LEASE, MARK, EVENTS, NEWEST, PROVABLE, EPOCHS, _, _, WANTED, _, REPORT, COMPLETE = KEYS[:12]
FENCED, _, _, ENDED = KEYS[12:]

# Holder, its lease in ms, the time, an epoch to be above, "1" to take it when invited, how long
# standing by is remembered in ms. An epoch is a time in ms: it rises even if everything is lost.
ACQUIRE = """
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

# Holder, its lease in ms, the newest entry as the holder knows it, the oldest that there is room
# for, then kind, key and data of each change. The stream refuses ids of an older epoch by itself;
# this refuses whoever is not the holder any more, and a holder that goes on from what the server
# has lost.
PUBLISH = """
local mark = redis.call('GET', KEYS[2])
if redis.call('GET', KEYS[1]) ~= ARGV[1] or mark ~= ARGV[3] then
  redis.call('INCRBY', KEYS[13], (#ARGV - 4) / 3)
  return {'lost', ''}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local epoch, seq = string.match(mark, '^(%d+)-(%d+)$')
for i = 5, #ARGV, 3 do
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
if ARGV[4] ~= '' then redis.call('XTRIM', KEYS[3], 'MINID', ARGV[4]) end
redis.call('SET', KEYS[2], mark)
return {mark, redis.call('GET', KEYS[10]) or '0'}
""".replace("MAX_ENTRIES", str(MAX_ENTRIES))

# Holder, how long the invitation holds in ms.
INVITE = """
local standby = redis.call('GET', KEYS[7])
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not standby or standby == ARGV[1] then return 0 end
redis.call('SET', KEYS[8], standby, 'PX', ARGV[2])
return 1
"""

RELEASE = """
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
WANT = (
    _CLOCK
    + """
local before = redis.call('HGET', KEYS[9], ARGV[1])
if not before or string.match(before, ' (.*)$') ~= ARGV[3] then redis.call('INCR', KEYS[10]) end
redis.call('HSET', KEYS[9], ARGV[1], string.format('%.0f', now + ARGV[2]) .. ' ' .. ARGV[3])
return 1
"""
)

READ_WANTED = (
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

# Client, hidden; how many may fail in how many ms; "1" when this one has. Gives how many ms a try
# must wait. Whoever must wait anyway is not counted.
COUNT_FAILURE = (
    _CLOCK
    + """
local gone = redis.call('ZRANGEBYSCORE', KEYS[15], '-inf', now, 'LIMIT', 0, 100)
if redis.call('ZCARD', KEYS[15]) - #gone > MAX_FAILING then
  gone[#gone + 1] = redis.call('ZRANGE', KEYS[15], #gone, #gone)[1]
end
for _, each in ipairs(gone) do
  redis.call('ZREM', KEYS[15], each)
  redis.call('HDEL', KEYS[14], each)
end
local recent = {}
for each in string.gmatch(redis.call('HGET', KEYS[14], ARGV[1]) or '', '%d+') do
  if tonumber(each) > now then recent[#recent + 1] = each end
end
if #recent >= tonumber(ARGV[2]) then return tonumber(recent[1]) - now end
if ARGV[4] == '1' then
  local over = string.format('%.0f', now + ARGV[3])
  recent[#recent + 1] = over
  redis.call('HSET', KEYS[14], ARGV[1], table.concat(recent, ' '))
  redis.call('ZADD', KEYS[15], over, ARGV[1])
end
return 0
""".replace("MAX_FAILING", str(MAX_FAILING))
)
