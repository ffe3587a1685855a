"""What a finished job's records say, as a cell's result. Pure."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from contracts.jobs import EvaluationSpec, JobSpec
from contracts.records import Accuracy, EvaluationRecord, StepRecord

from study.records import EvaluationPoint, PartAccuracy, StepPoint


def step_points(job: JobSpec, records: Sequence[StepRecord]) -> list[StepPoint]:
    """The training steps; `records` are all of them, in order."""
    tokens = accumulate(record.student_tokens for record in records)
    return [step_point(job, record, total) for record, total in zip(records, tokens, strict=True)]


def step_point(job: JobSpec, record: StepRecord, student_tokens: int) -> StepPoint:
    """`student_tokens` of all steps up to this one."""
    first, *later = record.attempts
    return StepPoint(
        step=record.step,
        prompts=record.step * job.rollout.prompts_asked,
        student_tokens=student_tokens,
        entropy=record.entropy,
        factors=[stats.decay_factor for stats in record.attempts],
        mean_advantage_by_attempt=[stats.mean_advantage for stats in record.attempts],
        mean_advantage_correct_by_attempt=[stats.mean_advantage_correct for stats in record.attempts],
        mean_advantage_wrong_by_attempt=[stats.mean_advantage_wrong for stats in record.attempts],
        share_first_attempts=first.rows / max(1, sum(stats.rows for stats in record.attempts)),
        teacher_calls=record.teacher_calls,
        solved_first=first.correct,
        solved_guided=sum(stats.correct for stats in later),
        leak_rate=record.guidance_leak_rate,
        teacher_kl=record.teacher_kl,
        cost_usd=record.teacher_price_usd,
        loss=record.loss,
        gradient_norm=record.gradient_norm,
    )


def evaluation_points(
    job: JobSpec, records: Sequence[EvaluationRecord], steps: Sequence[StepPoint]
) -> list[EvaluationPoint]:
    """The evaluations, with what training had spent before each."""
    spent = {point.step: point.student_tokens for point in steps}
    return [evaluation_point(job, record, spent.get(record.step, 0)) for record in records]


def evaluation_point(job: JobSpec, record: EvaluationRecord, student_tokens: int) -> EvaluationPoint:
    """`student_tokens` that training had taken before it."""
    return EvaluationPoint(
        **part(record, job.evaluation).model_dump(),
        step=record.step,
        policy_version=record.policy_version,
        prompts=record.step * job.rollout.prompts_asked,
        student_tokens=student_tokens,
        k=record.samples,
        failed_episodes=record.failed_episodes,
        by_domain=parts(record.domains, job.evaluation),
        by_split=parts(record.splits, job.evaluation),
    )


def parts(accuracies: Mapping[str, Accuracy], spec: EvaluationSpec) -> dict[str, PartAccuracy]:
    """Domains or splits."""
    return {name: part(accuracy, spec) for name, accuracy in accuracies.items()}


def part(accuracy: Accuracy, spec: EvaluationSpec) -> PartAccuracy:
    """At temperature 0 every sample is the greedy answer; else it was asked for apart, or not at all."""
    return PartAccuracy(
        questions=accuracy.questions,
        unassisted=accuracy.unassisted_accuracy if spec.temperature == 0 else accuracy.greedy_accuracy,
        guided=accuracy.guided_accuracy,
        mean_at_k=accuracy.unassisted_accuracy,
    )
