"""Attention of a decode step: the CPU engine's kernel over blocks against torch, in the same run, in turn.

torch has each request's keys and values side by side, with room for a quarter more positions, as a batch that grows
needs it: batched products (`bmm`) and its fused attention. `exact` are batched products without that room, which would
have to be copied anew at every step. All layers of `generation`'s mid model one after the other, with fresh queries.
Left out: making these copies, storing new positions, lengths that differ. The last line is for scripts: our time
against the faster of the two that leave room.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from generation_cases import make_model
from student_inference.config import ModelConfig, read_config
from student_inference.pages import Pages
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

# The service's own.
BLOCK_SIZE = 16
LENGTHS = (64, 128, 192, 512)

Attention = Callable[[int, Tensor], Tensor]


def contenders(config: ModelConfig, requests: int, length: int) -> dict[str, Attention]:
    """Each gives [requests, heads * channels] of a layer for queries [requests, heads, channels]."""
    B, K, G, D, n = requests, config.num_kv_heads, config.group_size, config.head_dim, length // BLOCK_SIZE
    pages = Pages(config, B * n, BLOCK_SIZE, torch.float32, threads=1)
    pages.keys_lbKDS.normal_()
    pages.values_lbKSD.normal_()
    table_Bn, lengths_B = torch.arange(B * n).view(B, n), torch.full((B,), length)
    copies = [pages.gather(layer, table_Bn) for layer in range(config.num_layers)]
    # Keys with their channels first: so the product with the queries reads them fastest.
    exact = [(keys.transpose(2, 3).reshape(B * K, D, -1), values.reshape(B * K, -1, D)) for keys, values in copies]
    roomy = [(pad(keys, (0, length // 4)), pad(values, (0, 0, 0, length // 4))) for keys, values in exact]

    def products(pairs: list[tuple[Tensor, Tensor]]) -> Attention:
        def attend(layer: int, q_BHD: Tensor) -> Tensor:
            keys, values = pairs[layer]
            weights = torch.bmm(q_BHD.reshape(B * K, G, D), keys[..., :length]).softmax(-1)
            return torch.bmm(weights, values[:, :length]).view(B, K * G * D)

        return attend

    def fused(layer: int, q_BHD: Tensor) -> Tensor:
        keys, values = (part.view(B, K, *part.shape[1:]) for part in roomy[layer])
        keys, values = keys[..., :length].transpose(2, 3), values[:, :, :length]
        return scaled_dot_product_attention(q_BHD.view(B, K, G, D), keys, values, scale=1.0).view(B, K * G * D)

    def ours(layer: int, q_BHD: Tensor) -> Tensor:
        return pages.attend(layer, q_BHD, table_Bn, lengths_B)

    return {"ours": ours, "bmm": products(roomy), "fused": fused, "exact": products(exact)}


def measure(config: ModelConfig, requests: int, length: int, rounds: int) -> float:
    """Ratio of the medians."""
    found = contenders(config, requests, length)
    q_lBHD = torch.randn(config.num_layers, requests, config.num_heads, config.head_dim)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        answers = {}
        for name, attend in found.items():
            started = time.perf_counter()
            answers[name] = [attend(layer, q_BHD) for layer, q_BHD in enumerate(q_lBHD)]
            seconds[name].append(time.perf_counter() - started)
        for ours, *theirs in zip(*answers.values(), strict=True):
            assert all(torch.allclose(ours, other, atol=1e-4) for other in theirs)
    medians = {name: statistics.median(spent) for name, spent in seconds.items()}
    shown = ", ".join(f"{name} {1e3 * median:.2f} ms" for name, median in medians.items())
    sys.stdout.write(f"{requests} requests of {length} positions, a step: {shown}\n")
    return medians["ours"] / min(medians["bmm"], medians["fused"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        make_model(Path(directory), "mid")
        config = read_config(Path(directory))
    with torch.inference_mode():
        ratios = [measure(config, arguments.requests, length, arguments.rounds) for length in LENGTHS]
    sys.stdout.write(f"decode_attention: ratio {max(ratios):.2f} at worst\n")


if __name__ == "__main__":
    main()
