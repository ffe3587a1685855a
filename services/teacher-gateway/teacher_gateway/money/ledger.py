"""The ledger of teacher spending in Redis, shared by all gateways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts import keys
from redis.asyncio import Redis

from teacher_gateway.money import scripts
from teacher_gateway.money.amounts import Amount, Limits

DIMENSIONS = {"nanos": "usd", "tokens": "tokens", "requests": "requests"}

NO_LIMITS = Limits()


@dataclass(frozen=True)
class Scope:
    """What a cap is on: `job:<id>` or `provider:<name>`."""

    name: str
    limits: Limits = NO_LIMITS

    @property
    def caps(self) -> list[int | str]:
        return ["" if cap is None else cap for cap in (self.limits.nanos, self.limits.tokens, self.limits.requests)]


@dataclass(frozen=True)
class Refusal:
    """Which cap of which scope the call might have exceeded."""

    scope: str
    cap: str


@dataclass(frozen=True)
class Spending:
    """`settled` is known to be used; `held` adds what calls in flight, and lost ones, might have used."""

    settled: Amount
    held: Amount


class Ledger:
    """Reserves before a call and settles after it, each in one piece. Raises redis.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reserve = redis.register_script(scripts.RESERVE)
        self._settle = redis.register_script(scripts.SETTLE)

    async def reserve(self, call_id: str, amount: Amount, scopes: Sequence[Scope]) -> Refusal | None:
        """Hold `amount` in every scope, or in none and say why. Repeating it with the same id changes nothing."""
        caps = [cap for scope in scopes for cap in scope.caps]
        index, dimension = await self._reserve(
            keys=[keys.reservations(), *(keys.spending(scope.name) for scope in scopes)],
            args=[call_id, amount.nanos, amount.tokens, amount.requests, *caps],
        )
        return Refusal(scopes[index - 1].name, DIMENSIONS[_text(dimension)]) if index else None

    async def settle(
        self, call_id: str, amount: Amount, scopes: Sequence[Scope], job_id: str, costs: Sequence[str]
    ) -> bool:
        """Replace the reservation by what was used, and add its price to the job's `costs`; False if there is none."""
        settled = await self._settle(
            keys=[keys.reservations(), keys.costs(job_id), *(keys.spending(scope.name) for scope in scopes)],
            args=[call_id, amount.nanos, amount.tokens, amount.requests, *costs],
        )
        return bool(settled)

    async def set_caps(self, scope: str, limits: Limits) -> None:
        """From now on these hold instead of the caps that calls bring; None leaves a cap as it is."""
        wanted = {"cap_nanos": limits.nanos, "cap_tokens": limits.tokens, "cap_requests": limits.requests}
        fields: dict[Any, Any] = {name: cap for name, cap in wanted.items() if cap is not None}
        if fields:
            await self._redis.hset(keys.spending(scope), mapping=fields)

    async def caps(self, scope: str) -> Limits:
        """The caps that were set anew."""
        found: Any = await self._redis.hmget(keys.spending(scope), ["cap_nanos", "cap_tokens", "cap_requests"])
        return Limits(*(None if cap is None else int(cap) for cap in found))

    async def spending(self, scope: str) -> Spending:
        """What a scope has used so far."""
        found: Any = await self._redis.hgetall(keys.spending(scope))
        values = {_text(name): int(value) for name, value in found.items()}
        return Spending(_amount(values, "settled"), _amount(values, "held"))

    async def costs(self, job_id: str) -> dict[str, int]:
        """Settled nano-USD of a job by `episode/...`, `step/...` and `provider/...`."""
        found: Any = await self._redis.hgetall(keys.costs(job_id))
        return {_text(name): int(value) for name, value in found.items()}


def _amount(values: dict[str, int], prefix: str) -> Amount:
    return Amount(*(values.get(f"{prefix}_{dimension}", 0) for dimension in DIMENSIONS))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
