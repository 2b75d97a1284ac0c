#!lua
-- Counts one request against every limit, or against none when one of them is used up. The windows
-- are those of limits.ts and the slots those of slots.ts, on Redis' own clock.
--
-- KEYS[1]        the memory of this request id
-- KEYS[2..n+1]   what each limit counts. Requests: a hash of slot of the window to count.
--                Concurrency: a sorted set of request ids by the end of their lease; a score below
--                zero is the negative end of the memory of a release
-- ARGV[1]        the request id
-- ARGV[2]        how long it is remembered, in ms
-- ARGV[3]        the lease of a slot, in ms
-- ARGV[4]        the wait that is told when no slot is free, in ms
-- ARGV[2i+3]     amount of limit i
-- ARGV[2i+4]     length of its window in ms, 0 for concurrency
--
-- Returns { allowed (1 or 0), ms until one more fits (0 when allowed), the limit with that wait (0
-- when allowed), then for each limit: what remains, ms until all of it is free }. A repeated request
-- id gets the answer of its admission. A refusal writes nothing.
--
-- The first line makes Redis (7.0 or newer) refuse the script before it runs when it may not write:
-- on a replica, out of memory, or after a failed save.

local SLOTS = 60
-- Redis' clock for expiry may be a little behind TIME, and a window must not vanish early.
local EXPIRY_SLACK_MS = 1000

local remembered = redis.call('GET', KEYS[1])
if remembered then
  local answer = {}
  for number in string.gmatch(remembered, '%d+') do
    answer[#answer + 1] = tonumber(number)
  end
  return answer
end

local request = ARGV[1]
local lease = tonumber(ARGV[3])
local slot_wait = tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function free_at(slot, length)
  return math.ceil((slot + SLOTS + 1) * length / SLOTS)
end

local function retry_after(counted, excess, length)
  local wait = 0
  table.sort(counted, function(left, right) return left.slot < right.slot end)
  for _, entry in ipairs(counted) do
    if excess <= 0 then break end
    excess = excess - entry.count
    wait = free_at(entry.slot, length) - now
  end
  return wait
end

local function read_window(key, amount, length)
  local current = math.floor(now * SLOTS / length)
  local window = { key = key, current = current, length = length, expired = {} }
  local used, newest, counted = 0, nil, {}
  local pairs_of_key = redis.call('HGETALL', key)
  for i = 1, #pairs_of_key, 2 do
    local slot = tonumber(pairs_of_key[i])
    if slot < current - SLOTS then
      window.expired[#window.expired + 1] = pairs_of_key[i]
    else
      local count = tonumber(pairs_of_key[i + 1])
      counted[#counted + 1] = { slot = slot, count = count }
      used = used + count
      newest = math.max(slot, newest or slot)
    end
  end
  window.newest = math.max(current, newest or current)
  window.remaining = math.max(0, amount - used)
  window.reset = newest and free_at(newest, length) - now or 0
  window.wait = used < amount and 0 or retry_after(counted, used + 1 - amount, length)
  return window
end

local function take_window(window)
  window.remaining = window.remaining - 1
  window.reset = free_at(window.newest, window.length) - now
  redis.call('HINCRBY', window.key, window.current, 1)
  if #window.expired > 0 then
    redis.call('HDEL', window.key, unpack(window.expired))
  end
  redis.call('PEXPIRE', window.key, window.reset + EXPIRY_SLACK_MS)
end

local function read_slots(key, amount)
  local used = redis.call('ZCOUNT', key, '(' .. now, '+inf')
  local score = tonumber(redis.call('ZSCORE', key, request) or 0)
  local is_held = score > now
  return {
    key = key,
    remaining = math.max(0, amount - used),
    reset = used > 0 and lease or 0,
    is_held = is_held,
    is_released = score < -now,
    wait = used - (is_held and 1 or 0) < amount and 0 or slot_wait,
  }
end

local function take_slot(slots)
  if slots.is_released then return end
  if not slots.is_held then slots.remaining = slots.remaining - 1 end
  slots.reset = lease
  redis.call('ZREMRANGEBYSCORE', slots.key, -now, now)
  redis.call('ZADD', slots.key, now + lease, request)
  redis.call('PEXPIRE', slots.key, lease + EXPIRY_SLACK_MS)
end

local limits = {}
local wait, refused = 0, 0
for i = 1, #KEYS - 1 do
  local amount, length = tonumber(ARGV[2 * i + 3]), tonumber(ARGV[2 * i + 4])
  local limit
  if length > 0 then
    limit = read_window(KEYS[i + 1], amount, length)
    limit.take = take_window
  else
    limit = read_slots(KEYS[i + 1], amount)
    limit.take = take_slot
  end
  limits[i] = limit
  if limit.wait > wait then
    wait, refused = limit.wait, i
  end
end

local answer = { wait > 0 and 0 or 1, wait, refused }
for _, limit in ipairs(limits) do
  if wait == 0 then limit.take(limit) end
  answer[#answer + 1] = limit.remaining
  answer[#answer + 1] = limit.reset
end
if wait == 0 then
  redis.call('SET', KEYS[1], table.concat(answer, ' '), 'PX', ARGV[2])
end
return answer
