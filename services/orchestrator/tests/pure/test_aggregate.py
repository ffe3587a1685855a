"""Episodes of an evaluation -> its record."""

import msgspec
import pytest
from contracts.manifests import ManifestEntry
from orchestrator.aggregate import evaluation_record


@pytest.fixture
def asked(play):
    """An evaluation episode of question q<n> with these raw rewards."""

    def make(index, answers):
        entry = ManifestEntry(episode_id=f"j/eval/4/q{index}/0", question_id=f"q{index}", sample=0, seed=1)
        return play("j", "eval", 4, entry, answers)

    return make


def test_accuracies_by_hand(asked):
    episodes = [asked(0, [1.0]), asked(1, [0.0, 1.0]), asked(2, [0.0, 0.0]), asked(3, [1.0])]
    domains = {"q0": "physics", "q1": "physics", "q2": "biology", "q3": "biology"}
    record = evaluation_record(4, episodes, domains)
    assert (record.step, record.policy_version, record.questions, record.failed_episodes) == (4, 4, 4, 0)
    assert (record.unassisted_accuracy, record.guided_accuracy, record.format_rate) == (0.5, 0.75, 1.0)
    assert record.domains["physics"].guided_accuracy == 1.0
    assert record.domains["biology"].unassisted_accuracy == 0.5
    assert record.seconds == 1.0


def test_failures_are_counted_apart(asked):
    record = evaluation_record(4, [asked(0, [1.0]), asked(1, [])], {"q0": "d", "q1": "d"})
    assert (record.questions, record.failed_episodes, record.unassisted_accuracy) == (2, 1, 1.0)
    assert record.domains["d"].questions == 1


def test_the_format_rate_counts_attempts(asked):
    episode = asked(0, [0.0, 0.0])
    malformed = msgspec.structs.replace(episode.attempts[0], outcome="malformed")
    truncated = msgspec.structs.replace(episode.attempts[0], outcome="truncated")
    broken = msgspec.structs.replace(episode, attempts=[malformed, truncated, *episode.attempts])
    assert evaluation_record(4, [broken], {"q0": "d"}).format_rate == 0.5
