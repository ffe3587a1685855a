"""POST /generate with `stream`: server-sent events, each with the whole answer so far."""

import itertools
import json
from typing import Any

from .engines import Engine
from .test_generate import PROMPT, greedy


def events(engine: Engine, **body: Any) -> list[dict[str, Any]]:
    with engine.http.stream("POST", "/generate", json={**body, "stream": True}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_events_are_cumulative_and_end_with_the_whole_answer(engine: Engine) -> None:
    whole = engine.generate(input_ids=PROMPT, sampling_params=greedy(12), return_logprob=True)
    streamed = events(engine, input_ids=PROMPT, sampling_params=greedy(12), return_logprob=True)
    outputs = [event["output_ids"] for event in streamed]
    assert len(outputs) > 1
    assert all(later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(outputs))
    assert (outputs[-1], streamed[-1]["text"]) == (whole["output_ids"], whole["text"])
    assert [event["meta_info"]["finish_reason"] for event in streamed[:-1]] == [None] * (len(streamed) - 1)
    assert streamed[-1]["meta_info"]["finish_reason"] == {"type": "length", "length": 12}
    assert len(streamed[-1]["meta_info"]["output_token_logprobs"]) == 12


def test_the_answers_of_a_batch_are_told_apart_by_index(engine: Engine) -> None:
    streamed = events(engine, input_ids=[PROMPT, [7, 30]], sampling_params=[greedy(4), greedy(6)])
    last = {event["index"]: event["output_ids"] for event in streamed}
    assert {index: len(output) for index, output in last.items()} == {0: 4, 1: 6}


def test_the_samples_of_a_prompt_are_told_apart_by_index_side_by_side(engine: Engine) -> None:
    sampling = {"max_new_tokens": 4, "ignore_eos": True, "n": 2}
    streamed = events(engine, input_ids=[PROMPT, [7, 30]], sampling_params=sampling)
    last = {event["index"]: event for event in streamed}
    assert {index: len(event["output_ids"]) for index, event in last.items()} == dict.fromkeys(range(4), 4)
    assert [last[index]["meta_info"]["prompt_tokens"] for index in range(4)] == [len(PROMPT)] * 2 + [2] * 2
