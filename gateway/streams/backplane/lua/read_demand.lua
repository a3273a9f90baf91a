-- Read what all web processes want; what has run out is dropped.
local found = {}
local all = redis.call('HGETALL', DEMAND)
for i = 1, #all, 2 do
  local expiry, demand = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(expiry) < now then
    redis.call('HDEL', DEMAND, all[i])
  else
    found[#found + 1] = demand
  end
end
return found
