"""Tokens per second of the CPU engine's HTTP server against Hugging Face generate, both with log-probabilities.

On a random Qwen3-shaped student: 64 concurrent requests of 100 + 100 tokens, or, with `--case shared`, 64 episodes of
three attempts whose 8 questions are shared by 8 members each. Rounds alternate, so that a busy machine slows both; each
side runs on one thread. The last line is for scripts.
"""

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import torch
from processes import free_port, start
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

REQUESTS, PROMPT_TOKENS, VOCABULARY = 64, 100, 1024
GOAL = 1.5


@dataclass(frozen=True)
class Case:
    """One load. Between two attempts of an episode, guidance is appended to its context."""

    questions: int
    attempts: int
    new_tokens: int
    guidance_tokens: int = 20

    def prompts(self, rng: random.Random) -> list[list[int]]:
        distinct = [random_tokens(rng, PROMPT_TOKENS) for _ in range(self.questions)]
        return distinct * (REQUESTS // self.questions)


CASES = {"plain": Case(64, attempts=1, new_tokens=100), "shared": Case(8, attempts=3, new_tokens=40)}
SHAPES = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2},
    "mid": {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4},
}
# Importing torch takes two seconds on a quiet machine, many on a loaded one.


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


def random_tokens(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(3, VOCABULARY) for _ in range(count)]


def peer_seconds(model: PreTrainedModel, case: Case, rng: random.Random) -> float:
    """One static batch for each attempt; log-probabilities of the sampled tokens from the returned scores."""
    tokens = torch.tensor(case.prompts(rng))
    started = time.perf_counter()
    for attempt in range(case.attempts):
        if attempt:
            guidance = torch.tensor([random_tokens(rng, case.guidance_tokens) for _ in range(REQUESTS)])
            tokens = torch.cat([tokens, guidance], 1)
        out = model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=case.new_tokens,
            min_new_tokens=case.new_tokens,
            do_sample=True,
            top_k=0,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        logprobs = torch.log_softmax(torch.stack(out.logits, 1), -1)
        logprobs.gather(2, out.sequences[:, tokens.shape[1] :].unsqueeze(2)).tolist()
        tokens = out.sequences
    return time.perf_counter() - started


async def server_seconds(url: str, case: Case, rng: random.Random) -> float:
    """All episodes at once, each attempt an HTTP request."""
    sampling = {"max_new_tokens": case.new_tokens, "temperature": 1.0, "ignore_eos": True}

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def episode(context: list[int]) -> None:
            for _ in range(case.attempts):
                body = {"input_ids": context, "sampling_params": sampling, "return_logprob": True}
                async with session.post(f"{url}/generate", json=body) as response:
                    answer = await response.json()
                assert len(answer["meta_info"]["output_token_logprobs"]) == case.new_tokens
                context = context + answer["output_ids"] + random_tokens(rng, case.guidance_tokens)

        prompts = case.prompts(rng)
        started = time.perf_counter()
        await asyncio.gather(*map(episode, prompts))
        return time.perf_counter() - started


def start_server(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """The engine as a user starts it; returns when it accepts connections."""
    settings = {"STUDENT_INFERENCE_MODEL_PATH": str(directory), "STUDENT_INFERENCE_PORT": str(port)}
    return start([sys.executable, "-m", "student_inference"], port, **settings)


def measure(rounds: int, tokens: int, ours: Callable[[], float], peer: Callable[[], float]) -> float:
    """Median ratio over alternating rounds, after one that warms both up."""
    ratios = []
    for number in range(rounds + 1):
        peer_s, ours_s = peer(), ours()
        sys.stdout.write(f"round {number}: ours {tokens / ours_s:.0f} tokens/s, peer {tokens / peer_s:.0f}\n")
        if number:
            ratios.append(peer_s / ours_s)
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="tiny")
    parser.add_argument("--case", choices=sorted(CASES), default="plain")
    parser.add_argument("--peer", default="", help="URL of another engine (SGLang) that serves this model; else HF")
    parser.add_argument("--save", type=Path, help="write the model there and exit: for a peer to serve")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng, case = random.Random(0), CASES[arguments.case]
    if arguments.save:
        make_model(arguments.save, arguments.size)
        return
    with tempfile.TemporaryDirectory() as directory:
        model, port = make_model(Path(directory), arguments.size), free_port()
        server = start_server(Path(directory), port)
        try:
            ratio = measure(
                arguments.rounds,
                REQUESTS * case.attempts * case.new_tokens,
                lambda: asyncio.run(server_seconds(f"http://127.0.0.1:{port}", case, rng)),
                lambda: (
                    asyncio.run(server_seconds(arguments.peer, case, rng))
                    if arguments.peer
                    else peer_seconds(model, case, rng)
                ),
            )
        finally:
            server.terminate()
            server.wait()
    peer = arguments.peer or "Hugging Face generate"
    name = f"{arguments.size}, {arguments.case}"
    sys.stdout.write(f"generation: ratio {ratio:.2f} (goal {GOAL}), against {peer}, {name}\n")


if __name__ == "__main__":
    main()
