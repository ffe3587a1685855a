"""Chunks on a real Redis: each episode once, under a lease, and nothing for a job that no longer runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from contracts import keys
from contracts.episodes import Failure
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.manifests import CHUNK_EPISODES
from orchestrator.batches import Batches
from orchestrator.redis_client import connect
from orchestrator.rollout import chunk as chunk_module
from orchestrator.rollout.chunk import ChunkRunner
from orchestrator.rollout.contexts import JobContexts
from orchestrator.rollout.episode import Parties
from orchestrator.rollout.metrics import RolloutMetrics
from orchestrator.rollout.store import Chunk, RolloutStore
from orchestrator.store import Store
from prometheus_client import CollectorRegistry

from .board import Board
from .makers import make_manifest, make_spec, save_student, unplayed, word_tokenizer
from .standins import Engine, Gateway, status

CHUNK = Chunk("job-1", "train", 1, 0)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def runner(
    redis_url: str,
    model_root: Path,
    parties: Parties,
    registry: CollectorRegistry,
) -> AsyncIterator[ChunkRunner]:
    connection = connect(redis_url)
    yield ChunkRunner(
        store=RolloutStore(connection),
        batches=Batches(connection),
        contexts=JobContexts(Store(connection), [model_root], []),
        parties=parties,
        slots=asyncio.Semaphore(8),
        metrics=RolloutMetrics(registry),
    )
    await connection.aclose()


async def test_a_chunk_is_its_part_of_the_manifest(runner: ChunkRunner, board: Board, spec: JobSpec) -> None:
    manifest = make_manifest(episodes=CHUNK_EPISODES + 3)
    board.post(spec, manifest)
    await runner.run(Chunk("job-1", "train", 1, 1))
    assert board.appended() == dict.fromkeys([entry.episode_id for entry in manifest.entries[CHUNK_EPISODES:]], 1)
    assert board.lease(1) is None


async def test_running_a_chunk_again_appends_nothing(
    runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec
) -> None:
    board.post(spec, make_manifest(episodes=3))
    await runner.run(CHUNK)
    requests = len(engine.seen)
    await runner.run(CHUNK)
    assert (set(board.appended().values()), len(engine.seen)) == ({1}, requests)


async def test_two_at_once_do_the_work_once(runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec) -> None:
    board.post(spec, make_manifest(episodes=3))
    await asyncio.gather(runner.run(CHUNK), runner.run(CHUNK))
    assert (len(board.episodes()), len(engine.seen)) == (3, 6)


async def test_even_without_the_lease_each_episode_is_appended_once(
    runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec
) -> None:
    board.post(spec, make_manifest(episodes=3))
    engine.talking.clear()
    first = asyncio.create_task(runner.run(CHUNK))
    await until(lambda: len(engine.seen) == 3)
    board.free()
    second = asyncio.create_task(runner.run(CHUNK))
    await until(lambda: len(engine.seen) == 6)
    engine.talking.set()
    await asyncio.gather(first, second)
    assert list(board.appended().values()) == [1, 1, 1]


async def test_an_exhausted_budget_pauses_the_job_and_leaves_the_episodes_to_be_made(
    runner: ChunkRunner, board: Board, gateway: Gateway, spec: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other two are done before the worker looks at the job's status, however long their judge takes to start.
    monkeypatch.setattr(chunk_module, "RENEW_SECONDS", 60.0)
    board.post(spec, make_manifest(episodes=3))
    words = "The next call of frontier might exceed the usd cap of job:job-1; raise that cap."
    gateway.faults.append(status(402, body=Problem(402, "budget_exhausted", words).as_dict()))
    await runner.run(CHUNK)
    job = board.client.hgetall(keys.job("job-1"))
    assert (job[b"status"], job[b"pause_reason"]) == (b"pausing", b"budget_exhausted")
    assert job[b"pause_detail"].decode() == words
    assert (len(board.episodes()), board.failures()) == (2, [])
    await runner.run(CHUNK)  # a job that does not run gets no episodes
    assert len(board.episodes()) == 2
    board.set_status("running")
    await runner.run(CHUNK)
    assert list(board.appended().values()) == [1, 1, 1]
    assert [episode.failure for episode in board.episodes()] == [None] * 3


async def test_an_episode_whose_teacher_is_throttled_waits_and_holds_no_other_up(
    runner: ChunkRunner, board: Board, gateway: Gateway, spec: JobSpec
) -> None:
    board.post(spec, make_manifest(episodes=20))  # more than may be in flight
    full = Problem(503, "teacher_rate_limited", "The limits of provider local leave no room for 4 s.")
    gateway.faults.append(status(503, {"Retry-After": "4"}, full.as_dict()))
    running = asyncio.create_task(runner.run(CHUNK))
    await until(lambda: len(board.episodes()) == 19)
    throttled = gateway.seen[0]["episode_id"]
    assert [asked["episode_id"] for asked in gateway.seen].count(throttled) == 1
    await running
    assert board.episodes()[-1].episode_id == throttled
    assert [episode.failure for episode in board.episodes()] == [None] * 20


async def test_hundreds_of_episodes_may_end_at_once(redis_url: str, board: Board) -> None:
    # redis-py's own pool raises "Too many connections" beyond 100 commands at once.
    connection = connect(redis_url)
    store = RolloutStore(connection)
    episodes = [unplayed(sample) for sample in range(300)]
    assert all(await asyncio.gather(*(store.append(episode) for episode in episodes)))
    assert not any(await asyncio.gather(*(store.append(episode) for episode in episodes)))
    assert len(board.episodes()) == 300
    await connection.aclose()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is nothing to be notified by
            await asyncio.sleep(0.01)


async def test_episodes_in_flight_are_bounded(runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec) -> None:
    board.post(spec, make_manifest(episodes=20))
    engine.talking.clear()
    running = asyncio.create_task(runner.run(CHUNK))
    await until(lambda: len(engine.seen) == 8)
    await asyncio.sleep(0.1)
    assert (len(engine.seen), board.lease() is not None) == (8, True)
    assert 0 < board.lease_milliseconds() <= 6000, "the lease ends by itself from its first moment on"
    engine.talking.set()
    await running
    assert len(board.episodes()) == 20


@pytest.mark.parametrize("job_status", ["queued", "cancelling", "failed", "paused"])
async def test_a_job_that_does_not_run_gets_nothing(
    runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec, job_status: str
) -> None:
    board.post(spec, make_manifest())
    board.set_status(job_status)
    await runner.run(CHUNK)
    assert (board.episodes(), engine.seen, board.lease()) == ([], [], None)


@pytest.mark.parametrize("change", ["cancelled", "stolen"])
async def test_work_stops_when_it_is_no_longer_wanted(
    runner: ChunkRunner,
    board: Board,
    engine: Engine,
    spec: JobSpec,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunk_module, "RENEW_SECONDS", 0.05)
    board.post(spec, make_manifest(episodes=3))
    engine.talking.clear()
    running = asyncio.create_task(runner.run(CHUNK))
    await until(lambda: len(engine.seen) == 3)
    if change == "cancelled":
        board.set_status("cancelling")
    else:
        board.steal()
    await asyncio.wait_for(running, 20)
    assert board.episodes() == []
    assert board.lease() == (None if change == "cancelled" else b"another worker")
    assert runner.rolling == set()
    engine.talking.set()


async def test_a_failed_episode_is_recorded_and_told(
    runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec, registry: CollectorRegistry
) -> None:
    board.post(spec, make_manifest(episodes=2))
    engine.faults.append(status(400, body={"error": {"message": "too long"}}))
    await runner.run(CHUNK)
    failed = [episode for episode in board.episodes() if episode.failure is not None]
    assert len(failed) == 1
    assert len(board.episodes()) == 2
    (event,) = board.failures()
    assert (event.episode_id, event.code) == (failed[0].episode_id, "engine_refused")
    labels = {"purpose": "train", "outcome": "failed"}
    assert registry.get_sample_value("socratic_episodes_total", labels) == 1
    assert registry.get_sample_value("socratic_episodes_in_flight") == 0


async def test_a_failure_that_two_workers_append_is_told_once(redis_url: str, board: Board) -> None:
    connection = connect(redis_url)
    store = RolloutStore(connection)
    failed = msgspec.structs.replace(unplayed(0), failure=Failure(code="deadline", detail="late"))
    assert [await store.append(failed) for _ in range(2)] == [True, False]
    assert [event.code for event in board.failures()] == ["deadline"]
    await connection.aclose()


async def test_a_defect_fails_its_own_episode_only(runner: ChunkRunner, board: Board, spec: JobSpec) -> None:
    # The second entry asks a question that the task does not have.
    manifest = make_manifest(episodes=45)
    board.post(spec, manifest)
    await runner.run(Chunk("job-1", "train", 1, 1))
    failures = {episode.question_id: episode.failure for episode in board.episodes()}
    assert failures["materials-train-39"] is None
    unknown = failures["materials-train-44"]
    assert unknown is not None
    assert unknown.code == "internal_error"
    assert len(failures) == 13


async def test_a_manifest_on_a_newer_policy_waits_for_it(
    runner: ChunkRunner, board: Board, engine: Engine, spec: JobSpec
) -> None:
    board.post(spec, make_manifest(policy_version=1))
    running = asyncio.create_task(runner.run(CHUNK))
    await until(lambda: len(engine.seen) >= 2)
    engine.version = "job-1:1"
    await running
    (episode,) = board.episodes()
    assert {span.version for attempt in episode.attempts for span in attempt.version_spans} == {1}


async def test_evaluations_have_their_own_stream(runner: ChunkRunner, board: Board, spec: JobSpec) -> None:
    board.post(spec, make_manifest(episodes=2, purpose="eval", step=0))
    await runner.run(Chunk("job-1", "eval", 0, 0))
    assert (len(board.episodes("eval")), board.episodes("train")) == (2, [])


async def test_a_student_that_this_machine_lacks_is_no_failed_episode(runner: ChunkRunner, board: Board) -> None:
    board.post(make_spec(student={"model": "elsewhere"}), make_manifest())
    with pytest.raises(Exception, match=r"student\.model"):
        await runner.run(CHUNK)
    assert (board.episodes(), board.lease()) == ([], None)


async def test_a_worker_reads_no_student_outside_its_roots(runner: ChunkRunner, board: Board, tmp_path: Path) -> None:
    """Whoever wrote the job to Redis: the worker looks for itself."""
    outside = save_student(word_tokenizer(), tmp_path / "student")
    board.post(make_spec(student={"model": str(outside)}), make_manifest())
    with pytest.raises(Exception, match="outside the model roots"):
        await runner.run(CHUNK)
    assert (board.episodes(), board.lease()) == ([], None)
