-- pending -> held, or placed where the payment takes the units; with the full lease. No level changes.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel attempts
--       attempts: "rid expiresAtMs", one a line
-- REPLY number of attempts that were pending

if not isUsable then return 0 end
local attempts, rids = {}, {}
for rid, expiresAtMs in gmatch(ARGV[4], '(%S+) (%S+)') do
  attempts[#attempts + 1] = { rid = rid, expiresAtMs = expiresAtMs }
  rids[#rids + 1] = rid
end
prefetch(holds, holdsKey, rids, parseHold)

local confirmed = 0
for _, attempt in ipairs(attempts) do
  local hold = holdOf(attempt.rid)
  if hold and hold.state == 'pending' then
    hold.state = hold.takes == 'hold' and 'held' or 'placed'
    hold.leaseEndsAtMs = attempt.expiresAtMs
    putHold(attempt.rid, hold)
    confirmed = confirmed + 1
  end
end
commit()
return confirmed
