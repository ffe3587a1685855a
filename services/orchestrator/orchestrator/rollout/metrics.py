"""What a rollout worker measures."""

from typing import get_args

from contracts import metrics as names
from contracts.episodes import Episode, Purpose
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orchestrator.dialogue import outcome_of

# From a stub's milliseconds to a large model with a slow teacher.
SECONDS_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class RolloutMetrics:
    """Observer of finished episodes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.episodes = Counter(
            names.EPISODES_TOTAL,
            "Episodes made, by the outcome of their last attempt, or `failed`.",
            ["purpose", "outcome"],
            registry=registry,
        )
        seconds = Histogram(
            names.EPISODE_SECONDS, "Time to make an episode.", ["purpose"], buckets=SECONDS_BUCKETS, registry=registry
        )
        unverified = Counter(
            names.ANSWERS_UNVERIFIED_TOTAL,
            "Answers whose check was ended by a deadline or failed.",
            ["purpose"],
            registry=registry,
        )
        tokens = Counter(names.STUDENT_TOKENS_TOTAL, "Tokens sampled.", ["purpose"], registry=registry)
        # Found once: looking a series up by its labels costs as much as all that is counted of an episode.
        purposes = get_args(Purpose)
        self.seconds = {purpose: seconds.labels(purpose) for purpose in purposes}
        self.unverified = {purpose: unverified.labels(purpose) for purpose in purposes}
        self.tokens = {purpose: tokens.labels(purpose) for purpose in purposes}
        self.in_flight = Gauge(names.EPISODES_IN_FLIGHT, "Episodes being made.", registry=registry)

    def observe(self, episode: Episode) -> None:
        """Count an episode that arrived for the first time."""
        self.episodes.labels(episode.purpose, outcome_of(episode)).inc()
        self.seconds[episode.purpose].observe(episode.finished_at - episode.started_at)
        unverified = sum(attempt.outcome == "unverified" for attempt in episode.attempts)
        self.unverified[episode.purpose].inc(unverified)
        self.tokens[episode.purpose].inc(sum(len(attempt.token_ids) for attempt in episode.attempts))
