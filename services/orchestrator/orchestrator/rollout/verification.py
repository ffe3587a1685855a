"""Answers are checked in processes of their own, under a deadline: no answer can hold the episodes up.

Answers wait in line for a judge; the one at the head has VERIFY_SECONDS. Past that its judge is killed, it is
`unverified`, and those behind it go to the next judge.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from contracts.episodes import Outcome
from contracts.jobs import TaskSpec
from tasks.base import Question

# A letter is compared in microseconds and a symbolic result in less than a second; this much on a busy machine.
VERIFY_SECONDS = 10.0
# A judge starts Python, imports the tasks and reads the task's files.
START_SECONDS = 60.0
# Enough that a slow answer leaves the others a judge; each takes some 20 MiB.
JUDGES = 2
LINE_BYTES = 2**26

log = structlog.get_logger()


class Judge:
    """One process, started when it is needed and again after it was killed."""

    def __init__(self) -> None:
        self.process: Process | None = None
        self.known: set[str] = set()  # tasks that this process has loaded

    async def ask(self, task: str, line: bytes) -> dict[str, str]:
        """One reply. Raises TimeoutError when it takes too long, ValueError or OSError when the process broke off.

        Each of these ends the process, and so does a cancelled wait: its reply would be taken for the next one.
        """
        try:
            async with asyncio.timeout(VERIFY_SECONDS if task in self.known else START_SECONDS):
                process = self.process or await self.start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(line)
                await process.stdin.drain()
                reply: dict[str, str] = json.loads(await process.stdout.readline())
        except (OSError, ValueError, TimeoutError, asyncio.CancelledError):
            await self.end()
            raise
        self.known.add(task)
        return reply

    async def start(self) -> Process:
        command = (sys.executable, "-P", "-m", "tasks.judge")
        self.process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES)
        return self.process

    async def end(self) -> None:
        """Kill the process and wait for its end."""
        process, self.process, self.known = self.process, None, set()
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Verification:
    """The judges of one worker process."""

    def __init__(self, data_roots: Sequence[Path]) -> None:
        self.data_roots = [str(root) for root in data_roots]
        self.idle: asyncio.Queue[Judge] = asyncio.Queue()
        self.judges = [Judge() for _ in range(JUDGES)]
        for judge in self.judges:
            self.idle.put_nowait(judge)

    async def check(self, spec: TaskSpec, question: Question, answer_text: str) -> Outcome:
        """The outcome of an answer; `unverified` when its check took too long, crashed, or ended its process."""
        task: dict[str, Any] = {"name": spec.name, "options": dict(spec.options), "data_roots": self.data_roots}
        request = {"task": task, "question": asdict(question), "answer_text": answer_text}
        judge = await self.idle.get()
        try:
            reply = await judge.ask(json.dumps(task), json.dumps(request).encode() + b"\n")
        except (OSError, ValueError, TimeoutError) as error:
            reply = {"error": f"the check ended without a verdict ({type(error).__name__})"}
        finally:
            self.idle.put_nowait(judge)
        if "error" in reply:
            log.warning("answer_unverified", question_id=question.id, cause=reply["error"])
            return "unverified"
        return reply["outcome"]  # type: ignore[return-value]

    async def close(self) -> None:
        """End every process."""
        for judge in self.judges:
            await judge.end()
