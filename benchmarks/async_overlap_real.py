"""Wall time of a step at max_staleness 1 on the whole CPU stack, against the longer of rollout and training.

Every process is the real one: CPU engine and trainer of one thread each, gateway with the tutor, orchestrator, worker,
Redis. The same job runs at max_staleness 0, which gives the two times when nothing else runs (rollout: what the trainer
waits for its batch; training: the rest of its step), then at 1. There the processes compete for the cores, and training
itself takes longer. So two ratios are printed: the wall time of a step over its own training time beside the rollout
(what overlapping leaves unused; the longer of rollout and training is at least that), and over the longer of the two
undisturbed times (what it costs to share the cores). The CPU seconds of a step, by process, over the number of cores
are the least wall time that any schedule could reach. Left out: the first steps, evaluation, engines and trainers with
devices of their own.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from contracts.jobs import JobSpec
from contracts.records import StepRecord
from contracts.statuses import JobStatus
from rollout_stage import STUDENT, show
from socratic.client import Client
from socratic.commands.stack import request_stack
from socratic.runs import own_stack
from socratic.settings import ClientSettings
from socratic.stack.state import StackState

GOAL = 1.10
SKIPPED_STEPS = 3
JOB_SECONDS, POLL_SECONDS = 240.0, 0.02
ENDED = {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}


@dataclass(frozen=True)
class Times:
    """Seconds of a step, medians. `cpu`: CPU seconds of a step by process; `stalest`: the stalest token's versions."""

    step: float
    rollout: float
    training: float
    stalest: int
    cpu: dict[str, float]


def job(max_staleness: int, options: argparse.Namespace) -> JobSpec:
    rollout = {
        "max_attempts": 2,
        "prompts_per_step": options.prompts,
        "group_size": 2,
        "max_answer_tokens": 32,
        "max_staleness": max_staleness,
    }
    training = {"steps": options.steps, "learning_rate": 1e-6, "epochs": options.epochs, "checkpoint_every": 5}
    return JobSpec.model_validate(
        {
            "name": f"overlap-real-{max_staleness}",
            "student": {"model": str(STUDENT)},
            "task": {"name": "materials"},
            "teacher": {"provider": "tutor"},
            "rollout": rollout,
            "training": training,
            "evaluation": {"every": 1000, "questions": 1},
        }
    )


def measure(stack: StackState, client: Client, spec: JobSpec) -> Times:
    """One job; the clock reads when each step was published."""
    job_id = client.submit(spec).id
    reached, marks, used = 0, [], []
    deadline = time.monotonic() + JOB_SECONDS
    while (now := client.get(job_id)).status not in ENDED:
        if now.progress.step > reached:
            reached = now.progress.step
            marks.append((reached, time.monotonic()))
            used.append(cpu_seconds(stack))
        if time.monotonic() > deadline:
            raise SystemExit(f"{job_id} did not end within {JOB_SECONDS:.0f} s: {now.wait_reason}")
        time.sleep(POLL_SECONDS)
    if now.status != JobStatus.SUCCEEDED:
        raise SystemExit(f"{job_id} {now.status}: {now.error}")
    steps = client.steps(job_id)[SKIPPED_STEPS:-1]
    whole = marks[-1][0] - marks[SKIPPED_STEPS][0]
    return Times(
        step=statistics.median(
            (b - a) / (after - before) for (before, a), (after, b) in pairwise(marks[SKIPPED_STEPS:])
        ),
        rollout=statistics.median(one.phase_seconds["wait"] for one in steps),
        training=statistics.median(map(training_seconds, steps)),
        stalest=max(one.staleness_max for one in steps),
        cpu={name: (used[-1][name] - used[SKIPPED_STEPS][name]) / whole for name in used[-1]},
    )


def training_seconds(step: StepRecord) -> float:
    """Update, checkpoint, acknowledgement and publishing."""
    return sum(step.phase_seconds.get(phase, 0.0) for phase in ("update", "checkpoint", "acknowledge", "publish"))


def cpu_seconds(stack: StackState) -> dict[str, float]:
    """That each process of the stack has used so far, children included."""
    return {one.name: sum(map(used_by, family(one.pid))) for one in stack.processes}


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def used_by(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=64, help="of a step; two episodes each")
    parser.add_argument("--epochs", type=int, default=1, help="passes over a batch: what training takes")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as home:
        request = request_stack(ClientSettings(), Path(home), STUDENT)
        with own_stack(request, os.environ, lambda state: None) as stack, Client(stack.orchestrator_url) as client:
            strict, loose = (measure(stack, client, job(bound, options)) for bound in (0, 1))
    for name, times in (("0", strict), ("1", loose)):
        spent = ", ".join(f"{process} {seconds:.2f}" for process, seconds in times.cpu.items() if seconds >= 0.01)
        show(
            f"  max_staleness {name}: a step {times.step:.2f} s (rollout {times.rollout:.2f}, training "
            f"{times.training:.2f}; stalest {times.stalest}); CPU a step {sum(times.cpu.values()):.2f} s: {spent}"
        )
    if strict.stalest > 0 or loose.stalest > 1:
        raise SystemExit("a token was staler than its job allows")
    cores, spent_loose = os.cpu_count() or 1, sum(loose.cpu.values())
    show(f"  least by CPU alone: {spent_loose / cores:.2f} s a step on {cores} cores; load {os.getloadavg()[0]:.1f}")
    undisturbed = loose.step / max(strict.rollout, strict.training)
    show(f"  against max(rollout, training) of max_staleness 0, each with the machine to itself: {undisturbed:.2f}")
    show(
        f"async_overlap_real: ratio {loose.step / loose.training:.2f} (goal {GOAL}), against training in the same steps"
    )


if __name__ == "__main__":
    main()
