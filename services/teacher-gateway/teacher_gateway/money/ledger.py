"""The ledger of teacher spending and of the providers' minutes in Redis, shared by all gateways."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from contracts import keys
from redis.asyncio import Redis

from teacher_gateway.money import scripts
from teacher_gateway.money.amounts import Amount, Limits
from teacher_gateway.money.batches import Batches
from teacher_gateway.money.bookings import DIMENSIONS, Booking, Outcome, Settlement
from teacher_gateway.money.line import Line
from teacher_gateway.traffic.window import WINDOW_SECONDS

encoder = msgspec.msgpack.Encoder()
decoder = msgspec.msgpack.Decoder(list[Outcome])


@dataclass(frozen=True)
class Spending:
    """`settled` is known to be used; `held` adds what calls in flight, and lost ones, might have used."""

    settled: Amount
    held: Amount


class Ledger:
    """Reserves before a call and settles after it, each in one piece. Raises redis.RedisError."""

    counts_money = True

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        prefixes = [keys.spending(""), keys.costs(""), keys.traffic("")]
        self._line = Line(redis, scripts.POST, keys.reservations(), *prefixes, WINDOW_SECONDS)
        self._batches = Batches(self._post)
        self.reserve, self.settle = self._batches.reserve, self._batches.settle
        self.flush = self._batches.flush

    async def close(self) -> None:
        """Bring the last settlements home."""
        await self._batches.close()
        await self._line.close()

    async def _post(self, settlements: Sequence[Settlement], bookings: Sequence[Booking]) -> Sequence[Outcome]:
        work = encoder.encode({"settlements": settlements, "bookings": bookings})
        return decoder.decode(await self._line.run(work))

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
        await self.flush()
        found: Any = await self._redis.hgetall(keys.spending(scope))
        values = {_text(name): int(value) for name, value in found.items()}
        return Spending(_amount(values, "settled"), _amount(values, "held"))

    async def costs(self, job_id: str) -> dict[str, int]:
        """Settled nano-USD of a job by `episode/...`, `step/...` and `provider/...`."""
        await self.flush()
        found: Any = await self._redis.hgetall(keys.costs(job_id))
        return {_text(name): int(value) for name, value in found.items()}


@asynccontextmanager
async def open_ledger(redis: Redis | None) -> AsyncIterator[Ledger | None]:
    """None without a Redis; leaving it brings the last settlements home."""
    if redis is None:
        yield None
        return
    ledger = Ledger(redis)
    try:
        yield ledger
    finally:
        await ledger.close()


def _amount(values: dict[str, int], prefix: str) -> Amount:
    return Amount(*(values.get(f"{prefix}_{dimension}", 0) for dimension in DIMENSIONS))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
