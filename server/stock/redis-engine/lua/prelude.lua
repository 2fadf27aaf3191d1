-- What every script of the gate shares: the guard (G1, G2), the packed forms, and one write at the end.
-- A script reads into tables, decides, and calls `commit` last: nothing is written before everything is decided (G3).
-- The keys of a livestream, always all of them and in this order:
--   meta       hash    epoch nonce identity open version infoRev
--   levels     hash    sku -> "allotted held soldEver returned version poolRev"
--   terms      hash    sku -> "sale opensAtMs policy threshold perOrder perBuyer perDevice rev"
--   holds      hash    rid -> "state takes leaseEndsAtMs buyer device key replaces sku quantity sku quantity ..."
--                      replaces: the placed attempt whose place this one has taken over, as "rid@leaseEndsAtMs"
--   leases     sorted  rid by leaseEndsAtMs
--   counted    hash    "b sku buyer" and "d sku device" -> units that count towards the limits (G4)
--   keys       hash    key -> "rid bodyHash takes state refusal sku limit counted"
--   keyExpiry  sorted  key by the end of its retry window
-- Each but meta carries a sentinel with the epoch: field "!" of a hash, member "!<epoch>" of a sorted set, below every real score.
-- "~" stands for null. Neither "!" nor "~" nor a space is in an id.
-- PUBLISH, defined before this, is the command that publishes: SPUBLISH in a cluster.

local metaKey, levelsKey, termsKey, holdsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local leasesKey, countedKey, keysKey, keyExpiryKey = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local identity, nowMs, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local call, match, gmatch, concat = redis.call, string.match, string.gmatch, table.concat
local NONE = '~'

local function readMeta()
  local values = call('HMGET', metaKey, 'epoch', 'nonce', 'identity', 'open', 'version', 'infoRev')
  return {
    epoch = values[1] or '-1',
    nonce = values[2],
    isOurs = values[3] == identity,
    isOpen = values[4] == '1',
    version = tonumber(values[5]),
    infoRev = tonumber(values[6]),
  }
end

-- G1: one key that was deleted, or that is left of another history, makes all of them worthless.
local function isWhole(epoch)
  for _, key in ipairs({ levelsKey, termsKey, holdsKey, countedKey, keysKey }) do
    if call('HGET', key, '!') ~= epoch then return false end
  end
  for _, key in ipairs({ leasesKey, keyExpiryKey }) do
    if not call('ZSCORE', key, '!' .. epoch) then return false end
  end
  return true
end

local meta = readMeta()
local isUsable = meta.isOurs and meta.isOpen and isWhole(meta.epoch)

-- Read-through tables: an absent entry has not been asked for, `false` does not exist.
local levels, terms, holds, keys, counted = {}, {}, {}, {}, {}
-- Names in the order of their first change.
local changedLevels, changedTerms, changedHolds, changedKeys, changedCounted = {}, {}, {}, {}, {}
local seenLevels, seenTerms, seenHolds, seenKeys, seenCounted = {}, {}, {}, {}, {}
local firstVersion, firstInfoRev = meta.version, meta.infoRev

local function mark(seen, changed, name)
  if seen[name] then return end
  seen[name] = true
  changed[#changed + 1] = name
end

local function parseLevel(text)
  if not text then return false end
  local allotted, held, soldEver, returned, version, poolRev = match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {
    allotted = tonumber(allotted),
    held = tonumber(held),
    soldEver = tonumber(soldEver),
    returned = tonumber(returned),
    version = tonumber(version),
    poolRev = tonumber(poolRev),
  }
end

local function parseTerms(text)
  if not text then return false end
  local sale, opensAtMs, policy, threshold, perOrder, perBuyer, perDevice, rev =
    match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {
    text = text,
    sale = sale,
    opensAtMs = tonumber(opensAtMs),
    policy = policy,
    threshold = tonumber(threshold),
    perOrder = tonumber(perOrder),
    perBuyer = tonumber(perBuyer),
    perDevice = tonumber(perDevice),
    rev = tonumber(rev),
  }
end

local function parseLines(text)
  local lines = {}
  for sku, quantity in gmatch(text, '(%S+) (%S+)') do
    lines[#lines + 1] = { sku = sku, quantity = tonumber(quantity) }
  end
  return lines
end

local function parseHold(text)
  if not text then return false end
  local state, takes, leaseEndsAtMs, buyer, device, key, replaces, linesText =
    match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.+)$')
  return {
    state = state,
    takes = takes,
    leaseEndsAtMs = leaseEndsAtMs,
    buyer = buyer,
    device = device,
    key = key,
    replaces = replaces,
    linesText = linesText,
    lines = parseLines(linesText),
  }
end

local function parseKey(text)
  if not text then return false end
  local rid, bodyHash, takes, state, refusal = match(text, '^(%S+) (%S+) (%S+) (%S+) (.+)$')
  return { rid = rid, bodyHash = bodyHash, takes = takes, state = state, refusal = refusal }
end

local function parseCounted(text)
  return tonumber(text or 0)
end

-- Reads many names of one hash in one call, those that are not known yet.
local function prefetch(tableOf, key, names, parse)
  local asked = {}
  for _, name in ipairs(names) do
    if tableOf[name] == nil then
      asked[#asked + 1] = name
      tableOf[name] = false
    end
  end
  for first = 1, #asked, 2000 do
    local last = math.min(first + 1999, #asked)
    local texts = call('HMGET', key, unpack(asked, first, last))
    for index, text in ipairs(texts) do tableOf[asked[first + index - 1]] = parse(text) end
  end
end

local function levelOf(sku)
  if levels[sku] == nil then levels[sku] = parseLevel(call('HGET', levelsKey, sku)) end
  return levels[sku]
end

local function termsOf(sku)
  if terms[sku] == nil then terms[sku] = parseTerms(call('HGET', termsKey, sku)) end
  return terms[sku]
end

local function holdOf(rid)
  if holds[rid] == nil then holds[rid] = parseHold(call('HGET', holdsKey, rid)) end
  return holds[rid]
end

local function keyOf(key)
  if keys[key] == nil then keys[key] = parseKey(call('HGET', keysKey, key)) end
  return keys[key]
end

local function countedOf(field)
  if counted[field] == nil then counted[field] = parseCounted(call('HGET', countedKey, field)) end
  return counted[field]
end

-- The one formula (availableOf in the contract): a refund that overtakes its own settlement shows nothing as sold.
local function availableOf(level, moving)
  local sold = math.max(0, level.soldEver - level.returned)
  return math.max(0, level.allotted - level.held + moving - sold)
end

-- V1: one counter per livestream, one step per change of an item.
local function bump(sku, level)
  meta.version = meta.version + 1
  level.version = meta.version
  mark(seenLevels, changedLevels, sku)
end

local function putHold(rid, hold)
  holds[rid] = hold
  mark(seenHolds, changedHolds, rid)
end

local function putKey(key, record)
  keys[key] = record
  mark(seenKeys, changedKeys, key)
end

local function countField(field, units)
  counted[field] = countedOf(field) + units
  mark(seenCounted, changedCounted, field)
end

-- The fields of a line are spelled once: `reserve` has read them before it comes here.
local function nameFields(line, buyer, device)
  if line.buyerField then return end
  line.buyerField = 'b ' .. line.sku .. ' ' .. buyer
  line.deviceField = device ~= NONE and 'd ' .. line.sku .. ' ' .. device
end

local function count(who, sign)
  for _, line in ipairs(who.lines) do
    nameFields(line, who.buyer, who.device)
    countField(line.buyerField, sign * line.quantity)
    if line.deviceField then countField(line.deviceField, sign * line.quantity) end
  end
end

-- The key's record keeps the state of an attempt that leaves the gate.
local function recordState(hold, state)
  if hold.key == NONE then return end
  local record = keyOf(hold.key)
  if not record then return end
  record.state = state
  mark(seenKeys, changedKeys, hold.key)
end

local function inChunks(command, key, values)
  for first = 1, #values, 2000 do call(command, key, unpack(values, first, math.min(first + 1999, #values))) end
end

-- Changed entries of one hash: what to set, and what to take away.
local function split(changed, tableOf, pack)
  local set, gone = {}, {}
  for _, name in ipairs(changed) do
    local text = pack(tableOf[name])
    if text then
      set[#set + 1] = name
      set[#set + 1] = text
    else
      gone[#gone + 1] = name
    end
  end
  return set, gone
end

local function packLevel(level)
  return concat({ level.allotted, level.held, level.soldEver, level.returned, level.version, level.poolRev }, ' ')
end

local function packTerms(one) return one.text end

local function packHold(hold)
  if not hold then return nil end
  return concat({
    hold.state, hold.takes, hold.leaseEndsAtMs, hold.buyer, hold.device, hold.key, hold.replaces, hold.linesText,
  }, ' ')
end

local function packKey(record)
  if not record then return nil end
  return concat({ record.rid, record.bodyHash, record.takes, record.state, record.refusal }, ' ')
end

local function packCounted(units)
  if units ~= 0 then return units end
end

-- One message of what has changed (V2): "epoch previousVersion version infoRev nowMs", then one line per item.
local function publish()
  local rows = { concat({ meta.epoch, firstVersion, meta.version, meta.infoRev, ARGV[2] }, ' ') }
  for _, sku in ipairs(changedLevels) do
    local level, one = levels[sku], termsOf(sku)
    rows[#rows + 1] = concat({
      sku, level.version, level.allotted, level.held, level.soldEver, level.returned, one.sale, one.opensAtMs,
    }, ' ')
  end
  call(PUBLISH, channel, concat(rows, '\n'))
end

-- Writes everything that has changed. What needs memory comes first: if Redis is full it refuses the first write, and nothing has changed.
local function commit()
  local holdsSet, holdsGone = split(changedHolds, holds, packHold)
  local keysSet, keysGone = split(changedKeys, keys, packKey)
  local countedSet, countedGone = split(changedCounted, counted, packCounted)
  inChunks('HSET', levelsKey, (split(changedLevels, levels, packLevel)))
  inChunks('HSET', termsKey, (split(changedTerms, terms, packTerms)))
  inChunks('HSET', holdsKey, holdsSet)
  inChunks('HSET', keysKey, keysSet)
  inChunks('HSET', countedKey, countedSet)
  local leases, expiries = {}, {}
  for index = 1, #holdsSet, 2 do
    leases[index], leases[index + 1] = holds[holdsSet[index]].leaseEndsAtMs, holdsSet[index]
  end
  for _, key in ipairs(changedKeys) do
    if keys[key] and keys[key].expiresAtMs then
      expiries[#expiries + 1] = keys[key].expiresAtMs
      expiries[#expiries + 1] = key
    end
  end
  inChunks('ZADD', leasesKey, leases)
  inChunks('ZADD', keyExpiryKey, expiries)
  if meta.version ~= firstVersion or meta.infoRev ~= firstInfoRev then
    call('HSET', metaKey, 'version', meta.version, 'infoRev', meta.infoRev)
    publish()
  end
  inChunks('HDEL', holdsKey, holdsGone)
  inChunks('ZREM', leasesKey, holdsGone)
  inChunks('HDEL', keysKey, keysGone)
  inChunks('ZREM', keyExpiryKey, keysGone)
  inChunks('HDEL', countedKey, countedGone)
end
