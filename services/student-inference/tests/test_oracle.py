"""Every architecture against transformers: same greedy tokens, same log-probabilities."""

import random
from pathlib import Path

import pytest
import torch
from student_inference.products import is_large
from transformers import AutoModelForCausalLM, Qwen3Config

from .conftest import StartEngine
from .local import params
from .oracle import SHAPE, chosen, make_student, near, oracle_logprobs

LENGTHS = (1, 5, 8, 9, 23, 40)


def prompts(vocab: int = 61) -> list[list[int]]:
    rng = random.Random(0)
    return [[rng.randrange(2, vocab) for _ in range(length)] for length in LENGTHS]


def test_greedy_tokens_and_logprobs_equal_transformers(any_student: Path, start_engine: StartEngine) -> None:
    oracle = AutoModelForCausalLM.from_pretrained(any_student, dtype=torch.float32)
    for request in start_engine(any_student).generate(prompts(), params(max_new_tokens=20)):
        expected = oracle.generate(
            torch.tensor([request.prompt]), max_new_tokens=20, min_new_tokens=20, do_sample=False, eos_token_id=None
        )
        assert request.output == expected[0, len(request.prompt) :].tolist()
        logprobs = oracle_logprobs(any_student, request.tokens)
        assert near(request.logprobs, chosen(logprobs, request.prompt, request.output))


def test_prompt_logprobs_equal_transformers(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    for start in (0, 3, 17):
        [request] = engine.generate([prompts()[-1]], logprob_start=start)
        expected = oracle_logprobs(student, request.prompt)
        assert near(request.prompt_logprobs, chosen(expected, request.prompt[: start + 1], request.prompt[start + 1 :]))


def test_sampled_logprobs_are_scaled_by_temperature_before_filters(student: Path, start_engine: StartEngine) -> None:
    sampling = params(temperature=0.7, top_p=0.8, top_k=20, min_p=0.01, max_new_tokens=15)
    for request in start_engine(student).generate(prompts(), sampling):
        logprobs = oracle_logprobs(student, request.tokens, temperature=0.7)
        assert near(request.logprobs, chosen(logprobs, request.prompt, request.output))


def test_sharded_checkpoint_gives_the_same_tokens(student: Path, tmp_path: Path, start_engine: StartEngine) -> None:
    sharded = make_student(tmp_path / "sharded", "qwen3", seed=0, max_shard_size="20KB")
    assert len(list(sharded.glob("*.safetensors"))) > 1
    outputs = [[r.output for r in start_engine(path).generate(prompts())] for path in (student, sharded)]
    assert outputs[0] == outputs[1]


def test_bfloat16_stays_near_float32(student: Path, start_engine: StartEngine) -> None:
    requests = start_engine(student, dtype="bfloat16").generate(prompts())
    for request in requests:
        expected = chosen(oracle_logprobs(student, request.tokens), request.prompt, request.output)
        assert near(request.logprobs, expected, tolerance=0.3)


@pytest.mark.parametrize("max_running", [1, 3, 64])
def test_batching_changes_nothing(student: Path, start_engine: StartEngine, max_running: int) -> None:
    alone = [start_engine(student).generate([prompt])[0].output for prompt in prompts()]
    together = start_engine(student, max_running=max_running).generate(prompts())
    assert [request.output for request in together] == alone


@pytest.mark.parametrize("bias", [False, True])
def test_weights_so_large_that_another_library_multiplies_them(
    tmp_path: Path, start_engine: StartEngine, bias: bool
) -> None:
    shape = {"vocab_size": 2048, "hidden_size": 1024, "intermediate_size": 2048, "num_hidden_layers": 2}
    config = Qwen3Config(**{**SHAPE, **shape}, head_dim=512, attention_bias=bias, tie_word_embeddings=True)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for name, parameter in model.named_parameters():
        if name.endswith(".bias"):
            parameter.data.normal_(std=0.3)
    model.save_pretrained(tmp_path)
    engine = start_engine(tmp_path)
    assert all(
        is_large(weight) for weight in (engine.engine.model.weights.head, engine.engine.model.weights.layers[0].out)
    )
    for count in (1, 2, 4):
        for request in engine.generate(prompts()[-count:], params(max_new_tokens=6)):
            logprobs = oracle_logprobs(tmp_path, request.tokens)
            assert near(request.logprobs, chosen(logprobs, request.prompt, request.output))
