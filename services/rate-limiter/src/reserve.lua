#!lua
-- Counts one request against every limit, or against none when one of them is used up. The windows
-- are those of limits.ts, on Redis' own clock.
--
-- KEYS[1]        the memory of this request id
-- KEYS[2..n+1]   the window of each limit: a hash of slot to count
-- ARGV[1]        how long the request id is remembered, in ms
-- ARGV[2i]       amount of limit i
-- ARGV[2i+1]     length of its window, in ms
--
-- Returns { allowed (1 or 0), ms until one more fits (0 when allowed), then for each limit: what
-- remains, ms until all of it is free }. A repeated request id gets the answer of its admission. A
-- refusal writes nothing.
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

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function free_at(slot, window)
  return math.ceil((slot + SLOTS + 1) * window / SLOTS)
end

local function read_window(key, amount, length)
  local current = math.floor(now * SLOTS / length)
  local window = {
    key = key, amount = amount, length = length, current = current,
    used = 0, newest = nil, counted = {}, expired = {},
  }
  local pairs_of_key = redis.call('HGETALL', key)
  for i = 1, #pairs_of_key, 2 do
    local slot = tonumber(pairs_of_key[i])
    if slot < current - SLOTS then
      window.expired[#window.expired + 1] = pairs_of_key[i]
    else
      local count = tonumber(pairs_of_key[i + 1])
      window.counted[#window.counted + 1] = { slot = slot, count = count }
      window.used = window.used + count
      window.newest = math.max(slot, window.newest or slot)
    end
  end
  return window
end

local function retry_after(window)
  local excess = window.used + 1 - window.amount
  local wait = 0
  table.sort(window.counted, function(left, right) return left.slot < right.slot end)
  for _, entry in ipairs(window.counted) do
    if excess <= 0 then break end
    excess = excess - entry.count
    wait = free_at(entry.slot, window.length) - now
  end
  return wait
end

local windows = {}
local wait = 0
for i = 1, #KEYS - 1 do
  local window = read_window(KEYS[i + 1], tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]))
  windows[i] = window
  if window.used + 1 > window.amount then
    wait = math.max(wait, retry_after(window))
  end
end

if wait > 0 then
  local answer = { 0, wait }
  for _, window in ipairs(windows) do
    answer[#answer + 1] = math.max(0, window.amount - window.used)
    answer[#answer + 1] = window.newest and free_at(window.newest, window.length) - now or 0
  end
  return answer
end

local answer = { 1, 0 }
for _, window in ipairs(windows) do
  local newest = math.max(window.current, window.newest or window.current)
  local reset = free_at(newest, window.length) - now
  redis.call('HINCRBY', window.key, window.current, 1)
  if #window.expired > 0 then
    redis.call('HDEL', window.key, unpack(window.expired))
  end
  redis.call('PEXPIRE', window.key, reset + EXPIRY_SLACK_MS)
  answer[#answer + 1] = window.amount - window.used - 1
  answer[#answer + 1] = reset
end
redis.call('SET', KEYS[1], table.concat(answer, ' '), 'PX', ARGV[1])
return answer
