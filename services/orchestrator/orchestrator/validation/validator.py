"""The page of checks that a job must pass before it is written."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contracts.jobs import JobSpec
from contracts.views import DataWarning, View
from pydantic import Field

from orchestrator.neighbours import Neighbours
from orchestrator.questions import load_questions
from orchestrator.settings import OrchestratorSettings
from orchestrator.validation.forecasts import mean_question_bytes, teacher_plans
from orchestrator.validation.rollouts import check_batch, check_context, check_splits, longest_prompt
from orchestrator.validation.students import check_architecture, find_student, read_config, served_config
from orchestrator.validation.teachers import check_teacher_available, check_teacher_fits


class Findings(View):
    """What a dry run answers."""

    object: str = "job.validation"
    valid: bool = True
    train_questions: int
    test_questions: int
    episodes_per_step: int
    longest_prompt_tokens: int
    context_length: int
    question_bytes: int
    teacher_forecast: dict[str, Any] | None = Field(
        None, description="Requests, tokens and USD of the teacher, each from `low` to `high`; in a dry run."
    )
    warnings: list[DataWarning] = Field([], description="What to know of the questions before reading accuracies.")
    spec: JobSpec


@dataclass(frozen=True)
class Validator:
    """Checks a specification against the data, the student, the teacher and the engine."""

    settings: OrchestratorSettings
    neighbours: Neighbours

    async def check(self, spec: JobSpec) -> Findings:
        """Raises a 422 Problem that names the field and the fix, a 503 one when a neighbour does not answer."""
        check_teacher_fits(spec)
        findings, config = await asyncio.to_thread(self.check_files, spec)
        check_teacher_available(spec.teacher, await self.neighbours.teachers())
        served = await self.neighbours.served_model()
        check_architecture(config, await asyncio.to_thread(served_config, served, self.settings.model_roots))
        return findings

    async def rehearse(self, spec: JobSpec) -> Findings:
        """A dry run: every check, and what the teacher will cost (None where the gateway cannot tell)."""
        # Imported here for the reason given in load_chat.
        from orchestrator.rollout.plan import teacher_of

        findings = await self.check(spec)
        plans = teacher_plans(spec, findings.question_bytes)
        forecast = await self.neighbours.forecast(teacher_of(spec).model_dump(mode="json"), plans)
        return findings.model_copy(update={"teacher_forecast": forecast})

    def check_files(self, spec: JobSpec) -> tuple[Findings, dict[str, Any]]:
        """The checks that read data, tokenizer and configuration; blocks. Returns the student's config too."""
        questions = load_questions(spec.task, self.settings.data_roots)
        check_batch(spec, len(questions.train), len(questions.test))
        check_splits(spec, {name: len(held) for name, held in questions.splits.items()})
        directory = find_student(spec.student.model, self.settings.model_roots)
        config = read_config(directory)
        chat = load_chat(directory)
        prompts = [questions.task.messages(question) for question in [*questions.train, *questions.held_out]]
        prompt_tokens = longest_prompt(chat.prompt_ids, prompts)
        check_context(spec, prompt_tokens, chat.context_length)
        findings = Findings(
            train_questions=len(questions.train),
            test_questions=len(questions.test),
            episodes_per_step=spec.episodes_per_step,
            longest_prompt_tokens=prompt_tokens,
            context_length=chat.context_length,
            question_bytes=mean_question_bytes(prompts),
            warnings=[DataWarning(**asdict(remark)) for remark in questions.remarks],
            spec=spec,
        )
        return findings, config


def load_chat(directory: Path) -> Any:
    """The student's tokenizer and template, proved append-only; a 422 Problem otherwise."""
    # Imported here because transformers takes seconds, which every start of the service would pay.
    from orchestrator.rollout.chat import StudentChat

    return StudentChat.load(directory)
