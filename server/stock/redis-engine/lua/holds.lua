-- Every attempt that the gate has.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel
-- REPLY rid and text in turn; the sentinel is among them

if not isUsable then return {} end
return call('HGETALL', holdsKey)
