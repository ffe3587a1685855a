"""Episodes of an evaluation -> its record. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from contracts.episodes import IN_FORM, Episode
from contracts.records import Accuracy, EvaluationRecord

from orchestrator.statistics import accuracy_interval, pass_at


def evaluation_record(
    version: int,
    episodes: Sequence[Episode],
    domains: Mapping[str, str],
    samples: int,
    split_ids: Mapping[str, Iterable[str]] | None = None,
) -> EvaluationRecord:
    """Accuracies over the episodes that completed; `domains` names the domain of each question id.

    Questions of the splits are reported by split; of the other figures only failures and seconds count them. Episodes
    from index `samples` on are greedy. Recorded failures (an unreachable teacher, a lost engine) say nothing about the
    student: they are counted apart.
    """
    by_split = {name: of_questions(episodes, ids) for name, ids in (split_ids or {}).items()}
    held_out = of_questions(episodes, domains)
    completed = completed_of(held_out)
    by_domain: dict[str, list[Episode]] = defaultdict(list)
    for episode in completed:
        by_domain[domains[episode.question_id]].append(episode)
    attempts = [attempt for episode in completed for attempt in episode.attempts]
    overall = accuracy(completed, samples)
    return EvaluationRecord(
        **overall.model_dump(exclude={"questions"}),
        questions=len({episode.question_id for episode in held_out}),
        step=version,
        policy_version=version,
        samples=samples,
        failed_episodes=len(episodes) - len(completed_of(episodes)),
        format_rate=share([attempt.outcome in IN_FORM for attempt in attempts]),
        unverified_attempts=sum(attempt.outcome == "unverified" for attempt in attempts),
        domains={domain: accuracy(group, samples) for domain, group in sorted(by_domain.items())},
        splits={name: accuracy(completed_of(group), samples) for name, group in by_split.items() if group},
        seconds=max(episode.finished_at for episode in episodes) - min(episode.started_at for episode in episodes),
    )


def of_questions(episodes: Sequence[Episode], question_ids: Iterable[str]) -> list[Episode]:
    """Those that asked one of these."""
    wanted = set(question_ids)
    return [episode for episode in episodes if episode.question_id in wanted]


def completed_of(episodes: Sequence[Episode]) -> list[Episode]:
    """Those that say something about the student."""
    return [episode for episode in episodes if episode.failure is None]


def accuracy(episodes: Sequence[Episode], samples: int) -> Accuracy:
    """Of the completed episodes of some questions; each question counts the same."""
    sampled = [episode for episode in episodes if episode.sample < samples]
    greedy = [episode for episode in episodes if episode.sample >= samples]
    unassisted = by_question(sampled, [episode.unassisted for episode in sampled])
    guided = by_question(sampled, [episode.guided for episode in sampled])
    unassisted_shares, guided_shares = [[share(flags) for flags in group] for group in (unassisted, guided)]
    return Accuracy(
        questions=len({episode.question_id for episode in episodes}),
        unassisted_accuracy=mean(unassisted_shares),
        guided_accuracy=mean(guided_shares),
        unassisted_interval=accuracy_interval(unassisted_shares, samples),
        guided_interval=accuracy_interval(guided_shares, samples),
        pass_at=pass_rates(unassisted),
        greedy_accuracy=share([episode.unassisted for episode in greedy]) if greedy else None,
    )


def pass_rates(flags_by_question: Sequence[Sequence[bool]]) -> dict[int, float]:
    """n -> mean pass@n for n = 1, 2, 4 ... as far as every question has n answers."""
    fewest = min((len(flags) for flags in flags_by_question), default=0)
    sizes = [2**power for power in range(fewest.bit_length())]
    return {n: mean([pass_at(n, len(flags), sum(flags)) for flags in flags_by_question]) for n in sizes}


def by_question(episodes: Sequence[Episode], flags: Iterable[bool]) -> list[list[bool]]:
    """The flags of the episodes of each question."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for episode, flag in zip(episodes, flags, strict=True):
        groups[episode.question_id].append(flag)
    return list(groups.values())


def share(flags: Sequence[bool]) -> float:
    """The share of True; 0 of nothing is 0."""
    return sum(flags) / len(flags) if flags else 0.0


def mean(values: Sequence[float]) -> float:
    """0 of nothing is 0."""
    return sum(values) / len(values) if values else 0.0
