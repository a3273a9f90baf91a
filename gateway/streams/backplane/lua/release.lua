-- Give the lease up.
-- Holder.
if redis.call('GET', LEASE) == ARGV[1] then redis.call('DEL', LEASE, FORMAT) end
return 1
