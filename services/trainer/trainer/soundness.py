"""Whether an episode that decodes can be trained on: the checks that types cannot express."""

import math

from contracts.episodes import Attempt, Episode
from contracts.trajectories import trajectory_of


def complaint_about(episode: Episode, job_id: str, vocab_size: int) -> str | None:
    """Why the episode must not reach the trainer, or None. A recorded failure is sound: it is only counted."""
    if episode.job_id != job_id or episode.purpose != "train":
        return f"belongs to job {episode.job_id}, purpose {episode.purpose}"
    if episode.failure is not None:
        return None
    if not episode.prompt_token_ids or not episode.attempts:
        return "has no prompt or no attempt"
    if len(episode.guidances) != len(episode.attempts) - 1:
        return f"has {len(episode.attempts)} attempts but {len(episode.guidances)} guidances"
    if any(not 0 <= token < vocab_size for token in trajectory_of(episode).token_ids_T):
        return f"has a token id outside the vocabulary of {vocab_size}"
    complaints = (complaint_about_attempt(attempt) for attempt in episode.attempts)
    return next((complaint for complaint in complaints if complaint), None)


def complaint_about_attempt(attempt: Attempt) -> str | None:
    """Tokens, log-probabilities and version spans must describe the same sequence."""
    tokens = len(attempt.token_ids)
    if tokens == 0:
        return "has an attempt without tokens"
    if len(attempt.logprobs) != tokens:
        return f"has an attempt of {tokens} tokens with {len(attempt.logprobs)} log-probabilities"
    if not math.isfinite(attempt.reward) or not all(map(math.isfinite, attempt.logprobs)):
        return "has a reward or log-probability that is not finite"
    ends = [0, *(span.end for span in attempt.version_spans)]
    if [span.start for span in attempt.version_spans] != ends[:-1] or ends[-1] != tokens or ends != sorted(ends):
        return f"has version spans that do not cover its {tokens} tokens in order"
    return None
