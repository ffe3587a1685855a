"""What every process does for a job: build the same learner, and learn from the same episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from contracts.episodes import Episode
from contracts.jobs import JobSpec
from contracts.methods import Method

from trainer.batch import Batch, assemble
from trainer.crew import Crew, Learn, Prepare
from trainer.diagnostics import UpdateReport
from trainer.failures import JobFailure
from trainer.methods import annotate
from trainer.methods.annotation import Annotation, MethodState
from trainer.policy import Policy, Shape
from trainer.reprompt import Reprompt
from trainer.self_teacher import SelfTeacher
from trainer.students import find_student
from trainer.update import Learner, Phase, untimed


@dataclass(frozen=True)
class Lesson:
    """A batch, what the method said about it, and what came of it."""

    batch: Batch
    annotation: Annotation
    report: UpdateReport


def prepare(spec: JobSpec, model_roots: Sequence[Path], crew: Crew, phase: Phase = untimed) -> Learner:
    """The job's learner, on every process. Raises JobFailure, on every process, when one of them cannot."""
    with crew.together(Prepare(spec.model_dump_json())):
        learner, failure = None, None
        try:
            learner = build(spec, find_student(spec.student.model, model_roots), crew, phase)
        except JobFailure as error:
            failure = error
        crew.agree(failure)
    if learner is None:
        raise AssertionError("agree raises what failed")
    return learner


def build(spec: JobSpec, base: Path, crew: Crew, phase: Phase = untimed) -> Learner:
    """The student with what its method and its loss need beside it."""
    temperature, training, shape = spec.rollout.temperature, spec.training, Shape.of(spec.training)

    def student() -> Policy:
        torch.manual_seed(spec.seed)  # adapters begin at random, and alike on every process
        return Policy.load(base, temperature, shape, crew)

    policy, reference, self_teacher = student(), None, None
    if training.kl_coefficient > 0 or spec.method.needs_reference:
        reference = Policy.load(base, temperature, Shape(precision=training.precision), crew)
    if spec.method.self_teacher_rate is not None:
        self_teacher = SelfTeacher(student(), spec.method.self_teacher_rate, Reprompt.load(base), policy)
    return Learner(policy, training, reference, self_teacher, phase)


def learn(learner: Learner, method: Method, step: int, episodes: list[Episode], state: MethodState) -> Lesson:
    """One step of the paper's algorithm, on every process."""
    with learner.crew.together(Learn(step, episodes, state)):
        batch = learner.with_reference(assemble(step, episodes))
        annotation = annotate(batch, method, state)
        return Lesson(batch, annotation, learner.update(batch, annotation))
