"""The edges of the GPU benchmark that a machine without a GPU can try: its FLOPs, its step, its refusal."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from trainer.microbatches import pack
from trainer.policy import Policy

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ATTENTION = "scaled_dot_product"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("trainer_step_gpu")


def test_the_flops_are_those_that_torch_counts(benchmark: Any, tmp_path: Path) -> None:
    """Matrix products by torch's own counter, attention by counting what each token sees."""
    benchmark.make_model(tmp_path, "tiny")
    policy = Policy.load(tmp_path, 1.0)
    batch, annotation = benchmark.trainer_step.make_batch(policy, 16)
    counted = {"products": 0.0}
    for micro in pack(batch.trajectories, annotation.advantages_RT, 2048):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            policy.logprobs(micro)
        counts = counter.get_flop_counts()["Global"]
        counted["products"] += sum(flops for name, flops in counts.items() if ATTENTION not in str(name))
    config = benchmark.config_of("tiny")
    forward = benchmark.step_flops(config, batch.trajectories, 2048) / 3
    depths = [range(len(item.token_ids_T)) for item in batch.trajectories]
    if_none_were_shared = sum(depth + 1 for each in depths for depth in each)
    heads = 4 * config.num_attention_heads * config.head_dim * config.num_hidden_layers
    attention = forward - counted["products"]
    assert 0.5 * heads * if_none_were_shared < attention < heads * if_none_were_shared
    alone = [batch.trajectories[0]]
    [only] = pack(alone, annotation.advantages_RT[:1], 2048)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        policy.logprobs(only)
    counts = counter.get_flop_counts()["Global"]
    products = sum(flops for name, flops in counts.items() if ATTENTION not in str(name))
    length = len(alone[0].token_ids_T)
    expected = products + heads * length * (length + 1) / 2
    assert benchmark.step_flops(config, alone, 2048) / 3 == pytest.approx(expected, rel=1e-9)


def test_our_side_runs_in_bf16_and_hands_the_same_rollouts_on(benchmark: Any, tmp_path: Path) -> None:
    benchmark.make_model(tmp_path / "model", "tiny")
    options = argparse.Namespace(
        size="tiny", device="cpu", rollouts=8, rounds=1, tokens_per_microbatch=1024, peak_tflops=0.01
    )
    rollouts = tmp_path / "rollouts.json"
    seconds, flops = benchmark.ours(options, tmp_path / "model", rollouts)
    assert seconds > 0
    assert flops > 0
    given = json.loads(rollouts.read_text())
    assert len(given) == 8
    for item in given:
        lengths = {len(item[name]) for name in ("completion", "mask", "advantages", "logprobs")}
        assert len(lengths) == 1
        assert sum(item["mask"]) > 0
    assert len({tuple(item["prompt"]) for item in given}) == 1


def test_peaks(benchmark: Any) -> None:
    assert benchmark.peak_flops(312.0) == 312e12
    assert benchmark.peak_flops(None) is None or torch.cuda.is_available()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so() -> None:
    command = [sys.executable, str(BENCHMARKS / "trainer_step_gpu.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode != 0
    assert "no GPU here" in done.stderr
