"""How the episodes of a batch ended, as one string. Pure."""

from collections.abc import Iterable

from contracts.episodes import Episode
from contracts.manifests import Manifest
from contracts.outcomes import INCOMPLETE, mark_of


def outcomes_of(manifest: Manifest, episodes: Iterable[Episode]) -> str:
    """One character an episode, in the order of the manifest."""
    ended = {episode.episode_id: outcome_of(episode) for episode in episodes}
    return "".join(ended.get(entry.episode_id, INCOMPLETE) for entry in manifest.entries)


def outcome_of(episode: Episode) -> str:
    """The attempt at which it was solved, `0` for never, `x` when it could not be completed."""
    if episode.failure is not None:
        return INCOMPLETE
    solved = (number for number, attempt in enumerate(episode.attempts, 1) if attempt.reward > 0)
    return mark_of(next(solved, None))
