"""Resume to the bit: kill -9 in every phase of the real trainer process; the weights are those of no kill at all."""

import json
import random
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import redis

from .hunting import ANYWHERE, PHASES, kill_in
from .makers import JOB, episodes_of_step, spec_of
from .rig import (
    consumed_ids,
    events_of,
    put_batches,
    put_job,
    reached,
    settings_of,
    start,
    stop,
    unacknowledged,
    wait_until,
    weights_at,
)
from .standin_engine import StandInEngine

POINTS = (*PHASES, ANYWHERE)
EPISODES = 12


def put_long_job(client: "redis.Redis", student: Path, steps: int, shuffle_seed: int) -> None:
    """Episodes in any order, two updates a step, a checkpoint every other step."""
    put_job(client, spec_of(student.name, steps=steps, checkpoint_every=2, minibatches=2))
    put_batches(client, [episodes_of_step(step) for step in range(1, steps + 1)], shuffle_seed)


# 64 kills took 280 seconds on a busy machine.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("steps", "kills_in_each"),
    [pytest.param(48, 2, id="sample"), pytest.param(160, 8, id="all", marks=pytest.mark.faults)],
)
def test_killed_in_every_phase(
    client: "redis.Redis",
    redis_url: str,
    student: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    steps: int,
    kills_in_each: int,
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    finish(client, redis_url, student, unbroken, steps, points=[])
    client.flushdb()
    points = list(POINTS * kills_in_each)
    random.Random(steps).shuffle(points)
    killed = finish(client, redis_url, student, broken, steps, points)

    table = "".join(f"{point}: {killed[point]} kills\n" for point in POINTS)
    with capsys.disabled():
        sys.stdout.write(f"\n{table}resumed to the bit after {sum(killed.values())} kills\n")
    assert killed == dict.fromkeys(POINTS, kills_in_each)
    assert weights_at(broken, steps) == weights_at(unbroken, steps)
    assert unacknowledged(client) == 0
    consumed = consumed_ids(broken)
    assert len(consumed) == len(set(consumed)) == steps * EPISODES
    told = [event.record.step for event in events_of(client, "step.trained")]
    assert told == list(range(1, steps + 1))
    published = [event.policy_version for event in events_of(client, "policy.published")]
    assert published == sorted(published)
    lines = (broken / "jobs" / JOB / "steps.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == told


def finish(
    client: "redis.Redis", redis_url: str, student: Path, data_root: Path, steps: int, points: list[str]
) -> Counter[str]:
    """Train a job to its end, through a kill at each of the points, spread over its steps."""
    engine, rng, killed = StandInEngine(student), random.Random(1), Counter[str]()
    put_long_job(client, student, steps, shuffle_seed=len(points))
    settings = settings_of(redis_url, engine.url, data_root, student)
    for number, point in enumerate(points):
        process = start(settings)
        if point != ANYWHERE:
            wait_until(partial(reached, client, steps * number // (2 * len(points))), "progress")
        kill_in(process, point, rng)
        killed[point] += 1
    process = start(settings)
    wait_until(partial(reached, client, steps), "the end")
    stop(process)
    engine.stop()
    assert process.exitcode == 0
    return killed
