"""What a finished job achieved: base against trained student."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.records import Accuracy, EvaluationRecord, StepRecord
from rich.table import Table

from socratic.progress import duration, share


@dataclass(frozen=True)
class Result:
    """Figures of a job that succeeded. `base` and `trained` are evaluations on the same held-out questions."""

    base: EvaluationRecord
    trained: EvaluationRecord
    steps: int
    seconds: float
    cold_batches: int
    failed_episodes: int
    logprob_gap_max: float
    teacher_price_usd: float


def result_of(steps: Sequence[StepRecord], evaluations: Sequence[EvaluationRecord], seconds: float) -> Result:
    """First and last evaluation, and what the steps add up to; `seconds` is the wall time to report."""
    return Result(
        base=evaluations[0],
        trained=evaluations[-1],
        steps=len(steps),
        seconds=seconds,
        cold_batches=sum(record.cold for record in steps),
        failed_episodes=sum(step.failed_episodes for step in steps)
        + sum(evaluation.failed_episodes for evaluation in evaluations),
        logprob_gap_max=max((record.logprob_gap_max for record in steps), default=0.0),
        teacher_price_usd=sum(record.teacher_price_usd for record in steps),
    )


def result_table(result: Result) -> Table:
    """Base and trained side by side, then the run's figures."""
    base, trained = result.base, result.trained
    table = Table(title=f"Held-out accuracy, {trained.questions} questions")
    table.add_column("")
    for heading in ("base", "trained", "gain"):
        table.add_column(heading, justify="right")
    for label, before, after in (
        ("unassisted (first attempt)", base.unassisted_accuracy, trained.unassisted_accuracy),
        ("guided (within K attempts)", base.guided_accuracy, trained.guided_accuracy),
        ("answers in form", base.format_rate, trained.format_rate),
    ):
        table.add_row(label, share(before), share(after), f"{after - before:+.2f}")
    table.add_section()
    for label, value in (
        ("steps", str(result.steps)),
        ("time", duration(result.seconds)),
        ("cold batches", str(result.cold_batches)),
        ("failed episodes", str(result.failed_episodes)),
        ("largest logprob gap, nats", f"{result.logprob_gap_max:.1e}"),
        ("teacher's price, USD", f"{result.teacher_price_usd:.2f}"),
    ):
        table.add_row(label, "", value, "")
    return table


def summary_line(label: str, result: Result) -> str:
    """The line for scripts, such as `demo: unassisted 0.33 -> 0.81, guided 0.89 -> 0.93, 42 steps, 161 s`."""
    base, trained = result.base, result.trained
    return (
        f"{label}: unassisted {base.unassisted_accuracy:.2f} -> {trained.unassisted_accuracy:.2f}, "
        f"guided {base.guided_accuracy:.2f} -> {trained.guided_accuracy:.2f}, "
        f"{result.steps} steps, {result.seconds:.0f} s"
    )


def accuracy_table(record: EvaluationRecord) -> Table:
    """One evaluation, overall, by domain and by split, with 95 % intervals."""
    table = Table(title=f"Held-out accuracy, {record.questions} questions, {record.samples} samples each")
    table.add_column("")
    for heading in (
        "questions",
        "unassisted",
        "95 %",
        "guided",
        "95 %",
        *[f"pass@{n}" for n in record.pass_at if n > 1],
    ):
        table.add_column(heading, justify="right")
    domains = record.domains if len(record.domains) > 1 else {}
    for label, accuracy in {"all": record, **domains, **record.splits}.items():
        table.add_row(label, str(accuracy.questions), *accuracy_cells(accuracy))
    return table


def accuracy_cells(accuracy: Accuracy) -> list[str]:
    """Shares and their intervals."""
    rates = [share(rate) for n, rate in accuracy.pass_at.items() if n > 1]
    unassisted = [share(accuracy.unassisted_accuracy), interval(accuracy.unassisted_interval)]
    return [*unassisted, share(accuracy.guided_accuracy), interval(accuracy.guided_interval), *rates]


def interval(bounds: tuple[float, float]) -> str:
    """Such as `0.26-0.37`."""
    return f"{share(bounds[0])}-{share(bounds[1])}"


def accuracy_line(record: EvaluationRecord, seconds: float) -> str:
    """The line for scripts: `eval: unassisted 0.31 (0.26-0.37), guided 0.97 (0.94-0.99), 240 questions, 12 s`."""
    unassisted = f"unassisted {share(record.unassisted_accuracy)} ({interval(record.unassisted_interval)})"
    guided = f"guided {share(record.guided_accuracy)} ({interval(record.guided_interval)})"
    return f"eval: {unassisted}, {guided}, {record.questions} questions, {seconds:.0f} s"
