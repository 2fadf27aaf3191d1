-- Everything a reader needs of all items.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel
-- REPLY nil, or epoch version infoRev, the levels as sku and text in turn, the terms likewise; the sentinels are among them

if not isUsable then return false end
return { meta.epoch, meta.version, meta.infoRev, call('HGETALL', levelsKey), call('HGETALL', termsKey) }
