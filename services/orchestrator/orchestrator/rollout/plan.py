"""A job as a rollout worker needs it, and what that means for the episodes of one manifest."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from contracts.episodes import Purpose
from contracts.guidance import Turn
from contracts.jobs import JobSpec
from contracts.manifests import Manifest
from contracts.teachers import TeacherSpec
from tasks.base import Question, Task

from orchestrator.rollout.chat import StudentChat
from orchestrator.rollout.student import Policy

# More questions than are in flight at once, a few kilobytes each.
KEPT_OPENINGS = 1024


@dataclass(frozen=True)
class JobContext:
    """Everything of a job that its episodes share."""

    job_id: str
    spec: JobSpec
    task: Task
    questions: Mapping[str, Question]
    chat: StudentChat
    openings: "OrderedDict[str, Opening]" = field(default_factory=OrderedDict)

    @cached_property
    def task_spec(self) -> str:
        """The JSON that names the task to a judge."""
        return self.spec.task.model_dump_json()

    def opening(self, question_id: str) -> "Opening":
        """How the episodes of this question begin; the others of its group find it made. Raises KeyError."""
        found = self.openings.get(question_id)
        if found is None:
            question = self.questions[question_id]
            messages = self.task.messages(question)
            turns = tuple(map(Turn.model_validate, messages))
            found = Opening(question, turns, self.chat.prompt_ids(messages))
            self.openings[question_id] = found
            if len(self.openings) > KEPT_OPENINGS:
                self.openings.popitem(last=False)
        return found


@dataclass(frozen=True)
class Opening:
    """A question as the student sees it: turns of the chat, and the prompt's token ids."""

    question: Question
    turns: Sequence[Turn]
    prompt_ids: Sequence[int]


@dataclass(frozen=True)
class Plan:
    """How the episodes of one manifest are made. `max_attempts` is K of the paper."""

    job: JobContext
    purpose: Purpose
    step: int
    policy: Policy
    max_attempts: int
    max_answer_tokens: int
    timeout_seconds: float
    teacher: TeacherSpec

    def temperature_of(self, sample: int) -> float:
        """Of the episode with this index among those of its question."""
        spec = self.job.spec
        return spec.evaluation.temperature_of(sample) if self.purpose == "eval" else spec.rollout.temperature

    @property
    def top_p(self) -> float:
        """Training samples from the whole policy, whose log-probabilities it learns from."""
        return self.job.spec.evaluation.top_p if self.purpose == "eval" else 1.0


def plan_of(job: JobContext, manifest: Manifest) -> Plan:
    """Training and evaluation differ in K, temperature and top_p only."""
    sampled = job.spec.evaluation if manifest.purpose == "eval" else job.spec.rollout
    return Plan(
        job=job,
        purpose=manifest.purpose,
        step=manifest.step,
        policy=Policy(job.job_id, manifest.policy_version),
        max_attempts=sampled.max_attempts,
        max_answer_tokens=job.spec.rollout.max_answer_tokens,
        timeout_seconds=job.spec.rollout.episode_timeout_seconds,
        teacher=teacher_of(job.spec),
    )


def teacher_of(spec: JobSpec) -> TeacherSpec:
    """The job's teacher; without guidance (the paper's ablation w/o tg) it says the fixed retry text."""
    if spec.method.name == "socratic_po" and not spec.method.guidance:
        return TeacherSpec(provider="retry")
    return spec.teacher
