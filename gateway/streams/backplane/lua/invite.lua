-- Let the feed that stands by take over.
-- Holder, how long the invitation holds in ms.
local standby = redis.call('GET', STANDBY)
if redis.call('GET', LEASE) ~= ARGV[1] or not standby or standby == ARGV[1] then return 0 end
redis.call('SET', INVITED, standby, 'PX', ARGV[2])
return 1
