-- Before scripts that ask for the time: below Redis 7 a script that does so may not write unless it
-- says so first.
if redis.replicate_commands then redis.replicate_commands() end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
