"""The gateway dies between the provider's answer and its own record of it: what is guaranteed then.

The answer is lost and asked for again, once; the lost call stays counted at its worst case; after that nothing is paid
for again.
"""

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import yaml

from .conftest import StartProcess, StartTeacher
from .processes import free_port, until_ready
from .scripted import STALL, chat_completion, guidance_request, http_answer

GOOD = http_answer(200, chat_completion("Check the carry."))
PRICE = {"prompt_usd_per_million": 1000.0, "completion_usd_per_million": 1000.0}
COST = 29 * 1000.0 / 1e6  # of one call by the teacher's own count


async def test_a_gateway_killed_before_its_record_pays_twice_at_most_and_counts_both(
    start_teacher: StartTeacher, start_process: StartProcess, tmp_path: Path, redis_url: str
) -> None:
    teacher = await start_teacher(STALL, GOOD)
    file = tmp_path / "teachers.yaml"
    provider = {"kind": "openai_compatible", "base_url": teacher.base_url}
    named = {"dear": {"provider": "account", "model": "m", "price": PRICE}}
    file.write_text(yaml.safe_dump({"providers": {"account": provider}, "teachers": named}))
    settings = {"redis_url": redis_url, "teachers_file": str(file), "cassette_root": str(tmp_path / "cassettes")}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    budget, cassette = {"usd": 10.0}, {"mode": "replay_or_record"}
    body = guidance_request({"name": "dear", "max_guidance_tokens": 60, "budget": budget, "cassette": cassette})
    gateway = start_process(port, **settings)
    await until_ready(url)
    async with httpx2.AsyncClient(timeout=30) as client:
        lost = asyncio.create_task(client.post(url + "/v1/guidance", json=body))
        await teacher.arrivals.acquire()
        # Stopped before the answer is sent, so it can neither settle nor record it; then killed.
        os.kill(gateway.pid, signal.SIGSTOP)
        teacher.writers[0].write(GOOD)
        await teacher.writers[0].drain()
        os.kill(gateway.pid, signal.SIGKILL)
        assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], httpx2.TransportError)
        gateway.wait()
        start_process(port, **settings)
        await until_ready(url)
        answers = [(await client.post(url + "/v1/guidance", json=body)).json() for _ in range(3)]
        spent = (await client.get(url + "/v1/budgets/job-1")).json()
    assert [answer["replayed"] for answer in answers] == [False, True, True]
    assert len(teacher.seen) == 2
    assert (spent["settled"]["requests"], spent["held"]["requests"]) == (1, 2)
    assert 2 * COST <= spent["held"]["usd"] <= 10.0
