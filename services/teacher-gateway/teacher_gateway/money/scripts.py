"""Lua scripts of the ledger: reserving and settling happen in one piece inside Redis (6.2 command set).

A reservation counts against the caps from the moment it is made. Settling replaces it by what was used. A gateway that
dies in between leaves it as it is: a lost call stays counted at its estimate, and nothing has to expire.
"""

# KEYS: reservations, then one spending hash per scope.
# ARGV: call id, nanos, tokens, requests; then per scope its caps in that order, '' for none. A cap that was set anew
# (`cap_...` of the spending hash) replaces the one that the call brings, never the absence of one.
# Returns {0, ''} when reserved (also when it already was), else {index of the scope, the dimension that is exhausted}.
RESERVE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return {0, ''} end
local fields = {'nanos', 'tokens', 'requests'}
for scope = 2, #KEYS do
  for place, field in ipairs(fields) do
    local cap = ARGV[4 + (scope - 2) * 3 + place]
    if cap ~= '' then
      local found = redis.call('HMGET', KEYS[scope], 'held_' .. field, 'cap_' .. field)
      local held = tonumber(found[1] or '0')
      if held + tonumber(ARGV[1 + place]) > tonumber(found[2] or cap) then return {scope - 1, field} end
    end
  end
end
for scope = 2, #KEYS do
  for place, field in ipairs(fields) do redis.call('HINCRBY', KEYS[scope], 'held_' .. field, ARGV[1 + place]) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
return {0, ''}
"""

# KEYS: reservations, costs, then one spending hash per scope. ARGV: call id, nanos, tokens, requests, cost fields ...
# Returns 1 when settled, 0 when there is no such reservation: settling twice settles once.
SETTLE = """
local reserved = redis.call('HGET', KEYS[1], ARGV[1])
if not reserved then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
local held = {}
for number in string.gmatch(reserved, '%d+') do held[#held + 1] = tonumber(number) end
for place, field in ipairs({'nanos', 'tokens', 'requests'}) do
  local difference = tonumber(ARGV[1 + place]) - held[place]
  for scope = 3, #KEYS do
    redis.call('HINCRBY', KEYS[scope], 'held_' .. field, difference)
    redis.call('HINCRBY', KEYS[scope], 'settled_' .. field, ARGV[1 + place])
  end
end
for place = 5, #ARGV do redis.call('HINCRBY', KEYS[2], ARGV[place], ARGV[2]) end
return 1
"""
