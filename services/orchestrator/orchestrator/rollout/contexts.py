"""The jobs that a worker has at hand: specification, questions and chat, made once per job."""

import asyncio
import gc
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from contracts.errors import Problem
from contracts.jobs import JobSpec
from servicekit.heap import settle_heap

from orchestrator.questions import load_questions
from orchestrator.rollout.chat import StudentChat
from orchestrator.rollout.plan import JobContext
from orchestrator.store import Store
from orchestrator.validation.students import find_student

# One job runs at a time; a few more spare a reload when jobs follow each other.
KEPT_JOBS = 4
# Objects made since the last look (Python: 700), and looks at young ones before one at older ones: episodes leave few
# cycles behind, but hundreds in flight hold so many objects that Python's own numbers take a fifth of a worker's time.
COLLECT_AFTER = (20_000, 20, 20)


class JobContexts:
    """Contexts by job id, the latest used ones kept."""

    def __init__(self, store: Store, model_roots: Sequence[Path], data_roots: Sequence[Path]) -> None:
        self.store = store
        self.model_roots = model_roots
        self.data_roots = data_roots
        self._kept: OrderedDict[str, JobContext] = OrderedDict()
        self._loading = asyncio.Lock()

    async def of(self, job_id: str) -> JobContext:
        """Raises a Problem when this machine lacks the job, its student or its data."""
        async with self._loading:
            if job_id not in self._kept:
                self._kept[job_id] = await self._load(job_id)
                settle_heap()
                gc.set_threshold(*COLLECT_AFTER)
                if len(self._kept) > KEPT_JOBS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(job_id)
            return self._kept[job_id]

    async def _load(self, job_id: str) -> JobContext:
        row = await self.store.job(job_id)
        if row is None:
            raise Problem(404, "not_found", f"There is no job {job_id}.")
        return await asyncio.to_thread(load_context, job_id, row.spec, self.model_roots, self.data_roots)


def load_context(job_id: str, spec: JobSpec, model_roots: Sequence[Path], data_roots: Sequence[Path]) -> JobContext:
    """Blocks while files are read. Raises a 422 Problem for whatever is missing."""
    chat = StudentChat.load(find_student(spec.student.model, model_roots))
    known = load_questions(spec.task, data_roots)
    questions = {question.id: question for question in [*known.train, *known.held_out]}
    return JobContext(job_id, spec, known.task, questions, chat)
