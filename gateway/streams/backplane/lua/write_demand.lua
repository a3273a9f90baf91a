-- Note what a web process wants, and count a change.
-- Web process, for how long in ms, what.
local before = redis.call('HGET', DEMAND, ARGV[1])
if not before or string.match(before, ' (.*)$') ~= ARGV[3] then redis.call('INCR', CHANGES) end
redis.call('HSET', DEMAND, ARGV[1], string.format('%.0f', now + ARGV[2]) .. ' ' .. ARGV[3])
return 1
