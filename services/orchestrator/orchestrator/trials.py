"""One episode now, through the same code as a job's: to try a teacher, a prompt or a student."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from contracts.episodes import Episode
from contracts.errors import Problem, invalid
from contracts.jobs import EvaluationSpec, JobSpec, RolloutSpec, StudentSpec, TrainingSpec
from contracts.manifests import ManifestEntry
from contracts.rotation import Rotation
from contracts.trials import EpisodeRequest
from tasks.base import Message, Question

from orchestrator.neighbours import Neighbours
from orchestrator.settings import OrchestratorSettings
from orchestrator.validation.students import FIELD
from orchestrator.validation.validator import Validator

# Spending on teachers is counted under this name.
TRIAL = "trial"
# People try by hand; more at once would take the engine from the job that trains.
MOST_AT_ONCE = 4
RETRY_AFTER_SECONDS = 5
# A step takes longer than reading a tokenizer; to lose that race so often takes a machine that is far too busy.
SERVED_TRIES = 3


@dataclass(frozen=True)
class Trial:
    """An episode that was made, with what was asked."""

    question: Question
    prompt: list[Message]
    episode: Episode


class Trials:
    """Runs them, a few at once."""

    def __init__(self, settings: OrchestratorSettings, validator: Validator, neighbours: Neighbours) -> None:
        self.settings = settings
        self.validator = validator
        self.neighbours = neighbours
        self.running = 0

    async def run(self, request: EpisodeRequest) -> Trial:
        """Raises the Problems of a job's validation, and a 429 one when others are being tried."""
        with self._slot():
            context = (
                await self._load(request, request.student) if request.student else await self._load_served(request)
            )
            first = context.task.test_questions()[0].id
            question = question_of(request, context.questions, first)
            context = replace(context, questions={**context.questions, question.id: question})
            return Trial(question, context.task.messages(question), await self._roll_out(context, question, request))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if self.running >= MOST_AT_ONCE:
            detail = f"{MOST_AT_ONCE} episodes are being tried already; try again when one is done."
            raise Problem(429, "too_many_trials", detail, retry_after=RETRY_AFTER_SECONDS)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    async def _load_served(self, request: EpisodeRequest) -> Any:
        """With the student that the engine serves. A job that trains replaces it at every step and deletes old ones."""
        for _ in range(SERVED_TRIES):
            served = await self.neighbours.served_model()
            try:
                return await self._load(request, StudentSpec(model=served))
            except Problem as problem:
                if problem.field != FIELD or await self.neighbours.served_model() == served:
                    raise
        detail = "The student was replaced by newer weights while it was read; try again."
        raise Problem(503, "student_replaced", detail, retry_after=RETRY_AFTER_SECONDS)

    async def _load(self, request: EpisodeRequest, student: StudentSpec) -> Any:
        """Raises the Problems of a job's validation."""
        spec = spec_of(request, student)
        await self.validator.check(spec)
        return await asyncio.to_thread(self._context, spec)

    def _context(self, spec: JobSpec) -> Any:
        # Imported here because transformers takes seconds, which every start of the service would pay.
        from orchestrator.rollout.contexts import load_context

        return load_context(TRIAL, spec, self.settings.model_roots, self.settings.data_roots)

    async def _roll_out(self, context: Any, question: Question, request: EpisodeRequest) -> Episode:
        from orchestrator.rollout.episode import roll_out
        from orchestrator.rollout.plan import Plan, teacher_of
        from orchestrator.rollout.student import ANY_POLICY

        plan = Plan(
            job=context,
            purpose="eval",
            step=0,
            policy=ANY_POLICY,
            max_attempts=request.max_attempts,
            max_answer_tokens=request.max_answer_tokens,
            timeout_seconds=request.timeout_seconds,
            teacher=teacher_of(context.spec),
        )
        name = f"{TRIAL}/{secrets.token_hex(6)}"
        entry = ManifestEntry(episode_id=name, question_id=question.id, sample=0, seed=request.seed)
        async with self._parties() as parties:
            return await roll_out(plan, entry, parties)

    @asynccontextmanager
    async def _parties(self) -> AsyncIterator[Any]:
        """Connections and a judge of its own, so that a trial leaves nothing behind."""
        from servicekit.http_client import Connections

        from orchestrator.rollout.episode import Parties
        from orchestrator.rollout.replicas import Replicas
        from orchestrator.rollout.student import ServedStudent
        from orchestrator.rollout.teacher import Teacher
        from orchestrator.rollout.verification import Verification

        settings = self.settings
        verification = Verification(settings.data_roots)
        try:
            async with Connections() as connections:
                student = ServedStudent(
                    connections, Replicas(settings.student_urls[:1], no_rotation), settings.student_api_key
                )
                yield Parties(student, Teacher(connections, settings.gateway_url, settings.service_key), verification)
        finally:
            await verification.close()


async def no_rotation(job_id: str) -> Rotation:
    """A trial takes whatever is served: no version has to be proved."""
    return {}


def spec_of(request: EpisodeRequest, student: StudentSpec) -> JobSpec:
    """A job of this one episode, which every check of a job can be asked of."""
    rollout = RolloutSpec(
        max_attempts=request.max_attempts,
        prompts_per_step=1,
        group_size=1,
        max_answer_tokens=request.max_answer_tokens,
        episode_timeout_seconds=request.timeout_seconds,
    )
    evaluation = EvaluationSpec(questions=1, max_attempts=request.max_attempts, temperature=request.temperature)
    return JobSpec(
        name=TRIAL,
        student=student,
        task=request.task,
        teacher=request.teacher,
        rollout=rollout,
        training=TrainingSpec(steps=1),
        evaluation=evaluation,
    )


def question_of(request: EpisodeRequest, questions: Mapping[str, Question], first: str) -> Question:
    """The caller's own, the one named, or the first held-out one. Raises a 422 Problem for an unknown one."""
    if request.question is not None:
        own = request.question
        return Question(id=TRIAL, domain=TRIAL, text=own.text, answer=own.answer, options=dict(own.options))
    if request.question_id is None:
        return questions[first]
    if request.question_id not in questions:
        detail = f"task {request.task.name} has no question {request.question_id!r}; leave it out for the first"
        raise invalid("question_id", detail)
    return questions[request.question_id]
