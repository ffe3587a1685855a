"""One training step against TRL's GRPOTrainer: same Qwen3-shaped model, same trajectories, one thread each, in fp32.

Eight rollouts answer each prompt; a rollout has up to three attempts with guidance between them. TRL gets them as
finished rollouts with the guidance masked, and takes them through its own training loop: forward, backward, clipping,
AdamW, in the micro-batch size that proves fastest for it. Steps alternate. The ratio is of CPU seconds, which other
work on the machine changes little; wall seconds are printed too. The gradient norms of every step are compared: both
sides do the same work. The last line is for scripts.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from contracts.jobs import TrainingSpec
from contracts.trajectories import CONTEXT, Trajectory
from peers.environments import trl_python
from rewards.rows import Floats, rows_of
from trainer.batch import Batch
from trainer.methods.annotation import Annotation
from trainer.microbatches import pack, unpack
from trainer.policy import Policy
from trainer.update import Learner
from transformers import AutoModelForCausalLM, Qwen3Config

GOAL = 3.0
SHAPES: dict[str, dict[str, int]] = {
    "1M": {"vocab_size": 1024, "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4},
    "20M": {"vocab_size": 8192, "hidden_size": 384, "num_hidden_layers": 8, "num_attention_heads": 12},
}
NORM_TOLERANCE = 1e-3
GROUP = 8  # rollouts that answer one prompt: TRL's default number of generations
PEER = Path(__file__).parent / "peers" / "trl_grpo.py"
TOKENIZER = Path(__file__).parent.parent / "models" / "materials-base"


def make_model(directory: Path, size: str) -> None:
    """A random student."""
    torch.manual_seed(0)
    shape = SHAPES[size]
    config = Qwen3Config(
        **shape,
        num_key_value_heads=shape["num_attention_heads"] // 2,
        head_dim=32,
        intermediate_size=3 * shape["hidden_size"],
        tie_word_embeddings=True,
        max_position_embeddings=4096,
    )
    AutoModelForCausalLM.from_config(config).float().save_pretrained(directory)


def make_trajectory(rng: random.Random, vocabulary: int, prompt: list[int]) -> Trajectory:
    """Behind the prompt one to three answers of very different lengths with guidance between them."""
    tokens, attempts = list(prompt), [CONTEXT] * len(prompt)

    def add(count: int, attempt: int) -> None:
        tokens.extend(rng.randrange(3, vocabulary) for _ in range(count))
        attempts.extend([attempt] * count)

    last = rng.choices([1, 2, 3], [0.4, 0.3, 0.3])[0]
    for attempt in range(1, last + 1):
        add(min(400, int(rng.lognormvariate(4.3, 0.7)) + 8), attempt)
        if attempt < last:
            add(rng.randint(30, 80), CONTEXT)
    versions = [-1 if attempt == CONTEXT else 0 for attempt in attempts]
    return Trajectory(tokens, attempts, [0.0] * len(tokens), versions)


def make_batch(policy: Policy, rollouts: int) -> tuple[Batch, Annotation]:
    """Trajectories with the policy's own log-probabilities and arbitrary advantages."""
    rng = random.Random(0)
    lengths = [rng.randint(60, 160) for _ in range(-(-rollouts // GROUP))]
    prompts = [[rng.randrange(3, policy.vocab_size) for _ in range(length)] for length in lengths]
    drafts = [make_trajectory(rng, policy.vocab_size, prompts[index // GROUP]) for index in range(rollouts)]
    logprobs_RT = [torch.zeros(len(draft.token_ids_T)).double().numpy() for draft in drafts]
    with torch.no_grad():
        for micro in pack(drafts, logprobs_RT, 4096):
            unpack(micro, policy.logprobs(micro.to(policy.crew.device))[0], into_RT=logprobs_RT)
    trajectories = [
        Trajectory(draft.token_ids_T, draft.attempt_T, values_T.tolist(), draft.version_T)
        for draft, values_T in zip(drafts, logprobs_RT, strict=True)
    ]
    rows = rows_of([[0.0]] * rollouts, [[1]] * rollouts, list(range(rollouts)))
    annotation = Annotation(rows.raw_RK, [1.0, 1.0], [advantages(rng, item) for item in trajectories])
    return Batch(1, [], trajectories, rows, 0), annotation


def advantages(rng: random.Random, trajectory: Trajectory) -> Floats:
    """One number for each attempt, 0 for context."""
    values = [0.0, *(rng.gauss(0, 1) for _ in range(3))]
    return torch.tensor([values[attempt] for attempt in trajectory.attempt_T]).double().numpy()


def for_peer(trajectory: Trajectory, advantages_T: Floats) -> dict[str, list[Any]]:
    """The same trajectory in TRL's terms."""
    prompt = next(place for place, attempt in enumerate(trajectory.attempt_T) if attempt != CONTEXT)
    return {
        "prompt": trajectory.token_ids_T[:prompt],
        "completion": trajectory.token_ids_T[prompt:],
        "mask": [int(attempt != CONTEXT) for attempt in trajectory.attempt_T[prompt:]],
        "advantages": advantages_T[prompt:].tolist(),
        "logprobs": trajectory.logprobs_T[prompt:],
    }


@dataclass(frozen=True)
class Step:
    """What a step took and what its gradient was."""

    seconds: float
    cpu_seconds: float
    gradient_norm: float
    peak_bytes: int = 0  # on the GPU, where there is one


def our_step(learner: Learner, batch: Batch, annotation: Annotation) -> Step:
    """In this process."""
    started, started_cpu = time.perf_counter(), time.process_time()
    norm = learner.update(batch, annotation).gradient_norm
    return Step(time.perf_counter() - started, time.process_time() - started_cpu, norm)


class Peer:
    """TRL in a process of its own."""

    def __init__(self, python: Path, model: Path, rollouts: Path, batch: int, *flags: str) -> None:
        command = [python, PEER, model, rollouts, "--tokenizer", TOKENIZER, "--batch", batch, *flags]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def step(self) -> Step:
        """Ask for one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return Step(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """It ends with its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def fastest(python: Path, model: Path, rollouts: Path, batches: list[int]) -> int:
    """The micro-batch size in which TRL takes the least CPU, by one step of each."""
    if len(batches) == 1:
        return batches[0]
    taken = {}
    for batch in batches:
        peer = Peer(python, model, rollouts, batch)
        taken[batch] = peer.step().cpu_seconds
        peer.close()
        sys.stdout.write(f"TRL in micro-batches of {batch}: {taken[batch]:.2f} CPU s\n")
    return min(taken, key=lambda batch: taken[batch])


def measure(rounds: int, learner: Learner, batch: Batch, annotation: Annotation, peer: Peer) -> float:
    """Median ratio over alternating steps, after one that warms both up."""
    ratios, rollouts = [], len(batch.trajectories)
    for number in range(rounds + 1):
        theirs, ours = peer.step(), our_step(learner, batch, annotation)
        sys.stdout.write(
            f"step {number}: ours {rollouts / ours.cpu_seconds:.2f} rollouts per CPU s ({ours.seconds:.1f} s, "
            f"gradient norm {ours.gradient_norm:.5f}), TRL {rollouts / theirs.cpu_seconds:.2f} "
            f"({theirs.seconds:.1f} s, {theirs.gradient_norm:.5f})\n"
        )
        if abs(ours.gradient_norm - theirs.gradient_norm) > NORM_TOLERANCE * ours.gradient_norm:
            raise SystemExit("the two sides do not compute the same gradient")
        if number:
            ratios.append(theirs.cpu_seconds / ours.cpu_seconds)
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trl-python", type=Path, help="a Python that has trl; without it, one is installed apart")
    parser.add_argument("--size", choices=sorted(SHAPES), default="1M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rollouts", type=int, default=64, help="in a batch; a multiple of 8")
    parser.add_argument(
        "--trl-batch", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="TRL's micro-batch sizes: the fastest counts"
    )
    parser.add_argument("--tokens-per-microbatch", type=int, default=2048)
    options = parser.parse_args()
    torch.set_num_threads(1)
    python = options.trl_python or trl_python()
    with tempfile.TemporaryDirectory() as directory:
        model, rollouts = Path(directory) / "model", Path(directory) / "rollouts.json"
        make_model(model, options.size)
        policy = Policy.load(model, 1.0)
        batch, annotation = make_batch(policy, options.rollouts)
        pairs = zip(batch.trajectories, annotation.advantages_RT, strict=True)
        rollouts.write_text(json.dumps([for_peer(*pair) for pair in pairs]))
        spec = TrainingSpec(steps=1000, warmup_steps=0, tokens_per_microbatch=options.tokens_per_microbatch)
        chosen = fastest(python, model, rollouts, options.trl_batch)
        peer = Peer(python, model, rollouts, chosen)
        ratio = measure(options.rounds, Learner(policy, spec), batch, annotation, peer)
        peer.close()
    sys.stdout.write(
        f"trainer_step: ratio {ratio:.2f} (goal {GOAL}), against TRL GRPOTrainer, {options.size}, batch {chosen}\n"
    )


if __name__ == "__main__":
    main()
