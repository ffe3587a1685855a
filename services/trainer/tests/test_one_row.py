"""Trajectories laid into one row behind shared prompts, against transformers' own pass over each of them alone."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from contracts.trajectories import CONTEXT, Trajectory, trajectory_of
from trainer.layout import beginning, lay
from trainer.microbatches import pack
from trainer.policy import Policy, Shape
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from .makers import VOCAB, episode

SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.3,
}
MODELS: dict[str, Any] = {
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "mistral, window of 8": lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8)),
}
WINDOWED = "mistral, window of 8"


def made(name: str, directory: Path) -> Path:
    torch.manual_seed(0)
    MODELS[name]().save_pretrained(directory)
    return directory


def grouped() -> list[Trajectory]:
    """Three questions, four episodes of each behind its prompt; lengths differ."""
    rng = random.Random(0)
    found = []
    for question in range(3):
        prompt = [rng.randrange(VOCAB) for _ in range(rng.randint(6, 20))]
        for sample in range(4):
            item = episode(rng, [0.0] * rng.randint(1, 3), question=f"q{question}", sample=sample)
            found.append(trajectory_of(msgspec.structs.replace(item, prompt_token_ids=prompt)))
    rng.shuffle(found)
    return found


def alone(model: Any, trajectory: Trajectory) -> torch.Tensor:
    """Log-probabilities of its student tokens, from a pass of its own."""
    logits = model(torch.tensor([trajectory.token_ids_T])).logits[0]
    columns = [place for place, attempt in enumerate(trajectory.attempt_T) if attempt != CONTEXT]
    targets = torch.tensor([trajectory.token_ids_T[column] for column in columns])
    logprobs = torch.log_softmax(logits[[column - 1 for column in columns]], dim=-1)
    return logprobs.gather(1, targets[:, None]).squeeze(1)


@pytest.mark.parametrize("budget", [64, 4096])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_log_probabilities_and_gradients_are_those_of_each_alone(
    name: str, recompute: bool, budget: int, tmp_path: Path
) -> None:
    """In fp64, as far as transformers' norms, which round to fp32, let it be."""
    directory = made(name, tmp_path)
    policy = Policy.load(directory, 1.0, Shape(activation_checkpointing=recompute))
    assert policy.scorer.one_row is (name != WINDOWED)
    oracle = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).double()
    policy.model.double()
    trajectories = grouped()
    nothing_RT = [torch.zeros(len(item.token_ids_T)).double().numpy() for item in trajectories]
    for micro in pack(trajectories, nothing_RT, budget):
        found_N = policy.logprobs(micro)[0]
        expected_N = torch.cat([alone(oracle, trajectories[rollout]) for rollout in micro.rollouts_B])
        assert torch.allclose(found_N, expected_N, rtol=0, atol=1e-5)
        found_N.square().sum().backward()
        expected_N.square().sum().backward()
    theirs = dict(oracle.named_parameters())
    for parameter_name, parameter in policy.model.named_parameters():
        grad, expected = parameter.grad, theirs[parameter_name].grad
        assert (grad - expected).norm() <= 1e-6 * expected.norm(), parameter_name


def test_in_fp32_the_log_probabilities_agree_to_1e_5(student: Path) -> None:
    policy = Policy.load(student, 1.0)
    oracle = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)
    trajectories = grouped()
    nothing_RT = [torch.zeros(len(item.token_ids_T)).double().numpy() for item in trajectories]
    [micro] = pack(trajectories, nothing_RT, 4096)
    expected_N = torch.cat([alone(oracle, trajectories[rollout]) for rollout in micro.rollouts_B])
    assert torch.allclose(policy.logprobs(micro)[0], expected_N, rtol=0, atol=1e-5)


def test_a_shared_prompt_is_laid_once() -> None:
    trajectories = sorted(grouped(), key=lambda item: item.token_ids_T)
    tokens_U, layout = lay(trajectories)
    prompts = {tuple(item.token_ids_T[: beginning(item)]) for item in trajectories}
    assert len(prompts) == 3
    answers = sum(len(item.token_ids_T) - beginning(item) for item in trajectories)
    assert len(tokens_U) == sum(map(len, prompts)) + answers
    rows = layout.unrolled(torch.tensor(tokens_U))
    for row, item in zip(rows.tolist(), trajectories, strict=True):
        assert row[: len(item.token_ids_T)] == item.token_ids_T
    assert layout.rolled(rows).tolist() == tokens_U


def test_a_model_with_a_window_keeps_its_own_attention(tmp_path: Path) -> None:
    """Without it, tokens beyond the window would be seen."""
    directory = made(WINDOWED, tmp_path)
    policy = Policy.load(directory, 1.0)
    oracle = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    ids = [place % VOCAB for place in range(40)]
    expected = torch.log_softmax(oracle(torch.tensor([ids])).logits[0, :-1], dim=-1)
    expected = expected.gather(1, torch.tensor(ids[1:])[:, None]).squeeze(1)
    assert torch.allclose(torch.tensor(policy.prompt_logprobs(ids)), expected, atol=1e-5)
