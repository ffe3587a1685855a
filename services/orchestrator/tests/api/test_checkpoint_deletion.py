"""DELETE /v1/jobs/{id}/checkpoints/{step}: what may go is written down for the trainer, what is needed stays."""

import shutil

import pytest
from contracts import keys
from contracts.policies import checkpoint_directory, policy_directory
from servicekit.checksums import write_checksums


@pytest.fixture
def settings(settings, tmp_path):
    """The trainer's data root is a model root too, so that jobs can go on from policies."""
    return settings.model_copy(update={"model_roots": [*settings.model_roots, tmp_path]})


@pytest.fixture
def job_id(api, job_body, settings, model_root):
    """A live job with checkpoints and policies of the steps 3, 4 and 5."""
    made = api.post("/v1/jobs", json=job_body({"training.steps": 9})).json()["id"]
    for step in (3, 4, 5):
        directory = checkpoint_directory(settings.data_root, made, step)
        directory.mkdir(parents=True)
        (directory / "model.safetensors").write_bytes(b"weights")
        write_checksums(directory)
        shutil.copytree(model_root / "student", policy_directory(settings.data_root, made, step))
    return made


def delete(api, job_id, step):
    return api.delete(f"/v1/jobs/{job_id}/checkpoints/{step}")


def end(store, job_id):
    store.hset(keys.job(job_id), "status", "succeeded")


def asked(store):
    return {member.decode() for member in store.smembers(keys.discards())}


def test_an_old_one_is_left_to_the_trainer_who_owns_it(api, job_id, settings, store):
    for _ in range(2):
        answer = delete(api, job_id, 3)
        assert (answer.status_code, answer.json()["step"], answer.json()["deleting"]) == (202, 3, True)
    assert asked(store) == {f"{job_id}/3"}
    assert checkpoint_directory(settings.data_root, job_id, 3).is_dir()
    listed = api.get(f"/v1/jobs/{job_id}/checkpoints").json()["data"]
    assert [(item["step"], item["deleting"]) for item in listed] == [(3, True), (4, False), (5, False)]


def refused(store, answer, reason):
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "checkpoint_needed")
    assert reason in problem["detail"]
    assert asked(store) == set()


def test_the_newest_of_a_live_job_stays_and_that_of_an_ended_one_may_go(api, job_id, store):
    refused(store, delete(api, job_id, 5), "would go on from it")
    end(store, job_id)
    assert delete(api, job_id, 5).status_code == 202


def test_behind_a_damaged_one_the_newest_whole_one_stays(api, job_id, settings, store):
    (checkpoint_directory(settings.data_root, job_id, 5) / "model.safetensors").write_bytes(b"broken")
    refused(store, delete(api, job_id, 4), "would go on from it")
    assert delete(api, job_id, 5).status_code == 202


def test_what_the_engine_serves_stays_while_the_job_lives(api, job_id, store):
    """As while the newest is being published: until that is proved, all may have to return to the one before."""
    store.hset(keys.job(job_id), "policy_version", 4)
    refused(store, delete(api, job_id, 4), "serves it")
    assert delete(api, job_id, 3).status_code == 202


def test_the_student_of_a_live_job_stays_whoever_trained_it(api, job_id, job_body, settings, store, tmp_path):
    end(store, job_id)
    for directory in (checkpoint_directory, policy_directory):
        path = directory(settings.data_root, job_id, 4)
        evaluation = {"student.model": str(path.relative_to(tmp_path)), "training.steps": 0}
        reader = api.post("/v1/jobs", json=job_body(evaluation)).json()["id"]
        refused(store, delete(api, job_id, 4), f"the student of {reader}")
        end(store, reader)
    assert delete(api, job_id, 4).status_code == 202


def test_what_is_not_there_is_a_404(api, job_id, store):
    answer = delete(api, job_id, 7)
    assert (answer.status_code, answer.json()["code"], "3, 4, 5" in answer.json()["detail"]) == (
        404,
        "checkpoint_not_found",
        True,
    )
    assert delete(api, "job-none", 3).json()["code"] == "job_not_found"
    assert delete(api, job_id, "x").status_code == 422
    assert asked(store) == set()
