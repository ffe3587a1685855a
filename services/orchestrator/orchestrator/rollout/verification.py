"""Answers are checked in processes of their own, under a deadline: no answer can hold the episodes up.

Answers that wait together go to a judge together. A judge that does not answer in time is killed, and its answers are
checked again one by one: the one that it hung on is `unverified`, the others get their verdicts.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from contracts.episodes import Outcome
from tasks.base import Question
from tasks.judge import Reply, Request

# A letter is compared in microseconds and a symbolic result in less than a second; this much on a busy machine.
VERIFY_SECONDS = 10.0
# A judge starts Python, imports the tasks and reads the task's files.
START_SECONDS = 60.0
# Enough that a slow answer leaves the others a judge; each takes some 20 MiB.
JUDGES = 2
# One exchange with a judge costs more than many letters; symbolic results must fit into VERIFY_SECONDS together.
BATCH_ANSWERS = 32
# Answers that come so soon after one another are checked together; a student needs a hundred times as long for one.
GATHER_SECONDS = 0.005
LINE_BYTES = 2**26

log = structlog.get_logger()
_decoder = msgspec.json.Decoder(list[Reply])


@dataclass(frozen=True)
class Waiting:
    """An answer whose outcome somebody waits for."""

    request: Request
    outcome: "asyncio.Future[Outcome]"

    def settle(self, reply: Reply) -> None:
        """Tell who waits, if they still do."""
        if reply.error and self.request.question:
            log.warning("answer_unverified", question_id=self.request.question.id, cause=reply.error)
        if not self.outcome.done():
            self.outcome.set_result(reply.outcome or "unverified")


class Judge:
    """One process (`tasks.judge`), started when it is needed and again after it was killed."""

    def __init__(self, data_roots: Sequence[Path]) -> None:
        self.data_roots = data_roots
        self.process: Process | None = None
        self.known: set[str] = set()  # tasks that this process has loaded

    async def ask(self, batch: Sequence[Waiting]) -> list[Reply]:
        """A reply to each. Raises TimeoutError when they take too long, ValueError or OSError when the process broke
        off; either ends the process."""
        try:
            for task in {waiting.request.task for waiting in batch} - self.known:
                await self.exchange([Request(task)], START_SECONDS)
                self.known.add(task)
            return await self.exchange([waiting.request for waiting in batch], VERIFY_SECONDS)
        except (OSError, ValueError, TimeoutError):
            await self.end()
            raise

    async def exchange(self, requests: list[Request], seconds: float) -> list[Reply]:
        """One line to the process and one back."""
        async with asyncio.timeout(seconds):
            process = self.process or await self.start()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(msgspec.json.encode(requests) + b"\n")
            await process.stdin.drain()
            return _decoder.decode(await process.stdout.readline())

    async def start(self) -> Process:
        """Start the process."""
        command = (sys.executable, "-P", "-m", "tasks.judge", *map(str, self.data_roots))
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
    """The judges of one worker process; made on its event loop."""

    def __init__(self, data_roots: Sequence[Path]) -> None:
        self.loop = asyncio.get_running_loop()
        # Holds no more answers than there are episodes in flight: each waits for its own.
        self.queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self.gathering = asyncio.Lock()  # two judges that gather at once would have half as many answers each
        self.judges = [Judge(data_roots) for _ in range(JUDGES)]
        self.sittings = [asyncio.create_task(self._sit(judge)) for judge in self.judges]

    async def check(self, task: str, question: Question, answer_text: str) -> Outcome:
        """The outcome of an answer; `unverified` when its check took too long, raised, or ended its process.

        task: the JSON of a TaskSpec.
        """
        outcome: asyncio.Future[Outcome] = self.loop.create_future()
        self.queue.put_nowait(Waiting(Request(task, question, answer_text), outcome))
        return await outcome

    async def close(self) -> None:
        """End every process."""
        for sitting in self.sittings:
            sitting.cancel()
        await asyncio.wait(self.sittings)
        for judge in self.judges:
            await judge.end()

    async def _sit(self, judge: Judge) -> None:
        while True:
            async with self.gathering:
                batch = await self._gather()
            await decide(judge, batch)

    async def _gather(self) -> list[Waiting]:
        batch = [await self.queue.get()]
        if self.queue.qsize() < BATCH_ANSWERS - 1:
            await asyncio.sleep(GATHER_SECONDS)
        while len(batch) < BATCH_ANSWERS and not self.queue.empty():
            batch.append(self.queue.get_nowait())
        return batch


async def decide(judge: Judge, batch: Sequence[Waiting]) -> None:
    """Settle every answer of the batch: together, or one by one where that fails."""
    try:
        for waiting, reply in zip(batch, await judge.ask(batch), strict=True):
            waiting.settle(reply)
    except (OSError, ValueError, TimeoutError) as error:
        if len(batch) == 1:
            batch[0].settle(Reply(error=f"the check ended without a verdict ({type(error).__name__})"))
            return
        for waiting in batch:
            await decide(judge, [waiting])
