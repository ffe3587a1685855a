"""A gate for every provider of the teachers file."""

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from teacher_gateway.teachers_file import TeachersFile
from teacher_gateway.traffic.gate import Gate
from teacher_gateway.traffic.metrics import TrafficMetrics
from teacher_gateway.traffic.windows import LocalWindows, SharedWindows


def create_gates(file: TeachersFile, redis: Redis | None, registry: CollectorRegistry) -> dict[str, Gate]:
    """By provider; the limits hold for all gateways that share the Redis, without one for this process."""
    metrics = TrafficMetrics(registry)
    windows = LocalWindows() if redis is None else SharedWindows(redis)
    return {name: Gate(name, provider, windows, metrics) for name, provider in file.providers.items()}
