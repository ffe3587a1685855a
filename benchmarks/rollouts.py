"""Episodes per second of one rollout worker against plain aiohttp that makes the same calls to the same stub.

An episode here is three calls (an answer, guidance, another answer); the stub has them ready. The worker is the real
process: chunks from Celery, tokens, log-probabilities and versions checked, answers verified in processes of their
own, episodes appended to Redis once; a question has a group of 8 episodes. The ceiling posts bodies of the same size
from one process on the same event loop (uvloop) and reads the answers, nothing else. Both sides open their connections
before they are timed, and alternate. Left out: an engine's and a teacher's time, which are what a real run waits for.
"""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass

import aiohttp
import psutil  # type: ignore[import-untyped]
import redis
import uvloop
from contracts import keys
from contracts.episodes import decode_episode
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, ManifestEntry, chunk_count, encode_manifest, episode_id
from contracts.rotation import Standing
from orchestrator.rollout.dispatch import ChunkSender
from rollout_stage import STUDENT, Stage, show, stage, stop

JOB, GOAL, QUESTIONS, GROUP = "job-1", 0.6, 2000, 8
FEWEST_EPISODES, WAVES = 512, 2
DONE_SECONDS, POLL_SECONDS = 240.0, 0.01
SPEC = JobSpec.model_validate(
    {
        "name": "rollouts",
        "student": {"model": str(STUDENT)},
        "task": {"name": "materials", "options": {"train_questions": QUESTIONS}},
        "teacher": {"provider": "tutor"},
        "rollout": {"max_attempts": 2, "max_answer_tokens": 64},
        "training": {"steps": 1},
    }
)


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and CPU seconds of the one client process."""

    wall: float
    cpu: float


class Board:
    """Redis as the controller and the trainer leave it for a worker."""

    def __init__(self, url: str, stub_url: str) -> None:
        self.client = redis.Redis.from_url(url)
        self.sender = ChunkSender(url)
        fields = {"spec": SPEC.model_dump_json(), "status": "running", "created_at": "1.0", "updated_at": "1.0"}
        self.client.hset(keys.job(JOB), mapping=fields)
        standing = Standing(versions=[0], since=time.time())
        self.client.hset(keys.rotation(JOB), stub_url, standing.model_dump_json())

    def roll_out(self, step: int, episodes: int) -> float:
        """Hand out a batch and wait for its episodes; seconds. Raises TimeoutError when they stay away."""
        manifest = batch(step, episodes)
        self.client.set(keys.manifest(JOB, "train", step), encode_manifest(manifest))
        started = time.perf_counter()
        for chunk in range(chunk_count(manifest)):
            self.sender.send(JOB, "train", step, chunk)
        while self.client.hlen(keys.index(JOB, "train", step)) < episodes:
            if time.perf_counter() - started > DONE_SECONDS:
                raise TimeoutError(f"{episodes} episodes were not made within {DONE_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started
        self.check(episodes)
        return seconds

    def check(self, episodes: int) -> None:
        """The newest episodes are whole. Raises SystemExit with the first that is not."""
        for _, fields in self.client.xrevrange(keys.stream(JOB, "train"), count=episodes):
            made = decode_episode(fields[b"episode"])
            if made.failure or len(made.attempts) != SPEC.rollout.max_attempts:
                raise SystemExit(f"{made.episode_id} is no whole episode: {made.failure or made.attempts}")


def batch(step: int, episodes: int) -> Manifest:
    entries = []
    for index in range(episodes):
        question, sample = (
            f"materials-train-{index // GROUP % QUESTIONS}",
            index // (GROUP * QUESTIONS) * GROUP + index % GROUP,
        )
        name = episode_id(JOB, "train", step, question, sample)
        entries.append(ManifestEntry(episode_id=name, question_id=question, sample=sample, seed=index))
    return Manifest(job_id=JOB, purpose="train", step=step, policy_version=0, entries=entries)


async def ceiling(stub_url: str, in_flight: int, episodes: int) -> Cost:
    """The same calls with nothing around them."""
    sampling = {"max_new_tokens": 64, "temperature": 1.0, "sampling_seed": 1}
    generate = json.dumps({"input_ids": [7] * 40, "sampling_params": sampling, "return_logprob": True}).encode()
    guidance = b"g" * 1100  # as long as a GuidanceRequest of this task
    slots = asyncio.Semaphore(in_flight)

    async def episode(session: aiohttp.ClientSession) -> None:
        async with slots:
            for path, body in (("/generate", generate), ("/v1/guidance", guidance), ("/generate", generate)):
                async with session.post(stub_url + path, data=body, headers=JSON) as answer:
                    json.loads(await answer.read())

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*[episode(session) for _ in range(in_flight)])
        started, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*[episode(session) for _ in range(episodes)])
        return Cost(time.perf_counter() - started, time.process_time() - used)


JSON = {"Content-Type": "application/json"}


def measure(running: Stage, in_flight: int, rounds: int) -> float:
    """Ratio of the two rates at one number in flight."""
    episodes = max(FEWEST_EPISODES, WAVES * in_flight)
    board = Board(running.redis_url, running.stub_url)
    process = running.worker(in_flight)
    try:
        board.roll_out(1, episodes)  # loads the job, opens the connections
        idle = psutil.Process(process.pid).memory_info().rss
        ours, theirs = [], []
        for number in range(rounds):
            theirs.append(uvloop.run(ceiling(running.stub_url, in_flight, episodes)))
            used = cpu_seconds(process.pid)
            wall = board.roll_out(2 + number, episodes)
            ours.append(Cost(wall, cpu_seconds(process.pid) - used))
        grown = psutil.Process(process.pid).memory_info().rss - idle
    finally:
        stop(process)
        board.client.flushdb()
    rate, most = (episodes / statistics.median(one.wall for one in side) for side in (ours, theirs))
    own, least = (1000 * statistics.median(one.cpu for one in side) / episodes for side in (ours, theirs))
    memory = max(0, grown) / in_flight / 1024
    show(
        f"  {in_flight:5} in flight: {rate:5.0f} episodes/s, aiohttp {most:5.0f} ({rate / most:.2f}); CPU an episode "
        f"{own:.2f} ms, aiohttp {least:.2f} ms ({least / own:.2f}); {memory:.0f} KiB an episode in flight"
    )
    return rate / most


def cpu_seconds(pid: int) -> float:
    """That a process has used so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256, 1024, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with stage(0, 0) as running:
        ratios = [measure(running, in_flight, options.rounds) for in_flight in options.in_flight]
    show(f"rollouts: ratio {min(ratios):.2f} (goal {GOAL}), against plain aiohttp, the worst of {options.in_flight}")


if __name__ == "__main__":
    main()
