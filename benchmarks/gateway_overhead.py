"""What the teacher gateway adds to a call: the same stub asked directly and through it, alternately in one run.

Goals (issue 5): at most 1.5 ms of the gateway's CPU per call, p99 added latency under 20 ms with 256 in flight, no
failure; memory flat over 100,000 calls (--soak 100000, with a stub that answers at once).
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import psutil  # type: ignore[import-untyped]
from aiohttp import web
from processes import free_port, start

IN_FLIGHT = (1, 64, 256, 512)
JUDGED = 256
GOAL_CPU_MS, GOAL_P99_MS = 1.5, 20.0
# A commercial model: answers take 2 to 6 s. Callers start spread over 4 s: episodes are not in step.
STUB_SECONDS = 4.0
CALLS_PER_PLACE = 3
MEBI = 1 << 20
QUESTION = "Which of the four conductors has the lowest density? " * 12
ANSWER = {
    "id": "chatcmpl-0",
    "object": "chat.completion",
    "created": 0,
    "model": "stub",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Check it. " * 40}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 300, "completion_tokens": 120, "total_tokens": 420},
}
Ask = Callable[[aiohttp.ClientSession], Awaitable[int]]


@dataclass(frozen=True)
class Round:
    """Latencies in seconds, failures, and CPU seconds of the gateway."""

    seconds: list[float]
    failures: int
    cpu_seconds: float

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[98]


def serve_stub(port: int, seconds: float) -> None:
    """The stub teacher: one answer after `seconds`, half more or less."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def askers(stub: int, gateway: int) -> tuple[Ask, Ask]:
    """The same question, directly and through the gateway."""
    base_url = f"http://127.0.0.1:{stub}/v1"
    message = {"role": "user", "content": QUESTION}
    chat = {"model": "stub", "messages": [message], "temperature": 0.2, "max_tokens": 1024, "seed": 0}
    guidance = {
        "job_id": "bench",
        "episode_id": "bench/train/1/q/0",
        "attempt": 1,
        "teacher": {"provider": "openai_compatible", "base_url": base_url, "model": "stub"},
        "question": QUESTION,
        "dialogue": [message, {"role": "assistant", "content": "B"}],
        "latest_answer": "B",
    }

    def ask(url: str, body: bytes) -> Ask:
        async def post(session: aiohttp.ClientSession) -> int:
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                await response.read()
                return response.status

        return post

    direct = ask(f"{base_url}/chat/completions", json.dumps(chat).encode())
    return direct, ask(f"http://127.0.0.1:{gateway}/v1/guidance", json.dumps(guidance).encode())


async def measure(ask: Ask, in_flight: int, calls: int, gateway: psutil.Process) -> Round:
    """`calls` calls, `in_flight` at any time."""
    seconds: list[float] = []
    statuses: list[int] = []
    remaining = iter(range(calls))

    async def caller(session: aiohttp.ClientSession, delay: float) -> None:
        await asyncio.sleep(delay)
        for _ in remaining:
            started = time.perf_counter()
            statuses.append(await ask(session))
            seconds.append(time.perf_counter() - started)

    before = sum(gateway.cpu_times()[:2])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:
        await asyncio.gather(*(caller(session, place / in_flight * STUB_SECONDS) for place in range(in_flight)))
    failures = sum(status != 200 for status in statuses)
    return Round(seconds, failures, sum(gateway.cpu_times()[:2]) - before)


def compare(direct: Ask, through: Ask, gateway: psutil.Process, rounds: int) -> float:
    """A line for each number in flight; returns the judged ratio of p99 latencies. Raises SystemExit on a failure."""
    judged = 0.0
    for in_flight in IN_FLIGHT:
        calls = max(8, in_flight * CALLS_PER_PLACE)
        asyncio.run(measure(through, in_flight, in_flight, gateway))  # warms connections and code up
        added, ratios, cpu = [], [], []
        for _ in range(rounds):
            plain = asyncio.run(measure(direct, in_flight, calls, gateway))
            ours = asyncio.run(measure(through, in_flight, calls, gateway))
            if ours.failures:
                raise SystemExit(f"{ours.failures} of {calls} calls failed with {in_flight} in flight")
            added.append((ours.p99 - plain.p99) * 1e3)
            ratios.append(ours.p99 / plain.p99)
            cpu.append(ours.cpu_seconds / calls * 1e3)
        sys.stdout.write(
            f"{in_flight} in flight: p99 +{statistics.median(added):.1f} ms (goal {GOAL_P99_MS:g} at {JUDGED}), "
            f"{statistics.median(cpu):.2f} ms CPU per call (goal {GOAL_CPU_MS}), 0 failures\n"
        )
        judged = statistics.median(ratios) if in_flight == JUDGED else judged
    return judged


def soak(through: Ask, gateway: psutil.Process, calls: int) -> None:
    """Resident memory after each tenth of `calls`."""
    for tenth in range(1, 11):
        done = asyncio.run(measure(through, 64, calls // 10, gateway))
        memory = gateway.memory_info().rss / MEBI
        sys.stdout.write(f"{tenth * calls // 10} calls: {memory:.1f} MiB, {done.failures} failures\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=0, help="Calls of the memory test, instead of the comparison.")
    parser.add_argument("--stub", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seconds = 0.0 if arguments.soak else STUB_SECONDS
    if arguments.stub:
        return serve_stub(arguments.stub, float(os.environ["STUB_SECONDS"]))
    stub, port = free_port(), free_port()
    processes = [start([sys.executable, __file__, "--stub", str(stub)], stub, STUB_SECONDS=str(seconds))]
    try:
        command = [sys.executable, "-m", "teacher_gateway"]
        processes.append(start(command, port, TEACHER_GATEWAY_PORT=str(port), TEACHER_GATEWAY_LOG_LEVEL="warning"))
        direct, through = askers(stub, port)
        gateway = psutil.Process(processes[-1].pid)
        if arguments.soak:
            return soak(through, gateway, arguments.soak)
        ratio = compare(direct, through, gateway, arguments.rounds)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    slowest = 1.5 * STUB_SECONDS
    goal = (slowest + GOAL_P99_MS / 1e3) / slowest
    sys.stdout.write(
        f"gateway_overhead: ratio {ratio:.3f} (goal {goal:.2f}), against aiohttp without gateway, p99 of {JUDGED}\n"
    )
    return None


if __name__ == "__main__":
    main()
