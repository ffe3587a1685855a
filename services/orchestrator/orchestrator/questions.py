"""The tasks of jobs, made once and kept while they are asked for."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from contracts.jobs import TaskSpec
from tasks.base import Question, Task, splits_of
from tasks.registry import create_task
from tasks.remarks import Remark, remarks_on
from tasks.splits import held_apart

# One job runs at a time; the others are those whose episodes somebody reads.
KEPT_TASKS = 4


@dataclass(frozen=True)
class Questions:
    """A task with its questions at hand; what a held-out set repeats is not in `train`."""

    task: Task
    train: list[Question]
    test: list[Question]
    splits: dict[str, list[Question]]
    remarks: list[Remark]

    @property
    def train_ids(self) -> list[str]:
        """The pool of the batches, in the task's order."""
        return [question.id for question in self.train]

    @property
    def test_ids(self) -> list[str]:
        """The held-out set, in the task's order."""
        return [question.id for question in self.test]

    @property
    def split_ids(self) -> dict[str, list[str]]:
        """The further held-out sets by name, in the task's order."""
        return {name: [question.id for question in questions] for name, questions in self.splits.items()}

    @property
    def held_out(self) -> list[Question]:
        """Every question that training never asks."""
        return [*self.test, *chain.from_iterable(self.splits.values())]

    @property
    def domains(self) -> dict[str, str]:
        """Held-out question id -> domain."""
        return {question.id: question.domain for question in self.test}

    def find(self, question_id: str) -> Question | None:
        """The question of this id."""
        return next((question for question in [*self.train, *self.held_out] if question.id == question_id), None)


def load_questions(spec: TaskSpec, data_roots: Sequence[Path]) -> Questions:
    """Blocks while files are read. Raises a 422 Problem for an unknown task, wrong options or missing data."""
    task = create_task(spec.name, dict(spec.options), data_roots)
    train, test, splits = task.train_questions(), task.test_questions(), splits_of(task)
    kept = held_apart(train, [*test, *chain.from_iterable(splits.values())])[0]
    return Questions(task, kept, test, splits, remarks_on(train, test))


class QuestionShelf:
    """Questions by job."""

    def __init__(self, data_roots: Sequence[Path]) -> None:
        self.data_roots = data_roots
        self._kept: OrderedDict[str, Questions] = OrderedDict()

    async def of(self, job_id: str, spec: TaskSpec) -> Questions:
        """The job's questions. Raises a 422 Problem when the data is gone."""
        if job_id not in self._kept:
            self._kept[job_id] = await asyncio.to_thread(load_questions, spec, self.data_roots)
            if len(self._kept) > KEPT_TASKS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(job_id)
        return self._kept[job_id]
