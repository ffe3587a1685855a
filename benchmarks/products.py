"""The CPU engine's products of activations with weights, against `torch.nn.functional.linear` in the same run, in turn.

One matrix of a student after the other, as a decode step does, small ones packed: 120 MB of each shape, so that none
is in a cache.
The last line is for scripts: the worst ratio of the times, ours to theirs, over the shapes that are large to us.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import torch
from student_inference.products import is_large, packed, product, wide_product
from torch import Tensor
from torch.nn.functional import linear

# Channels out and in: queries, keys and values; gate and up; down; of students of 512 and of 1,024 channels.
SHAPES = {
    (1024, 512): product,
    (3072, 512): wide_product,
    (512, 1536): product,
    (2048, 1024): product,
    (6144, 1024): wide_product,
    (1024, 3072): product,
}
TOKENS = (1, 2, 4, 8, 16, 49, 256)
BYTES = 120e6


def seconds(call: Callable[[Tensor, Tensor], Tensor], x: Tensor, weights: Iterator[Tensor]) -> float:
    weight = next(weights)
    started = time.perf_counter()
    call(x, weight)
    return time.perf_counter() - started


def measure(shape: tuple[int, int], tokens: int, rounds: int) -> float:
    """Ratio of the medians."""
    plain = [torch.randn(shape) for _ in range(int(BYTES / (4 * shape[0] * shape[1])))]
    weights, served = itertools.cycle(plain), itertools.cycle(list(map(packed, plain)))
    x = torch.randn(tokens, shape[1])
    pairs = [(seconds(SHAPES[shape], x, served), seconds(linear, x, weights)) for _ in range(rounds)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    sys.stdout.write(f"{shape[0]} x {shape[1]}, {tokens} tokens: {ours * 1e6:.0f} us, linear {theirs * 1e6:.0f} us\n")
    return ours / theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        ratios = {shape: [measure(shape, tokens, arguments.rounds) for tokens in TOKENS] for shape in SHAPES}
    worst = max(max(found) for shape, found in ratios.items() if is_large(torch.empty(shape)))
    sys.stdout.write(f"products: ratio {worst:.2f} at worst, {arguments.threads} threads\n")


if __name__ == "__main__":
    main()
