"""Does this Redis keep what it is given? Read from INFO alone, which needs no right to change anything."""

from typing import TYPE_CHECKING, Any

from socratic.doctor.finding import Finding
from socratic.stack.redis import OLDEST_VERSION

if TYPE_CHECKING:
    from redis import Redis

# INFO is answered within milliseconds.
REDIS_SECONDS = 3.0
NEARLY_FULL = 0.9


def check_redis(url: str) -> list[Finding]:
    """Version, append-only file, eviction, memory; one failed finding where it does not answer."""
    try:
        info = read_info(url)
    except ConnectionError as error:
        fix = "socratic up starts one; for a Redis of your own see REDIS_URL, its password and its log"
        return [Finding("redis", "failed", f"no answer: {error}", fix)]
    return [check_version(info), check_append_only(info), check_eviction(info), check_memory(info)]


def read_info(url: str) -> dict[str, Any]:
    """Every field. Raises ConnectionError, without the password that the address may have."""
    import redis

    try:
        with connect(url) as client:
            found: dict[str, Any] = client.info()
            return found
    except (redis.RedisError, ValueError) as error:
        raise ConnectionError(str(error)) from None


def connect(url: str) -> "Redis":
    """A client that gives up soon. Raises ValueError for an address that is none."""
    import redis

    return redis.Redis.from_url(url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)


def check_version(info: dict[str, Any]) -> Finding:
    version = str(info["redis_version"])
    numbers = tuple(int(part) for part in version.split(".")[:2])
    wanted = ".".join(map(str, OLDEST_VERSION))
    if numbers < OLDEST_VERSION:
        return Finding("redis version", "failed", f"{version}, older than {wanted}", f"install Redis {wanted} or newer")
    return Finding("redis version", "ok", version)


def check_append_only(info: dict[str, Any]) -> Finding:
    """Without it a restart loses jobs and episodes."""
    name = "redis append-only file"
    if not info.get("aof_enabled"):
        fix = "redis-cli config set appendonly yes, and appendonly yes in redis.conf"
        return Finding(name, "failed", "off: a restart of Redis would lose jobs and episodes", fix)
    if info.get("aof_last_write_status") != "ok":
        return Finding(name, "failed", "its last write failed", "make room on Redis' disk; its log says what happened")
    return Finding(name, "ok", "on, and its last write succeeded")


def check_eviction(info: dict[str, Any]) -> Finding:
    """Redis must refuse a write rather than forget something."""
    policy, bound = str(info.get("maxmemory_policy")), int(info.get("maxmemory", 0))
    if policy == "noeviction":
        return Finding("redis memory policy", "ok", policy)
    fix = "redis-cli config set maxmemory-policy noeviction, and the same in redis.conf"
    detail = f"{policy}: " + ("jobs would be forgotten at the bound of its memory" if bound else "no bound is set yet")
    return Finding("redis memory policy", "failed" if bound else "warning", detail, fix)


def check_memory(info: dict[str, Any]) -> Finding:
    """How full it is, where it has a bound."""
    used, bound = int(info["used_memory"]), int(info.get("maxmemory", 0))
    detail = f"{used / 2**20:.1f} MiB used" + (f" of {bound / 2**20:.1f} MiB" if bound else ", no bound")
    if bound and used > NEARLY_FULL * bound:
        fix = "redis-cli config set maxmemory with more, on a machine that has it"
        return Finding("redis memory", "failed", detail, fix)
    return Finding("redis memory", "ok", detail)
