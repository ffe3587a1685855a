"""Traffic between replicas: only proved ones, near the prefix, around those that fail."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from contracts import keys
from contracts.rotation import Rotation, Standing
from orchestrator.redis_client import connect
from orchestrator.rollout import replicas as replicas_module
from orchestrator.rollout.replicas import OVERLOAD_REQUESTS, STALE_POLICY, Replicas
from orchestrator.rollout.retries import RolloutError, Unavailable
from orchestrator.rollout.store import RolloutStore
from orchestrator.rollout.student import Policy, Sampling, Student
from servicekit.http_client import Connections

from .standins import Engine, respond, status

URLS = ["http://a", "http://b", "http://c"]
SAMPLING = Sampling(max_new_tokens=8, temperature=1.0, top_p=1.0, seed=1)


class Trainer:
    """What a trainer would record: `standings` is read afresh at every look."""

    def __init__(self, urls: Iterable[str], *versions: int) -> None:
        self.standings: dict[str, Standing] = {}
        for url in urls:
            self.prove(url, *versions)

    def prove(self, url: str, *versions: int) -> None:
        self.standings[url] = Standing(versions=list(versions), since=time.time())

    def expel(self, url: str) -> None:
        self.standings[url] = Standing(versions=[], reason="it was started again", since=time.time())

    async def read(self, job_id: str) -> Rotation:
        return dict(self.standings)


@pytest.fixture(autouse=True)
def fresh_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look reads what the trainer recorded last."""
    monkeypatch.setattr(replicas_module, "REFRESH_SECONDS", -1.0)


@pytest.fixture
async def engines() -> AsyncIterator[list[Engine]]:
    running = [Engine(lambda context: [4]) for _ in range(2)]
    for engine in running:
        await engine.start()
    yield running
    for engine in running:
        await engine.stop()


async def ask(student: Student, oldest: int = 0, seconds: float = 10.0, prefix: str = "p") -> Any:
    deadline = asyncio.get_running_loop().time() + seconds
    return await student.answer([2, 3], SAMPLING, Policy("job-1", oldest), prefix, deadline)


async def test_a_group_stays_together_and_groups_are_spread() -> None:
    replicas = Replicas(URLS, Trainer(URLS, 0).read)
    chosen = {prefix: {await replicas.choose("job-1", 0, prefix) for _ in range(8)} for prefix in map(str, range(60))}
    assert all(len(urls) == 1 for urls in chosen.values())
    shares = Counter(url for urls in chosen.values() for url in urls)
    assert min(shares[url] for url in URLS) >= 8
    trainer = Trainer(URLS, 0)
    trainer.expel("http://a")
    fewer = Replicas(URLS, trainer.read)
    for prefix, (url,) in ((prefix, tuple(urls)) for prefix, urls in chosen.items()):
        assert url == "http://a" or await fewer.choose("job-1", 0, prefix) == url, "others' prefixes must stay"


async def test_an_overloaded_replica_hands_over_to_the_least_busy() -> None:
    replicas = Replicas(URLS, Trainer(URLS, 0).read)
    near = await replicas.choose("job-1", 0, "p")
    others = [url for url in URLS if url != near]
    with ExitStack() as requests:
        for _ in range(OVERLOAD_REQUESTS):
            requests.enter_context(replicas.sending(near))
        requests.enter_context(replicas.sending(others[0]))
        assert await replicas.choose("job-1", 0, "p") == near
        for _ in range(2):
            requests.enter_context(replicas.sending(near))
        assert await replicas.choose("job-1", 0, "p") == others[1]
    assert await replicas.choose("job-1", 0, "p") == near


async def test_only_replicas_that_proved_the_version_get_traffic() -> None:
    trainer = Trainer([], 0)
    replicas = Replicas(URLS, trainer.read)
    with pytest.raises(Unavailable, match="no replica"):
        await replicas.choose("job-1", 0, "p")
    trainer.prove("http://a", 3)
    trainer.prove("http://b", 3, 4)
    trainer.expel("http://c")
    assert {await replicas.choose("job-1", 4, str(n)) for n in range(20)} == {"http://b"}
    assert {await replicas.choose("job-1", 3, str(n)) for n in range(20)} == {"http://a", "http://b"}
    with pytest.raises(Unavailable, match="started again"):
        await replicas.choose("job-1", 5, "p")


async def test_a_router_takes_traffic_only_while_every_replica_behind_it_is_proved() -> None:
    trainer = Trainer(URLS, 3, 4)
    replicas = Replicas(["http://router/"], trainer.read)
    assert await replicas.choose("job-1", 4, "p") == "http://router"
    await replicas.await_proof("job-1", "http://router", {3, 4})
    trainer.expel("http://b")
    with pytest.raises(Unavailable):
        await replicas.choose("job-1", 4, "p")


async def test_an_answer_waits_for_the_proof_of_its_version(connections: Connections, engines: list[Engine]) -> None:
    """In the middle of a swap an engine answers by the new version before the trainer has proved it."""
    engine = engines[0]
    trainer = Trainer([engine.url], 0)
    student = Student(connections, Replicas([engine.url], trainer.read))
    engine.version = "job-1:1"
    asking = asyncio.create_task(ask(student))
    await asyncio.sleep(0.2)
    assert (len(engine.seen), asking.done()) == (1, False)
    trainer.prove(engine.url, 0, 1)
    assert (await asking).version_spans[0].version == 1
    assert len(engine.seen) == 1


async def test_an_answer_that_straddles_a_swap_waits_for_the_proof_of_each_version(
    connections: Connections, engines: list[Engine]
) -> None:
    engine = engines[0]
    engine.speak = lambda context: [5, 4]
    trainer = Trainer([engine.url], 0)
    student = Student(connections, Replicas([engine.url], trainer.read))
    spans = [{"version": "job-1:0", "start": 0, "end": 1}, {"version": "job-1:1", "start": 1, "end": 2}]
    engine.faults.append(respond(lambda body: engine.reply(body, weight_versions=spans)))
    asking = asyncio.create_task(ask(student))
    await asyncio.sleep(0.2)
    assert (len(engine.seen), asking.done()) == (1, False)
    trainer.prove(engine.url, 0, 1)
    assert [span.version for span in (await asking).version_spans] == [0, 1]
    assert len(engine.seen) == 1


async def test_an_unproved_answer_is_thrown_away_when_its_replica_leaves(
    connections: Connections, engines: list[Engine]
) -> None:
    liar, honest = engines
    trainer = Trainer([liar.url], 0)
    student = Student(connections, Replicas([liar.url, honest.url], trainer.read))
    liar.version = honest.version = "job-1:1"
    trainer.expel(honest.url)
    asking = asyncio.create_task(ask(student))
    async with asyncio.timeout(10):
        while not liar.seen:  # noqa: ASYNC110 - there is nothing to be notified by
            await asyncio.sleep(0.01)
    trainer.expel(liar.url)
    trainer.prove(honest.url, 1)
    await asking
    assert (len(liar.seen), len(honest.seen)) == (1, 1)


async def test_an_answer_of_a_swap_that_was_rolled_back_is_thrown_away(
    connections: Connections, engines: list[Engine]
) -> None:
    engine = engines[0]
    trainer = Trainer([engine.url], 0)
    student = Student(connections, Replicas([engine.url], trainer.read))
    engine.version = "job-1:1"
    asking = asyncio.create_task(ask(student))
    async with asyncio.timeout(10):
        while not engine.seen:  # noqa: ASYNC110 - there is nothing to be notified by
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    engine.version = "job-1:0"
    trainer.prove(engine.url, 0)
    assert (await asking).version_spans[0].version == 0
    assert len(engine.seen) == 2


async def test_a_replica_with_old_weights_gets_nothing_until_it_is_proved_again(
    connections: Connections, engines: list[Engine]
) -> None:
    restarted, healthy = engines
    urls = [engine.url for engine in engines]
    trainer = Trainer(urls, 3)
    student = Student(connections, Replicas(urls, trainer.read))
    restarted.version, healthy.version = "default", "job-1:3"
    for number in range(12):
        await ask(student, oldest=3, prefix=str(number))
    assert (len(restarted.seen), len(healthy.seen)) == (1, 12)
    restarted.version = "job-1:3"
    trainer.prove(restarted.url, 3)
    for number in range(12):
        await ask(student, oldest=3, prefix=str(number))
    assert len(restarted.seen) > 1


async def test_a_replica_is_trusted_again_after_a_proof_by_a_clock_that_was_set_back() -> None:
    trainer = Trainer(URLS[:1], 1)
    replicas = Replicas(URLS[:1], trainer.read)
    await replicas.note_failure("job-1", URLS[0], STALE_POLICY)
    with pytest.raises(Unavailable):
        await replicas.choose("job-1", 1, "p")
    trainer.standings[URLS[0]] = Standing(versions=[1], since=time.time() - 3600)
    assert await replicas.choose("job-1", 1, "p") == URLS[0]


async def test_an_unproved_answer_is_thrown_away_when_the_clock_was_set_back_before_the_swap_failed() -> None:
    trainer = Trainer(URLS[:1], 1)
    replicas = Replicas(URLS[:1], trainer.read)
    waiting = asyncio.create_task(replicas.await_proof("job-1", URLS[0], {2}))
    await asyncio.sleep(0.1)
    trainer.standings[URLS[0]] = Standing(versions=[1], since=time.time() - 3600)
    with pytest.raises(Unavailable, match="not proved"):
        await waiting


async def test_an_answer_that_comes_after_its_replica_has_left_waits_for_no_proof() -> None:
    trainer = Trainer(URLS[:1], 1)
    trainer.expel(URLS[0])
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="out of rotation"):
            await Replicas(URLS[:1], trainer.read).await_proof("job-1", URLS[0], {1})


async def test_a_dead_replica_is_gone_around(connections: Connections, engines: list[Engine]) -> None:
    dead, alive = engines
    urls = [engine.url for engine in engines]
    student = Student(connections, Replicas(urls, Trainer(urls, 0).read))
    await dead.stop()
    alive.faults.append(status(503))
    await asyncio.gather(*(ask(student, prefix=str(number)) for number in range(16)))
    assert len(alive.seen) == 17


async def test_a_proof_that_stays_away_is_not_waited_for_for_ever(
    connections: Connections, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas_module, "PROOF_SECONDS", 0.1)
    engines[0].version = "job-1:1"
    student = Student(connections, Replicas([engines[0].url], Trainer([engines[0].url], 0).read))
    with pytest.raises(RolloutError) as caught:
        await ask(student, seconds=0.5)
    assert caught.value.code == "unproved_policy"


async def test_the_rotation_is_what_the_trainer_recorded_and_outlives_an_outage(redis_url: str) -> None:
    connection = connect(redis_url)
    store = RolloutStore(connection)
    standing = Standing(versions=[1, 2], since=5.0)
    with redis.Redis.from_url(redis_url) as client:
        client.hset(keys.rotation("job-1"), "http://a", standing.model_dump_json())
    replicas = Replicas(["http://a"], store.rotation)
    assert await replicas.choose("job-1", 2, "p") == "http://a"
    away = RolloutStore(connect("redis://127.0.0.1:1/0"))
    replicas.read = away.rotation
    assert await replicas.choose("job-1", 2, "p") == "http://a"
    await connection.aclose()
