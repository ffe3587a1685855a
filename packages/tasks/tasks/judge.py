"""The process in which answers are checked, so that a hostile or slow one can be ended with it.

    python -m tasks.judge DATA_ROOT...

Reads a JSON list of requests a line and writes a list of replies a line. Ends with its input.
"""

import resource
import signal
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

import msgspec
from contracts.errors import Problem
from contracts.jobs import TaskSpec

from tasks.base import Outcome, Question, Task
from tasks.registry import create_task

# Twice what the parent waits at most: a judge that lost its parent ends by itself all the same.
LAST_RESORT_SECONDS = 120
# A check needs megabytes; a hostile answer must not take the machine's memory.
MEMORY_BYTES = 4 * 2**30
KEPT_TASKS = 4


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer to check, or, without a question, a task to load. `task`: the JSON of a TaskSpec."""

    task: str
    question: Question | None = None
    answer_text: str = ""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome, or the error of the task's own code; neither for a task that was loaded."""

    outcome: Outcome | None = None
    error: str = ""


_decoder = msgspec.json.Decoder(list[Request])


def serve(requests: BinaryIO, replies: BinaryIO, data_roots: Sequence[Path]) -> None:
    """Answer every line, in order."""
    task_of = lru_cache(KEPT_TASKS)(partial(make_task, data_roots))
    for line in requests:
        signal.alarm(LAST_RESORT_SECONDS)
        verdicts = [judge(request, task_of) for request in _decoder.decode(line)]
        signal.alarm(0)
        replies.write(msgspec.json.encode(verdicts) + b"\n")
        replies.flush()


def judge(request: Request, task_of: Callable[[str], Task]) -> Reply:
    """The verdict on one answer; a failure of the task's code is told, not raised."""
    try:
        task = task_of(request.task)
        if request.question is None:
            return Reply()
        return Reply(task.verify(request.question, request.answer_text).outcome)
    except Problem as problem:
        return Reply(error=problem.detail)
    except Exception as error:  # noqa: BLE001  # the boundary to code that users bring
        return Reply(error=f"{type(error).__name__}: {error}")


def make_task(data_roots: Sequence[Path], spec: str) -> Task:
    """The task of a JSON specification."""
    made = TaskSpec.model_validate_json(spec)
    return create_task(made.name, dict(made.options), data_roots)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    replies, sys.stdout = sys.stdout.buffer, sys.stderr  # what a task prints is no reply
    serve(sys.stdin.buffer, replies, [Path(root) for root in sys.argv[1:]])
