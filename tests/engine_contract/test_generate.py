"""POST /generate: tokens, log-probabilities, batches, seeds, stops, and refusals that leave the engine serving."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM

from .engines import Engine

PROMPT = [5, 9, 13, 20, 40, 41, 42, 43, 44, 45]
TOLERANCE = 1e-4


def greedy(tokens: int = 6, **more: Any) -> dict[str, Any]:
    return {"max_new_tokens": tokens, "temperature": 0.0, "ignore_eos": True, **more}


def sampled(tokens: int = 12, **more: Any) -> dict[str, Any]:
    return {"max_new_tokens": tokens, "temperature": 1.0, "ignore_eos": True, **more}


@cache
def oracle(model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)


def expected_logprobs(model: Path, tokens: list[int], first: int, temperature: float = 1.0) -> Tensor:
    """What transformers gives for tokens[first:], each after those before it."""
    with torch.inference_mode():
        logits = oracle(model)(torch.tensor([tokens])).logits[0].float()
    rows = torch.log_softmax(logits / temperature, -1)[first - 1 : -1]
    return rows.gather(1, torch.tensor(tokens[first:]).unsqueeze(1)).squeeze(1)


def values(triples: list[Any]) -> Tensor:
    return torch.tensor([triple[0] for triple in triples])


def test_the_answer_has_the_fields_that_rollouts_and_trainer_read(engine: Engine) -> None:
    answer = engine.generate(input_ids=PROMPT, sampling_params=greedy(), return_logprob=True, rid="mine")
    meta = answer["meta_info"]
    assert meta["id"] == "mine"
    assert meta["finish_reason"] == {"type": "length", "length": 6}
    assert (meta["prompt_tokens"], meta["completion_tokens"], len(answer["output_ids"])) == (10, 6, 6)
    assert meta["num_retractions"] == 0
    assert meta["weight_version"] == "default"
    assert meta["weight_versions"] == [{"version": "default", "start": 0, "end": 6}]
    assert meta["input_token_logprobs"] == []
    assert meta["output_token_logprobs_length"] == 6
    assert [triple[1:] for triple in meta["output_token_logprobs"]] == [[token, None] for token in answer["output_ids"]]


def test_greedy_tokens_are_transformers_own(engine: Engine) -> None:
    expected = oracle(engine.model).generate(
        torch.tensor([PROMPT]), max_new_tokens=20, min_new_tokens=20, do_sample=False, eos_token_id=None
    )
    output = engine.generate(input_ids=PROMPT, sampling_params=greedy(20))["output_ids"]
    assert output == expected[0, len(PROMPT) :].tolist()


def test_the_text_is_what_the_output_adds_to_the_prompts(engine: Engine) -> None:
    tokenizer = Tokenizer.from_file(str(engine.model / "tokenizer.json"))
    answer = engine.generate(input_ids=PROMPT, sampling_params=greedy(20))
    before = tokenizer.decode(PROMPT)
    assert before + answer["text"] == tokenizer.decode(PROMPT + answer["output_ids"])


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_output_log_probabilities_are_scaled_by_temperature(engine: Engine, temperature: float) -> None:
    sampling = sampled(20, temperature=temperature, top_p=0.9, top_k=30)
    answer = engine.generate(input_ids=PROMPT, sampling_params=sampling, return_logprob=True)
    expected = expected_logprobs(engine.model, PROMPT + answer["output_ids"], len(PROMPT), temperature)
    got = values(answer["meta_info"]["output_token_logprobs"])
    assert (got - expected).abs().max() < TOLERANCE


def test_prompt_log_probabilities(engine: Engine) -> None:
    answer = engine.generate(input_ids=PROMPT, sampling_params=sampled(1), return_logprob=True, logprob_start_len=0)
    triples = answer["meta_info"]["input_token_logprobs"]
    assert triples[0] == [None, PROMPT[0], None]
    assert [triple[1] for triple in triples] == PROMPT
    assert (values(triples[1:]) - expected_logprobs(engine.model, PROMPT, 1)).abs().max() < TOLERANCE


def test_batches_answer_a_list_in_order(engine: Engine) -> None:
    alone = [engine.generate(input_ids=[token, 30], sampling_params=greedy())["output_ids"] for token in (5, 6)]
    batch = engine.generate(input_ids=[[5, 30], [6, 30]], sampling_params=greedy(), rid="b")
    assert [answer["output_ids"] for answer in batch] == alone
    assert [answer["meta_info"]["id"] for answer in batch] == ["b_0", "b_1"]
    lengths = engine.generate(input_ids=[[5, 30], [6, 30]], sampling_params=[greedy(2), greedy(3)])
    assert [len(answer["output_ids"]) for answer in lengths] == [2, 3]
    assert len(engine.generate(input_ids=PROMPT, sampling_params=sampled(n=3))) == 3


def test_stop_tokens_end_an_answer_and_are_part_of_it(engine: Engine) -> None:
    free = engine.generate(input_ids=PROMPT, sampling_params=greedy(8))["output_ids"]
    stop = free[3]
    sampling = {"max_new_tokens": 8, "temperature": 0.0, "stop_token_ids": [stop]}
    answer = engine.generate(input_ids=PROMPT, sampling_params=sampling)
    assert answer["output_ids"] == free[: free.index(stop) + 1]
    assert answer["meta_info"]["finish_reason"] == {"type": "stop", "matched": stop}


def test_the_models_own_end_token_ends_an_answer(engine: Engine) -> None:
    end = json.loads((engine.model / "config.json").read_text())["eos_token_id"]
    forced = {"max_new_tokens": 8, "temperature": 0.0, "logit_bias": {str(end): 1000.0}}
    answer = engine.generate(input_ids=PROMPT, sampling_params=forced)
    assert answer["output_ids"] == [end]
    assert answer["meta_info"]["finish_reason"] == {"type": "stop", "matched": end}
    ignored = engine.generate(input_ids=PROMPT, sampling_params=forced | {"ignore_eos": True})
    assert ignored["output_ids"] == [end] * 8


def test_a_prefix_that_was_seen_before_is_reused(engine: Engine) -> None:
    context = [*range(30, 90)]
    engine.generate(input_ids=context, sampling_params=greedy(1))
    again = engine.generate(input_ids=context, sampling_params=greedy(8), return_logprob=True)
    assert again["meta_info"]["cached_tokens"] >= 48
    expected = expected_logprobs(engine.model, context + again["output_ids"], len(context))
    got = values(again["meta_info"]["output_token_logprobs"])
    assert (got - expected).abs().max() < TOLERANCE


REFUSED: list[dict[str, Any]] = [
    {},
    {"input_ids": [5] * 600},
    {"input_ids": PROMPT, "sampling_params": {"temperature": -1}},
    {"input_ids": PROMPT, "sampling_params": {"top_p": 0}},
    {"input_ids": PROMPT, "sampling_params": {"top_k": -5}},
    {"input_ids": PROMPT, "sampling_params": {"min_p": 2}},
    {"input_ids": PROMPT, "sampling_params": {"unheard": 1}},
    {"input_ids": PROMPT, "sampling_params": {"frequency_penalty": 2.5}},
    {"input_ids": PROMPT, "sampling_params": {"presence_penalty": -2.5}},
    {"input_ids": PROMPT, "sampling_params": {"repetition_penalty": 0}},
    {"input_ids": PROMPT, "sampling_params": {"logit_bias": {"99999": 1}}},
    {"input_ids": PROMPT, "return_logprob": True, "token_ids_logprob": [99999]},
    {"input_ids": PROMPT, "sampling_params": {"max_new_tokens": 600}},
]


@pytest.mark.parametrize("body", REFUSED, ids=str)
def test_bad_input_is_refused_in_one_shape_and_the_engine_keeps_serving(engine: Engine, body: dict[str, Any]) -> None:
    refusal = engine.post("/generate", **body)
    assert refusal.status_code == 400
    shown = refusal.json()
    assert shown.get("error") or shown.get("message")
    assert len(engine.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"]) == 6
