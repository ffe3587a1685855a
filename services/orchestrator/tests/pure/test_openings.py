"""Manifests from a specification."""

from orchestrator.openings import evaluation_manifest, train_manifest

QUESTIONS = [f"q{index}" for index in range(20)]


def test_a_batch_has_each_sample_of_each_question_once(job_spec):
    manifest = train_manifest("job-1", job_spec(), QUESTIONS, 1)
    assert len(manifest.entries) == 8
    assert len({entry.episode_id for entry in manifest.entries}) == 8
    first = manifest.entries[0]
    assert first.episode_id == f"job-1/train/1/{first.question_id}/0"
    assert [entry.sample for entry in manifest.entries] == [0, 1] * 4


def test_equal_jobs_get_equal_questions_and_seeds_but_own_episodes(job_spec):
    one = train_manifest("job-1", job_spec(), QUESTIONS, 3)
    two = train_manifest("job-2", job_spec(), QUESTIONS, 3)
    assert [(e.question_id, e.sample, e.seed) for e in one.entries] == [
        (e.question_id, e.sample, e.seed) for e in two.entries
    ]
    assert not {e.episode_id for e in one.entries} & {e.episode_id for e in two.entries}


def test_seeds_differ_between_episodes_steps_and_jobs_seeds(job_spec):
    manifests = [
        train_manifest("job-1", job_spec({"seed": seed}), QUESTIONS, step) for seed in (0, 1) for step in (1, 2, 3)
    ]
    seeds = [entry.seed for manifest in manifests for entry in manifest.entries]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    held_out = evaluation_manifest("job-1", job_spec({"evaluation.questions": 20, "seed": 0}), QUESTIONS, {}, 1)
    assert not {entry.seed for entry in held_out.entries} & set(seeds), "nor do a batch and an evaluation share one"


def test_the_oldest_version_that_may_sample_a_batch(job_spec):
    strict = job_spec()
    loose = job_spec({"rollout.max_staleness": 2})
    assert [train_manifest("j", strict, QUESTIONS, step).policy_version for step in (1, 2, 5)] == [0, 1, 4]
    assert [train_manifest("j", loose, QUESTIONS, step).policy_version for step in (1, 2, 5)] == [0, 0, 2]


def test_an_evaluation_asks_the_first_questions_once(job_spec):
    manifest = evaluation_manifest("job-1", job_spec({"evaluation.questions": 3}), QUESTIONS, {}, 4)
    assert [entry.question_id for entry in manifest.entries] == ["q0", "q1", "q2"]
    assert (manifest.purpose, manifest.step, manifest.policy_version) == ("eval", 4, 4)


def test_an_evaluation_asks_the_splits_that_are_named(job_spec):
    spec = job_spec({"evaluation.questions": 2, "evaluation.splits": ["far"], "evaluation.split_questions": 2})
    splits = {"near": ["n0", "n1"], "far": ["f0", "f1", "f2"]}
    manifest = evaluation_manifest("job-1", spec, QUESTIONS, splits, 4)
    assert [entry.question_id for entry in manifest.entries] == ["q0", "q1", "f0", "f1"]
    assert len(manifest.entries) == spec.evaluation.episodes


def test_a_resting_question_gives_its_place_to_the_next_one_awake(job_spec):
    plain = [[entry.question_id for entry in batch(job_spec, step).entries[::2]] for step in (1, 2)]
    resting = {plain[0][1], plain[1][0]}
    chosen = [entry.question_id for entry in batch(job_spec, 1, resting).entries[::2]]
    assert chosen == [plain[0][0], plain[0][2], plain[0][3], plain[1][1]]


def test_resting_questions_are_asked_where_there_are_no_others(job_spec):
    awake = QUESTIONS[:3]
    chosen = [entry.question_id for entry in batch(job_spec, 4, set(QUESTIONS) - set(awake)).entries[::2]]
    assert set(chosen[:3]) == set(awake)
    assert len(set(chosen)) == 4


def test_spare_prompts_are_asked_too(job_spec):
    manifest = train_manifest("job-1", job_spec({"rollout.spare_prompts": 3}), QUESTIONS, 1)
    assert len({entry.question_id for entry in manifest.entries}) == 7


def batch(job_spec, step, resting=frozenset()):
    return train_manifest("job-1", job_spec(), QUESTIONS, step, resting)
