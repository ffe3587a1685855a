"""Peak memory of the loss at a vocabulary of 151,936: logits chunk by chunk against all of them at once.

Forward and backward of log-probabilities and entropy, each side in a process of its own; what counts is the growth of
its largest resident size, the gradient of the head included. The last line is for scripts.
"""

import argparse
import resource
import subprocess
import sys

import torch
from torch import Tensor
from trainer.token_logprobs import token_logprobs

VOCABULARY, HIDDEN, TEMPERATURE = 151_936, 256, 0.7
GOAL = 8.0
# A gigabyte-sized product on one loaded core takes seconds.
SIDE_SECONDS = 600.0


def plain(states_NH: Tensor, weight_VH: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """Every logit at once, as a direct implementation does it."""
    all_NV = torch.log_softmax(states_NH @ weight_VH.t() / TEMPERATURE, dim=-1)
    with torch.no_grad():
        entropy_N = -(all_NV.exp() * all_NV).sum(-1)
    return all_NV.gather(1, targets_N[:, None]).squeeze(1), entropy_N


def chunked(states_NH: Tensor, weight_VH: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """The trainer's."""
    return token_logprobs(states_NH, weight_VH, None, targets_N, TEMPERATURE)


SIDES = {"plain": plain, "chunked": chunked}


def peak_mebibytes() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def growth_mebibytes(side: str, tokens: int) -> float:
    """By one forward and backward pass, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    weight_VH = torch.nn.Parameter(torch.randn(VOCABULARY, HIDDEN) / HIDDEN**0.5)
    states_NH = torch.randn(tokens, HIDDEN, requires_grad=True)
    targets_N = torch.randint(VOCABULARY, (tokens,))
    chunked(states_NH[:1], weight_VH, targets_N[:1])  # libraries load their buffers on the first call
    before = peak_mebibytes()
    SIDES[side](states_NH, weight_VH, targets_N)[0].sum().backward()
    return peak_mebibytes() - before


def measured(side: str, tokens: int) -> float:
    """In a fresh process."""
    command = [sys.executable, __file__, "--side", side, "--tokens", str(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SIDE_SECONDS)
    return float(done.stdout)


def main() -> None:
    """Both sides at half and at all of the tokens: only one of them grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2048, help="student tokens of a micro-batch")
    parser.add_argument("--side", choices=SIDES, help="measure this side only, in this process")
    options = parser.parse_args()
    if options.side:
        sys.stdout.write(f"{growth_mebibytes(options.side, options.tokens)}\n")
        return
    for tokens in (options.tokens // 2, options.tokens):
        found = {side: measured(side, tokens) for side in SIDES}
        sys.stdout.write(f"{tokens} tokens: plain {found['plain']:.0f} MiB, chunked {found['chunked']:.0f} MiB\n")
    ratio = found["plain"] / found["chunked"]
    sys.stdout.write(f"loss_memory: ratio {ratio:.1f} (goal {GOAL}), against plain log_softmax\n")


if __name__ == "__main__":
    main()
