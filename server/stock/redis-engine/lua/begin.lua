-- B1: a gate that is missing, broken or of another server is closed under a new nonce; a closed one of this server is adopted.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel newNonce force
-- REPLY "open" epoch | "closed" nonce

local newNonce, isForced = ARGV[4], ARGV[5] == '1'
if isUsable and not isForced then return { 'open', meta.epoch } end
if meta.nonce and meta.isOurs and not meta.isOpen then return { 'closed', meta.nonce } end
-- The epoch stays: a late load of an older history must not win (B3).
call('HSET', metaKey, 'nonce', newNonce, 'identity', identity, 'open', '0', 'epoch', meta.epoch)
return { 'closed', newNonce }
