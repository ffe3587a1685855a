"""The Lua script of the ledger: it settles and reserves in one piece inside Redis (6.2 command set).

A reservation counts against the caps, and in its provider's minute, from the moment it is made. Settling replaces it by
what was used. A gateway that dies in between leaves it as it is: a lost call stays counted at its estimate, and nothing
has to expire. Repeating either changes nothing, so a batch whose answer was lost can be sent again.
"""

# KEYS: reservations. ARGV: prefixes of the keys of spending, costs and traffic, seconds of a window, then msgpack of
# {settlements, bookings} as Ledger writes them. Returns msgpack of one {wait, scope, cap} for each booking: all zero
# when it is held, the seconds after which its provider's minute may have room, or which cap of which scope it exceeds
# (scopes count from 1). A cap that was set anew (`cap_...` of the spending hash) replaces the one that the call brings,
# never the absence of one. A minute is Window.take on a hash with the fields `<second>:r` and `<second>:t`.
POST = """
local spending, costs, traffic, window = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local second = tonumber(redis.call('TIME')[1])
local dimensions = {'nanos', 'tokens', 'requests'}

local function settle(done)
  local text = redis.call('HGET', KEYS[1], done.call_id)
  if not text then return end
  redis.call('HDEL', KEYS[1], done.call_id)
  local held = cmsgpack.unpack(text)
  for _, dimension in ipairs(dimensions) do
    local used = done.amount[dimension]
    for _, scope in ipairs(held.scopes) do
      redis.call('HINCRBY', spending .. scope.name, 'held_' .. dimension, used - held.amount[dimension])
      redis.call('HINCRBY', spending .. scope.name, 'settled_' .. dimension, used)
    end
  end
  for _, field in ipairs(held.cost_fields) do
    redis.call('HINCRBY', costs .. held.job_id, field, done.amount.nanos)
  end
  if held.minute and done.minute_tokens then
    local key, field = traffic .. held.minute.provider, held.second .. ':t'
    local counted = tonumber(redis.call('HGET', key, field))
    if counted then
      redis.call('HSET', key, field, math.max(0, counted + done.minute_tokens - held.minute.tokens))
    end
  end
end

local function exceeded(wanted)
  for place, scope in ipairs(wanted.scopes) do
    for _, dimension in ipairs(dimensions) do
      local cap = scope.limits[dimension]
      if cap then
        local found = redis.call('HMGET', spending .. scope.name, 'held_' .. dimension, 'cap_' .. dimension)
        local held = tonumber(found[1] or '0')
        if held + wanted.amount[dimension] > tonumber(found[2] or cap) then return place, dimension end
      end
    end
  end
end

local function wait_for(minute)
  local key, held, seconds, totals = traffic .. minute.provider, {r = {}, t = {}}, {}, {r = 0, t = 0}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local at, unit = fields[i]:match('^(%d+):(%a)$')
    at = tonumber(at)
    if at <= second - window then
      redis.call('HDEL', key, fields[i])
    else
      held[unit][at] = tonumber(fields[i + 1])
      totals[unit] = totals[unit] + held[unit][at]
      if unit == 'r' then seconds[#seconds + 1] = at end
    end
  end
  table.sort(seconds)
  local wait = 0
  for unit, terms in pairs({r = {minute.requests, minute.most_requests}, t = {minute.tokens, minute.most_tokens}}) do
    local over = terms[2] and totals[unit] + terms[1] - terms[2] or 0
    for _, at in ipairs(seconds) do
      if over <= 0 then break end
      over = over - (held[unit][at] or 0)
      wait = math.max(wait, at + window - second)
    end
  end
  return wait
end

local function hold(wanted)
  for _, scope in ipairs(wanted.scopes) do
    for _, dimension in ipairs(dimensions) do
      redis.call('HINCRBY', spending .. scope.name, 'held_' .. dimension, wanted.amount[dimension])
    end
  end
  if wanted.minute then
    local key = traffic .. wanted.minute.provider
    redis.call('HINCRBY', key, second .. ':r', wanted.minute.requests)
    redis.call('HINCRBY', key, second .. ':t', wanted.minute.tokens)
    redis.call('EXPIRE', key, window)
    wanted.second = second
  end
  redis.call('HSET', KEYS[1], wanted.call_id, cmsgpack.pack(wanted))
end

local function reserve(wanted)
  if redis.call('HEXISTS', KEYS[1], wanted.call_id) == 1 then return {wait = 0} end
  local scope, cap = exceeded(wanted)
  if scope then return {scope = scope, cap = cap} end
  local wait = wanted.minute and wait_for(wanted.minute) or 0
  if wait == 0 then hold(wanted) end
  return {wait = wait}
end

local work, outcomes = cmsgpack.unpack(ARGV[5]), {}
for _, done in ipairs(work.settlements) do settle(done) end
for place, wanted in ipairs(work.bookings) do outcomes[place] = reserve(wanted) end
return cmsgpack.pack(outcomes)
"""
