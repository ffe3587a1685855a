"""A batch: the complete episodes of one manifest, in manifest order, as trajectories and as rows.

Axes: T tokens of one trajectory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.episodes import Episode
from contracts.manifests import Manifest
from contracts.trajectories import Trajectory, trajectory_of
from rewards.rows import Floats, Rows, rows_of

from trainer.failures import JobFailure


@dataclass(frozen=True)
class Batch:
    """What one training step learns from; `episodes` and `trajectories` are the R rollouts of `rows`.

    `reference_logprobs_RT` is there when the method needs it: what the frozen base student gives every student token,
    in nats, at the sampling temperature, 0 for context.
    """

    step: int
    episodes: list[Episode]
    trajectories: list[Trajectory]
    rows: Rows
    failed_episodes: int
    reference_logprobs_RT: Sequence[Floats] | None = None


def in_manifest_order(manifest: Manifest, arrived: dict[str, Episode]) -> list[Episode]:
    """The manifest's episodes, whatever order they arrived in. Raises KeyError when one is missing."""
    return [arrived[entry.episode_id] for entry in manifest.entries]


def assemble(step: int, episodes: Sequence[Episode]) -> Batch:
    """Drop the recorded failures and lay out the rest. Raises JobFailure when nothing is left."""
    complete = [episode for episode in episodes if episode.failure is None]
    if not complete:
        causes = {f"{episode.failure.code}: {episode.failure.detail}" for episode in episodes if episode.failure}
        detail = f"all {len(episodes)} episodes of step {step} failed; {min(causes, default='none was asked for')}"
        raise JobFailure("batch_failed", detail)
    questions: dict[str, int] = {}
    groups = [questions.setdefault(episode.question_id, len(questions)) for episode in complete]
    return Batch(
        step=step,
        episodes=complete,
        trajectories=[trajectory_of(episode) for episode in complete],
        rows=rows_of(
            [[attempt.reward for attempt in episode.attempts] for episode in complete],
            [[len(attempt.token_ids) for attempt in episode.attempts] for episode in complete],
            groups,
        ),
        failed_episodes=len(episodes) - len(complete),
    )
