-- Decides a batch of orders one after the other, and takes the units of those that get them. `decideOrder` and `MemoryGate` are its model.
-- KEYS  meta levels terms holds leases counted keys keyExpiry
-- ARGV  identity nowMs channel pendingLeaseMs keyTtlMs requests
--       requests: one a line, "rid key bodyHash buyer device reacquires sku quantity sku quantity ...", equal SKUs added up
-- REPLY "rebuilding", or epoch and then one line a request:
--       "reserved takes" | "known rid state takes" | "idempotency_mismatch" | "<refusal> sku limit counted"

if not isUsable then return { 'rebuilding' } end
local pendingLeaseMs, keyTtlMs, requestsText = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

local requests, rids, boundKeys, skus, fields = {}, {}, {}, {}, {}
for text in gmatch(requestsText, '[^\n]+') do
  local rid, key, bodyHash, buyer, device, reacquires, linesText =
    match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.+)$')
  local request = {
    rid = rid, key = key, bodyHash = bodyHash, buyer = buyer, device = device, reacquires = reacquires,
    linesText = linesText, lines = parseLines(linesText),
  }
  requests[#requests + 1] = request
  rids[#rids + 1] = rid
  if reacquires ~= NONE then rids[#rids + 1] = reacquires end
  if key ~= NONE then boundKeys[#boundKeys + 1] = key end
  for _, line in ipairs(request.lines) do
    skus[#skus + 1] = line.sku
    nameFields(line, buyer, device)
    fields[#fields + 1] = line.buyerField
    if line.deviceField then fields[#fields + 1] = line.deviceField end
  end
end
prefetch(holds, holdsKey, rids, parseHold)
prefetch(keys, keysKey, boundKeys, parseKey)
prefetch(levels, levelsKey, skus, parseLevel)
prefetch(terms, termsKey, skus, parseTerms)
prefetch(counted, countedKey, fields, parseCounted)

local function refuse(kind, sku, limit, units)
  return concat({ kind, sku, limit or NONE, units or NONE }, ' ')
end

-- What an order may take of an item: units of the older attempt that it re-acquires are its own.
local function availableFor(order, sku)
  local moving = 0
  if order.older and order.older.takes == 'hold' then
    for _, line in ipairs(order.older.lines) do
      if line.sku == sku then moving = line.quantity end
    end
  end
  return availableOf(levelOf(sku), moving)
end

-- One check per refusal, in order of precedence: the first that refuses any line is the answer, among equals the first line.
local checks = {
  function(line)
    if not levelOf(line.sku) then return refuse('not_found', line.sku) end
  end,
  function(line, order)
    local one = termsOf(line.sku)
    if order.isReacquiring or one.sale == 'stopped' or (one.sale == 'open' and nowMs >= one.opensAtMs) then return end
    return refuse('not_open', line.sku)
  end,
  function(line, order)
    if not order.isReacquiring and termsOf(line.sku).sale == 'stopped' then return refuse('stopped', line.sku) end
  end,
  function(line, order)
    local one = termsOf(line.sku)
    if not order.isReacquiring and one.perOrder and line.quantity > one.perOrder then
      return refuse('limit_buyer', line.sku, one.perOrder, 0)
    end
    if order.older or not one.perBuyer then return end
    local units = countedOf(line.buyerField)
    if units + line.quantity > one.perBuyer then return refuse('limit_buyer', line.sku, one.perBuyer, units) end
  end,
  function(line, order)
    local one = termsOf(line.sku)
    if order.older or not line.deviceField or not one.perDevice then return end
    local units = countedOf(line.deviceField)
    if units + line.quantity > one.perDevice then return refuse('limit_device', line.sku, one.perDevice, units) end
  end,
  function(line, order)
    if availableFor(order, line.sku) == 0 then return refuse('sold_out', line.sku) end
  end,
  function(line, order)
    if availableFor(order, line.sku) < line.quantity then return refuse('insufficient', line.sku) end
  end,
}

local function refusalOf(order)
  for _, check in ipairs(checks) do
    for _, line in ipairs(order.lines) do
      local refusal = check(line, order)
      if refusal then return refusal end
    end
  end
end

-- A6: what the policy says at this moment is stamped on the order. One line that takes at once makes the whole order take at once.
local function takesOf(order)
  if order.isReacquiring then return 'hold' end
  for _, line in ipairs(order.lines) do
    local one = termsOf(line.sku)
    if one.policy == 'deduct_on_order' then return 'hold' end
    if one.policy == 'hold_below' and availableFor(order, line.sku) <= one.threshold then return 'hold' end
  end
  return 'pay'
end

-- Puts the new attempt in the place of the older one, if there is one; an item changes only if its units do.
local function take(request, takes, older)
  local changes, order = {}, {}
  local function change(lines, sign)
    for _, line in ipairs(lines) do
      if not changes[line.sku] then order[#order + 1] = line.sku end
      changes[line.sku] = (changes[line.sku] or 0) + sign * line.quantity
    end
  end
  if older then
    if older.takes == 'hold' then change(older.lines, -1) end
    count(older, -1)
    putHold(request.reacquires, false)
    recordState(older, 'placed')
  end
  if takes == 'hold' then change(request.lines, 1) end
  for _, sku in ipairs(order) do
    if changes[sku] ~= 0 then
      local level = levelOf(sku)
      level.held = level.held + changes[sku]
      bump(sku, level)
    end
  end
  count(request, 1)
  putHold(request.rid, {
    state = 'pending', takes = takes, leaseEndsAtMs = nowMs + pendingLeaseMs, buyer = request.buyer,
    device = request.device, linesText = request.linesText, lines = request.lines,
    -- The older attempt's key goes on to follow the units under their new rid; its record keeps the buyer's order, the older rid.
    key = older and older.key or request.key,
    replaces = older and older.takes == 'pay' and (request.reacquires .. '@' .. older.leaseEndsAtMs) or NONE,
  })
end

local function answerAgain(record, bodyHash)
  if record.bodyHash ~= bodyHash then return 'idempotency_mismatch' end
  if record.refusal ~= NONE then return record.refusal end
  local hold = holdOf(record.rid)
  return concat({ 'known', record.rid, hold and hold.state or record.state, record.takes }, ' ')
end

local function decide(request)
  local repeated = holdOf(request.rid)
  if repeated then return 'reserved ' .. repeated.takes end
  local record = request.key ~= NONE and keyOf(request.key)
  if record then return answerAgain(record, request.bodyHash) end

  request.isReacquiring = request.reacquires ~= NONE
  request.older = request.isReacquiring and holdOf(request.reacquires) or nil
  local refusal = refusalOf(request)
  local takes = refusal and 'hold' or takesOf(request)
  if request.key ~= NONE then
    putKey(request.key, {
      rid = request.rid, bodyHash = request.bodyHash, takes = takes, state = 'pending', refusal = refusal or NONE,
      expiresAtMs = nowMs + keyTtlMs,
    })
  end
  if refusal then return refusal end
  take(request, takes, request.older)
  return 'reserved ' .. takes
end

local reply = { meta.epoch }
for index, request in ipairs(requests) do reply[index + 1] = decide(request) end
commit()
return reply
