"""Episodes of an evaluation -> its record."""

import msgspec
import pytest
from contracts.manifests import ManifestEntry
from orchestrator.aggregate import evaluation_record
from orchestrator.statistics import accuracy_interval


@pytest.fixture
def asked(play):
    """An evaluation episode of question q<n> with these raw rewards."""

    def make(index, answers, sample=0):
        name = f"j/eval/4/q{index}/{sample}"
        entry = ManifestEntry(episode_id=name, question_id=f"q{index}", sample=sample, seed=1)
        return play("j", "eval", 4, entry, answers)

    return make


def test_accuracies_by_hand(asked):
    episodes = [asked(0, [1.0]), asked(1, [0.0, 1.0]), asked(2, [0.0, 0.0]), asked(3, [1.0])]
    domains = {"q0": "physics", "q1": "physics", "q2": "biology", "q3": "biology"}
    record = evaluation_record(4, episodes, domains, samples=1)
    assert (record.step, record.policy_version, record.questions, record.failed_episodes) == (4, 4, 4, 0)
    assert (record.unassisted_accuracy, record.guided_accuracy, record.format_rate) == (0.5, 0.75, 1.0)
    assert record.domains["physics"].guided_accuracy == 1.0
    assert record.domains["biology"].unassisted_accuracy == 0.5
    assert record.seconds == 1.0


def test_failures_are_counted_apart(asked):
    record = evaluation_record(4, [asked(0, [1.0]), asked(1, [])], {"q0": "d", "q1": "d"}, samples=1)
    assert (record.questions, record.failed_episodes, record.unassisted_accuracy) == (2, 1, 1.0)
    assert record.domains["d"].questions == 1


def test_the_format_rate_counts_attempts(asked):
    episode = asked(0, [0.0, 0.0])
    malformed = msgspec.structs.replace(episode.attempts[0], outcome="malformed")
    truncated = msgspec.structs.replace(episode.attempts[0], outcome="truncated")
    broken = msgspec.structs.replace(episode, attempts=[malformed, truncated, *episode.attempts])
    assert evaluation_record(4, [broken], {"q0": "d"}, samples=1).format_rate == 0.5


def test_samples_and_greedy_answers_by_hand(asked):
    """Two questions of four samples and a greedy answer: right firsts 3 and 1, guided 4 and 1, greedy 1 and 0."""
    first = [asked(0, [1.0], 0), asked(0, [1.0], 1), asked(0, [1.0], 2), asked(0, [0.0, 1.0], 3), asked(0, [1.0], 4)]
    second = [asked(1, [1.0], 0), *[asked(1, [0.0, 0.0], sample) for sample in (1, 2, 3, 4)]]
    record = evaluation_record(4, first + second, {"q0": "a", "q1": "b"}, samples=4)
    assert (record.questions, record.samples) == (2, 4)
    assert (record.unassisted_accuracy, record.guided_accuracy, record.greedy_accuracy) == (0.5, 0.625, 0.5)
    assert record.unassisted_interval == accuracy_interval([0.75, 0.25], 4)
    assert record.guided_interval == accuracy_interval([1.0, 0.25], 4)
    assert record.domains["b"].guided_interval == accuracy_interval([0.25], 4)
    # pass@2 of 3 of 4: 1 - C(1,2)/C(4,2) = 1; of 1 of 4: 1 - C(3,2)/C(4,2) = 1/2.
    assert record.pass_at == {1: 0.5, 2: 0.75, 4: 1.0}
    assert (record.domains["a"].greedy_accuracy, record.domains["b"].greedy_accuracy) == (1.0, 0.0)


def test_an_unverified_answer_is_counted(asked):
    episode = asked(0, [0.0, 1.0])
    unverified = msgspec.structs.replace(episode.attempts[0], outcome="unverified")
    changed = msgspec.structs.replace(episode, attempts=[unverified, episode.attempts[1]])
    record = evaluation_record(4, [changed], {"q0": "d"}, samples=1)
    assert (record.unverified_attempts, record.format_rate) == (1, 0.5)


def test_splits_are_reported_apart(asked):
    """Held out: q0 right, q1 wrong then right. Split: q2 wrong twice, q3 right, q4 never completed."""
    episodes = [asked(0, [1.0]), asked(1, [0.0, 1.0]), asked(2, [0.0, 0.0]), asked(3, [1.0]), asked(4, [])]
    splits = {"unseen_term": ["q2", "q3", "q4"], "unseen_combination": ["q5"]}
    record = evaluation_record(4, episodes, {"q0": "d", "q1": "d"}, samples=1, split_ids=splits)
    assert (record.questions, record.unassisted_accuracy, record.guided_accuracy) == (2, 0.5, 1.0)
    assert list(record.domains) == ["d"]
    assert (record.domains["d"].questions, record.failed_episodes) == (2, 1)
    assert list(record.splits) == ["unseen_term"]
    split = record.splits["unseen_term"]
    assert (split.questions, split.unassisted_accuracy, split.guided_accuracy) == (2, 0.5, 0.5)
