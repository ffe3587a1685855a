"""Rollouts as workers make them: the real client and balancer, one request after the other, many at once."""

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.redis_client import connect
from orchestrator.rollout.replicas import Replicas
from orchestrator.rollout.retries import RolloutError
from orchestrator.rollout.store import RolloutStore
from orchestrator.rollout.student import Answer, Policy, Sampling, Student
from servicekit.http_client import Connections

# An answer takes milliseconds; a swap, a restart and a loaded machine in between take most of this.
ANSWER_SECONDS = 100.0
ANSWER_TOKENS = 60
SHARED_PREFIX = [*range(2, 42)]


@dataclass
class Exchange:
    """One request and what came of it."""

    context: list[int]
    answer: Answer


@dataclass
class Traffic:
    """Runs in a thread from `start` to `stop`. `oldest`: the version that every token must have at least."""

    job_id: str
    redis_url: str
    urls: Sequence[str]
    clients: int = 6
    oldest: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    crashes: list[BaseException] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(ANSWER_SECONDS)
        assert not self.thread.is_alive(), "a request never ended"
        assert not self.crashes, self.crashes

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  (told by `stop` in the test's thread)
            self.crashes.append(error)

    async def _serve(self) -> None:
        redis = connect(self.redis_url)
        async with Connections() as connections:
            student = Student(connections, Replicas(self.urls, RolloutStore(redis).rotation))
            async with asyncio.TaskGroup() as group:
                for number in range(self.clients):
                    group.create_task(self._ask_again_and_again(student, number))
        await redis.aclose()

    async def _ask_again_and_again(self, student: Student, number: int) -> None:
        rng = random.Random(number)
        while not self.stopping.is_set():
            context = [*SHARED_PREFIX, 42 + number % 3, *rng.choices(range(2, 60), k=4)]
            sampling = Sampling(ANSWER_TOKENS, 1.0, 1.0, rng.getrandbits(31))
            deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
            prefix = f"group {number % 3}"
            try:
                answer = await student.answer(context, sampling, Policy(self.job_id, self.oldest), prefix, deadline)
                self.exchanges.append(Exchange(context, answer))
            except RolloutError as error:
                self.failures.append(f"{error.code}: {error.detail}")
