-- Return for how many ms a client may not try a token; whoever must wait anyway is not counted.
-- Client, hidden; how many may fail in how many ms; '1' when this one has.
local gone = redis.call('ZRANGEBYSCORE', FAILING, '-inf', now, 'LIMIT', 0, 100)
if redis.call('ZCARD', FAILING) - #gone > MAX_FAILING then
  gone[#gone + 1] = redis.call('ZRANGE', FAILING, #gone, #gone)[1]
end
for _, each in ipairs(gone) do
  redis.call('ZREM', FAILING, each)
  redis.call('HDEL', FAILURES, each)
end
local recent = {}
for each in string.gmatch(redis.call('HGET', FAILURES, ARGV[1]) or '', '%d+') do
  if tonumber(each) > now then recent[#recent + 1] = each end
end
if #recent >= tonumber(ARGV[2]) then return tonumber(recent[1]) - now end
if ARGV[4] == '1' then
  local over = string.format('%.0f', now + ARGV[3])
  recent[#recent + 1] = over
  redis.call('HSET', FAILURES, ARGV[1], table.concat(recent, ' '))
  redis.call('ZADD', FAILING, over, ARGV[1])
end
return 0
