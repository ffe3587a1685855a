"""The ledger against a real Redis: no order of reserving, settling and losing calls brings a scope above its cap."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from teacher_gateway.money.amounts import Amount, Limits
from teacher_gateway.money.ledger import Ledger, Refusal, Scope

ESTIMATES = st.builds(Amount, nanos=st.integers(0, 10**12), tokens=st.integers(0, 1000), requests=st.just(1))
# What becomes of a call: settled at some share of its estimate, or lost with its gateway.
FATES = st.one_of(st.none(), st.floats(0, 1))
CAPS = st.builds(
    Limits,
    nanos=st.one_of(st.none(), st.integers(0, 10**13)),
    tokens=st.one_of(st.none(), st.integers(0, 5000)),
    requests=st.one_of(st.none(), st.integers(0, 10)),
)


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    redis = Redis.from_url(redis_url)
    yield Ledger(redis)
    await redis.aclose()


def part_of(amount: Amount, share: float) -> Amount:
    return Amount(int(amount.nanos * share), int(amount.tokens * share), amount.requests)


def within(amount: Amount, limits: Limits) -> bool:
    pairs = zip(
        (amount.nanos, amount.tokens, amount.requests), (limits.nanos, limits.tokens, limits.requests), strict=True
    )
    return all(limit is None or used <= limit for used, limit in pairs)


@given(
    calls=st.lists(st.tuples(ESTIMATES, FATES), max_size=20), job_caps=CAPS, provider_caps=CAPS, lanes=st.integers(1, 8)
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_calls_exceeds_a_cap(
    redis_server: str, calls: list[tuple[Amount, float | None]], job_caps: Limits, provider_caps: Limits, lanes: int
) -> None:
    name = uuid.uuid4().hex
    scopes = [Scope(f"job:{name}", job_caps), Scope(f"provider:{name}", provider_caps)]
    accepted: list[tuple[Amount, float | None]] = []

    async def one(ledger: Ledger, gate: asyncio.Semaphore, number: int, estimate: Amount, fate: float | None) -> None:
        async with gate:
            if await ledger.reserve(f"{name}/{number}", estimate, scopes) is None:
                accepted.append((estimate, fate))
                if fate is not None:
                    assert await ledger.settle(
                        f"{name}/{number}", part_of(estimate, fate), scopes, name, ["step/train/1"]
                    )
            for scope in scopes:
                assert within((await ledger.spending(scope.name)).held, scope.limits)

    async def play() -> None:
        redis = Redis.from_url(redis_server)
        ledger, gate = Ledger(redis), asyncio.Semaphore(lanes)
        await asyncio.gather(*(one(ledger, gate, number, *call) for number, call in enumerate(calls)))
        for scope in scopes:
            spending = await ledger.spending(scope.name)
            settled = [part_of(estimate, fate) for estimate, fate in accepted if fate is not None]
            lost = [estimate for estimate, fate in accepted if fate is None]
            assert spending.settled.nanos == sum(amount.nanos for amount in settled)
            assert spending.held.nanos == spending.settled.nanos + sum(amount.nanos for amount in lost)
            assert spending.held.requests == len(accepted)
        assert (await ledger.costs(name)).get("step/train/1", 0) == sum(
            part_of(e, f).nanos for e, f in accepted if f is not None
        )
        await redis.aclose()

    asyncio.run(play())


async def test_a_refused_call_holds_nothing_anywhere(ledger: Ledger) -> None:
    roomy, tight = Scope("job:roomy"), Scope("provider:tight", Limits(tokens=10))
    assert await ledger.reserve("call", Amount(5, 11, 1), [roomy, tight]) == Refusal("provider:tight", "tokens")
    assert (await ledger.spending("job:roomy")).held == Amount()


async def test_settling_twice_settles_once(ledger: Ledger) -> None:
    scope = Scope("job:twice")
    await ledger.reserve("call", Amount(100, 50, 1), [scope])
    await ledger.reserve("call", Amount(100, 50, 1), [scope])
    assert await ledger.settle("call", Amount(40, 20, 1), [scope], "twice", [])
    assert not await ledger.settle("call", Amount(40, 20, 1), [scope], "twice", [])
    spending = await ledger.spending("job:twice")
    assert spending.held == spending.settled == Amount(40, 20, 1)


async def test_a_million_dollars_are_exact_to_the_last_nano(ledger: Ledger) -> None:
    scope = Scope("job:large", Limits(nanos=10**15))
    await ledger.reserve("call", Amount(10**15 - 1, 0, 1), [scope])
    await ledger.settle("call", Amount(123_456_789_012_345, 0, 1), [scope], "large", [])
    assert (await ledger.spending("job:large")).held.nanos == 123_456_789_012_345
