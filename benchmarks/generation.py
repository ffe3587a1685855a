"""Tokens per second of the CPU engine's HTTP server against Hugging Face generate, both with log-probabilities.

64 concurrent requests of 100 + 100 tokens on a random Qwen3-shaped student. Rounds alternate, so that a busy machine
slows both; each side runs on one thread. The last line is for scripts.
"""

import argparse
import asyncio
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

REQUESTS, PROMPT_TOKENS, NEW_TOKENS, VOCABULARY = 64, 100, 100, 1024
GOAL = 1.5
SHAPES = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2},
    "mid": {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4},
}
# Importing torch takes two seconds on a quiet machine, many on a loaded one.
START_SECONDS = 60.0


def make_model(directory: Path, size: str) -> PreTrainedModel:
    """A random student, saved for the server and returned for the peer."""
    torch.manual_seed(0)
    shape = SHAPES[size]
    config = Qwen3Config(
        **shape,
        vocab_size=VOCABULARY,
        head_dim=32,
        intermediate_size=3 * shape["hidden_size"],
        tie_word_embeddings=True,
        max_position_embeddings=1024,
    )
    model = AutoModelForCausalLM.from_config(config).float().eval()
    model.save_pretrained(directory)
    return model


def peer_seconds(model: PreTrainedModel, prompts: list[list[int]]) -> float:
    """One static batch; log-probabilities of the sampled tokens from the returned scores."""
    started = time.perf_counter()
    tokens = torch.tensor(prompts)
    out = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=True,
        top_k=0,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    logprobs = torch.log_softmax(torch.stack(out.logits, 1), -1)
    logprobs.gather(2, out.sequences[:, PROMPT_TOKENS:].unsqueeze(2)).tolist()
    return time.perf_counter() - started


async def server_seconds(url: str, prompts: list[list[int]]) -> float:
    """All prompts as concurrent HTTP requests."""
    sampling = {"max_new_tokens": NEW_TOKENS, "temperature": 1.0, "ignore_eos": True}

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(prompt: list[int]) -> int:
            body = {"input_ids": prompt, "sampling_params": sampling, "return_logprob": True}
            async with session.post(f"{url}/generate", json=body) as answer:
                return len((await answer.json())["meta_info"]["output_token_logprobs"])

        started = time.perf_counter()
        counts = await asyncio.gather(*map(one, prompts))
        seconds = time.perf_counter() - started
    assert counts == [NEW_TOKENS] * REQUESTS
    return seconds


def start_server(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """The engine as a user starts it; returns when it accepts connections."""
    settings = {"STUDENT_INFERENCE_MODEL_PATH": str(directory), "STUDENT_INFERENCE_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "student_inference"], env=os.environ | settings, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def measure(rounds: int, ours: Callable[[], float], peer: Callable[[], float]) -> float:
    """Median ratio over alternating rounds, after one that warms both up."""
    ratios = []
    for number in range(rounds + 1):
        peer_s, ours_s = peer(), ours()
        tokens = REQUESTS * NEW_TOKENS
        sys.stdout.write(f"round {number}: ours {tokens / ours_s:.0f} tokens/s, peer {tokens / peer_s:.0f}\n")
        if number:
            ratios.append(peer_s / ours_s)
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="tiny")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(0)

    def prompts() -> list[list[int]]:
        return [[rng.randrange(3, VOCABULARY) for _ in range(PROMPT_TOKENS)] for _ in range(REQUESTS)]

    with tempfile.TemporaryDirectory() as directory, socket.socket() as probe:
        model = make_model(Path(directory), arguments.size)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = start_server(Path(directory), port)
        try:
            ratio = measure(
                arguments.rounds,
                lambda: asyncio.run(server_seconds(f"http://127.0.0.1:{port}", prompts())),
                lambda: peer_seconds(model, prompts()),
            )
        finally:
            server.terminate()
            server.wait()
    sys.stdout.write(f"generation: ratio {ratio:.2f} (goal {GOAL}), against Hugging Face generate, {arguments.size}\n")


if __name__ == "__main__":
    main()
