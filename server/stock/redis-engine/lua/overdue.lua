-- Attempts whose lease has ended, oldest first.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel limit
-- REPLY rid and state in turn

if not isUsable then return {} end
local rids = call('ZRANGEBYSCORE', leasesKey, 0, nowMs, 'LIMIT', 0, ARGV[4])
prefetch(holds, holdsKey, rids, parseHold)
local reply = {}
for _, rid in ipairs(rids) do
  reply[#reply + 1] = rid
  reply[#reply + 1] = holdOf(rid).state
end
return reply
