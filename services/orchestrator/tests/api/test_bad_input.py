"""Every bad job is refused at creation with a problem that names field and fix, and nothing is started."""

import json

import aiohttp
import pytest
from contracts.errors import Problem
from orchestrator.neighbours import Neighbours
from orchestrator.settings import OrchestratorSettings
from pydantic import SecretStr


def refused(api, store, body, field, *words, status=422):
    """Post a body; the problem names `field` and contains the words; Redis stays without jobs."""
    answer = api.post("/v1/jobs", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert field in [error["field"] for error in problem.get("errors", [])] or field is None, problem
    for word in words:
        assert word in problem["detail"], problem["detail"]
    assert problem["request_id"]
    assert not list(store.scan_iter("socratic:job*"))
    return answer


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"task.name": "alchemy"}, "task.name", ["materials"]),
        ({"task.options": {"colour": "red"}}, "task.options.colour", ["train_questions"]),
        ({"task": {"name": "sciknoweval", "options": {"path": "/etc", "domain": "physics"}}}, "task.options.path", []),
        ({"student.model": "nobody"}, "student.model", ["config.json"]),
        ({"student.model": "/etc"}, "student.model", ["model roots"]),
        ({"student.model": "../../../etc"}, "student.model", ["model roots"]),
        ({"student.model": "stu\0dent"}, "student.model", []),
        ({"student.model": "x" * 5000}, "student.model", []),
        ({"teacher.provider": "oracle"}, "teacher.provider", ["tutor"]),
        ({"teacher": {"provider": "openai_compatible"}}, "teacher", ["base_url"]),
        (
            {"teacher": {"provider": "openai_compatible", "base_url": "http://x/v1", "model": "m"}},
            "teacher.provider",
            ["no key is set"],
        ),
        ({"rollout.max_attempts": -1}, "rollout.max_attempts", []),
        ({"rollout.max_attempts": 0}, "rollout.max_attempts", []),
        ({"rollout.prompts_per_step": 21}, "rollout.prompts_per_step", ["20"]),
        ({"evaluation.questions": 7}, "evaluation.questions", ["6"]),
        ({"evaluation.splits": ["unseen_term"]}, "evaluation.splits", ["no split", "none"]),
        ({"evaluation.splits": ["a", "a"]}, "evaluation.splits", ["once"]),
        (
            {"evaluation.splits": ["unseen_combination"], "task.options.unseen_combinations": True},
            "evaluation.split_questions",
            ["6"],
        ),
        ({"rollout.max_answer_tokens": 400}, "rollout.max_answer_tokens", ["512", "at most"]),
        ({"training.steps": None}, "training.steps", []),
        ({"training.optimizer": "sgd"}, "training.optimizer", []),
        ({"method": {"name": "magic"}}, "method", ["reinforce_pp"]),
        ({"name": ""}, "name", []),
        ({"rollout.group_size": 1025}, "rollout.group_size", ["1024"]),
        ({"rollout.prompts_per_step": 65_537}, "rollout.prompts_per_step", ["65536"]),
        ({"teacher.prompt": "x" * 100_000}, "teacher.prompt", ["characters"]),
        ({"training.steps": "2"}, "training.steps", ["integer"]),
        ({"evaluation.greedy": 0}, "evaluation.greedy", ["boolean"]),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_bad_fields_are_named(api, store, job_body, changes, field, words):
    refused(api, store, job_body(changes), field, *words)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/{id}/episodes", "/v1/jobs/{id}/steps/1/attempts"])
def test_a_cursor_that_no_page_gave_is_a_404(api, job_body, players, path):
    job_id = api.post("/v1/jobs", json=job_body()).json()["id"]
    players.publish(job_id, 0)
    players.roll_out(job_id, "eval", 0)
    players.manifest(job_id, "train", 1)
    answer = api.get(path.format(id=job_id), params={"after": "nothing"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_held_out_question_that_does_not_fit_the_context(api, store, job_body, tmp_path, model_root):
    short = {"question": "asked", "options": ["yes", "no"], "answer": "A"}
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({**short, "question": str(n)}) for n in range(4)))
    (tmp_path / "test.jsonl").write_text(json.dumps({**short, "question": "asked " * 600}))
    template = model_root / "student/chat_template.jinja"  # the demo's takes no system turn, which this task has
    template.write_text(template.read_text().replace("message.role == 'user'", "message.role != 'assistant'"))
    task = {"name": "multiple_choice", "options": {"train": "train.jsonl", "test": "test.jsonl"}}
    body = job_body({"task": task, "evaluation.questions": 1, "rollout.max_answer_tokens": 8})
    refused(api, store, body, "rollout.max_answer_tokens", "too small for these questions")


def test_a_method_and_its_attempts_must_agree(api, store, job_body):
    body = job_body({"method": {"name": "reinforce_pp"}})
    refused(api, store, body, None, "rollout.max_attempts to 1")


def test_no_json_at_all(api):
    answer = api.post("/v1/jobs", content=b"{not json", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_finite_number_names_its_field(api, store, job_body, number):
    """Python's JSON reads and writes what the standard does not have."""
    body = json.dumps(job_body({"training.weight_decay": 0.125})).replace("0.125", number)
    answer = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in answer.json()["errors"]] == ["training.weight_decay"]
    assert not list(store.scan_iter("socratic:job*"))


def test_a_tokenizer_without_a_chat_template(api, store, job_body, model_root):
    (model_root / "student" / "chat_template.jinja").unlink()
    refused(api, store, job_body(), "student.model", "chat template")


def test_a_chat_template_that_is_not_append_only(api, store, job_body, model_root):
    forgetful = (
        "{% for message in messages %}{% if message.role == 'user' or loop.last %}"
        "{{ ('<u> ' if message.role == 'user' else '<a> ') + message.content + ' <end> ' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<a> ' }}{% endif %}"
    )
    (model_root / "student" / "chat_template.jinja").write_text(forgetful)
    refused(api, store, job_body(), "student.model", "append-only")


def test_a_directory_without_a_tokenizer(api, store, job_body, model_root):
    for path in (model_root / "student").glob("tokenizer*"):
        path.unlink()
    refused(api, store, job_body(), "student.model", "tokenizer")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_model_config(api, store, job_body, model_root, text):
    (model_root / "student" / "config.json").write_text(text)
    refused(api, store, job_body(), "student.model", "config.json")


def test_a_symbolic_link_does_not_lead_out_of_the_roots(api, store, job_body, model_root, tmp_path):
    outside = tmp_path / "elsewhere"
    (model_root / "student").rename(outside)
    (model_root / "student").symlink_to(outside)
    refused(api, store, job_body(), "student.model", "model roots")


@pytest.mark.parametrize("model", ["{outside}", "../elsewhere", "student/../../elsewhere"])
def test_a_whole_student_outside_the_roots_is_refused(api, store, job_body, model_root, tmp_path, model):
    (model_root / "student").rename(tmp_path / "elsewhere")
    (model_root / "student").mkdir()
    body = job_body({"student.model": model.format(outside=tmp_path / "elsewhere")})
    refused(api, store, body, "student.model", "outside the model roots")


def test_the_tutor_teaches_only_its_own_task(api, store, job_body, tmp_path):
    (tmp_path / "data").mkdir()
    task = {"name": "sciknoweval", "options": {"path": "data", "domain": "physics"}}
    refused(api, store, job_body({"task": task, "teacher": {"provider": "tutor"}}), "teacher.provider", "retry")


def test_another_architecture_than_the_engine_serves(api, store, job_body, model_root, neighbours):
    config = json.loads((model_root / "student" / "config.json").read_text())
    other = model_root / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 5}))
    neighbours.clear()
    teachers = [{"provider": "retry", "available": True, "detail": ""}]
    neighbours.expect_request("/gateway/v1/teachers").respond_with_json({"data": teachers})
    neighbours.expect_request("/engine/model_info").respond_with_json({"model_path": str(other)})
    refused(api, store, job_body(), "student.model", "num_hidden_layers", "engine 5, student 3", "socratic up")


@pytest.mark.parametrize("lost", ["gateway", "engine"])
def test_a_neighbour_that_fails_is_a_503_with_retry_after(api, store, job_body, neighbours, model_root, lost):
    neighbours.clear()
    if lost == "engine":
        teachers = [{"provider": "retry", "available": True, "detail": ""}]
        neighbours.expect_request("/gateway/v1/teachers").respond_with_json({"data": teachers})
    answer = refused(api, store, job_body(), None, status=503)
    assert int(answer.headers["Retry-After"]) > 0
    assert lost in answer.json()["code"]


async def test_neighbours_are_asked_with_their_own_keys(settings, neighbours):
    keys = {"service_key": SecretStr("a-key-of-all-services"), "student_api_key": SecretStr("a-key-of-the-engine")}
    async with aiohttp.ClientSession() as session:
        asking = Neighbours(session, settings.model_copy(update=keys))
        await asking.teachers()
        await asking.forecast({}, [])
        await asking.served_model()
    shown = [(request.path, request.headers.get("Authorization")) for request, _ in neighbours.log]
    assert shown == [
        ("/gateway/v1/teachers", "Bearer a-key-of-all-services"),
        ("/gateway/v1/forecast", "Bearer a-key-of-all-services"),
        ("/engine/model_info", "Bearer a-key-of-the-engine"),
    ]


async def test_a_neighbour_that_is_not_there_is_a_503():
    async with aiohttp.ClientSession() as session:
        settings = OrchestratorSettings(student_urls=["http://127.0.0.1:1"], gateway_url="http://127.0.0.1:1/")
        neighbours = Neighbours(session, settings)
        with pytest.raises(Problem, match=r"http://127\.0\.0\.1:1/v1/teachers") as gateway:
            await neighbours.teachers()
        with pytest.raises(Problem, match="is it running") as engine:
            await neighbours.served_model()
    assert (gateway.value.status, gateway.value.code) == (503, "teacher_gateway_unreachable")
    assert (engine.value.status, engine.value.code) == (503, "student_engine_unreachable")
    assert gateway.value.retry_after == engine.value.retry_after == 5


@pytest.mark.parametrize("model", [{"type": "none-such"}, {"type": "BPE", "vocab": 3, "merges": []}, None])
def test_a_tokenizer_that_the_library_does_not_understand_names_the_student(
    api, store, job_body, model_root, neighbours, model
):
    path = model_root / "student" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    path.write_text(json.dumps({**tokenizer, "model": model}))
    assert "tokenizer" in refused(api, store, job_body(), "student.model").json()["detail"]
