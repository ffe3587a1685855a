"""Tokens per second of the CPU engine's HTTP server against Hugging Face generate, vLLM and SGLang on the same CPU.

On a random Qwen3-shaped student, all with log-probabilities: 64 concurrent requests of 100 + 100 tokens (`plain`), or
64 episodes of three attempts whose 8 questions are shared by 8 members each (`shared`). Rounds alternate, so that a
busy machine slows everybody. Every engine counts with its best setting: one process of one or two threads, or two
processes of one thread that share the episodes (SGLang: one thread only). vLLM and SGLang take part when their
interpreters are found; `--quick` starts neither and compares with Hugging Face alone. Left out: first starts,
and the servers' idle processor time. The last line of each case is for scripts.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from engine_peers import PROCESSES, Contender, cpu_engine, hugging_face, hugging_face_processes, sglang, vllm
from generation_cases import CASES, SHAPES, Case, make_model
from processes import Servers

GOAL = 1.5
THREADS = (1, 2)
# Where tools/vllm/install.sh and tools/sglang/install.sh put them.
ENVIRONMENTS = Path(".socratic")


def contenders(servers: Servers, directory: Path, vllm_python: str, sglang_python: str) -> list[Contender]:
    """Ours and the peers, all ready."""
    found = [cpu_engine(servers, directory, threads) for threads in THREADS]
    found.append(cpu_engine(servers, directory, 1, PROCESSES))
    found += [hugging_face(directory, threads) for threads in THREADS]
    found.append(hugging_face_processes(directory))
    if vllm_python:
        found += [vllm(servers, vllm_python, directory, processes) for processes in (1, PROCESSES)]
    if sglang_python:
        # With two threads on two cores it was several times slower than with one.
        found.append(sglang(servers, sglang_python, directory, 1))
    servers.wait()
    return found


def measure(rounds: int, case: Case, ready: list[Contender]) -> dict[Contender, float]:
    """Median tokens per second of each over alternating rounds, after one that warms everybody up."""
    speeds: dict[Contender, list[float]] = {contender: [] for contender in ready}
    for number in range(rounds + 1):
        for contender, measured in speeds.items():
            speed = case.tokens / contender.run(case)
            if number:
                measured.append(speed)
    for contender, measured in speeds.items():
        shown = " ".join(f"{speed:.0f}" for speed in measured)
        sys.stdout.write(f"  {contender.family}, {contender.setting}: {shown} tokens/s\n")
    return {contender: statistics.median(measured) for contender, measured in speeds.items()}


def report(name: str, medians: dict[Contender, float]) -> None:
    """One line for each peer, the last for the best of them: best setting against best setting."""
    best: dict[str, float] = {}
    for contender, speed in medians.items():
        best[contender.family] = max(speed, best.get(contender.family, 0.0))
    ours = best.pop("the CPU engine")
    for peer, speed in sorted(best.items(), key=lambda item: item[1]):
        sys.stdout.write(f"  against {peer}, {name}: {ours:.0f} / {speed:.0f} = {ours / speed:.2f}\n")
    strongest = max(best, key=lambda peer: best[peer])
    ratio = ours / best[strongest]
    sys.stdout.write(f"generation: ratio {ratio:.2f} (goal {GOAL}), against {strongest}, {name}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="tiny")
    parser.add_argument("--case", choices=[*sorted(CASES), "both"], default="plain")
    parser.add_argument("--vllm-python", default=str(ENVIRONMENTS / "vllm-venv/bin/python"))
    parser.add_argument("--sglang-python", default=str(ENVIRONMENTS / "sglang-venv/bin/python"))
    parser.add_argument("--quick", action="store_true", help="Hugging Face generate is the only peer")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    peers = {name: python for name, python in vars(asked).items() if name.endswith("_python")}
    for name, python in peers.items():
        if asked.quick or not Path(python).exists():
            sys.stdout.write(f"  left out: {name.removesuffix('_python')}\n")
            peers[name] = ""
    with tempfile.TemporaryDirectory() as directory, Servers() as servers:
        make_model(Path(directory), asked.size)
        ready = contenders(servers, Path(directory), **peers)
        for case in sorted(CASES) if asked.case == "both" else [asked.case]:
            report(f"{asked.size}, {case}", measure(asked.rounds, CASES[case], ready))


if __name__ == "__main__":
    main()
