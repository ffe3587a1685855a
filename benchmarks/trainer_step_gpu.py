"""One training step of the Qwen3-4B shape on one GPU, in bf16 over fp32 master weights, against TRL on the same GPU.

Random weights, the trajectories of trainer_step.py with longer answers. Prints trained tokens per second, model FLOP
utilisation and peak memory. Both sides recompute each layer in the backward pass; what is recomputed counts as no
useful FLOP, nor does a prompt that was laid once count more than once for us. The last line is for scripts.

Needs a GPU with about 80 GB. `--size tiny --device cpu` tries every line of it but the GPU's own.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import trainer_step
from contracts.jobs import TrainingSpec
from contracts.trajectories import CONTEXT, Trajectory
from peers.environments import trl_python
from trainer.batch import Batch
from trainer.crew import Crew
from trainer.layout import lay
from trainer.methods.annotation import Annotation
from trainer.microbatches import runs
from trainer.policy import Policy, Shape
from trainer.update import Learner
from transformers import AutoModelForCausalLM, Qwen3Config

GOAL_UTILISATION = 0.5
# Dense bf16 operations per second, from the makers' data sheets (SXM versions where there are several).
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12, "MI300X": 1307e12}
SHAPES: dict[str, dict[str, int]] = {
    "4B": {
        "vocab_size": 151936,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    },
}


def config_of(size: str) -> Qwen3Config:
    """Qwen3-4B's own, or a tiny one of the same make."""
    return Qwen3Config(**SHAPES[size], tie_word_embeddings=True, max_position_embeddings=4096)


def make_model(directory: Path, size: str) -> None:
    """Random weights, kept in bf16."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config_of(size)).bfloat16().save_pretrained(directory)


def step_flops(config: Qwen3Config, trajectories: Sequence[Trajectory], tokens_per_microbatch: int) -> float:
    """Useful operations of forward and backward: 2 a weight and token forward, twice that backward, and attention.

    Shared prompts count once, the head counts for student tokens only, and attention for what a causal mask leaves.
    """
    heads, head_dim, hidden = config.num_attention_heads, config.head_dim, config.hidden_size
    projections = hidden * head_dim * (2 * heads + 2 * config.num_key_value_heads)
    layer_weights = projections + 3 * hidden * config.intermediate_size
    forward = 0.0
    for chosen in runs(trajectories, tokens_per_microbatch):
        rows = [trajectories[index] for index in chosen]
        tokens_U, layout = lay(rows)
        student_tokens = sum(attempt != CONTEXT for row in rows for attempt in row.attempt_T)
        seen = sum(int(depth) + 1 for depth in layout.depths_U)
        forward += 2 * layer_weights * config.num_hidden_layers * len(tokens_U)
        forward += 2 * hidden * config.vocab_size * student_tokens
        forward += 4 * heads * head_dim * config.num_hidden_layers * seen
    return 3 * forward


def peak_flops(given: float | None) -> float | None:
    """Of this GPU, from the table or from the caller; None where neither knows."""
    if given is not None:
        return given * 1e12
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((flops for key, flops in PEAK_FLOPS.items() if key in name), None)


def our_step(learner: Learner, batch: Batch, annotation: Annotation, device: str) -> trainer_step.Step:
    """The GPU works behind the host's back: wait for it before and after."""
    if device == "cuda":
        torch.cuda.synchronize()
    started, started_cpu = time.perf_counter(), time.process_time()
    norm = learner.update(batch, annotation).gradient_norm
    if device == "cuda":
        torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return trainer_step.Step(time.perf_counter() - started, time.process_time() - started_cpu, norm, peak)


def ours(options: argparse.Namespace, model: Path, rollouts: Path) -> tuple[float, float]:
    """Median seconds of our step, after one that warms up, and its useful FLOPs. Leaves the rollouts for the peer."""
    shape = Shape(precision="bf16", activation_checkpointing=True)
    policy = Policy.load(model, 1.0, shape, Crew(device=options.device))
    batch, annotation = trainer_step.make_batch(policy, options.rollouts)
    pairs = zip(batch.trajectories, annotation.advantages_RT, strict=True)
    rollouts.write_text(json.dumps([trainer_step.for_peer(*pair) for pair in pairs]))
    spec = TrainingSpec(
        steps=1000, warmup_steps=0, tokens_per_microbatch=options.tokens_per_microbatch, precision="bf16"
    )
    learner = Learner(policy, spec)
    steps = [our_step(learner, batch, annotation, options.device) for _ in range(options.rounds + 1)][1:]
    seconds = statistics.median(step.seconds for step in steps)
    tokens = sum(len(item.token_ids_T) for item in batch.trajectories)
    flops = step_flops(config_of(options.size), batch.trajectories, options.tokens_per_microbatch)
    told(f"ours ({steps[-1].gradient_norm:.4f})", tokens, seconds, flops, steps[-1].peak_bytes, options.peak_tflops)
    return seconds, flops


def theirs(options: argparse.Namespace, model: Path, rollouts: Path, flops: float) -> float:
    """Median seconds of TRL's step in each micro-batch size; the smallest counts."""
    tokens = sum(len(item["prompt"]) + len(item["completion"]) for item in json.loads(rollouts.read_text()))
    found = []
    for size in options.trl_batch:
        flags = ["--gpu"] if options.device == "cuda" else []
        peer = trainer_step.Peer(options.trl_python or trl_python(), model, rollouts, size, *flags)
        steps = [peer.step() for _ in range(options.rounds + 1)][1:]
        peer.close()
        found.append(statistics.median(step.seconds for step in steps))
        label = f"TRL, micro-batches of {size} ({steps[-1].gradient_norm:.4f})"
        told(label, tokens, found[-1], flops, steps[-1].peak_bytes, options.peak_tflops)
    return min(found)


def told(who: str, tokens: int, seconds: float, flops: float, peak_bytes: int, peak_tflops: float | None) -> None:
    """One line: who (gradient norm), tokens a second, utilisation, memory."""
    peak = peak_flops(peak_tflops)
    share = f"{flops / seconds / peak:.1%} of peak FLOPs (goal {GOAL_UTILISATION:.0%})" if peak else "peak unknown"
    line = f"{who}: {tokens / seconds:.0f} tokens/s, {seconds:.2f} s, {share}, {peak_bytes / 2**30:.1f} GiB\n"
    sys.stdout.write(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="4B")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--rollouts", type=int, default=64, help="in a batch; a multiple of 8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens-per-microbatch", type=int, default=16384)
    parser.add_argument("--peak-tflops", type=float, help="of this GPU in dense bf16, where it is not in our table")
    parser.add_argument("--trl-batch", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--trl-python", type=Path, help="a Python that has trl; without it, one is installed apart")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU here; --size tiny --device cpu tries the script without one")
    with tempfile.TemporaryDirectory() as directory:
        model, rollouts = Path(directory) / "model", Path(directory) / "rollouts.json"
        make_model(model, options.size)
        seconds, flops = ours(options, model, rollouts)
        if options.device == "cuda":
            torch.cuda.empty_cache()
        ratio = theirs(options, model, rollouts, flops) / seconds
    sys.stdout.write(f"trainer_step_gpu: ratio {ratio:.2f} (goal 1.0), against TRL GRPOTrainer, {options.size}\n")


if __name__ == "__main__":
    main()
