"""Penalties, biases, stops, and log-probabilities of tokens that were not chosen."""

from typing import Any

import pytest
import torch

from .engines import Engine
from .test_generate import PROMPT, TOLERANCE, expected_logprobs, greedy, oracle, values

STEPS = 12
CASES: dict[str, dict[str, Any]] = {
    "frequency": {"frequency_penalty": 1.5},
    "presence": {"presence_penalty": 1.5},
    "repetition": {"repetition_penalty": 1.8},
    "additive and bias": {"frequency_penalty": 0.5, "presence_penalty": 0.5, "logit_bias": {"95": -4.0}},
    "repetition and bias": {"repetition_penalty": 1.3, "logit_bias": {"95": -4.0}},
}


def changed(logits: torch.Tensor, output: list[int], case: dict[str, Any]) -> torch.Tensor:
    """Penalties of the output only, then the bias. Which kind of penalty comes first differs: docs/engines.md."""
    result = logits.clone()
    for token in set(output):
        added = output.count(token) * case.get("frequency_penalty", 0.0) + case.get("presence_penalty", 0.0)
        result[token] -= added
        scale = case.get("repetition_penalty", 1.0)
        result[token] = result[token] * scale if result[token] < 0 else result[token] / scale
    for token, bias in case.get("logit_bias", {}).items():
        result[int(token)] += bias
    return result


@pytest.mark.parametrize("name", sorted(CASES))
def test_penalties_and_biases_change_tokens_and_log_probabilities(engine: Engine, name: str) -> None:
    case = CASES[name]
    answer = engine.generate(input_ids=PROMPT, sampling_params=greedy(STEPS, **case), return_logprob=True)
    output, moved = answer["output_ids"], 0.0
    for index, (value, token, _) in enumerate(answer["meta_info"]["output_token_logprobs"]):
        with torch.inference_mode():
            logits = oracle(engine.model)(torch.tensor([PROMPT + output[:index]])).logits[0, -1].float()
        expected = torch.log_softmax(changed(logits, output[:index], case), -1)
        assert token == int(expected.argmax())
        assert abs(value - float(expected[token])) < TOLERANCE
        moved = max(moved, abs(value - float(torch.log_softmax(logits, -1)[token])))
    assert moved > 100 * TOLERANCE


def test_other_tokens_log_probabilities(engine: Engine) -> None:
    answer = engine.generate(
        input_ids=PROMPT,
        sampling_params=greedy(3),
        return_logprob=True,
        logprob_start_len=6,
        top_logprobs_num=2,
        token_ids_logprob=[9, 4],
    )
    meta, tokens = answer["meta_info"], PROMPT + answer["output_ids"]
    with torch.inference_mode():
        rows = torch.log_softmax(oracle(engine.model)(torch.tensor([tokens])).logits[0].float(), -1)
    tops = meta["input_top_logprobs"][1:] + meta["output_top_logprobs"]
    ids = meta["input_token_ids_logprobs"][1:] + meta["output_token_ids_logprobs"]
    assert (meta["input_top_logprobs"][0], meta["input_token_ids_logprobs"][0]) == (None, None)
    assert (len(meta["output_top_logprobs"]), len(tops), len(ids)) == (3, 6, 6)
    for position, (top, named) in enumerate(zip(tops, ids, strict=True), 6):
        best = rows[position].topk(2)
        assert [triple[1:] for triple in top] == [[token, None] for token in best.indices.tolist()]
        assert (values(top) - best.values).abs().max() < TOLERANCE
        assert [triple[1:] for triple in named] == [[9, None], [4, None]]
        assert (values(named) - rows[position][[9, 4]]).abs().max() < TOLERANCE
    assert (values(meta["output_token_logprobs"]) - expected_logprobs(engine.model, tokens, 10)).abs().max() < TOLERANCE


def test_a_stop_at_the_last_token_counts_as_a_stop(engine: Engine) -> None:
    free = engine.generate(input_ids=PROMPT, sampling_params=greedy(2))["output_ids"]
    sampling = {"max_new_tokens": 2, "temperature": 0.0, "stop_token_ids": [free[1]]}
    first = free.index(free[1])
    answer = engine.generate(input_ids=PROMPT, sampling_params=sampling)
    assert answer["output_ids"] == free[: first + 1]
    assert answer["meta_info"]["finish_reason"] == {"type": "stop", "matched": free[1]}


def test_stop_texts_are_found_across_tokens_and_cut_off(engine: Engine) -> None:
    free = engine.generate(input_ids=PROMPT, sampling_params=greedy(8))
    middle = len(free["text"]) // 2
    stop = free["text"][middle - 2 : middle + 2]
    cut = free["text"].index(stop)
    answer = engine.generate(input_ids=PROMPT, sampling_params=greedy(8, stop=["never seen", stop]))
    assert answer["text"] == free["text"][:cut]
    assert answer["meta_info"]["finish_reason"] == {"type": "stop", "matched": stop}
    assert answer["output_ids"] == free["output_ids"][: len(answer["output_ids"])]
    kept = engine.generate(input_ids=PROMPT, sampling_params=greedy(8, stop=stop, no_stop_trim=True))
    assert kept["text"] == free["text"][:cut] + stop


def test_min_new_tokens_holds_stops_back(engine: Engine) -> None:
    first = engine.generate(input_ids=PROMPT, sampling_params=greedy(1))["output_ids"]
    stopping = {"max_new_tokens": 8, "temperature": 0.0, "stop_token_ids": first}
    assert len(engine.generate(input_ids=PROMPT, sampling_params=stopping)["output_ids"]) == 1
    held = engine.generate(input_ids=PROMPT, sampling_params={**stopping, "min_new_tokens": 5})["output_ids"]
    assert len(held) > 5
    assert first[0] not in held[:5]
