"""A gate for every provider of the teachers file."""

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from teacher_gateway.teachers_file import TeachersFile
from teacher_gateway.traffic.gate import Gate
from teacher_gateway.traffic.metrics import TrafficMetrics
from teacher_gateway.traffic.throttling import Throttling


def create_gates(file: TeachersFile, redis: Redis | None, registry: CollectorRegistry) -> dict[str, Gate]:
    """By provider."""
    metrics, throttling = TrafficMetrics(registry), Throttling(redis)
    return {name: Gate(name, provider, throttling, metrics) for name, provider in file.providers.items()}
