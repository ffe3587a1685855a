"""The engines that `generation.py` compares, each with one call: run all episodes of a case, and say how long it took.

SGLang and vLLM run in environments of their own (tools/sglang/install.sh, tools/vllm/install.sh).
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import torch
from generation_cases import REQUESTS, Case
from processes import Servers, free_port
from transformers import AutoModelForCausalLM

# The slowest engine needs half a minute for a case on a loaded machine.
RUN_SECONDS = 400.0
SGLANG_PROGRAM = Path(__file__).parents[1] / "tools/sglang/serve.py"

Seconds = Callable[[Case], float]


@dataclass(frozen=True)
class Contender:
    """One engine at one thread setting."""

    family: str
    setting: str
    run: Seconds


def hugging_face(directory: Path, threads: int) -> Contender:
    """`generate` of transformers in this process: one static batch for each attempt."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()

    def run(case: Case) -> float:
        torch.set_num_threads(threads)
        tokens = torch.tensor(case.prompts())
        started = time.perf_counter()
        for attempt in range(case.attempts):
            if attempt:
                tokens = torch.cat([tokens, torch.tensor([case.guidance() for _ in range(REQUESTS)])], 1)
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

    return Contender("Hugging Face generate", f"{threads} threads", run)


def cpu_engine(servers: Servers, directory: Path, threads: int) -> Contender:
    """Ours, as a user starts it."""
    port = free_port()
    settings = {"MODEL_PATH": str(directory), "PORT": str(port), "THREADS": str(threads)}
    environment = {f"STUDENT_INFERENCE_{name}": value for name, value in settings.items()}
    environment["OMP_NUM_THREADS"] = str(threads)
    servers.start([sys.executable, "-m", "student_inference"], port, environment)
    return Contender("the CPU engine", f"{threads} threads", sglang_api(port))


def sglang(servers: Servers, python: str, directory: Path, threads: int) -> Contender:
    port = free_port()
    values = {
        "--model-path": directory,
        "--host": "127.0.0.1",
        "--port": port,
        "--device": "cpu",
        "--attention-backend": "torch_native",
        "--dtype": "float32",
        "--context-length": 1024,
        "--max-total-tokens": 65536,
    }
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads), "SGLANG_USE_CPU_ENGINE": "0"}
    servers.start([python, str(SGLANG_PROGRAM), *arguments(values), "--sleep-on-idle"], port, environment)
    return Contender("SGLang on the CPU", f"{threads} threads", sglang_api(port))


def vllm(servers: Servers, python: str, directory: Path) -> Contender:
    """vLLM binds its threads to the cores itself."""
    port = free_port()
    values = {
        "--model": directory,
        "--served-model-name": "student",
        "--host": "127.0.0.1",
        "--port": port,
        "--dtype": "float32",
        "--max-model-len": 1024,
    }
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    servers.start([python, "-m", "vllm.entrypoints.openai.api_server", *arguments(values)], port, quiet)
    url = f"http://127.0.0.1:{port}/v1/completions"

    def ask(context: list[int], new_tokens: int) -> dict[str, Any]:
        sampling = {"max_tokens": new_tokens, "temperature": 1.0, "ignore_eos": True, "logprobs": 0}
        return {"model": "student", "prompt": context, "return_token_ids": True, **sampling}

    def read(answer: dict[str, Any]) -> tuple[list[int], int]:
        [choice] = answer["choices"]
        return choice["token_ids"], len(choice["logprobs"]["token_logprobs"])

    return Contender("vLLM's server on the CPU", "its own threads", over_http(url, ask, read))


def sglang_api(port: int) -> Seconds:
    def ask(context: list[int], new_tokens: int) -> dict[str, Any]:
        sampling = {"max_new_tokens": new_tokens, "temperature": 1.0, "ignore_eos": True}
        return {"input_ids": context, "sampling_params": sampling, "return_logprob": True}

    def read(answer: dict[str, Any]) -> tuple[list[int], int]:
        return answer["output_ids"], len(answer["meta_info"]["output_token_logprobs"])

    return over_http(f"http://127.0.0.1:{port}/generate", ask, read)


def over_http(
    url: str,
    ask: Callable[[list[int], int], dict[str, Any]],
    read: Callable[[dict[str, Any]], tuple[list[int], int]],
) -> Seconds:
    """All episodes at once, each attempt an HTTP request that brings a log-probability for every token."""

    async def episode(session: aiohttp.ClientSession, case: Case, context: list[int]) -> None:
        for _ in range(case.attempts):
            async with session.post(url, json=ask(context, case.new_tokens)) as response:
                output, logprobs = read(await response.json())
            assert len(output) == logprobs == case.new_tokens
            context = context + output + case.guidance()

    async def all_episodes(case: Case) -> float:
        limits = aiohttp.ClientTimeout(total=RUN_SECONDS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limits) as session:
            prompts = case.prompts()
            started = time.perf_counter()
            await asyncio.gather(*(episode(session, case, prompt) for prompt in prompts))
            return time.perf_counter() - started

    return lambda case: asyncio.run(all_episodes(case))


def arguments(values: dict[str, Any]) -> list[str]:
    return [str(part) for pair in values.items() for part in pair]
