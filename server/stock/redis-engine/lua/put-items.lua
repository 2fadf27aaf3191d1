-- Adds items, and takes pools and terms whose rev is newer (A5); raises infoRev.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel infoRev items
--       items: "sku poolRev allotted returned" and the packed terms, one a line
-- REPLY number of items that changed

if not isUsable then return 0 end
local infoRev, items, skus = tonumber(ARGV[4]), {}, {}
for sku, poolRev, allotted, returned, termsText in gmatch(ARGV[5], '(%S+) (%S+) (%S+) (%S+) ([^\n]+)') do
  items[#items + 1] = {
    sku = sku, poolRev = tonumber(poolRev), allotted = tonumber(allotted), returned = tonumber(returned),
    terms = parseTerms(termsText),
  }
  skus[#skus + 1] = sku
end
prefetch(levels, levelsKey, skus, parseLevel)
prefetch(terms, termsKey, skus, parseTerms)

for _, item in ipairs(items) do
  local level, isChanged = levelOf(item.sku), false
  if not level then
    level = { held = 0, soldEver = item.returned, version = 0, poolRev = -1 }
    levels[item.sku] = level
  end
  if item.poolRev > level.poolRev then
    level.poolRev, level.allotted, level.returned = item.poolRev, item.allotted, item.returned
    isChanged = true
  end
  local known = termsOf(item.sku)
  if not known or item.terms.rev > known.rev then
    terms[item.sku] = item.terms
    mark(seenTerms, changedTerms, item.sku)
    isChanged = true
  end
  if isChanged then bump(item.sku, level) end
end
if infoRev > meta.infoRev then
  meta.infoRev = infoRev
  -- Without a row of its own, the rise still needs a version: readers find a lost message by the gap (V2).
  if meta.version == firstVersion then meta.version = meta.version + 1 end
end
commit()
return #changedLevels
