"""200 concurrent guidances, failing tries, a gateway killed in between: what the teacher served stays below the cap."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import yaml

from .conftest import StartProcess, StartTeacher
from .processes import START_SECONDS, free_port, until_ready
from .scripted import DROP, STALL, chat_completion, chat_error, guidance_request, http_answer

CALLS = 200
CALLS_BEFORE_KILL = 5
GOOD = http_answer(200, chat_completion("Check the carry."))
SCRIPT = [
    GOOD,
    http_answer(500, chat_error("overloaded")),
    GOOD[:-10] + DROP,
    http_answer(429, chat_error("slow down"), {"retry-after": "0"}),
    GOOD,
    DROP,
    STALL,
] * 100
PRICE = {"prompt_usd_per_million": 1000.0, "completion_usd_per_million": 1000.0}
TRUE_TOKENS = 29
TRUE_COST = TRUE_TOKENS * 1000.0 / 1e6  # of each request that the teacher served, whether its answer arrived or not
MOST_TOKENS = 60
MOST_TRIES = 5  # of the gateway, per guidance
CAPS: dict[str, dict[str, float]] = {
    "job-by-usd": {"usd": 25.0},
    "job-by-tokens": {"tokens": 25_000},
    "job-by-requests": {"requests": 60},
}


def teachers_file(directory: Path, base_url: str) -> str:
    """One priced teacher, whose failures open no breaker."""
    provider = {"kind": "openai_compatible", "base_url": base_url, "breaker": {"failures": 100_000}}
    rungs = {"dear": {"provider": "account", "model": "m", "price": PRICE}}
    file = directory / "teachers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"account": provider}, "teachers": rungs}))
    return str(file)


async def test_no_cap_is_exceeded_under_load_and_kills(
    start_teacher: StartTeacher,
    start_process: StartProcess,
    tmp_path: Path,
    redis_url: str,
) -> None:
    teacher = await start_teacher(*SCRIPT)
    settings = {"redis_url": redis_url, "teachers_file": teachers_file(tmp_path, teacher.base_url)}
    ports = [free_port(), free_port()]
    gateways = [start_process(port, **settings) for port in ports]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    await asyncio.gather(*map(until_ready, urls))

    async def ask(client: httpx2.AsyncClient, number: int) -> int:
        """The status, 0 where the gateway died under the call."""
        try:
            return (await client.post(urls[number // len(CAPS) % 2] + "/v1/guidance", json=body_of(number))).status_code
        except httpx2.TransportError:
            return 0

    async def kill_one() -> None:
        deadline = time.monotonic() + START_SECONDS
        while len(teacher.seen) < CALLS_BEFORE_KILL and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        os.kill(gateways[0].pid, signal.SIGKILL)

    async with httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=CALLS)) as client:
        *statuses, _ = await asyncio.gather(*(ask(client, number) for number in range(CALLS)), kill_one())
        start_process(ports[0], **settings)
        await until_ready(urls[0])
        statuses += await asyncio.gather(*(ask(client, number) for number in range(CALLS)))
        found = {job: (await client.get(f"{urls[1]}/v1/budgets/{job}")).json() for job in CAPS}

    assert {0, 200, 402} <= set(statuses)  # killed, served, refused
    for job, cap in CAPS.items():
        served = sum(job in str(seen.body) for seen in teacher.seen)
        assert_within_cap(found[job], served, cap)


def assert_within_cap(spending: dict[str, Any], served: int, cap: dict[str, float]) -> None:
    """Requests served, and their true cost, stay within what is held, and that within the cap."""
    settled, held = spending["settled"], spending["held"]
    assert 0 < served <= held["requests"] <= cap.get("requests", 2 * CALLS * MOST_TRIES)
    assert served * TRUE_COST - 1e-9 <= held["usd"] <= cap.get("usd", held["usd"])
    assert served * TRUE_TOKENS <= held["tokens"] <= cap.get("tokens", held["tokens"])
    # Calls that were cut off, by their deadline or with their gateway, stay counted at their worst case.
    assert settled["requests"] < held["requests"]


def body_of(number: int) -> dict[str, Any]:
    """Calls of the jobs in turn; the question names the job, so that the teacher knows whom it serves."""
    job = list(CAPS)[number % len(CAPS)]
    teacher = {"name": "dear", "max_guidance_tokens": MOST_TOKENS, "timeout_seconds": 2, "budget": CAPS[job]}
    return guidance_request(teacher, seed=number, job_id=job, question=f"What is 2 + 3 in {job}?")
