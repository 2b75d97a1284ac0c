#!lua flags=allow-oom
-- Gives the slots of one request back and remembers it for a while. The slots are those of
-- reserve.lua. It also runs when Redis is out of memory: a slot becomes a memory of the same size.
--
-- KEYS           the slots of each scope
-- ARGV[1]        the request id
-- ARGV[2]        how long the release is remembered, in ms
-- ARGV[3]        members of one scope, beyond which no release is remembered

local EXPIRY_SLACK_MS = 1000

local request = ARGV[1]
local memory = tonumber(ARGV[2])
local members_max = tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, -now, now)
  local score = tonumber(redis.call('ZSCORE', key, request) or 0)
  if score >= 0 then
    redis.call('ZREM', key, request)
    if redis.call('ZCARD', key) < members_max then
      redis.call('ZADD', key, -(now + memory), request)
    end
    if redis.call('PTTL', key) < memory + EXPIRY_SLACK_MS then
      redis.call('PEXPIRE', key, memory + EXPIRY_SLACK_MS)
    end
  end
end
