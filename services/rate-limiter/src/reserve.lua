#!lua
-- Counts requests, each against all of its limits, or against none when one of them is used up. The
-- windows are those of limits.ts and the slots those of slots.ts, on Redis' own clock.
--
-- KEYS, for each request:
--   the memory of its id
--   what each of its limits counts. Requests: a hash of slot of the window to count. Concurrency: a
--   sorted set of request ids by the end of their lease; a score below zero is the negative end of
--   the memory of a release
-- ARGV[1]        how long a request is remembered, in ms
-- ARGV[2]        the lease of a slot, in ms
-- ARGV[3]        the wait that is told when no slot is free, in ms
-- then for each request:
--   its id
--   how many limits it has
--   for each of them the amount, and the length of its window in ms, 0 for concurrency
--
-- Returns a text for each request, numbers with a space between: allowed (1 or 0), ms until one more
-- fits (0 when allowed), the limit with that wait (0 when allowed), then for each limit: what
-- remains, ms until all of it is free. A repeated request id gets the answer of its admission. A
-- refusal writes nothing. Where a request fails, by what its keys hold, its text says so after
-- `error`, and the others are not touched.
--
-- The first line makes Redis (7.0 or newer) refuse the script before it runs when it may not write:
-- on a replica, out of memory, or after a failed save.

local SLOTS = 60
-- Redis' clock for expiry may be a little behind TIME, and a window must not vanish early.
local EXPIRY_SLACK_MS = 1000

local memory, lease, slot_wait = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Read once, however many requests count against them, and written at the end.
local windows, written = {}, {}

local function free_at(slot, length)
  return math.ceil((slot + SLOTS + 1) * length / SLOTS)
end

local function window_of(key, length)
  local known = windows[key]
  if known then return known end
  local current = math.floor(now * SLOTS / length)
  local oldest, used, newest = current - SLOTS, 0, nil
  local expired, counts = nil, redis.call('HGETALL', key)
  for i = 1, #counts, 2 do
    local slot = tonumber(counts[i])
    if slot < oldest then
      expired = expired or {}
      expired[#expired + 1] = counts[i]
    else
      used = used + tonumber(counts[i + 1])
      if not newest or slot > newest then newest = slot end
    end
  end
  local window = {
    key = key, length = length, current = current, oldest = oldest,
    counts = counts, expired = expired, used = used, newest = newest, taken = 0,
  }
  windows[key] = window
  return window
end

-- The ms until as many of the oldest slots have ended as one more request needs.
local function wait_of(window, amount)
  local counted = { { slot = window.current, count = window.taken } }
  for i = 1, #window.counts, 2 do
    local slot = tonumber(window.counts[i])
    if slot >= window.oldest then
      counted[#counted + 1] = { slot = slot, count = tonumber(window.counts[i + 1]) }
    end
  end
  table.sort(counted, function(left, right) return left.slot < right.slot end)
  local excess, wait = window.used + 1 - amount, 0
  for _, entry in ipairs(counted) do
    if excess <= 0 then break end
    excess = excess - entry.count
    wait = free_at(entry.slot, window.length) - now
  end
  return wait
end

local function take_window(window)
  if window.taken == 0 then written[#written + 1] = window end
  window.taken = window.taken + 1
  window.used = window.used + 1
  window.newest = math.max(window.current, window.newest or window.current)
end

-- A limit as it is, and as it would be with the request.
local function look_at_window(key, amount, length)
  local window = window_of(key, length)
  local newest = window.newest
  return {
    wait = window.used < amount and 0 or wait_of(window, amount),
    remaining = math.max(0, amount - window.used),
    reset = newest and free_at(newest, length) - now or 0,
    remaining_then = amount - window.used - 1,
    reset_then = free_at(math.max(newest or 0, window.current), length) - now,
    take = take_window,
    counted = window,
  }
end

local function take_slot(slots)
  redis.call('ZREMRANGEBYSCORE', slots.key, -now, now)
  redis.call('ZADD', slots.key, now + lease, slots.request)
  redis.call('PEXPIRE', slots.key, lease + EXPIRY_SLACK_MS)
end

local function look_at_slots(key, amount, request)
  local used = redis.call('ZCOUNT', key, '(' .. now, '+inf')
  local score = tonumber(redis.call('ZSCORE', key, request) or 0)
  local is_held, is_released = score > now, score < -now
  local others = is_held and used - 1 or used
  local remaining, reset = math.max(0, amount - used), used > 0 and lease or 0
  return {
    wait = others < amount and 0 or slot_wait,
    remaining = remaining,
    reset = reset,
    remaining_then = (is_held or is_released) and remaining or remaining - 1,
    reset_then = is_released and reset or lease,
    take = not is_released and take_slot or nil,
    counted = { key = key, request = request },
  }
end

local function decide(memory_key, first_key, first_value, count)
  local request = ARGV[first_value]
  local limits, wait, refused = {}, 0, 0
  for i = 1, count do
    local key = KEYS[first_key + i - 1]
    local amount = tonumber(ARGV[first_value + 2 * i])
    local length = tonumber(ARGV[first_value + 2 * i + 1])
    local limit = length > 0 and look_at_window(key, amount, length)
      or look_at_slots(key, amount, request)
    limits[i] = limit
    if limit.wait > wait then wait, refused = limit.wait, i end
  end
  if wait > 0 then
    local remembered = redis.call('GET', memory_key)
    if remembered then return remembered end
    local answer = '0 ' .. wait .. ' ' .. refused
    for _, limit in ipairs(limits) do
      answer = answer .. ' ' .. limit.remaining .. ' ' .. limit.reset
    end
    return answer
  end
  local answer = '1 0 0'
  for _, limit in ipairs(limits) do
    answer = answer .. ' ' .. limit.remaining_then .. ' ' .. limit.reset_then
  end
  -- Asks whether it was admitted before and remembers that it is now, in one command.
  local remembered = redis.call('SET', memory_key, answer, 'NX', 'GET', 'PX', memory)
  if remembered then return remembered end
  for _, limit in ipairs(limits) do
    if limit.take then limit.take(limit.counted) end
  end
  return answer
end

local answers = {}
local key, value = 1, 4
while value <= #ARGV do
  local count = tonumber(ARGV[value + 1])
  local is_decided, answer = pcall(decide, KEYS[key], key + 1, value, count)
  if not is_decided then
    answer = 'error ' .. (type(answer) == 'table' and answer.err or tostring(answer))
  end
  answers[#answers + 1] = answer
  key, value = key + 1 + count, value + 2 + 2 * count
end

for _, window in ipairs(written) do
  local count = redis.call('HINCRBY', window.key, window.current, window.taken)
  if window.expired then redis.call('HDEL', window.key, unpack(window.expired)) end
  -- The end of a slot stands still, so the first that counts in it has set the expiry.
  if count == window.taken then
    local reset = free_at(window.newest, window.length) - now
    redis.call('PEXPIRE', window.key, reset + EXPIRY_SLACK_MS)
  end
end
return answers
