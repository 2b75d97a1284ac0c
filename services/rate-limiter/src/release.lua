#!lua flags=allow-oom
-- Gives the slots of requests back and remembers that for a while. The slots are those of
-- reserve.lua. It also runs when Redis is out of memory: a slot becomes a memory of the same size.
--
-- KEYS           the slots of each scope
-- ARGV[1]        how long a release is remembered, in ms
-- ARGV[2]        members of one scope, beyond which no release is remembered
-- ARGV[2i+1]     which key
-- ARGV[2i+2]     the request id

local EXPIRY_SLACK_MS = 1000

local memory = tonumber(ARGV[1])
local members_max = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, -now, now)
end

for i = 3, #ARGV, 2 do
  local key, request = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
  local score = tonumber(redis.call('ZSCORE', key, request) or 0)
  -- A score below zero says that the slot was released.
  if score > 0 or (score == 0 and redis.call('ZCARD', key) < members_max) then
    redis.call('ZADD', key, -(now + memory), request)
  end
end

for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < memory + EXPIRY_SLACK_MS then
    redis.call('PEXPIRE', key, memory + EXPIRY_SLACK_MS)
  end
end
