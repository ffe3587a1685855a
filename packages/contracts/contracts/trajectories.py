"""The episode as one token sequence: the only place where attempts and guidance are laid end to end."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.episodes import Episode

CONTEXT = 0  # attempt index of tokens that carry no loss; attempts count from 1


@dataclass(frozen=True)
class Trajectory:
    """Axes: T tokens of prompt, attempts and guidance. Only positions with attempt_T >= 1 carry loss."""

    token_ids_T: list[int]
    attempt_T: list[int]  # k of the attempt that sampled the token, 0 for prompt and guidance
    logprobs_T: list[float]  # of the sampling policy; 0.0 for context
    version_T: list[int]  # policy version that sampled the token; -1 for context


def trajectory_of(episode: Episode) -> Trajectory:
    """prompt, attempt 1, guidance 1, attempt 2, ... (paper section 1: the context only ever grows)."""
    tokens: list[int] = []
    attempts: list[int] = []
    logprobs: list[float] = []
    versions: list[int] = []

    def add_context(token_ids: Sequence[int]) -> None:
        tokens.extend(token_ids)
        attempts.extend([CONTEXT] * len(token_ids))
        logprobs.extend([0.0] * len(token_ids))
        versions.extend([-1] * len(token_ids))

    add_context(episode.prompt_token_ids)
    for index, attempt in enumerate(episode.attempts):
        tokens.extend(attempt.token_ids)
        attempts.extend([index + 1] * len(attempt.token_ids))
        logprobs.extend(attempt.logprobs)
        for span in attempt.version_spans:
            versions.extend([span.version] * (span.end - span.start))
        if index < len(episode.attempts) - 1:
            add_context(episode.guidances[index].token_ids)
    return Trajectory(tokens, attempts, logprobs, versions)
