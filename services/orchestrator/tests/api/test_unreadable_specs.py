"""One job that another version accepted and this one would not: shown with its reason, and in nobody's way."""

import json
import shutil

import pytest
from contracts import keys
from contracts.policies import checkpoint_directory, policy_directory
from servicekit.checksums import write_checksums

KINDS = {
    "bound": "rollout.prompts_per_step",
    "unknown": "rollout.warmth",
    "missing": "training.steps",
    "broken": "spec",
}


@pytest.fixture
def settings(settings, tmp_path):
    """The trainer's data root is a model root too."""
    return settings.model_copy(update={"model_roots": [*settings.model_roots, tmp_path]})


@pytest.fixture
def ended(api, job_body, players, store, settings, eventually):
    """A job with an evaluation, a half step of episodes, and a checkpoint of step 3."""
    job_id = api.post("/v1/jobs", json=job_body({"name": "old"}), headers={"Idempotency-Key": "old"}).json()["id"]
    eventually(lambda: api.get(f"/v1/jobs/{job_id}").json()["status"] == "running")
    players.publish(job_id, 0)
    players.roll_out(job_id, "eval", 0)
    eventually(lambda: api.get(f"/v1/jobs/{job_id}/evaluations").json()["data"])
    players.roll_out(job_id, "train", 1, limit=4)
    directory = checkpoint_directory(settings.data_root, job_id, 3)
    directory.mkdir(parents=True)
    (directory / "model.safetensors").write_bytes(b"weights")
    write_checksums(directory)
    store.hset(keys.job(job_id), "status", "succeeded")
    store.delete(keys.active_job())
    return job_id


def answers(api, job_id):
    """Every look at what the job made."""
    names = ["events", "steps", "evaluations", "metrics", "episodes", "checkpoints"]
    names += ["steps/1", "steps/1/outcomes", "steps/1/attempts"]
    found = {path: api.get(path) for path in (f"/v1/jobs/{job_id}/{name}" for name in names)}
    assert {answer.status_code for answer in found.values()} == {200}
    return {path: answer.json() for path, answer in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_listed_with_its_reason_and_the_others_as_before(api, job_body, ended, spoil, store, kind):
    other = api.post("/v1/jobs", json=job_body()).json()["id"]
    before = api.get(f"/v1/jobs/{ended}").json()
    spoil(ended, kind)
    listed = {job["id"]: job for job in api.get("/v1/jobs").json()["data"]}
    assert set(listed) == {ended, other}
    assert listed[other]["spec"]["name"] == "trial"
    shown = listed[ended]
    assert shown == api.get(f"/v1/jobs/{ended}").json()
    reason = shown.pop("unreadable_spec")
    assert [error["field"] for error in reason["errors"]] == [KINDS[kind]]
    assert KINDS[kind] in reason["detail"]
    assert reason["stored"] == store.hget(keys.job(ended), "spec").decode()
    name = ended if kind == "broken" else "old"
    kept = {**before, "name": name, "spec": None, "progress": {**before["progress"], "steps": None}}
    del kept["unreadable_spec"]
    assert shown == kept


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_made_reads_as_before(api, ended, spoil, kind):
    before = answers(api, ended)
    spoil(ended, kind)
    after = answers(api, ended)
    checkpoints = f"/v1/jobs/{ended}/checkpoints"
    assert [found.pop("kept_by") for found in before[checkpoints]["data"]] == [["last"]]
    assert [found.pop("kept_by") for found in after[checkpoints]["data"]] == [["unreadable_spec"]]
    assert {path for path in before if before[path] != after[path]} == set()


def test_an_episode_of_it_has_its_question_and_tokens_where_task_and_student_can_be_read(api, ended, spoil):
    path = f"/v1/episodes/{api.get(f'/v1/jobs/{ended}/episodes').json()['data'][0]['episode_id']}"
    whole = api.get(path, params={"tokens": True}).json()
    spoil(ended, "bound")
    assert api.get(path, params={"tokens": True}).json() == whole
    spoil(ended, "broken")
    answered = [turn for turn in whole["dialogue"] if turn["role"] == "assistant"]
    rest = {"question": None, "tokens": None, "dialogue": answered}
    assert api.get(path, params={"tokens": True}).json() == {**whole, **rest}


def test_its_stream_of_events_ends(api, ended, spoil, store):
    spoil(ended)
    with api.stream("GET", f"/v1/jobs/{ended}/events/stream") as stream:
        told = [line for line in stream.iter_lines() if line.startswith("event:")]
    assert "event: job.created" in told


def test_a_paused_one_is_not_resumed_but_can_be_cancelled(api, ended, spoil, store, eventually):
    store.hset(keys.job(ended), "status", "paused")
    spoil(ended, "unknown")
    refused = api.post(f"/v1/jobs/{ended}/resume")
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (
        409,
        "spec_unreadable",
        "rollout.warmth",
    )
    assert api.get(f"/v1/jobs/{ended}").json()["status"] == "paused"
    assert api.post(f"/v1/jobs/{ended}/cancel").status_code == 202
    eventually(lambda: api.get(f"/v1/jobs/{ended}").json()["status"] == "cancelled")
    assert api.post(f"/v1/jobs/{ended}/resume").json()["code"] == "illegal_transition"


def test_a_clone_of_it_must_mend_the_field(api, ended, spoil, store):
    spoil(ended, "bound")
    refused = api.post("/v1/jobs", json={"source_job_id": ended}).json()
    assert (refused["status"], refused["errors"][0]["field"]) == (422, "overrides.rollout.prompts_per_step")
    mended = {"source_job_id": ended, "overrides": {"rollout": {"prompts_per_step": 2}}}
    made = api.post("/v1/jobs", json=mended)
    assert (made.status_code, made.json()["name"], made.json()["spec"]["seed"]) == (201, "old", 3)
    spoil(ended, "broken")
    refused = api.post("/v1/jobs", json=mended)
    assert (refused.status_code, refused.json()["code"]) == (409, "spec_unreadable")


def test_the_key_that_made_it_makes_no_second_one(api, job_body, ended, spoil):
    spoil(ended)
    again = api.post("/v1/jobs", json=job_body({"name": "old"}), headers={"Idempotency-Key": "old"})
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")


def test_its_checkpoint_can_be_deleted(api, ended, spoil, store):
    spoil(ended)
    assert api.delete(f"/v1/jobs/{ended}/checkpoints/3").status_code == 202
    assert store.smembers(keys.discards()) == {f"{ended}/3".encode()}


def test_the_student_that_it_names_stays_while_it_is_paused(api, ended, spoil, store, settings, tmp_path, model_root):
    """After going back to the version that accepted it, it may be resumed."""
    policy = policy_directory(settings.data_root, ended, 3)
    shutil.copytree(model_root / "student", policy)
    spec = json.loads(store.hget(keys.job(ended), "spec"))
    spec["student"]["model"] = str(policy.relative_to(tmp_path))
    reader = "job-reader"
    fields = {**store.hgetall(keys.job(ended)), b"spec": json.dumps(spec), b"status": "paused"}
    store.hset(keys.job(reader), mapping=fields)
    store.zadd(keys.live_jobs(), {reader: 1.0})
    spoil(reader)
    answer = api.delete(f"/v1/jobs/{ended}/checkpoints/3")
    assert (answer.status_code, f"the student of {reader}" in answer.json()["detail"]) == (409, True)
