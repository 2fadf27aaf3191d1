-- Tells how many people are in a room over all nodes. Redis' clock decides what is fresh: the nodes' own clocks may differ.
-- A node without a count only asks.
-- KEYS  presence
-- ARGV  identity nodeId count freshMs
-- REPLY total

local presence = KEYS[1]
local nodeId, count, freshMs = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

if count > 0 then
  redis.call('HSET', presence, nodeId, string.format('%d %.0f', count, nowMs))
  redis.call('PEXPIRE', presence, freshMs)
elseif count == 0 then
  redis.call('HDEL', presence, nodeId)
end

local total = 0
local entries = redis.call('HGETALL', presence)
for i = 1, #entries, 2 do
  local counted, atMs = string.match(entries[i + 1], '^(%d+) (%d+)$')
  if counted and nowMs - tonumber(atMs) <= freshMs then
    total = total + tonumber(counted)
  else
    -- A node that died does not take itself out.
    redis.call('HDEL', presence, entries[i])
  end
end
return total
