-- Ask for the lease; a new holder begins an epoch.
-- Holder, its lease in ms, the time in ms, an epoch to be above, '1' to accept an invitation, how
-- long standing by is remembered in ms, the format.
-- An epoch is a time in ms: it rises even if everything on the server is lost.
local held = redis.call('GET', LEASE)
if held and held ~= ARGV[1] then
  if redis.call('GET', INVITED) ~= ARGV[1] then
    redis.call('SET', STANDBY, ARGV[1], 'PX', ARGV[6])
    return {'held', ''}
  elseif ARGV[5] ~= '1' then
    return {'invited', ''}
  end
end
local last = string.match(redis.call('GET', POSITION) or '', '^(%d+)-') or 0
local top = redis.call('XREVRANGE', EVENTS, '+', '-', 'COUNT', 1)[1]
top = top and string.match(top[1], '^(%d+)-') or 0
local epoch = math.max(ARGV[3], ARGV[4] + 1, last + 1, top + 1)
epoch = string.format('%.0f', epoch)
redis.call('SET', LEASE, ARGV[1], 'PX', ARGV[2])
redis.call('SET', FORMAT, ARGV[7], 'PX', ARGV[2])
redis.call('SET', POSITION, epoch .. '-0')
redis.call('SET', RECOVERABLE, epoch .. '-0', 'NX')
redis.call('ZADD', EPOCHS, epoch, epoch)
redis.call('ZREMRANGEBYRANK', EPOCHS, 0, -MAX_EPOCHS - 1)
redis.call('DEL', INVITED)
if redis.call('GET', STANDBY) == ARGV[1] then redis.call('DEL', STANDBY) end
return {'leading', epoch}
