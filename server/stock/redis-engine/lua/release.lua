-- Gives back units, place and counts of attempts that came to nothing. On an absent attempt it does nothing.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel attempts
--       attempts: "rid unbind", one a line; unbind is 1 where the key may be used for a new attempt
-- REPLY number of attempts that were there

if not isUsable then return 0 end
local attempts, rids = {}, {}
for rid, unbind in gmatch(ARGV[4], '(%S+) (%S+)') do
  attempts[#attempts + 1] = { rid = rid, unbind = unbind == '1' }
  rids[#rids + 1] = rid
end
prefetch(holds, holdsKey, rids, parseHold)

-- A4: the ledger still has the placed order: without its place it would not count towards the limits any more (G4).
local function giveBackPlace(hold)
  local rid, leaseEndsAtMs = match(hold.replaces, '^(.+)@(.+)$')
  if not rid or holdOf(rid) then return end
  local placed = {
    state = 'placed', takes = 'pay', leaseEndsAtMs = leaseEndsAtMs, buyer = hold.buyer, device = hold.device,
    key = hold.key, replaces = NONE, linesText = hold.linesText, lines = hold.lines,
  }
  count(placed, 1)
  putHold(rid, placed)
  recordState(placed, 'placed')
end

local released = 0
for _, attempt in ipairs(attempts) do
  local rid, hold = attempt.rid, holdOf(attempt.rid)
  if hold then
    if hold.takes == 'hold' then
      for _, line in ipairs(hold.lines) do
        local level = levelOf(line.sku)
        level.held = level.held - line.quantity
        bump(line.sku, level)
      end
    end
    count(hold, -1)
    putHold(rid, false)
    local record = hold.key ~= NONE and keyOf(hold.key)
    -- A key that only follows a re-acquisition belongs to an order in the ledger: it stays bound.
    if attempt.unbind and record and record.rid == rid then
      putKey(hold.key, false)
    else
      recordState(hold, 'closed')
    end
    giveBackPlace(hold)
    released = released + 1
  end
end
commit()
return released
