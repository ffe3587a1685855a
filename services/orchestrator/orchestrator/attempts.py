"""A batch at a glance: every attempt of every episode of a manifest, in short. Pure."""

from collections.abc import Mapping, Sequence

from contracts.credit import AttemptCredit, EpisodeCredit
from contracts.episode_views import AttemptCell, EpisodeAttempts
from contracts.episodes import Attempt, Episode
from contracts.manifests import ManifestEntry

NO_CREDIT = EpisodeCredit(attempts=[])


def attempt_rows(
    entries: Sequence[ManifestEntry], episodes: Mapping[str, Episode], credits: Mapping[str, EpisodeCredit]
) -> list[EpisodeAttempts]:
    """One row an entry, in manifest order; an episode that has not arrived has no attempts yet."""
    return [
        attempt_row(entry, episodes.get(entry.episode_id), credits.get(entry.episode_id, NO_CREDIT))
        for entry in entries
    ]


def attempt_row(entry: ManifestEntry, episode: Episode | None, credit: EpisodeCredit) -> EpisodeAttempts:
    """Advantages and decayed rewards are null until the step is trained."""
    attempts = episode.attempts if episode else []
    given: list[AttemptCredit | None] = [*credit.attempts, *[None] * (len(attempts) - len(credit.attempts))]
    return EpisodeAttempts(
        episode_id=entry.episode_id,
        question_id=entry.question_id,
        sample=entry.sample,
        arrived=episode is not None,
        failure=episode.failure.detail if episode and episode.failure else None,
        attempts=[attempt_cell(*pair) for pair in zip(attempts, given, strict=True)],
    )


def attempt_cell(attempt: Attempt, credit: AttemptCredit | None) -> AttemptCell:
    """Outcome, rewards, the mean advantage over its tokens, and how long it is."""
    return AttemptCell(
        outcome=attempt.outcome,
        reward=attempt.reward,
        reward_decayed=credit.reward_decayed if credit else None,
        advantage=credit.mean_advantage if credit else None,
        tokens=len(attempt.token_ids),
    )
