-- B3: replaces everything by what the ledger knows, only under the same nonce and server and with a newer epoch; opens; publishes all.
-- Also into an open gate: the ledger has fenced its epoch already, so nothing that it decided since can commit.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel nonce epoch infoRev keyTtlMs items holds counted keys
--       items:   "sku poolRev allotted returned sold" and the packed terms, one a line
--       holds:   "rid" and the packed hold, one a line
--       counted: "sku buyer device quantity", one a line
--       keys:    "key" and the packed record, one a line
-- REPLY "loaded" | "superseded"

local nonce, epoch, infoRev, keyTtlMs = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local itemsText, holdsText, countedText, keysText = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
if meta.nonce ~= nonce or not meta.isOurs or tonumber(epoch) <= tonumber(meta.epoch) then return 'superseded' end

call('DEL', unpack(KEYS, 2))
meta.epoch, meta.version, meta.infoRev = epoch, 0, tonumber(infoRev)
firstVersion, firstInfoRev = 0, nil
for _, key in ipairs({ levelsKey, termsKey, holdsKey, countedKey, keysKey }) do call('HSET', key, '!', epoch) end
for _, key in ipairs({ leasesKey, keyExpiryKey }) do call('ZADD', key, -1, '!' .. epoch) end

for sku, poolRev, allotted, returned, sold, termsText in
  gmatch(itemsText, '(%S+) (%S+) (%S+) (%S+) (%S+) ([^\n]+)')
do
  levels[sku] = {
    allotted = tonumber(allotted), held = 0, soldEver = sold + returned, returned = tonumber(returned),
    poolRev = tonumber(poolRev),
  }
  terms[sku] = parseTerms(termsText)
  mark(seenTerms, changedTerms, sku)
  bump(sku, levels[sku])
end
for rid, text in gmatch(holdsText, '(%S+) ([^\n]+)') do
  local hold = parseHold(text)
  if hold.takes == 'hold' then
    for _, line in ipairs(hold.lines) do levels[line.sku].held = levels[line.sku].held + line.quantity end
  end
  count(hold, 1)
  putHold(rid, hold)
end
for sku, buyer, device, quantity in gmatch(countedText, '(%S+) (%S+) (%S+) (%S+)') do
  count({ buyer = buyer, device = device, lines = { { sku = sku, quantity = tonumber(quantity) } } }, 1)
end
for key, text in gmatch(keysText, '(%S+) ([^\n]+)') do
  local record = parseKey(text)
  record.expiresAtMs = nowMs + keyTtlMs
  putKey(key, record)
end
if meta.version == 0 then meta.version = 1 end
commit()
call('HSET', metaKey, 'epoch', epoch, 'open', '1')
return 'loaded'
