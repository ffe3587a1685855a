"""Several jobs and one student engine: clones, priorities, the order of the queue, estimates."""

import time

from contracts import keys


def job_of(api, job_id):
    return api.get(f"/v1/jobs/{job_id}").json()


def submit(api, body):
    answer = api.post("/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_priorities_then_age_make_the_order_and_the_engine_follows_it(api, job_body, eventually):
    running = submit(api, job_body())["id"]
    eventually(lambda: job_of(api, running)["status"] == "running")
    priorities = {"plain": 0, "urgent": 5, "late": -1, "plain too": 0}
    made = {name: submit(api, job_body({"name": name, "priority": value}))["id"] for name, value in priorities.items()}
    order = ["urgent", "plain", "plain too", "late"]
    positions = {job["name"]: job["queue_position"] for job in api.get("/v1/jobs").json()["data"]}
    assert positions == {"trial": None, **{name: place for place, name in enumerate(order, 1)}}
    ran = []
    for _ in order:
        api.post(f"/v1/jobs/{running}/cancel")
        running = eventually(
            lambda: next((job["id"] for job in api.get("/v1/jobs?status=running").json()["data"]), None)
        )
        ran.append(running)
    assert ran == [made[name] for name in order]


def test_a_clone_is_its_source_with_the_overrides_merged_in(api, job_body):
    source = submit(api, job_body({"teacher.timeout_seconds": 7}))
    overrides = {"name": "longer", "training": {"steps": 9}, "teacher": {"timeout_seconds": None}}
    clone = submit(api, {"source_job_id": source["id"], "overrides": overrides})
    expected = {**source["spec"], "name": "longer"}
    expected["training"] = {**expected["training"], "steps": 9}
    expected["teacher"] = {**expected["teacher"], "timeout_seconds": 60}
    assert clone["spec"] == expected
    assert submit(api, {"source_job_id": source["id"]})["spec"] == source["spec"]


def test_wrong_clones_name_the_field(api, job_body):
    answer = api.post("/v1/jobs", json={"source_job_id": "job-none"})
    assert (answer.status_code, answer.json()["field"]) == (422, "source_job_id")
    source = submit(api, job_body())["id"]
    for steps in (-1, "9"):
        answer = api.post("/v1/jobs", json={"source_job_id": source, "overrides": {"training": {"steps": steps}}})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["overrides.training.steps"]
    answer = api.post("/v1/jobs", json={"source_job_id": source, "name": "misplaced"})
    assert [error["field"] for error in answer.json()["errors"]] == ["name"]
    assert len(api.get("/v1/jobs").json()["data"]) == 1


def test_a_clone_under_a_used_key_is_the_same_job_or_refused(api, job_body):
    headers, source = {"Idempotency-Key": "once"}, submit(api, job_body())["id"]
    body = {"source_job_id": source, "overrides": {"name": "clone"}}
    first = api.post("/v1/jobs", json=body, headers=headers).json()["id"]
    assert api.post("/v1/jobs", json=body, headers=headers).json()["id"] == first
    other = api.post("/v1/jobs", json={"source_job_id": source, "overrides": {"name": "other"}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_batch_larger_than_memory_is_refused(api, job_body):
    answer = api.post("/v1/jobs", json=job_body({"rollout.prompts_per_step": 65536, "rollout.group_size": 1024}))
    assert answer.status_code == 422
    assert "group_size" in answer.json()["detail"]


def test_a_running_job_tells_what_it_waits_for_and_when_it_may_end(api, job_body, players, eventually):
    job_id = submit(api, job_body())["id"]
    assert job_of(api, job_id)["estimated_finish"] is None
    players.publish(job_id, 0)
    players.roll_out(job_id, "eval", 0)
    begun = time.time()
    job = eventually(lambda: (found := job_of(api, job_id))["estimated_finish"] and found)
    # The players' evaluation of 6 questions took 1 s, so 2 steps of 8 episodes and the last evaluation take:
    expected = 2 * 8 / 6 + 1.0
    assert abs(job["progress"]["seconds_left"] - expected) < 1e-6
    assert begun < job["estimated_finish"] - expected < time.time()
    assert job["wait_reason"]
    api.post(f"/v1/jobs/{job_id}/pause")
    players.heartbeat("trainer", "rank0")
    job = eventually(lambda: (found := job_of(api, job_id))["status"] == "paused" and found)
    assert job["estimated_finish"] is None


def test_a_resumed_job_queues_by_its_age(api, job_body, players, store, eventually):
    first, second, third = (submit(api, job_body())["id"] for _ in range(3))
    eventually(lambda: job_of(api, first)["status"] == "running")
    api.post(f"/v1/jobs/{first}/pause")
    eventually(lambda: job_of(api, second)["status"] == "running")
    api.post(f"/v1/jobs/{first}/resume")
    assert (job_of(api, first)["queue_position"], job_of(api, third)["queue_position"]) == (1, 2)
    assert store.get(keys.active_job()).decode() == second
