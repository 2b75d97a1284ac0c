#!lua flags=allow-oom
-- Holds slots for another lease, and takes again those that lapsed. The slots are those of
-- reserve.lua. It also runs when Redis is out of memory, or every slot would lapse meanwhile.
--
-- KEYS           the slots of each scope
-- ARGV[1]        the lease, in ms
-- ARGV[2]        members of one scope, beyond which no slot is taken again
-- ARGV[2i+1]     which key
-- ARGV[2i+2]     the request id

local EXPIRY_SLACK_MS = 1000

local lease = tonumber(ARGV[1])
local members_max = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local members = {}
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, -now, now)
  members[i] = redis.call('ZCARD', key)
end

for i = 3, #ARGV, 2 do
  local index, request = tonumber(ARGV[i]), ARGV[i + 1]
  local score = tonumber(redis.call('ZSCORE', KEYS[index], request) or 0)
  -- A score below zero says that the slot was released.
  if score > 0 or (score == 0 and members[index] < members_max) then
    redis.call('ZADD', KEYS[index], now + lease, request)
    if score == 0 then members[index] = members[index] + 1 end
  end
end

for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, lease + EXPIRY_SLACK_MS)
end
