"""A training step as numbers: pure arithmetic on the batch, its annotation and the update's report.

Axes: R rollouts, K attempts, T tokens of one trajectory.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from contracts.episodes import IN_FORM, Episode, Guidance
from contracts.records import AttemptStats, StepRecord
from rewards.rows import Flags, Floats

from trainer.batch import Batch
from trainer.diagnostics import UpdateReport
from trainer.memory import Memory
from trainer.methods.annotation import Annotation

UNMEASURED: dict[str, Any] = {
    "seconds": 0.0,
    "phase_seconds": {},
    "episodes_per_second": 0.0,
    "tokens_per_second": 0.0,
    "update_tokens_per_second": 0.0,
    "memory_bytes": 0,
    "memory_peak_bytes": 0,
}


def record_of(
    batch: Batch, annotation: Annotation, report: UpdateReport, skipped: Sequence[Episode] = ()
) -> StepRecord:
    """Everything but times and memory, which `measured` adds once the policy is published.

    `skipped` was sampled and not trained on: it counts for accuracies and for the teacher, not for rewards.
    """
    sampled = [*batch.episodes, *(episode for episode in skipped if episode.failure is None)]
    made_RK = batch.rows.made_RK
    versions = [version for trajectory in batch.trajectories for version in trajectory.version_T if version >= 0]
    return StepRecord(
        step=batch.step,
        skipped_episodes=len(sampled) - len(batch.episodes),
        failed_episodes=batch.failed_episodes + sum(episode.failure is not None for episode in skipped),
        mean_reward_raw=float(batch.rows.raw_RK[made_RK].mean()),
        mean_reward_decayed=float(annotation.rewards_RK[made_RK].mean()),
        decay_factor=annotation.factors[1],
        attempts=attempt_stats(batch, annotation),
        cold=annotation.cold,
        zero_gradient=annotation.zero_gradient,
        masked_episodes=annotation.masked_episodes,
        staleness_max=batch.step - 1 - min(versions),
        staleness_mean=batch.step - 1 - sum(versions) / len(versions),
        trajectory_tokens=sum(len(trajectory.token_ids_T) for trajectory in batch.trajectories),
        **of_episodes(sampled),
        **of_update(report),
        **UNMEASURED,
    )


def of_episodes(sampled: Sequence[Episode]) -> dict[str, Any]:
    """What the completed episodes say by themselves."""
    attempts = [attempt for episode in sampled for attempt in episode.attempts]
    guidances = [guidance for episode in sampled for guidance in episode.guidances]
    return {
        "episodes": len(sampled),
        "unassisted_accuracy": share([episode.unassisted for episode in sampled]),
        "guided_accuracy": share([episode.guided for episode in sampled]),
        "format_rate": share([attempt.outcome in IN_FORM for attempt in attempts]),
        "unverified_attempts": sum(attempt.outcome == "unverified" for attempt in attempts),
        "teacher_calls": len(guidances),
        "teacher_price_usd": sum(guidance.price_usd for guidance in guidances),
        "guidance_leak_rate": leak_rate(guidances),
    }


def of_update(report: UpdateReport) -> dict[str, Any]:
    """What the update measured, under the same names."""
    figures = asdict(report)
    return {name: figures[name] for name in StepRecord.model_fields if name in figures}


def measured(
    record: StepRecord, opened_at: float, published_at: float, phase_seconds: dict[str, float], memory: Memory
) -> StepRecord:
    """Add times and memory. `opened_at` and `published_at` are Unix times in seconds."""
    seconds, update_seconds = max(published_at - opened_at, 1e-9), max(phase_seconds.get("update", 0.0), 1e-9)
    return record.model_copy(
        update={
            "seconds": seconds,
            "phase_seconds": {name: round(value, 6) for name, value in phase_seconds.items()},
            "episodes_per_second": record.episodes / seconds,
            "tokens_per_second": record.student_tokens / seconds,
            "update_tokens_per_second": record.trajectory_tokens / update_seconds,
            "memory_bytes": memory.resident_bytes,
            "memory_peak_bytes": memory.peak_bytes,
        }
    )


def opened_at(episodes: list[Episode]) -> float:
    """When the manifest was opened, as near as the episodes tell: the start of the first of them."""
    return min(episode.started_at for episode in episodes)


def attempt_stats(batch: Batch, annotation: Annotation) -> list[AttemptStats]:
    """One line per attempt index."""
    advantages_RK = row_advantages(batch, annotation)
    made_RK = batch.rows.made_RK
    right_RK = made_RK & (batch.rows.raw_RK > 0)
    wrong_RK = made_RK & ~(batch.rows.raw_RK > 0)
    return [
        AttemptStats(
            attempt=k + 1,
            rows=int(made_RK[:, k].sum()),
            correct=int(right_RK[:, k].sum()),
            decay_factor=annotation.factors[k],
            mean_advantage=mean_where(advantages_RK[:, k], made_RK[:, k]),
            mean_advantage_correct=mean_where(advantages_RK[:, k], right_RK[:, k]),
            mean_advantage_wrong=mean_where(advantages_RK[:, k], wrong_RK[:, k]),
        )
        for k in range(made_RK.shape[1])
    ]


def row_advantages(batch: Batch, annotation: Annotation) -> Floats:
    """Mean advantage over the tokens of each row."""
    means_RK = np.zeros_like(batch.rows.raw_RK)
    for rollout, (trajectory, advantages_T) in enumerate(
        zip(batch.trajectories, annotation.advantages_RT, strict=True)
    ):
        sums = np.bincount(trajectory.attempt_T, weights=advantages_T, minlength=means_RK.shape[1] + 1)
        means_RK[rollout] = sums[1:]
    return np.divide(means_RK, batch.rows.tokens_RK, out=means_RK, where=batch.rows.tokens_RK > 0)


def mean_where(values_R: Floats, chosen_R: Flags) -> float | None:
    """The mean of the chosen ones, or None when there are none."""
    return float(values_R[chosen_R].mean()) if chosen_R.any() else None


def leak_rate(guidances: list[Guidance]) -> float | None:
    """Of the guidance that the leak guard judged."""
    judged = [guidance.leaked for guidance in guidances if guidance.leaked is not None]
    return share(judged) if judged else None


def share(flags: list[bool]) -> float:
    """The share that is true."""
    return sum(flags) / len(flags)
