"""The process in which answers are checked, so that a hostile or slow one can be ended with it.

    python -m tasks.judge

Reads a JSON list a line: `{"task": {"name", "options", "data_roots"}, "question": {}, "answer_text": "..."}`, or a task
alone, which is then loaded. Writes a list a line: `{"outcome": "correct"}`, `{"error": "..."}` where the code of the
task failed, `{}` for a task that was loaded. Ends with its input.
"""

import json
import resource
import signal
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from contracts.errors import Problem

from tasks.base import Question, Task
from tasks.registry import create_task

# Twice what the parent waits at most: a judge that lost its parent ends by itself all the same.
LAST_RESORT_SECONDS = 120
# A check needs megabytes; a hostile answer must not take the machine's memory.
MEMORY_BYTES = 4 * 2**30
KEPT_TASKS = 4


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer every line, in order."""
    for line in requests:
        signal.alarm(LAST_RESORT_SECONDS)
        verdicts = [judge(request) for request in json.loads(line)]
        signal.alarm(0)
        replies.write(json.dumps(verdicts) + "\n")
        replies.flush()


def judge(request: dict[str, Any]) -> dict[str, str]:
    """The verdict on one answer; a failure of the task's code is told, not raised."""
    try:
        task = task_of(json.dumps(request["task"]))
        if "question" not in request:
            return {}
        return {"outcome": task.verify(Question(**request["question"]), request["answer_text"]).outcome}
    except Problem as problem:
        return {"error": problem.detail}
    except Exception as error:  # noqa: BLE001  # the boundary to code that users bring
        return {"error": f"{type(error).__name__}: {error}"}


@lru_cache(KEPT_TASKS)
def task_of(spec: str) -> Task:
    """The task of a JSON specification, made once."""
    made = json.loads(spec)
    return create_task(made["name"], made["options"], [Path(root) for root in made["data_roots"]])


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    replies, sys.stdout = sys.stdout, sys.stderr  # what a task prints is no reply
    serve(sys.stdin, replies)
