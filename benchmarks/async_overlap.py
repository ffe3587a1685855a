"""Wall time of a step when rollouts overlap training, against the longer of the two.

A stub engine and a simulated trainer take fixed times; orchestrator and rollout worker are the real processes. At
max_staleness 0 a step takes rollout and training one after the other, from 1 on the longer of the two. Both settings
run in turn; the rollout's time alone is measured at max_staleness 0, from a batch's opening to its last episode. Every
token's version is checked against the bound. Left out: engine and trainer that compete for the same cores or GPU.
"""

import argparse
import asyncio
import json
import statistics
import time
import urllib.request
from dataclasses import dataclass
from itertools import pairwise

import redis
from contracts import keys
from contracts.episodes import Episode, decode_episode
from contracts.jobs import JobSpec
from contracts.policies import engine_version
from contracts.rotation import Standing
from orchestrator.redis_client import connect
from orchestrator.store import Store
from rollout_stage import STUDENT, Stage, show, stage, stop

GOAL = 1.10
STEP_DEADLINE_SECONDS, POLL_SECONDS = 60.0, 0.005


@dataclass(frozen=True)
class Times:
    """Seconds, medians over the steps. `rollout`: from the opening of a batch to its last episode."""

    step: float
    rollout: float
    staleness: int


class SimulatedTrainer:
    """Speaks the trainer's part of the protocol; an update takes a fixed time."""

    def __init__(self, running: Stage, job_id: str, seconds: float) -> None:
        self.client = redis.Redis.from_url(running.redis_url)
        self.running = running
        self.job_id = job_id
        self.seconds = seconds

    def run(self, steps: int) -> list[float]:
        """Unix times at which the versions 0, 1 ... were published. Raises TimeoutError when a batch stays away."""
        published = [self.publish(0)]
        for step in range(1, steps + 1):
            self.await_batch(step)
            time.sleep(self.seconds)
            published.append(self.publish(step))
        return published

    def publish(self, version: int) -> float:
        """The stub serves it, the rotation proves it, the job shows it."""
        name = engine_version(self.job_id, version).encode()
        urllib.request.urlopen(f"{self.running.stub_url}/version", name, timeout=10).close()
        standing = Standing(versions=list(range(version + 1)), since=time.time())
        self.client.hset(keys.rotation(self.job_id), self.running.stub_url, standing.model_dump_json())
        seat = self.client.hget(keys.job(self.job_id), "seat") or b"1"
        fields = {"policy_version": version, "step": version, "served_seat": seat}
        self.client.hset(keys.job(self.job_id), mapping=fields)
        return time.time()

    def await_batch(self, step: int) -> None:
        """Until every episode of the batch is in the stream."""
        deadline = time.monotonic() + STEP_DEADLINE_SECONDS
        while self.client.hlen(keys.index(self.job_id, "train", step)) < EPISODES:
            self.client.set(keys.heartbeat("trainer", "rank0"), json.dumps({"job_id": self.job_id}), ex=60)
            if time.monotonic() > deadline:
                raise TimeoutError(f"batch {step} did not arrive; the job says: {self.reason()}")
            time.sleep(POLL_SECONDS)

    def reason(self) -> str:
        return (self.client.hget(keys.job(self.job_id), "wait_reason") or b"").decode()


PROMPTS, GROUP = 8, 4
EPISODES = PROMPTS * GROUP


def job(steps: int, max_staleness: int) -> JobSpec:
    return JobSpec.model_validate(
        {
            "name": f"overlap-{max_staleness}",
            "student": {"model": str(STUDENT)},
            "task": {"name": "materials"},
            "teacher": {"provider": "tutor"},
            "rollout": {
                "max_attempts": 2,
                "prompts_per_step": PROMPTS,
                "group_size": GROUP,
                "max_answer_tokens": 64,
                "max_staleness": max_staleness,
            },
            "training": {"steps": steps},
            "evaluation": {"every": 1000, "questions": 1},
        }
    )


def measure(running: Stage, max_staleness: int, steps: int, train_seconds: float) -> Times:
    """One job. The last step is left out: nothing overlaps it."""
    job_id = asyncio.run(create(running.redis_url, job(steps, max_staleness)))
    trainer = SimulatedTrainer(running, job_id, train_seconds)
    processes = [running.orchestrator(), running.worker(EPISODES)]
    try:
        trainer.client.set(keys.heartbeat("trainer", "rank0"), json.dumps({"job_id": job_id}), ex=60)
        published = trainer.run(steps)
    finally:
        stop(*processes)
    episodes = [decode_episode(fields[b"episode"]) for _, fields in trainer.client.xrange(keys.stream(job_id, "train"))]
    trainer.client.flushdb()
    by_step = [[one for one in episodes if one.step == step] for step in range(2, steps)]
    spans = [(one.step, span.version) for one in episodes for made in one.attempts for span in made.version_spans]
    return Times(
        step=statistics.median(after - before for before, after in pairwise(published[1:-1])),
        rollout=statistics.median(seconds_of(step) for step in by_step),
        staleness=max(step - 1 - version for step, version in spans),
    )


def seconds_of(batch: list[Episode]) -> float:
    """From the start of the first episode to the end of the last."""
    return max(one.finished_at for one in batch) - min(one.started_at for one in batch)


async def create(redis_url: str, spec: JobSpec) -> str:
    """Queue a job as the API does once it has checked it."""
    client = connect(redis_url)
    try:
        return await Store(client).create(spec)
    finally:
        await client.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--train-seconds", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    parser.add_argument("--answer-seconds", type=float, default=0.4, help="of the stub engine; two answers an episode")
    parser.add_argument("--guidance-seconds", type=float, default=0.2)
    options = parser.parse_args()
    ratios = []
    with stage(options.answer_seconds, options.guidance_seconds) as running:
        for train_seconds in options.train_seconds:
            strict, loose = (measure(running, bound, options.steps, train_seconds) for bound in (0, 1))
            longer = max(strict.rollout, train_seconds)
            ratios.append(loose.step / longer)
            show(
                f"  training {train_seconds:.1f} s, rollout {strict.rollout:.2f} s: a step takes {strict.step:.2f} s "
                f"at max_staleness 0, {loose.step:.2f} s at 1 (stalest tokens {strict.staleness}, {loose.staleness})"
            )
            if strict.staleness > 0 or loose.staleness > 1:
                raise SystemExit("a token was staler than its job allows")
    show(f"async_overlap: ratio {max(ratios):.2f} (goal {GOAL}), against max(rollout, training), the worst case")


if __name__ == "__main__":
    main()
