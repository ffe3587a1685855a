"""A trajectory in one forward pass against a pass for each attempt over its own context: forward and backward.

Both sides use the trainer's own code and settings; the separate side gets each attempt as a trajectory whose context is
everything before it. Rounds alternate; log-probabilities and gradients are compared first. The last line is for
scripts.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from contracts.trajectories import CONTEXT, Trajectory
from trainer.microbatches import MicroBatch, pack
from trainer.policy import Policy
from trainer_step import SHAPES, make_batch, make_model

GOAL = 1.5
# Two orders of summation in fp32.
LOGPROB_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-5


def separate(trajectory: Trajectory) -> list[Trajectory]:
    """One trajectory for each attempt, cut off after it; what came before carries no loss."""
    parts = []
    for attempt in range(1, max(trajectory.attempt_T) + 1):
        end = len(trajectory.attempt_T) - trajectory.attempt_T[::-1].index(attempt)
        own = [value if value == attempt else CONTEXT for value in trajectory.attempt_T[:end]]
        parts.append(
            Trajectory(trajectory.token_ids_T[:end], own, trajectory.logprobs_T[:end], trajectory.version_T[:end])
        )
    return parts


def packed(trajectories: Sequence[Trajectory], budget: int) -> list[MicroBatch]:
    return pack(trajectories, [torch.zeros(len(item.token_ids_T)).double().numpy() for item in trajectories], budget)


def measured(policy: Policy, micros: list[MicroBatch]) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Seconds, all log-probabilities in order of size, and the gradient of their sum."""
    policy.model.zero_grad()
    started, logprobs = time.perf_counter(), []
    for micro in micros:
        values_N = policy.logprobs(micro)[0]
        values_N.sum().backward()
        logprobs.append(values_N.detach())
    seconds = time.perf_counter() - started
    gradient = torch.cat([item.grad.flatten() for item in policy.model.parameters() if item.grad is not None])
    return seconds, torch.cat(logprobs).sort().values, gradient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="1M")
    parser.add_argument("--rollouts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens-per-microbatch", type=int, default=4096)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        make_model(Path(directory), options.size)
        policy = Policy.load(Path(directory), 1.0)
    whole = make_batch(policy, options.rollouts)[0].trajectories
    apart = [part for trajectory in whole for part in separate(trajectory)]
    sides = [packed(side, options.tokens_per_microbatch) for side in (whole, apart)]
    (_, ours, our_gradient), (_, theirs, their_gradient) = (measured(policy, side) for side in sides)
    gap = float((ours - theirs).abs().max())
    error = float((our_gradient - their_gradient).norm() / their_gradient.norm())
    tokens = [sum(len(item.token_ids_T) for item in side) for side in (whole, apart)]
    sys.stdout.write(
        f"{len(apart) / len(whole):.2f} attempts per rollout, {tokens[1] / tokens[0]:.2f} times the tokens apart; "
        f"log-probabilities differ by {gap:.1e} at most, gradients by {error:.1e} relative\n"
    )
    if gap > LOGPROB_TOLERANCE or error > GRADIENT_TOLERANCE:
        raise SystemExit("the two sides do not compute the same")
    ratios = []
    for number in range(options.rounds):
        ours_s, theirs_s = (measured(policy, side)[0] for side in sides)
        sys.stdout.write(f"round {number}: one pass {ours_s:.2f} s, separate passes {theirs_s:.2f} s\n")
        ratios.append(theirs_s / ours_s)
    ratio = statistics.median(ratios)
    sys.stdout.write(f"one_pass: ratio {ratio:.2f} (goal {GOAL}), against one pass for each attempt, {options.size}\n")


if __name__ == "__main__":
    main()
