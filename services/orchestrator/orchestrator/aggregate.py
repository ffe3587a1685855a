"""Episodes of an evaluation -> its record. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from contracts.episodes import Episode
from contracts.records import DomainAccuracy, EvaluationRecord


def evaluation_record(version: int, episodes: Sequence[Episode], domains: Mapping[str, str]) -> EvaluationRecord:
    """Accuracies over the episodes that completed; `domains` names the domain of each question id.

    Recorded failures (an unreachable teacher, a lost engine) say nothing about the student: they are counted apart.
    """
    completed = [episode for episode in episodes if episode.failure is None]
    by_domain: dict[str, list[Episode]] = defaultdict(list)
    for episode in completed:
        by_domain[domains[episode.question_id]].append(episode)
    attempts = [attempt for episode in completed for attempt in episode.attempts]
    return EvaluationRecord(
        step=version,
        policy_version=version,
        questions=len(episodes),
        failed_episodes=len(episodes) - len(completed),
        unassisted_accuracy=share([episode.unassisted for episode in completed]),
        guided_accuracy=share([episode.guided for episode in completed]),
        format_rate=share([attempt.outcome in ("correct", "wrong") for attempt in attempts]),
        domains={domain: domain_accuracy(group) for domain, group in sorted(by_domain.items())},
        seconds=max(episode.finished_at for episode in episodes) - min(episode.started_at for episode in episodes),
    )


def domain_accuracy(episodes: Sequence[Episode]) -> DomainAccuracy:
    """Accuracy on the questions of one domain."""
    return DomainAccuracy(
        questions=len(episodes),
        unassisted_accuracy=share([episode.unassisted for episode in episodes]),
        guided_accuracy=share([episode.guided for episode in episodes]),
    )


def share(flags: Sequence[bool]) -> float:
    """The share of True; 0 of nothing is 0."""
    return sum(flags) / len(flags) if flags else 0.0
