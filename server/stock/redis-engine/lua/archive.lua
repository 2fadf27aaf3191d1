-- Removes every key of an ended livestream.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel
-- REPLY number of keys removed

return call('DEL', unpack(KEYS))
