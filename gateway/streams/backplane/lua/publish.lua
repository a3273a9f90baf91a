-- Append changes to the stream, keep the newest records, renew the lease.
-- Holder, its lease in ms, the newest position as the holder knows it, the oldest entry that there
-- is room for, then kind, fields and data of each change.
-- The stream refuses ids of an older epoch by itself; this refuses whoever does not hold the lease
-- any more, and a holder that would go on from what the server has lost.
local position = redis.call('GET', POSITION)
if redis.call('GET', LEASE) ~= ARGV[1] or position ~= ARGV[3] then
  redis.call('INCRBY', FENCED, (#ARGV - 4) / 3)
  return {'lost', ''}
end
redis.call('PEXPIRE', LEASE, ARGV[2])
redis.call('PEXPIRE', FORMAT, ARGV[2])
local epoch, offset = string.match(position, '^(%d+)-(%d+)$')
for i = 5, #ARGV, 3 do
  local kind, fields, data = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  offset = offset + 1
  position = epoch .. '-' .. string.format('%.0f', offset)
  redis.call('XADD', EVENTS, position, kind, data)
  if kind == 'r' then
    redis.call('HSET', NEWEST, fields, position .. ' ' .. data)
  elseif kind == 'f' or kind == 'x' then
    for each in string.gmatch(fields, '[^\n]+') do redis.call('HDEL', NEWEST, each) end
    redis.call('SET', RECOVERABLE, position)
  elseif kind == 'c' then
    redis.call('SET', COMPLETE, epoch)
  end
end
redis.call('XTRIM', EVENTS, 'MAXLEN', '~', MAX_ENTRIES)
if ARGV[4] ~= '' then redis.call('XTRIM', EVENTS, 'MINID', ARGV[4]) end
redis.call('SET', POSITION, position)
return {position, redis.call('GET', CHANGES) or '0'}
