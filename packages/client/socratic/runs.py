"""A job on a stack of its own: start, submit, watch, collect, stop."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.records import EvaluationRecord, StepRecord
from contracts.statuses import JobStatus
from contracts.views import Job

from socratic.client import Client
from socratic.stack.control import await_ready, start_supervisor, stop_supervisor
from socratic.stack.plan import StackRequest
from socratic.stack.state import StackState, read_state
from socratic.watch import failure_reason

Follow = Callable[[Client, str], Job]
ShowStack = Callable[[StackState], None]


@dataclass(frozen=True)
class Run:
    """A job that succeeded, and its records; `seconds` is the wall time from the stack's start."""

    job: Job
    steps: list[StepRecord]
    evaluations: list[EvaluationRecord]
    seconds: float


@contextmanager
def own_stack(request: StackRequest, environment: Mapping[str, str], show: ShowStack) -> Iterator[StackState]:
    """A ready stack that ends with the block, and with this process, however that ends."""
    supervisor = start_supervisor(request, environment, detached=False)
    try:
        yield await_ready(supervisor, request.home, show)
    except Problem as problem:
        state = read_state(request.home)
        # The supervisor gave up and stopped the orchestrator with the rest: its reason is the one to tell.
        if problem.code == "unreachable" and state is not None and state.status == "failed":
            raise Problem(503, "stack_failed", state.reason) from None
        raise
    finally:
        stop_supervisor(supervisor)


def run_job(
    spec: JobSpec, request: StackRequest, environment: Mapping[str, str], follow: Follow, show: ShowStack
) -> Run:
    """A job on a stack of its own. Raises Problem when stack or job fails, with the reason and where the logs are."""
    started = time.monotonic()
    with own_stack(request, environment, show) as stack, Client(stack.orchestrator_url) as client:
        job = follow(client, client.submit(spec).id)
        if job.status != JobStatus.SUCCEEDED:
            raise failed(job, request.log_directory)
        steps, evaluations = client.steps(job.id), client.evaluations(job.id)
    return Run(job, steps, evaluations, time.monotonic() - started)


def failed(job: Job, log_directory: Path) -> Problem:
    """Why a job did not succeed, and where to look."""
    return Problem(500, "job_failed", f"{job.id} {job.status}: {failure_reason(job)}. Logs: {log_directory}")
