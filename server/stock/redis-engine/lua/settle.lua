-- Units of paid attempts go from held to sold. Their keys stay bound, their units go on to count towards the limits.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel rids
-- REPLY number of attempts that held units

if not isUsable then return 0 end
local rids = {}
for rid in gmatch(ARGV[4], '%S+') do rids[#rids + 1] = rid end
prefetch(holds, holdsKey, rids, parseHold)

local settled = 0
for _, rid in ipairs(rids) do
  local hold = holdOf(rid)
  -- An attempt that takes its units with the payment is settled through the attempt that re-acquires it (A4).
  if hold and hold.takes == 'hold' then
    for _, line in ipairs(hold.lines) do
      local level = levelOf(line.sku)
      level.held = level.held - line.quantity
      level.soldEver = level.soldEver + line.quantity
      bump(line.sku, level)
    end
    putHold(rid, false)
    recordState(hold, 'settled')
    settled = settled + 1
  end
end
commit()
return settled
