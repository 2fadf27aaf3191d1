-- The newest version without the items.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel
-- REPLY nil, or epoch version infoRev

if not isUsable then return false end
return { meta.epoch, meta.version, meta.infoRev }
