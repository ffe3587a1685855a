"""The engines that `generation.py` compares, each with one call: run all episodes of a case, and say how long it took.

SGLang and vLLM run in environments of their own (tools/sglang/install.sh, tools/vllm/install.sh).
"""

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import torch
from generation_cases import Case
from processes import Servers, free_port
from transformers import AutoModelForCausalLM

# The slowest engine needs half a minute for a case on a loaded machine.
RUN_SECONDS = 400.0
# As many as the machine has cores, like the highest number of threads.
PROCESSES = 2
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
    model = load_model(directory)

    def run(case: Case) -> float:
        torch.set_num_threads(threads)
        prompts = case.prompts()
        started = time.perf_counter()
        generate(model, case, prompts)
        return time.perf_counter() - started

    return Contender("Hugging Face generate", f"{threads} threads", run)


def hugging_face_processes(directory: Path) -> Contender:
    """The same in PROCESSES processes of one thread: each has its part of the episodes, the slowest one counts."""
    spawn = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, spawn) for _ in range(PROCESSES)]

    def run(case: Case) -> float:
        prompts = case.prompts()
        started = time.perf_counter()
        parts = [pool.submit(work, directory, case, prompts[part::PROCESSES]) for part, pool in enumerate(pools)]
        for part in parts:
            part.result(RUN_SECONDS)
        return time.perf_counter() - started

    return Contender("Hugging Face generate", f"{PROCESSES} processes of 1 thread", run)


@cache
def load_model(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def work(directory: Path, case: Case, prompts: list[list[int]]) -> None:
    """What a worker process does; it loads the model in the round that warms up."""
    torch.set_num_threads(1)
    generate(load_model(directory), case, prompts)


def generate(model: Any, case: Case, prompts: list[list[int]]) -> None:
    """All attempts of these episodes, with the log-probability of every token."""
    tokens = torch.tensor(prompts)
    for attempt in range(case.attempts):
        if attempt:
            tokens = torch.cat([tokens, torch.tensor([case.guidance() for _ in prompts])], 1)
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


def cpu_engine(servers: Servers, directory: Path, threads: int, processes: int = 1) -> Contender:
    """Ours, as a user starts it."""
    ports = [free_port() for _ in range(processes)]
    for port in ports:
        settings = {"MODEL_PATH": str(directory), "PORT": str(port), "THREADS": str(threads)}
        environment = {f"STUDENT_INFERENCE_{name}": value for name, value in settings.items()}
        environment["OMP_NUM_THREADS"] = str(threads)
        servers.start([sys.executable, "-m", "student_inference"], port, environment)
    setting = f"{threads} threads" if processes == 1 else f"{processes} processes of {threads} thread"
    return Contender("the CPU engine", setting, sglang_api(ports))


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
    return Contender("SGLang on the CPU", f"{threads} threads", sglang_api([port]))


def vllm(servers: Servers, python: str, directory: Path, processes: int = 1) -> Contender:
    """One server binds its threads to all cores itself; of several, each has a core."""
    ports = [free_port() for _ in range(processes)]
    for core, port in zip(sorted(os.sched_getaffinity(0)), ports, strict=False):
        values = {
            "--model": directory,
            "--served-model-name": "student",
            "--host": "127.0.0.1",
            "--port": port,
            "--dtype": "float32",
            "--max-model-len": 1024,
        }
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
        if processes > 1:
            quiet["VLLM_CPU_OMP_THREADS_BIND"] = str(core)
        servers.start([python, "-m", "vllm.entrypoints.openai.api_server", *arguments(values)], port, quiet)
    urls = [f"http://127.0.0.1:{port}/v1/completions" for port in ports]

    def ask(context: list[int], new_tokens: int) -> dict[str, Any]:
        sampling = {"max_tokens": new_tokens, "temperature": 1.0, "ignore_eos": True, "logprobs": 0}
        return {"model": "student", "prompt": context, "return_token_ids": True, **sampling}

    def read(answer: dict[str, Any]) -> tuple[list[int], int]:
        [choice] = answer["choices"]
        return choice["token_ids"], len(choice["logprobs"]["token_logprobs"])

    setting = "its own threads" if processes == 1 else f"{processes} processes of 1 thread"
    return Contender("vLLM's server on the CPU", setting, over_http(urls, ask, read))


def sglang_api(ports: list[int]) -> Seconds:
    def ask(context: list[int], new_tokens: int) -> dict[str, Any]:
        sampling = {"max_new_tokens": new_tokens, "temperature": 1.0, "ignore_eos": True}
        return {"input_ids": context, "sampling_params": sampling, "return_logprob": True}

    def read(answer: dict[str, Any]) -> tuple[list[int], int]:
        return answer["output_ids"], len(answer["meta_info"]["output_token_logprobs"])

    return over_http([f"http://127.0.0.1:{port}/generate" for port in ports], ask, read)


def over_http(
    urls: list[str],
    ask: Callable[[list[int], int], dict[str, Any]],
    read: Callable[[dict[str, Any]], tuple[list[int], int]],
) -> Seconds:
    """All episodes at once, each attempt an HTTP request that brings a log-probability for every token.

    Of several servers, the one with the fewest episodes gets a new group, and all its members and attempts.
    """

    async def episode(session: aiohttp.ClientSession, case: Case, url: str, context: list[int]) -> None:
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
            await asyncio.gather(*(episode(session, case, url, prompt) for url, prompt in spread(urls, prompts)))
            return time.perf_counter() - started

    return lambda case: asyncio.run(all_episodes(case))


def spread(urls: list[str], prompts: list[list[int]]) -> list[tuple[str, list[int]]]:
    """A server for each prompt; equal prompts, the members of a group, share one."""
    load = dict.fromkeys(urls, 0)
    home: dict[tuple[int, ...], str] = {}
    placed = []
    for prompt in prompts:
        url = home.setdefault(tuple(prompt), min(load, key=lambda one: load[one]))
        load[url] += 1
        placed.append((url, prompt))
    return placed


def arguments(values: dict[str, Any]) -> list[str]:
    return [str(part) for pair in values.items() for part in pair]
