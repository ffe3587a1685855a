"""What a worker counts of an episode."""

from contracts import metrics as names
from contracts.episodes import Attempt, Outcome
from contracts.packed import Logprobs, TokenIds
from msgspec.structs import replace
from orchestrator.rollout.metrics import RolloutMetrics
from prometheus_client import CollectorRegistry

from .makers import unplayed


def attempt(outcome: Outcome, tokens: int) -> Attempt:
    return Attempt(
        token_ids=TokenIds.of(range(tokens)),
        logprobs=Logprobs.of([-0.5] * tokens),
        version_spans=[],
        text="",
        outcome=outcome,
        reward=float(outcome == "correct"),
        finish_reason="stop",
        latency_seconds=0.1,
    )


def test_answers_that_could_not_be_checked_are_counted_with_tokens_and_outcomes() -> None:
    registry = CollectorRegistry()
    metrics = RolloutMetrics(registry)
    played = [attempt("unverified", 2), attempt("unverified", 3), attempt("correct", 4)]
    metrics.observe(replace(unplayed(0), attempts=played))
    metrics.observe(replace(unplayed(1), purpose="eval", attempts=[attempt("wrong", 5)]))

    def counted(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert counted(names.ANSWERS_UNVERIFIED_TOTAL, purpose="train") == 2
    assert counted(names.ANSWERS_UNVERIFIED_TOTAL, purpose="eval") == 0
    assert counted(names.STUDENT_TOKENS_TOTAL, purpose="train") == 9
    assert counted(names.EPISODES_TOTAL, purpose="train", outcome="correct") == 1
    assert counted(names.EPISODES_TOTAL, purpose="eval", outcome="wrong") == 1
