"""Dynamic sampling (DAPO, arXiv 2503.14476, section 3.2): groups that have nothing to tell are not trained on. Pure.

Which groups those are follows from the complete batch alone, so that the manifest stays frozen before its first episode
and a replayed batch is the same.
"""

from collections.abc import Sequence
from itertools import groupby

from contracts.episodes import Episode


def worth_training(episodes: Sequence[Episode], groups: int) -> tuple[list[Episode], list[Episode]]:
    """(episodes of the first `groups` groups that are neither all right nor all wrong, the others), in manifest order.

    All right: every first attempt. All wrong: every attempt. Recorded failures say neither. A batch with no other group
    is trained on as it is, and tells by itself that it has no gradient.
    """
    by_group = [list(group) for _, group in groupby(episodes, key=lambda episode: episode.question_id)]
    mixed = [group for group in by_group if not is_uniform(group)][:groups]
    chosen = mixed or by_group[:groups]
    taught = {episode.episode_id for group in chosen for episode in group}
    return (
        [episode for episode in episodes if episode.episode_id in taught],
        [episode for episode in episodes if episode.episode_id not in taught],
    )


def is_uniform(group: Sequence[Episode]) -> bool:
    """Every first attempt is right, or no attempt is."""
    completed = [episode for episode in group if episode.failure is None]
    return all(episode.unassisted for episode in completed) or not any(episode.guided for episode in completed)
