"""POST /v1/episodes: one episode through the rollout code, against stand-ins that speak the real HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from orchestrator.rollout.chat import StudentChat
from orchestrator.trials import MOST_AT_ONCE
from werkzeug import Request, Response


@pytest.fixture
def parties(neighbours, model_root):
    """An engine that answers by script, and a gateway that says the same hint; what they were asked is kept."""
    chat = StudentChat.load(model_root / "student")

    class Parties:
        def __init__(self):
            self.answers, self.asked, self.guided, self.busy = [], [], [], False

        def generate(self, request: Request) -> Response:
            self.asked.append(json.loads(request.data))
            if self.busy:
                return Response(status=503)
            text = self.answers.pop(0) if self.answers else "<answer> A </answer>"
            ids = [*chat.control.encode(text), chat.end_of_turn_id]
            meta = {"finish_reason": {"type": "stop"}, "weight_version": "job-x:7"}
            meta["output_token_logprobs"] = [[-0.5, token, None] for token in ids]
            return Response(json.dumps({"output_ids": ids, "meta_info": meta}))

        def guide(self, request: Request) -> Response:
            self.guided.append(json.loads(request.data))
            hint = {"text": "compare again", "provider": "retry", "model": "", "prompt_version": "p"}
            return Response(json.dumps({**hint, "latency_seconds": 0.1}))

    company = Parties()
    neighbours.expect_request("/engine/generate").respond_with_handler(company.generate)
    neighbours.expect_request("/gateway/v1/guidance").respond_with_handler(company.guide)
    return company


BODY = {"task": {"name": "materials", "options": {"train_questions": 20, "test_questions": 6}}}


def right(api):
    """The first held-out question and its right letter, as an episode shows them."""
    question = api.post("/v1/episodes", json=BODY).json()["question"]
    return question, question["answer"], next(letter for letter in question["options"] if letter != question["answer"])


def test_an_episode_is_made_now_and_shown_whole(api, parties, store):
    question, good, bad = right(api)
    parties.answers = [f"<answer> {bad} </answer>", f"<answer> {good} </answer>"]
    found = api.post("/v1/episodes", json={**BODY, "seed": 3, "temperature": 0.5}).json()
    assert (found["object"], found["outcome"], found["question"]) == ("episode", "correct", question)
    assert [turn["role"] for turn in found["dialogue"]][-3:] == ["assistant", "user", "assistant"]
    assert [attempt["reward"] for attempt in found["attempts"]] == [0.0, 1.0]
    assert found["attempts"][0]["version_spans"][0]["version"] == 7, "the engine's version, whosever it is"
    assert parties.guided[-1]["latest_answer"].strip() == f"<answer> {bad} </answer>"
    assert parties.asked[-1]["sampling_params"]["temperature"] == 0.5
    assert not list(store.scan_iter("socratic:job:*")), "nothing is kept"
    left = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not [command for command in left if "tasks.judge" in command], "the judge has ended"


def test_attempts_answer_length_and_seed_are_the_requests(api, parties):
    def seeds(**changes):
        """Of every attempt at an episode that is never solved."""
        parties.answers = ["no answer"] * 3
        found = api.post("/v1/episodes", json={**BODY, "max_attempts": 3, "max_answer_tokens": 20, **changes}).json()
        assert [attempt["outcome"] for attempt in found["attempts"]] == ["malformed"] * 3
        sampled = [asked["sampling_params"] for asked in parties.asked[-3:]]
        assert {one["max_new_tokens"] for one in sampled} == {20}
        return [one["sampling_seed"] for one in sampled]

    assert seeds(seed=1) == seeds(seed=1) != seeds(seed=2)


def test_it_asks_with_the_keys_of_the_system(keyed_api, parties, neighbours):
    parties.answers = ["no answer"]
    assert keyed_api.post("/v1/episodes", json=BODY).json()["guidances"]
    shown = {request.path: request.headers.get("Authorization") for request, _ in neighbours.log}
    assert shown["/engine/generate"] == "Bearer a-key-of-the-engine"
    assert shown["/gateway/v1/guidance"] == "Bearer a-key-of-all-services"


def test_a_question_of_ones_own_is_asked(api, parties):
    own = {"text": "which one is wooden", "answer": "B", "options": {"A": "iron", "B": "oak"}}
    parties.answers = ["<answer> B </answer>"]
    found = api.post("/v1/episodes", json={**BODY, "question": own, "max_attempts": 1}).json()
    assert found["question"]["text"] == "which one is wooden"
    assert "wooden" in found["dialogue"][-2]["content"]
    assert found["outcome"] == "correct"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"question_id": "none-such"}, "question_id"),
        ({"task": {"name": "none-such"}}, "task.name"),
        ({"student": {"model": "../.."}}, "student.model"),
        ({"teacher": {"name": "nobody"}}, "teacher.name"),
        ({"timeout_seconds": 301}, "timeout_seconds"),
        ({"question": {"text": "x" * 20_001, "answer": "A"}}, "question.text"),
        ({"question": {"text": "x", "answer": "0", "options": {str(n): "y" for n in range(27)}}}, "question.options"),
        ({"max_answer_tokens": 16_000}, "rollout.max_answer_tokens"),
    ],
)
def test_what_cannot_be_tried_names_the_field(api, parties, changes, field):
    answer = api.post("/v1/episodes", json={**BODY, **changes})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_the_deadline_bounds_it(api, parties):
    parties.busy = True
    found = api.post("/v1/episodes", json={**BODY, "timeout_seconds": 0.3}).json()
    assert (found["outcome"], found["failure"]["code"]) == ("failed", "engine_unavailable")


def test_only_a_few_are_tried_at_once(api, parties):
    parties.busy = True
    with ThreadPoolExecutor(MOST_AT_ONCE + 1) as pool:
        made = [pool.submit(api.post, "/v1/episodes", json={**BODY, "timeout_seconds": 3}) for _ in range(5)]
    answers = [future.result() for future in made]
    assert sorted(answer.status_code for answer in answers) == [200] * MOST_AT_ONCE + [429]
    (refused,) = (answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too_many_trials"
    assert int(refused.headers["Retry-After"]) > 0
    parties.busy = False
    assert api.post("/v1/episodes", json=BODY).json()["outcome"] != "failed"


@pytest.mark.parametrize(("lost", "status"), [(1, 200), (2, 200), (3, 503)])
def test_a_policy_that_is_replaced_while_it_is_read_is_no_mistake_of_the_callers(
    api, parties, neighbours, model_root, lost, status
):
    """A job that trains deletes old policies: what the engine named a moment ago may be gone."""
    for look in range(2 * lost):  # each try looks before and after
        answer = {"model_path": str(model_root / f"policy-{look}")}
        neighbours.expect_oneshot_request("/engine/model_info").respond_with_json(answer)
    answer = api.post("/v1/episodes", json=BODY)
    assert answer.status_code == status
    assert status == 200 or (answer.json()["code"], answer.headers["Retry-After"]) == ("student_replaced", "5")
