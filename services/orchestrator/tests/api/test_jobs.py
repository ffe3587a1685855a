"""Creating, listing, showing and cancelling jobs over HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor

from contracts import keys
from orchestrator.routes import jobs as job_routes


def test_a_job_is_created_and_shown(api, job_body):
    created = api.post("/v1/jobs", json=job_body())
    assert created.status_code == 201, created.text
    job = created.json()
    assert created.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["spec"]["rollout"]["prompts_per_step"] == 4
    shown = api.get(created.headers["Location"]).json()
    assert (shown["id"], shown["name"], shown["progress"]["steps"]) == (job["id"], "trial", 2)


def test_a_dry_run_writes_nothing(api, job_body, store):
    answer = api.post("/v1/jobs", params={"dry_run": True}, json=job_body(), headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["valid"] is True
    assert answer.json()["train_questions"] == 20
    assert answer.json()["episodes_per_step"] == 8
    assert answer.json()["teacher_forecast"]["requests"] == {"low": 1, "high": 2}
    assert api.get("/v1/jobs").json()["data"] == []
    assert not list(store.scan_iter("socratic:job*"))
    assert not list(store.scan_iter("socratic:idempotency*"))


def test_what_is_wrong_with_the_questions_is_told_with_figures(api, job_body, tmp_path, model_root):
    """The held-out question `asked` is a training question too, and always answering A is right."""
    lines = [{"question": text, "options": ["yes", "no"], "answer": "A"} for text in ("asked", *map(str, range(40)))]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, [lines[0], *lines[30:]])))
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, lines[:30])))
    template = model_root / "student/chat_template.jinja"  # the demo's takes no system turn, which this task has
    template.write_text(template.read_text().replace("message.role == 'user'", "message.role != 'assistant'"))
    task = {"name": "multiple_choice", "options": {"train": "train.jsonl", "test": "test.jsonl"}}
    body = job_body({"task": task, "teacher": {"provider": "retry"}, "rollout.max_answer_tokens": 8})
    answer = api.post("/v1/jobs", params={"dry_run": True}, json=body)
    assert answer.status_code == 200, answer.text
    overlap, bias = answer.json()["warnings"]
    assert (overlap["code"], overlap["figures"]) == ("train_test_overlap", {"repeated": 1, "train": 12})
    assert (bias["code"], bias["figures"]) == ("letter_bias", {"accuracy": 1.0, "chance": 0.5, "questions": 30})
    assert "always answering A" in bias["text"]


def test_one_key_makes_one_job(api, job_body, store):
    headers = {"Idempotency-Key": "once"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: api.post("/v1/jobs", json=job_body(), headers=headers), range(4)))
    answers.append(api.post("/v1/jobs", json=job_body(), headers=headers))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.get("/v1/jobs").json()["data"]) == 1
    assert 6 * 86400 < store.ttl(keys.idempotency("once")) <= 7 * 86400, "keys are kept for a week"
    other = api.post("/v1/jobs", json=job_body({"name": "other"}), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (
        api.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": "again"}).json()["id"]
        != (answers[0].json()["id"])
    )


def test_a_repeated_key_is_answered_even_while_neighbours_are_away(api, job_body, neighbours):
    headers = {"Idempotency-Key": "once"}
    first = api.post("/v1/jobs", json=job_body(), headers=headers).json()["id"]
    neighbours.clear()
    assert api.post("/v1/jobs", json=job_body(), headers=headers).json()["id"] == first


def test_lists_are_paged_newest_first_and_filtered(api, job_body, eventually):
    made = [api.post("/v1/jobs", json=job_body({"name": f"n{index}"})).json()["id"] for index in range(5)]
    newest = made[::-1]
    page = api.get("/v1/jobs", params={"limit": 2}).json()
    assert (page["object"], page["has_more"], page["first_id"], page["last_id"]) == ("list", True, newest[0], newest[1])
    rest = api.get("/v1/jobs", params={"limit": 10, "after": page["last_id"]}).json()
    assert [job["id"] for job in rest["data"]] == newest[2:]
    assert rest["has_more"] is False
    full = api.get("/v1/jobs", params={"limit": 3, "after": page["last_id"]}).json()
    assert (full["data"], full["has_more"]) == (rest["data"], False), "the last page is full and still the last"
    eventually(lambda: api.get(f"/v1/jobs/{made[0]}").json()["status"] == "running")
    running = api.get("/v1/jobs", params={"status": "running"}).json()["data"]
    assert [job["id"] for job in running] == made[:1]
    queued = api.get("/v1/jobs", params={"status": "queued", "limit": 3}).json()
    assert [job["id"] for job in queued["data"]] == newest[:3]
    assert queued["has_more"] is True
    assert api.get("/v1/jobs", params={"status": "asleep"}).status_code == 422
    eventually(lambda: api.get(f"/v1/jobs/{made[1]}").json()["wait_reason"] == f"queue: waiting for {made[0]} to end")


def test_a_filter_finds_jobs_however_many_others_are_newer(api, job_body, store, monkeypatch):
    monkeypatch.setattr(job_routes, "FILTER_JOBS", 2)
    made = [api.post("/v1/jobs", json=job_body()).json()["id"] for _ in range(5)]
    store.hset(keys.job(made[0]), "status", "succeeded")
    assert [job["id"] for job in api.get("/v1/jobs?status=succeeded").json()["data"]] == made[:1]


def test_cancelling_twice_is_once(api, job_body, eventually):
    running = api.post("/v1/jobs", json=job_body()).json()["id"]
    queued = api.post("/v1/jobs", json=job_body()).json()["id"]
    eventually(lambda: api.get(f"/v1/jobs/{running}").json()["status"] == "running")
    for job_id in (queued, running):
        assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
        assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
        job = eventually(
            lambda job_id=job_id: (found := api.get(f"/v1/jobs/{job_id}").json())["status"] == "cancelled" and found
        )
        assert job["finished_at"] >= job["created_at"]
        assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    events = api.get(f"/v1/jobs/{running}/events").json()["data"]
    assert [event["status"] for event in events if event["type"] == "job.status"] == [
        "running",
        "cancelling",
        "cancelled",
    ]


def test_a_job_that_ended_by_itself_cannot_be_cancelled(api, job_body, store):
    job_id = api.post("/v1/jobs", json=job_body()).json()["id"]
    store.hset(f"socratic:job:{job_id}", "status", "succeeded")
    answer = api.post(f"/v1/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


def test_a_job_that_ended_waits_for_nothing(api, job_body, store):
    job_id = api.post("/v1/jobs", json=job_body()).json()["id"]
    store.hset(keys.job(job_id), mapping={"status": "succeeded", "wait_reason": "rollout: 1 of 8 episodes of step 1"})
    assert api.get(f"/v1/jobs/{job_id}").json()["wait_reason"] is None


def test_a_system_with_keys_shows_strangers_nothing(keyed_api):
    assert keyed_api.get("/v1/jobs").status_code == 200
    del keyed_api.headers["Authorization"]
    for path in ("/v1/jobs", "/v1/models", "/v1/tasks", "/v1/episodes/x", "/openapi.json"):
        assert keyed_api.get(path).status_code == 401, path
    assert keyed_api.post("/v1/jobs", json={}).status_code == 401
    assert keyed_api.get("/healthz").status_code == 200


def test_unknown_jobs_are_404(api):
    for path in ("", "/events", "/events/stream", "/steps", "/steps/1", "/evaluations", "/episodes"):
        answer = api.get(f"/v1/jobs/job-none{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found"), path
    assert api.post("/v1/jobs/job-none/cancel").status_code == 404


def test_tasks_and_operations(api, eventually):
    tasks = api.get("/v1/tasks").json()["data"]
    assert {"materials", "sciknoweval"} <= {task["name"] for task in tasks}
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").status_code == 200
    text = eventually(lambda: 'socratic_jobs{status="queued"} 0.0' in (t := api.get("/metrics").text) and t)
    assert "socratic_controller_tick_seconds_count" in text


def test_without_redis_the_service_is_alive_but_not_ready(api_without_redis, job_body):
    assert api_without_redis.get("/healthz").status_code == 200
    for answer in (
        api_without_redis.get("/readyz"),
        api_without_redis.get("/v1/jobs"),
        api_without_redis.post("/v1/jobs", json=job_body()),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) > 0
