"""The ledger's own connection to Redis, while Redis is killed, stopped and started, and the network breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut
from teacher_gateway.money.amounts import Amount
from teacher_gateway.money.bookings import HELD, Booking, Scope, Settlement
from teacher_gateway.money.ledger import open_ledger
from teacher_gateway.money.line import Line
from teacher_gateway.redis_client import open_redis

from .broken import OwnRedis, Relay

LONG_SECONDS = 30.0  # for what takes 2 s at most, on a machine under load
SCOPE = Scope("job:tried")
ECHO = "return ARGV[2]"
PICKY = "if ARGV[1] == 'bad' then error('no') end return ARGV[1]"


def booking(name: str) -> Booking:
    return Booking(name, Amount(1, 1, 1), [SCOPE])


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Awaitable[None]], None]]:
    """Runs a coroutine on the loop of a served gateway, and on that of Python: their transports differ."""

    async def in_time(scenario: Awaitable[None]) -> None:
        async with asyncio.timeout(LONG_SECONDS):
            await scenario

    with asyncio.Runner(loop_factory=request.param) as runner:
        yield lambda scenario: runner.run(in_time(scenario))


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    redis = OwnRedis(tmp_path)
    yield redis
    redis.go_on()
    redis.kill()


@asynccontextmanager
async def line_to(redis_url: str, script: str, *arguments: str) -> AsyncIterator[tuple[Relay, Line]]:
    """A line for this script, through a relay."""
    async with Relay(redis_url) as relay, open_redis(relay.url) as redis:
        assert redis is not None
        line = Line(redis, script, *arguments)
        yield relay, line
        await line.close()


async def held(redis_url: str) -> int:
    async with open_redis(redis_url) as redis, open_ledger(redis) as ledger:
        return (await ledger.spending(SCOPE.name)).held.requests


def test_a_redis_that_is_killed_and_started_again(run: Callable[..., None], own_redis: OwnRedis) -> None:
    async def scenario() -> None:
        async with open_redis(own_redis.url) as redis, open_ledger(redis) as ledger:
            assert await ledger.reserve(booking("before")) == HELD
            own_redis.kill()
            with pytest.raises(ConnectionLost):
                await ledger.reserve(booking("while it is gone"))
            ledger.settle(Settlement("before", Amount(5, 5, 1)))
            own_redis.start()
            assert await ledger.reserve(booking("after")) == HELD
            spending = await ledger.spending(SCOPE.name)
            assert (spending.settled.tokens, spending.held.requests) == (5, 2)

    run(scenario())


def test_between_two_calls_a_restart_costs_nothing(run: Callable[..., None], own_redis: OwnRedis) -> None:
    async def scenario() -> None:
        async with open_redis(own_redis.url) as redis, open_ledger(redis) as ledger:
            for turn in range(3):
                assert await ledger.reserve(booking(f"call {turn}")) == HELD
                own_redis.kill()
                own_redis.start()
        assert await held(own_redis.url) == 3

    run(scenario())


def test_a_redis_that_is_stopped_is_given_up_in_time(run: Callable[..., None], own_redis: OwnRedis) -> None:
    async def scenario() -> None:
        async with open_redis(own_redis.url) as redis, open_ledger(redis) as ledger:
            assert await ledger.reserve(booking("before")) == HELD
            own_redis.stop()
            for _ in range(2):  # on the connection that there is, and on a new one, which the kernel takes for it
                with pytest.raises(TimedOut):
                    await ledger.reserve(booking("while it is stopped"))
            own_redis.go_on()
            assert await ledger.reserve(booking("after")) == HELD
            assert (await ledger.spending(SCOPE.name)).held == Amount(2, 2, 2), "a call that was not made holds nothing"

    run(scenario())


def test_a_call_that_was_cut_off_before_it_was_booked_holds_nothing(
    run: Callable[..., None], own_redis: OwnRedis
) -> None:
    async def scenario() -> None:
        async with open_redis(own_redis.url) as redis, open_ledger(redis) as ledger:
            assert await ledger.reserve(booking("before")) == HELD
            own_redis.stop()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):  # the guidance's own deadline
                    await ledger.reserve(booking("too late"))
            own_redis.go_on()
            assert (await ledger.spending(SCOPE.name)).held == Amount(1, 1, 1)

    run(scenario())


def test_a_reply_that_is_cut_off_is_asked_for_again(run: Callable[..., None], redis_url: str) -> None:
    async def scenario() -> None:
        async with Relay(redis_url) as relay, open_redis(relay.url) as redis, open_ledger(redis) as ledger:
            assert await ledger.reserve(booking("before")) == HELD
            relay.mode = "cut"
            assert await ledger.reserve(booking("cut")) == HELD
            assert relay.connections == 2
        assert await held(redis_url) == 2, "Redis heard it twice and counted it once"

    run(scenario())


def test_a_half_open_connection_is_given_up_and_left(run: Callable[..., None], redis_url: str) -> None:
    async def scenario() -> None:
        async with Relay(redis_url) as relay, open_redis(relay.url) as redis, open_ledger(redis) as ledger:
            assert await ledger.reserve(booking("before")) == HELD
            relay.mode = "mute"
            with pytest.raises(TimedOut):
                await ledger.reserve(booking("into the void"))
            relay.mode = "pass"
            assert await ledger.reserve(booking("after")) == HELD
            assert relay.connections == 2
        assert await held(redis_url) == 2

    run(scenario())


def test_a_reply_in_pieces_is_one(run: Callable[..., None], redis_url: str) -> None:
    async def scenario() -> None:
        async with line_to(redis_url, ECHO, "any", "first") as (relay, line):
            assert await line.run(b"one") == b"one"
            relay.mode = "drip"
            for said in (b"", b"\r\n", b"$3\r\n", b"-ERR\r\n" * 10):
                assert await line.run(said) == said

    run(scenario())


def test_a_command_that_was_cut_off_leaves_no_reply_to_the_next(run: Callable[..., None], redis_url: str) -> None:
    async def scenario() -> None:
        async with line_to(redis_url, ECHO, "any", "first") as (relay, line):
            assert await line.run(b"one") == b"one"
            relay.mode = "drip"
            cut_off = asyncio.create_task(line.run(b"two" * 100))
            await asyncio.sleep(0.02)  # some of the reply is there
            cut_off.cancel()
            await asyncio.wait([cut_off])
            assert await line.run(b"three") == b"three"

    run(scenario())


def test_an_error_of_the_script_is_told_and_ends_nothing(run: Callable[..., None], redis_url: str) -> None:
    async def scenario() -> None:
        async with line_to(redis_url, PICKY, "any") as (relay, line):
            for _ in range(2):
                with pytest.raises(ResponseError, match="no"):
                    await line.run(b"bad")
                assert await line.run(b"good") == b"good"
            assert relay.connections == 1

    run(scenario())


def test_a_password_is_given(run: Callable[..., None], own_redis: OwnRedis) -> None:
    async def scenario() -> None:
        async with open_redis(own_redis.url) as redis:
            assert redis is not None
            await redis.config_set("requirepass", "secret")
        async with open_redis(own_redis.url.replace("//", "//:wrong@")) as redis, open_ledger(redis) as ledger:
            with pytest.raises(RedisError):
                await ledger.reserve(booking("with another"))
        async with open_redis(own_redis.url.replace("//", "//:secret@")) as redis, open_ledger(redis) as ledger:
            assert await ledger.reserve(booking("with it")) == HELD

    run(scenario())
