"""Lua scripts of the trainer: what must happen in one piece, happens inside Redis (6.2 command set)."""

# KEYS: steps, job, events. ARGV: step, record, cold (0 or 1), event payloads. Returns 1 when the step is announced now.
ANNOUNCE_STEP = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], 'cold_batches', ARGV[3])
for i = 4, #ARGV do redis.call('XADD', KEYS[3], '*', 'event', ARGV[i]) end
return 1
"""

# KEYS: stream, dead letters, events. ARGV: group, entry id, payload, detail, event payload. Returns 1 if new.
REJECT_ENTRY = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'entry', ARGV[2], 'episode', ARGV[3], 'detail', ARGV[4])
redis.call('XADD', KEYS[3], '*', 'event', ARGV[5])
return 1
"""

# KEYS: discards, events. ARGV: member, event payload. Returns 1 when it was still asked for.
END_DISCARD = """
if redis.call('SREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'event', ARGV[2])
return 1
"""

# KEYS: index. ARGV: episode id, entry id. Forget an unusable entry, so that the controller has the episode made again.
FORGET_ENTRY = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""
