"""Curves, models and filters over HTTP."""

import json
import shutil

import pytest
from contracts import keys
from contracts.policies import policy_directory
from contracts.records import StepRecord
from contracts.views import Series
from orchestrator.curves import thinned
from orchestrator.routes import episodes as episode_routes


@pytest.fixture
def job_id(api, job_body, players, eventually):
    """A job that was evaluated once and rolled out its first batch: 3 solved at once, 2 guided, 3 failures."""
    made = api.post("/v1/jobs", json=job_body()).json()["id"]
    eventually(lambda: api.get(f"/v1/jobs/{made}").json()["status"] == "running")
    players.publish(made, 0)
    players.roll_out(made, "eval", 0, [0.0, 1.0])
    players.roll_out(made, "train", 1, [1.0], limit=3)
    players.roll_out(made, "train", 1, [0.0, 1.0], limit=5)
    players.roll_out(made, "train", 1, [])
    return made


def record(step, **changes):
    numbers = {n: 0 for n, field in StepRecord.model_fields.items() if field.annotation in (int, float)}
    rest = {"attempts": [], "cold": False, "zero_gradient": False, "phase_seconds": {"update": 2.0 * step}}
    return StepRecord(**{**numbers, **rest, "step": step, **changes}).model_dump_json()


def test_curves_are_series_of_named_values(api, job_id, store, eventually):
    eventually(lambda: store.hlen(keys.evaluations(job_id)))
    for step, loss in ((1, 0.5), (2, float("nan")), (3, 0.125)):
        store.hset(keys.steps(job_id), str(step), record(step, loss=loss))
    found = api.get(f"/v1/jobs/{job_id}/metrics", params={"names": "loss,phase_seconds.,evaluation.guided"}).json()
    assert (found["object"], found["job_id"]) == ("metrics", job_id)
    series = found["series"]
    assert series["loss"] == {"steps": [1, 2, 3], "values": [0.5, None, 0.125]}
    assert series["phase_seconds.update"] == {"steps": [1, 2, 3], "values": [2.0, 4.0, 6.0]}
    assert series["evaluation.guided_accuracy"] == {"steps": [0], "values": [1.0]}
    assert set(series) == {"loss", "phase_seconds.update"} | {n for n in series if n.startswith("evaluation.guided")}
    later = api.get(f"/v1/jobs/{job_id}/metrics", params={"after": 2, "names": "loss"}).json()["series"]
    assert later["loss"]["steps"] == [3]
    assert "step" not in api.get(f"/v1/jobs/{job_id}/metrics").json()["series"]


def test_sums_over_a_job_do_not_depend_on_the_points_that_are_shown(api, store, job_id):
    for step, price in ((1, 0.5), (2, 0.25), (3, 0.125), (4, 1.0)):
        store.hset(keys.steps(job_id), str(step), record(step, teacher_price_usd=price))
    name = "total.teacher_price_usd"
    for query, steps, values in (
        ({"points": 2}, [1, 4], [0.5, 1.875]),
        ({"after": 2}, [3, 4], [0.875, 1.875]),
    ):
        series = api.get(f"/v1/jobs/{job_id}/metrics", params={"names": name, **query}).json()["series"]
        assert series[name] == {"steps": steps, "values": values}


def test_thinned_curves_keep_both_ends():
    curve = Series(steps=list(range(1000)), values=[float(step) for step in range(1000)])
    thin = thinned(curve, 10)
    assert len(thin.steps) == 10
    assert (thin.steps[0], thin.steps[-1]) == (0, 999)
    assert [float(step) for step in thin.steps] == thin.values
    assert thinned(curve, 1000) == curve


def test_episodes_are_filtered_by_the_number_of_attempts(api, job_id):
    path = f"/v1/jobs/{job_id}/episodes"
    counts = {n: len(api.get(path, params={"attempts": n}).json()["data"]) for n in range(4)}
    assert counts == {0: 3, 1: 3, 2: 2, 3: 0}
    both = api.get(path, params={"attempts": 2, "outcome": "correct", "limit": 1}).json()
    assert (len(both["data"]), both["has_more"]) == (1, True)
    rest = api.get(path, params={"attempts": 2, "outcome": "correct", "after": both["last_id"]}).json()
    assert (len(rest["data"]), rest["has_more"]) == (1, False)


def test_one_request_looks_at_a_bounded_number_of_episodes(api, job_id, monkeypatch):
    monkeypatch.setattr(episode_routes, "MOST_SCANNED", 2)
    path, found, after, pages = f"/v1/jobs/{job_id}/episodes", [], None, 0
    while True:
        page = api.get(path, params={"outcome": "failed", **({"after": after} if after else {})}).json()
        found, pages = found + page["data"], pages + 1
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert len(found) == 3
    assert pages > 3


def test_models_are_base_students_and_trained_policies(api, job_id, settings, model_root):
    other = model_root / "group" / "other"
    shutil.copytree(model_root / "student", other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"hidden_size": 2 * config["hidden_size"]}))
    (model_root / ".hidden").mkdir()
    (model_root / ".hidden" / "config.json").write_text("{}")
    (model_root / "broken").mkdir()
    (model_root / "broken" / "config.json").write_text("no JSON")
    (model_root / "linked").symlink_to(model_root / "student")
    shutil.copytree(other, model_root.joinpath("a/b/c/d/e/deep"))
    (other / "model.safetensors").write_bytes(b"weights")
    page = api.get("/v1/models", params={"limit": 2}).json()
    assert [model["id"] for model in page["data"]] == ["broken", "group/other"]
    assert (page["has_more"], page["last_id"]) == (True, "group/other")
    (student,) = api.get("/v1/models", params={"after": "group/other"}).json()["data"]
    assert (student["id"], student["kind"], student["served"]) == ("student", "base", True)
    assert [model["served"] for model in page["data"]] == [False, False]
    assert [model["bytes"] for model in page["data"]] == [0, len(b"weights")]


def test_a_policy_below_a_model_root_names_its_job(api, job_id, settings, model_root, tmp_path):
    from orchestrator.models import find_models

    data_root = model_root / "data"
    shutil.copytree(model_root / "student", policy_directory(data_root, job_id, 3))
    shutil.copytree(model_root / "student", data_root / "jobs" / job_id / "checkpoints" / "step-000003")
    found = {model.id: model for model in find_models([model_root], data_root, None)}
    assert set(found) == {"student", f"data/jobs/{job_id}/policies/v000003"}
    policy = found[f"data/jobs/{job_id}/policies/v000003"]
    assert (policy.kind, policy.job_id, policy.policy_version) == ("policy", job_id, 3)
