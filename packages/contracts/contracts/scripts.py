"""Lua scripts that several services run: what must happen in one piece, happens inside Redis (6.2 command set).

They are text, so that this package needs no Redis client.
"""

# KEYS: index, stream. ARGV: episode id, field, payload, of each episode of one step. Returns for each its entry id, new
# or old, and 1 when it is new: appending twice appends once.
APPEND_EPISODES = """
local answer = {}
for i = 1, #ARGV, 3 do
  local entry = redis.call('HGET', KEYS[1], ARGV[i])
  local new = not entry
  if new then
    entry = redis.call('XADD', KEYS[2], '*', ARGV[i + 1], ARGV[i + 2])
    redis.call('HSET', KEYS[1], ARGV[i], entry)
  end
  answer[#answer + 1] = entry
  answer[#answer + 1] = new and 1 or 0
end
return answer
"""

# KEYS: job, events. ARGV: target status, allowed sources (comma separated), time, event payload, reason (JSON or ''),
# then field, value, ... of the job. Returns {changed, status before}: compare-and-set of the status with its event.
# contracts.transitions builds the arguments.
TRANSITION = """
local current = redis.call('HGET', KEYS[1], 'status')
if not current then return {0, ''} end
if not string.find(',' .. ARGV[2] .. ',', ',' .. current .. ',', 1, true) then return {0, current} end
redis.call('HSET', KEYS[1], 'status', ARGV[1], 'updated_at', ARGV[3])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'error', ARGV[5]) end
for i = 6, #ARGV - 1, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('XADD', KEYS[2], '*', 'event', ARGV[4])
return {1, current}
"""
