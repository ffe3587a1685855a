"""GET /v1/jobs/{id}/checkpoints on directories like those that the trainer writes."""

import hashlib

import pytest
from contracts import keys
from contracts.errors import Problem
from contracts.policies import checkpoint_directory, policy_directory
from contracts.records import EvaluationRecord
from orchestrator import checkpoints
from orchestrator.validation.students import find_student
from servicekit.checksums import write_checksums


@pytest.fixture
def job_id(api, job_body):
    """A job that keeps its newest, its best, and every fourth."""
    training = {"training.steps": 9, "training.keep_last": 1, "training.keep_every": 4, "evaluation.every": 3}
    return api.post("/v1/jobs", json=job_body(training)).json()["id"]


@pytest.fixture
def data_root(settings, job_id):
    """Checkpoints of the steps 3, 4 and 5, one of them with its policy directory."""
    for step in (3, 4, 5):
        directory = checkpoint_directory(settings.data_root, job_id, step)
        directory.mkdir(parents=True)
        (directory / "model.safetensors").write_bytes(bytes([step]) * 100)
        (directory / "state.json").write_text("{}")
        write_checksums(directory)
    policy_directory(settings.data_root, job_id, 4).mkdir(parents=True)
    (checkpoint_directory(settings.data_root, job_id, 0).parent / ".unfinished-step-000006").mkdir()
    return settings.data_root


def evaluated(store, job_id, version, accuracy):
    record = EvaluationRecord(
        step=version,
        policy_version=version,
        questions=6,
        failed_episodes=0,
        unassisted_accuracy=accuracy,
        guided_accuracy=1,
        format_rate=1,
        domains={},
        seconds=1.0,
    )
    store.hset(keys.evaluations(job_id), str(version), record.model_dump_json())


def test_each_with_its_rule_its_digest_and_its_accuracy(api, job_id, data_root, store):
    evaluated(store, job_id, 3, 0.75)
    page = api.get(f"/v1/jobs/{job_id}/checkpoints").json()
    assert (page["object"], page["has_more"], page["first_id"], page["last_id"]) == ("list", False, "3", "5")
    third, fourth, fifth = page["data"]
    assert (third["step"], third["kept_by"], third["unassisted_accuracy"]) == (3, ["best"], 0.75)
    assert (fourth["kept_by"], fourth["unassisted_accuracy"], fifth["kept_by"]) == (["every"], None, ["last"])
    assert third["sha256"] == hashlib.sha256(b"\x03" * 100).hexdigest()
    directory = checkpoint_directory(data_root, job_id, 3)
    assert third["bytes"] == sum(path.stat().st_size for path in directory.iterdir())
    assert third["created_at"] == directory.stat().st_mtime
    assert {item["status"] for item in page["data"]} == {"whole"}
    assert (third["student_model"], fourth["student_model"]) == (None, f"jobs/{job_id}/policies/v000004")


def test_pages(api, job_id, data_root):
    path = f"/v1/jobs/{job_id}/checkpoints"
    first = api.get(path, params={"limit": 2}).json()
    rest = api.get(path, params={"limit": 2, "after": first["last_id"]}).json()
    assert ([item["step"] for item in first["data"]], first["has_more"]) == ([3, 4], True)
    assert ([item["step"] for item in rest["data"]], rest["has_more"]) == ([5], False)
    assert api.get(path, params={"after": "x"}).status_code == 422
    assert api.get("/v1/jobs/none/checkpoints").status_code == 404


def test_no_checkpoint_yet(api, job_id):
    assert api.get(f"/v1/jobs/{job_id}/checkpoints").json()["data"] == []


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_one_is_shown_as_such_whatever_was_seen_before(api, job_id, data_root, damage):
    assert api.get(f"/v1/jobs/{job_id}/checkpoints").json()["data"][1]["status"] == "whole"
    weights = checkpoint_directory(data_root, job_id, 4) / "model.safetensors"
    if damage == "remove":
        weights.unlink()
    else:
        weights.write_bytes(b"\x04" * 99 + (b"x" if damage == "flip" else b""))
    shown = api.get(f"/v1/jobs/{job_id}/checkpoints").json()["data"]
    assert [item["status"] for item in shown] == ["whole", "damaged", "whole"]
    assert damage == "remove" or "model.safetensors" in shown[1]["damage"]


def test_one_without_its_checksums_is_damaged(api, job_id, data_root):
    (checkpoint_directory(data_root, job_id, 5) / "SHA256SUMS").unlink()
    last = api.get(f"/v1/jobs/{job_id}/checkpoints").json()["data"][-1]
    assert (last["status"], last["sha256"]) == ("damaged", None)


def test_large_ones_are_read_when_asked_for(api, job_id, data_root, monkeypatch):
    monkeypatch.setattr(checkpoints, "READ_AT_EVERY_LOOK_BYTES", 10)
    (checkpoint_directory(data_root, job_id, 4) / "model.safetensors").write_bytes(b"x" * 100)
    path = f"/v1/jobs/{job_id}/checkpoints"
    assert [item["status"] for item in api.get(path).json()["data"]] == ["unverified"] * 3
    asked = [item["status"] for item in api.get(path, params={"verify": "true"}).json()["data"]]
    assert asked == ["whole", "damaged", "whole"]
    assert [item["status"] for item in api.get(path).json()["data"]] == asked


def test_a_checkpoint_may_be_the_student_of_a_new_job(job_id, data_root):
    policy = policy_directory(data_root, job_id, 4)
    (policy / "config.json").write_text("{}")
    for name in (f"jobs/{job_id}/checkpoints/step-000004", f"jobs/{job_id}/policies/v000004"):
        assert find_student(name, [data_root]) == policy.resolve()
    with pytest.raises(Problem, match="outside the model roots"):
        find_student(str(checkpoint_directory(data_root, job_id, 4)), [data_root / "elsewhere"])
    with pytest.raises(Problem, match="no model directory"):
        find_student(f"jobs/{job_id}/checkpoints/step-000003", [data_root])
