"""Penalties, biases and log-probabilities of other tokens, against transformers' logits and the published formulas."""

from pathlib import Path

import pytest
import torch
from student_inference.alternatives import Wanted
from torch import Tensor
from transformers import AutoModelForCausalLM

from .conftest import StartEngine
from .local import params
from .oracle import near, oracle_logprobs

PROMPTS = [[5, 9, 13, 20], [7, 7, 7], [40, 3, 2, 9, 11, 30]]
STEPS = 16
CASES = {
    "frequency": {"frequency_penalty": 1.3},
    "presence": {"presence_penalty": -0.8},
    "repetition": {"repetition_penalty": 1.7},
    "bias": {"logit_bias": ((7, 3.0), (9, -50.0))},
    "all": {
        "frequency_penalty": 0.4,
        "presence_penalty": 0.9,
        "repetition_penalty": 0.6,
        "logit_bias": ((11, 2.0),),
        "min_new_tokens": 9,
        "stop_ids": frozenset(range(20)),
    },
}


def changed(logits: Tensor, output: list[int], case: dict) -> Tensor:  # type: ignore[type-arg]
    """OpenAI's additive penalties and the repetition penalty of CTRL (Keskar et al. 2019), of the output only."""
    result = logits.clone()
    for token in set(output):
        count = output.count(token)
        result[token] -= count * case.get("frequency_penalty", 0) + case.get("presence_penalty", 0)
    if len(output) < case.get("min_new_tokens", 0):
        result[list(case["stop_ids"])] = float("-inf")
    scale = case.get("repetition_penalty", 1)
    for token in set(output):
        result[token] = result[token] * scale if result[token] < 0 else result[token] / scale
    for token, bias in case.get("logit_bias", ()):
        result[token] += bias
    return result


@pytest.mark.parametrize("name", sorted(CASES))
def test_greedy_tokens_and_logprobs_follow_the_formula(student: Path, start_engine: StartEngine, name: str) -> None:
    case = CASES[name]
    model = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)
    engine = start_engine(student)
    plain = engine.generate(PROMPTS, params(max_new_tokens=STEPS))
    differs = False
    # Beside one that adjusts nothing, in one batch: a neighbour's penalties are nobody else's.
    engine.submit(PROMPTS[0], params(max_new_tokens=STEPS))
    requests = [engine.submit(prompt, params(max_new_tokens=STEPS, **case)) for prompt in PROMPTS]
    neighbour = next(request for request in engine.wait(4) if request not in requests)
    assert neighbour.output == plain[0].output
    for request in requests:
        assert request.output
        for index, token in enumerate(request.output):
            with torch.inference_mode():
                logits = model(torch.tensor([request.prompt + request.output[:index]])).logits[0, -1].float()
            expected = changed(logits, request.output[:index], case)
            assert token == int(expected.argmax())
            assert abs(request.logprobs[index] - float(torch.log_softmax(expected, -1)[token])) < 1e-4
        differs |= request.output not in [other.output for other in plain]
    assert differs


def test_penalties_survive_a_retraction(student: Path, start_engine: StartEngine) -> None:
    sampling = params(max_new_tokens=60, frequency_penalty=1.0, repetition_penalty=1.5)
    engine = start_engine(student)
    whole = engine.generate(PROMPTS[:1], sampling)[0].output
    request = engine.submit(PROMPTS[0], sampling)
    while len(request.output) < 5:
        pass
    engine.command(lambda: engine.engine.pause("retract"))
    engine.command(engine.engine.resume)
    engine.wait(1)
    assert request.output == whole


def test_alternatives_are_the_oracles(student: Path, start_engine: StartEngine) -> None:
    sampling = params(temperature=0.7, max_new_tokens=10)
    [request] = start_engine(student).generate(
        [PROMPTS[2]], sampling, logprob_start=2, wanted=Wanted(top=4, ids=(8, 60))
    )
    scaled, plain = (oracle_logprobs(student, request.tokens, temperature) for temperature in (0.7, 1.0))
    positions = {
        "prompt": (request.prompt_alternatives, plain[2:5]),
        "output": (request.output_alternatives, scaled[5:15]),
    }
    for alternatives, expected in positions.values():
        assert len(alternatives.top) == len(alternatives.ids) == len(expected)
        for top, ids, row in zip(alternatives.top, alternatives.ids, expected, strict=True):
            values, tokens = row.topk(4)
            assert [token for _, token in top] == tokens.tolist()
            assert near([value for value, _ in top], values)
            assert [token for _, token in ids] == [8, 60]
            assert near([value for value, _ in ids], row[[8, 60]])
