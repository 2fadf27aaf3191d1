-- Forgets keys past their retry window; the key of a live attempt is kept for another one, or a retry would order twice.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel keyTtlMs limit
-- REPLY number of keys forgotten

if not isUsable then return 0 end
local ended = call('ZRANGEBYSCORE', keyExpiryKey, 0, nowMs, 'LIMIT', 0, ARGV[5])
prefetch(keys, keysKey, ended, parseKey)
local rids = {}
for _, key in ipairs(ended) do rids[#rids + 1] = keyOf(key).rid end
prefetch(holds, holdsKey, rids, parseHold)

local forgotten = 0
for _, key in ipairs(ended) do
  local record = keyOf(key)
  if holdOf(record.rid) then
    record.expiresAtMs = nowMs + tonumber(ARGV[4])
    putKey(key, record)
  else
    putKey(key, false)
    forgotten = forgotten + 1
  end
end
commit()
return forgotten
