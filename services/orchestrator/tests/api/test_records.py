"""Steps, evaluations and episodes over HTTP."""

import pytest
from contracts import keys
from contracts.records import StepRecord


@pytest.fixture
def job_id(api, job_body, players, eventually):
    """A job that was evaluated once and rolled out its first batch: half right, half failures."""
    made = api.post("/v1/jobs", json=job_body()).json()["id"]
    eventually(lambda: api.get(f"/v1/jobs/{made}").json()["status"] == "running")
    players.publish(made, 0)
    players.roll_out(made, "eval", 0, [0.0, 1.0])
    players.roll_out(made, "train", 1, [0.0, 1.0], limit=4)
    players.roll_out(made, "train", 1, [])
    return made


def step_record(step, **changes):
    """A plausible record of a training step."""
    numbers = {
        name: 0 if field.annotation is int else 0.5
        for name, field in StepRecord.model_fields.items()
        if field.annotation in (int, float)
    }
    return StepRecord(
        **{
            **numbers,
            "step": step,
            "seconds": 10.0,
            "attempts": [],
            "cold": False,
            "zero_gradient": False,
            "phase_seconds": {},
            **changes,
        }
    )


def test_a_step_shows_its_manifest_before_it_is_trained(api, job_id):
    step = api.get(f"/v1/jobs/{job_id}/steps/1").json()
    assert (step["record"], step["episodes_arrived"], len(step["manifest"]["entries"])) == (None, 8, 8)
    missing = api.get(f"/v1/jobs/{job_id}/steps/2")
    assert (missing.status_code, missing.json()["code"]) == (404, "step_not_found")
    assert api.get(f"/v1/jobs/{job_id}/steps/one").status_code == 422


def test_trained_steps_are_paged_and_feed_the_progress(api, job_id, store):
    for step in (1, 2):
        record = step_record(step, cold=step == 1, failed_episodes=4, unassisted_accuracy=0.25 * step)
        store.hset(keys.steps(job_id), str(step), record.model_dump_json())
    page = api.get(f"/v1/jobs/{job_id}/steps", params={"limit": 1}).json()
    assert ([record["step"] for record in page["data"]], page["has_more"], page["last_id"]) == ([1], True, "1")
    rest = api.get(f"/v1/jobs/{job_id}/steps", params={"after": "1"}).json()
    assert ([record["step"] for record in rest["data"]], rest["has_more"]) == ([2], False)
    assert api.get(f"/v1/jobs/{job_id}/steps", params={"after": "x"}).status_code == 422
    progress = api.get(f"/v1/jobs/{job_id}").json()["progress"]
    assert (progress["unassisted_accuracy"], progress["cold_batches"], progress["failed_episodes"]) == (0.5, 1, 8)
    assert (progress["evaluation_step"], progress["evaluation_guided_accuracy"]) == (0, 1.0)
    assert progress["seconds_left"] == 0.0


def test_episodes_are_listed_filtered_and_paged(api, job_id, monkeypatch):
    monkeypatch.setattr("orchestrator.batches.SCAN_EPISODES", 3)  # of eight, so that a page takes several looks
    path = f"/v1/jobs/{job_id}/episodes"
    every = api.get(path).json()["data"]
    assert [episode["outcome"] for episode in every] == ["correct"] * 4 + ["failed"] * 4
    assert [episode["attempts"] for episode in every] == [2] * 4 + [0] * 4
    assert every[-1]["failure"] == "nobody there"
    assert api.get(path, params={"outcome": "failed"}).json()["data"] == every[4:]
    assert api.get(path, params={"step": 2}).json()["data"] == []
    assert len(api.get(path, params={"purpose": "eval", "step": 0}).json()["data"]) == 6
    for step in ({}, {"step": 1}):
        first = api.get(path, params={"limit": 5, **step}).json()
        rest = api.get(path, params={"after": first["last_id"], **step}).json()
        assert (first["has_more"], rest["has_more"]) == (True, False)
        assert first["data"] + rest["data"] == every
    assert api.get(path, params={"after": "nothing"}).status_code == 404
    assert api.get(path, params={"purpose": "play"}).status_code == 422


def test_one_episode_with_its_whole_dialogue(api, job_id):
    listed = api.get(f"/v1/jobs/{job_id}/episodes").json()["data"][0]
    episode = api.get(f"/v1/episodes/{listed['episode_id']}").json()
    assert episode["question"]["id"] == listed["question_id"]
    assert episode["dialogue"][0] == {"role": "user", "content": episode["question"]["text"]}
    turns = [(turn["role"], turn.get("attempt"), turn.get("outcome")) for turn in episode["dialogue"]]
    assert turns == [("user", None, None), ("assistant", 1, "wrong"), ("assistant", 2, "correct")]
    assert episode["attempts"][0]["token_ids"] == [5, 4]
    assert episode["attempts"][0]["version_spans"] == [{"version": 0, "start": 0, "end": 2}]


@pytest.mark.parametrize("episode_id", ["x", "a/b/c", "job-1/train/1/q/0", "job-1/train/one/q/0", "job-1/play/1/q/0"])
def test_unknown_episodes_are_404(api, episode_id):
    answer = api.get(f"/v1/episodes/{episode_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "episode_not_found")


def test_the_time_left_by_hand(job_spec):
    from contracts.records import EvaluationRecord
    from orchestrator.progress import seconds_left

    spec = job_spec({"training.steps": 14, "evaluation.every": 4})
    held_out = EvaluationRecord(
        step=0,
        policy_version=0,
        questions=6,
        failed_episodes=0,
        unassisted_accuracy=0,
        guided_accuracy=0,
        format_rate=1,
        domains={},
        seconds=7.0,
    )
    took = [50.0] * 4 + [2.0] * 4 + [90.0]  # long answers at first; the last step waited for a lost worker
    steps = [step_record(step, seconds=seconds) for step, seconds in enumerate(took, 1)]
    assert seconds_left(spec, [], []) is None
    assert seconds_left(spec, steps, [held_out]) == 5 * 2.0 + 2 * 7.0


def test_outcomes_follow_the_manifest(api, job_id):
    """Half solved at the second attempt, half not completed: as the fixture rolled them out."""
    assert api.get(f"/v1/jobs/{job_id}/steps/1/outcomes").json()["outcomes"] == "2222xxxx"
    missing = api.get(f"/v1/jobs/{job_id}/steps/2/outcomes")
    assert (missing.status_code, missing.json()["code"]) == (404, "step_not_found")


def test_a_look_at_a_job_reads_only_the_steps_that_are_new(api, job_id, store):
    def read_bytes():
        """Of Redis' answers to one look at the job."""
        before = store.info("stats")["total_net_output_bytes"]
        progress = api.get(f"/v1/jobs/{job_id}").json()["progress"]
        return store.info("stats")["total_net_output_bytes"] - before, progress["cold_batches"]

    for step in range(1, 201):
        store.hset(keys.steps(job_id), str(step), step_record(step, cold=True).model_dump_json())
    (first, cold), (second, again) = read_bytes(), read_bytes()
    assert (cold, again) == (200, 200)
    assert second < first / 3
    # A Redis that crashed has lost the newest record, which is then made anew.
    store.hdel(keys.steps(job_id), "200")
    assert read_bytes()[1] == 199
    store.hset(keys.steps(job_id), "200", step_record(200).model_dump_json())
    assert read_bytes()[1] == 199
