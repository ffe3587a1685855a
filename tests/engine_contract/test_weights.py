"""Weight swaps from disk, pauses and aborts."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .engines import ANSWER_SECONDS, Engine
from .test_generate import PROMPT, TOLERANCE, expected_logprobs, greedy, sampled, values


def test_new_weights_are_served_named_and_exact(engine: Engine, other_model: Path) -> None:
    context = [*range(30, 90)]
    engine.generate(input_ids=context, sampling_params=greedy())
    answer = engine.update(other_model, "7")
    assert (answer.status_code, answer.json()["success"], engine.version) == (200, True, "7")
    new = engine.generate(input_ids=context, sampling_params=sampled(), return_logprob=True)
    # The prefix was seen before, by the old weights: nothing of it may be reused.
    assert new["meta_info"]["cached_tokens"] == 0
    assert new["meta_info"]["weight_versions"] == [{"version": "7", "start": 0, "end": 12}]
    expected = expected_logprobs(other_model, context + new["output_ids"], len(context))
    assert (values(new["meta_info"]["output_token_logprobs"]) - expected).abs().max() < TOLERANCE


def test_a_refused_swap_leaves_the_old_weights(engine: Engine, tmp_path: Path) -> None:
    before = engine.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"]
    answer = engine.update(tmp_path / "nowhere", "9")
    assert (answer.status_code, answer.json()["success"], engine.version) == (400, False, "default")
    assert engine.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"] == before


def in_background(engine: Engine, **body: Any) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(engine.generate(**body)))
    thread.start()
    return thread, answers


def wait_for_running(engine: Engine) -> None:
    """Return once the engine says that it decodes something."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        lines = engine.http.get("/metrics").text.splitlines()
        if any(line.startswith("sglang:num_running_reqs") and float(line.split()[-1]) > 0 for line in lines):
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("mode", ["retract", "in_place"])
def test_a_swap_during_a_pause_keeps_the_requests_in_flight(engine: Engine, other_model: Path, mode: str) -> None:
    prompts = [[token, *PROMPT] for token in range(2, 14)]
    thread, answers = in_background(engine, input_ids=prompts, sampling_params=sampled(300), return_logprob=True)
    wait_for_running(engine)
    paused = engine.post("/pause_generation", mode=mode)
    assert paused.json() == {"message": "Generation paused successfully.", "status": "ok"}
    # SGLang answers 400 to an in-place swap that flushes: requests still hold the cache.
    assert engine.update(other_model, "7", flush_cache=mode == "retract").status_code == 200
    assert engine.post("/continue_generation").status_code == 200
    thread.join(ANSWER_SECONDS)
    straddling = 0
    for prompt, answer in zip(prompts, answers[0], strict=True):
        spans = answer["meta_info"]["weight_versions"]
        assert [span["start"] for span in spans[1:]] == [span["end"] for span in spans[:-1]]
        assert (spans[0]["start"], spans[-1]["end"]) == (0, 300)
        assert [span["version"] for span in spans] in (["default", "7"], ["7"])
        straddling += len(spans) == 2
        got = values(answer["meta_info"]["output_token_logprobs"])
        for span in spans if mode == "retract" else spans[:-1]:
            weights = engine.model if span["version"] == "default" else other_model
            expected = expected_logprobs(weights, prompt + answer["output_ids"], len(prompt))
            assert (got - expected)[span["start"] : span["end"]].abs().max() < TOLERANCE
    assert straddling


def test_an_abort_answers_with_the_tokens_so_far(engine: Engine) -> None:
    thread, answers = in_background(engine, input_ids=PROMPT, sampling_params=sampled(450), rid="long")
    time.sleep(0.1)
    assert engine.post("/abort_request", rid="long").status_code == 200
    thread.join(ANSWER_SECONDS)
    assert answers[0]["meta_info"]["finish_reason"]["type"] in ("abort", "length")
    assert engine.post("/abort_request", rid="unknown").status_code == 200


ENDINGS: dict[str, dict[str, Any]] = {
    "/abort_request": {"abort_all": True},
    "/pause_generation": {"mode": "abort"},
    "/update_weight_version": {"new_version": "renamed"},
    "/update_weights_from_disk": {"weight_version": "7", "abort_all_requests": True},
}


@pytest.mark.parametrize("path", ENDINGS)
def test_every_request_is_ended_with_the_tokens_so_far(engine: Engine, other_model: Path, path: str) -> None:
    prompts = [[token, 30] for token in range(2, 34)]
    thread, answers = in_background(engine, input_ids=prompts, sampling_params=sampled(450))
    wait_for_running(engine)
    where = {"model_path": str(other_model)} if path == "/update_weights_from_disk" else {}
    assert engine.post(path, **ENDINGS[path], **where).status_code == 200
    thread.join(ANSWER_SECONDS)
    ends = [answer["meta_info"]["finish_reason"]["type"] for answer in answers[0]]
    assert len(ends) == len(prompts)
    assert "abort" in ends
    assert "sglang:num_aborted_requests_total" in engine.http.get("/metrics").text
    assert all(
        answer["meta_info"]["completion_tokens"] == len(answer["output_ids"]) < 450
        for answer, end in zip(answers[0], ends, strict=True)
        if end == "abort"
    )
    engine.post("/continue_generation").raise_for_status()
    assert len(engine.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"]) == 6


@pytest.mark.parametrize("mode", [{}, {"mode": "retract"}], ids=["none, which aborts", "retract"])
def test_pause_holds_new_requests_until_continue(engine: Engine, mode: dict[str, str]) -> None:
    engine.post("/pause_generation", **mode).raise_for_status()
    thread, answers = in_background(engine, input_ids=PROMPT, sampling_params=greedy())
    thread.join(0.5)
    assert not answers
    engine.post("/continue_generation").raise_for_status()
    thread.join(ANSWER_SECONDS)
    assert answers
