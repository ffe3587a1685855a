"""The ledger against a real Redis: no order of reserving, settling and losing calls brings a scope above its cap."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from contracts import keys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from teacher_gateway.money.amounts import Amount, Limits
from teacher_gateway.money.batches import MOST_AT_ONCE
from teacher_gateway.money.bookings import HELD, Booking, Outcome, Scope, Settlement
from teacher_gateway.money.ledger import Ledger
from teacher_gateway.traffic.window import Minute

LONG_SECONDS = 20.0  # for what takes milliseconds, on a machine under load
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
    ledger = Ledger(redis)
    yield ledger
    await ledger.close()
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
            booking = Booking(f"{name}/{number}", estimate, scopes, name, ["step/train/1"])
            if await ledger.reserve(booking) == HELD:
                accepted.append((estimate, fate))
                if fate is not None:
                    ledger.settle(Settlement(booking.call_id, part_of(estimate, fate)))
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
        await ledger.close()
        await redis.aclose()

    asyncio.run(play())


async def test_a_refused_call_holds_nothing_anywhere(ledger: Ledger) -> None:
    roomy, tight = Scope("job:roomy"), Scope("provider:tight", Limits(tokens=10))
    minute = Minute("tight", 1, 11, 1, 100)
    refused = Booking("call", Amount(5, 11, 1), [roomy, tight], minute=minute)
    assert await ledger.reserve(refused) == Outcome(scope=2, cap="tokens")
    assert (await ledger.spending("job:roomy")).held == Amount()
    assert await ledger.reserve(Booking("other", Amount(), [], minute=minute)) == HELD  # the only one of its minute


async def test_a_call_without_room_in_its_minute_holds_nothing(ledger: Ledger) -> None:
    scope, minute = Scope("job:hasty"), Minute("slow", 1, 1, 1, None)
    assert await ledger.reserve(Booking("one", Amount(1, 1, 1), [scope], minute=minute)) == HELD
    assert (await ledger.reserve(Booking("two", Amount(1, 1, 1), [scope], minute=minute))).wait in (60, 61)
    assert (await ledger.spending("job:hasty")).held == Amount(1, 1, 1)


async def test_repeating_changes_nothing(ledger: Ledger) -> None:
    booking = Booking("call", Amount(100, 50, 1), [Scope("job:twice")], minute=Minute("twice", 1, 50, 1, None))
    for _ in range(2):
        assert await ledger.reserve(booking) == HELD
    for _ in range(2):
        ledger.settle(Settlement("call", Amount(40, 20, 1)))
    spending = await ledger.spending("job:twice")
    assert spending.held == spending.settled == Amount(40, 20, 1)


async def test_a_million_dollars_are_exact_to_the_last_nano(ledger: Ledger) -> None:
    scope = Scope("job:large", Limits(nanos=10**15))
    assert await ledger.reserve(Booking("call", Amount(10**15 - 1, 0, 1), [scope])) == HELD
    assert await ledger.reserve(Booking("next", Amount(2, 0, 1), [scope])) == Outcome(scope=1, cap="nanos")
    ledger.settle(Settlement("call", Amount(123_456_789_012_345, 0, 1)))
    assert (await ledger.spending("job:large")).held.nanos == 123_456_789_012_345


async def test_settlements_go_before_what_is_booked_after_them(ledger: Ledger) -> None:
    # So a job that asks one at a time gets as close to its cap as it would with a settlement that is waited for.
    scope = Scope("job:serial", Limits(tokens=100))
    for number in range(200):
        assert await ledger.reserve(Booking(f"call-{number}", Amount(0, 100, 1), [scope])) == HELD
        ledger.settle(Settlement(f"call-{number}", Amount(0, 0, 1)))


async def test_more_settlements_than_one_batch_takes_go_before_it_too(ledger: Ledger) -> None:
    scope, calls = Scope("job:crowd", Limits(tokens=3 * MOST_AT_ONCE)), range(3 * MOST_AT_ONCE)
    booked = [ledger.reserve(Booking(f"call-{number}", Amount(0, 1, 1), [scope])) for number in calls]
    assert set(await asyncio.gather(*booked)) == {HELD}
    for number in calls:
        ledger.settle(Settlement(f"call-{number}", Amount(0, 0, 1)))
    assert await ledger.reserve(Booking("all of it", Amount(0, 3 * MOST_AT_ONCE, 1), [scope])) == HELD


async def test_a_settlement_alone_arrives_by_itself(ledger: Ledger, redis_url: str) -> None:
    await ledger.reserve(Booking("call", Amount(9, 9, 1), [Scope("job:last")]))
    ledger.settle(Settlement("call", Amount(5, 5, 1)))
    async with Redis.from_url(redis_url) as redis:
        async with asyncio.timeout(LONG_SECONDS):
            while not await redis.hexists(keys.spending("job:last"), "settled_tokens"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert int(await redis.hget(keys.spending("job:last"), "held_tokens") or 0) == 5


async def test_two_gateways_share_a_minute(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as one, Redis.from_url(redis_url) as other:
        ledgers = [Ledger(one), Ledger(other)]
        calls = [Booking(f"call-{n}", Amount(), [], minute=Minute("local", 1, 1, 10, 1000)) for n in range(30)]
        answers = await asyncio.gather(*(ledgers[n % 2].reserve(call) for n, call in enumerate(calls)))
        assert sum(answer == HELD for answer in answers) == 10
        assert {answer.wait for answer in answers if answer.wait} <= {60, 61}
        large = Minute("other", 1, 900, 10, 1000)
        first, second = (Booking(name, Amount(), [], minute=large) for name in ("first", "second"))
        assert await ledgers[0].reserve(first) == HELD
        assert (await ledgers[1].reserve(second)).wait in (60, 61)
        ledgers[0].settle(Settlement("first", Amount(), minute_tokens=5))
        await ledgers[0].flush()
        assert await ledgers[1].reserve(second) == HELD
        for ledger in ledgers:
            await ledger.close()


async def test_a_lost_connection_and_a_forgotten_script_cost_nothing(ledger: Ledger, redis_url: str) -> None:
    scope = Scope("job:steady")
    async with Redis.from_url(redis_url) as redis:
        for turn in range(3):
            assert await ledger.reserve(Booking(f"call-{turn}", Amount(1, 1, 1), [scope])) == HELD
            await (redis.script_flush() if turn else redis.client_kill_filter(_type="normal", skipme=True))
    assert (await ledger.spending("job:steady")).held.requests == 3
