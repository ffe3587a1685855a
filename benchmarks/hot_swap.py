"""From `publish` to the first token of the new version, against the time that the bytes alone need.

One CPU engine answers streaming clients without a pause while the trainer's own publisher writes, prepares, swaps and
proves version after version. The limit is measured in the same run, alternately, and is the disk on every route: the
same bytes written in one go and forced to it (write + fsync). In a swap the disk has to take every byte once; nothing
is read back from it, as the page cache has it. Ours does not wait until the disk has all, as the checkpoint is what
must survive: so the time that forcing takes after each swap is measured too, and a second ratio counts it as ours.
`broadcast` and `upload` write the files while the new version is proved: how long `publish` takes in all is told too. A
third is against the same bytes through a loopback connection, which `broadcast` and `upload` need besides. For
`broadcast` gloo's own time is measured too: two idle processes, the same tensors. The last line is for scripts.
"""

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import torch
from gloo_pair import Side, gloo_pair
from processes import free_port, start
from trainer.engine import Engine
from trainer.policy import Policy
from trainer.publisher import WeightPublisher
from trainer.rotation import Rotation
from trainer.swapper import Swapper, SwapRules
from trainer.weight_routes import WeightRoute
from trainer.weight_routes.broadcast import Broadcast
from trainer.weight_routes.shared_directory import SharedDirectory
from trainer.weight_routes.upload import Upload
from transformers import Qwen3Config, Qwen3ForCausalLM

GOAL, ALLOWANCE_SECONDS = 1.5, 0.05
JOB = "bench"
# Hidden size, layers, vocabulary: fp32 weights of about so many megabytes.
SHAPES = {1: (64, 2, 2048), 100: (512, 6, 8192), 600: (1024, 11, 16384)}
ROUTES = {"shared_directory": SharedDirectory, "broadcast": lambda: Broadcast("127.0.0.1", "gloo"), "upload": Upload}
CLIENTS = 4
ANSWER_TOKENS = 64
# A client whose engine says nothing for so long has been forgotten.
STREAM_SECONDS = 120.0
RECEIVED_BYTES = 2**20


@dataclass
class Client:
    """Streams one answer after the other, and notes when each token came and from which version."""

    port: int
    arrivals: list[tuple[float, str]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)  # (at, seconds since the token before)
    failed: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until `stopping` is set."""
        while not self.stopping.is_set():
            try:
                self.stream()
            except (OSError, ValueError, KeyError):
                self.failed += 1

    def stream(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STREAM_SECONDS)
        sampling = {"max_new_tokens": ANSWER_TOKENS, "ignore_eos": True}
        body = {"input_ids": list(range(2, 34)), "sampling_params": sampling, "stream": True}
        connection.request("POST", "/generate", json.dumps(body))
        before, tokens = None, 0
        for line in connection.getresponse():
            if line.startswith(b"data: {"):
                now, meta = time.perf_counter(), json.loads(line[6:])["meta_info"]
                tokens = meta["completion_tokens"]
                self.arrivals.append((now, meta["weight_version"]))
                if before is not None:
                    self.gaps.append((now, now - before))
                before = now
        connection.close()
        self.failed += tokens != ANSWER_TOKENS


def make_base(directory: Path, megabytes: int) -> Path:
    hidden, layers, vocabulary = SHAPES[megabytes]
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128),
        head_dim=64,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(directory)
    return directory


def disk_seconds(data: memoryview, directory: Path) -> float:
    """Write the bytes in one go and wait until the disk has them."""
    path = directory / "limit"
    os.sync()
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def loopback_seconds(data: memoryview) -> float:
    """Send the bytes in one go over TCP on this machine, to a thread that throws them away."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = threading.Thread(target=receive, args=(listener, len(data)))
        receiver.start()
        with socket.create_connection(listener.getsockname()) as sender:
            started = time.perf_counter()
            sender.sendall(data)
            receiver.join(STREAM_SECONDS)
            return time.perf_counter() - started


def receive(listener: socket.socket, size: int) -> None:
    connection, _ = listener.accept()
    room = memoryview(bytearray(RECEIVED_BYTES))
    with connection:
        while size > 0 and (count := connection.recv_into(room)):
            size -= count


def forcing_seconds(paths: Sequence[Path]) -> float:
    started = time.perf_counter()
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return time.perf_counter() - started


@contextmanager
def clients_of(port: int) -> Iterator[list[Client]]:
    clients = [Client(port) for _ in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    yield clients
    for client in clients:
        client.stopping.set()
    for thread in threads:
        thread.join(STREAM_SECONDS)


def first_token(clients: Sequence[Client], version: str) -> float:
    """When the first token of this version arrived, by the performance counter."""
    deadline = time.perf_counter() + STREAM_SECONDS
    while time.perf_counter() < deadline:
        found = [at for client in clients for at, name in client.arrivals[-2 * ANSWER_TOKENS :] if name == version]
        if found:
            return min(found)
        time.sleep(0.001)
    raise RuntimeError(f"no token of {version}")


def measure(megabytes: int, rounds: int, route: WeightRoute) -> float:
    """Ratio of the medians, the allowance taken off."""
    with tempfile.TemporaryDirectory() as directory, torch.no_grad():
        root, port = Path(directory), free_port()
        base = make_base(root / "base", megabytes)
        settings = {"MODEL_PATH": str(base), "PORT": str(port), "MAX_TOTAL_TOKENS": "4096", "ALLOWED_ROOTS": '["/"]'}
        environment = {f"STUDENT_INFERENCE_{name}": value for name, value in settings.items()}
        server = start([sys.executable, "-m", "student_inference"], port, OMP_NUM_THREADS="1", **environment)
        engine, policy = Engine(f"http://127.0.0.1:{port}"), Policy.load(base, 1.0)
        rotation = Rotation([engine.url], lambda url, standing: None, {})
        swapper = Swapper([engine], route, rotation, lambda event: None, time.sleep, SwapRules())
        publisher = WeightPublisher(swapper, root, JOB, base)
        shapes = [tensor.shape for tensor in policy.weights().values()]
        pair = gloo_pair(shapes) if isinstance(route, Broadcast) else nullcontext()
        try:
            with clients_of(port) as clients, pair as peer:
                return report(megabytes, rounds, publisher, policy, clients, peer)
        finally:
            publisher.close()
            engine.close()
            server.terminate()
            server.wait()


@dataclass
class Round:
    """One swap: seconds from `publish` to its first token and to its return, and what was measured beside it."""

    ours: float
    whole: float
    forcing: float
    disk: float
    loopback: float
    stall: float
    gloo: float


def report(
    megabytes: int,
    rounds: int,
    publisher: WeightPublisher,
    policy: Policy,
    clients: Sequence[Client],
    peer: Side | None,
) -> float:
    """Publish and write in turn; the first two versions warm up what later ones reuse."""
    played = [play(version, publisher, policy, clients, peer) for version in range(rounds + 2)][2:]
    assert publisher.swapper.served is not None
    size = publisher.swapper.served.size / 1e6
    swaps = [one.ours for one in played]
    mine, forcing = statistics.median(swaps), statistics.median(one.forcing for one in played)
    disk, loopback = statistics.median(one.disk for one in played), statistics.median(one.loopback for one in played)
    ratio, durable, network = over(mine, disk), over(mine + forcing, disk), over(mine, loopback)
    phases = ", ".join(f"{name} {seconds:.3f}" for name, seconds in publisher.swapper.stopwatch.seconds.items())
    usual = statistics.median(gap for client in clients for _, gap in client.gaps)
    answers = sum(len(client.arrivals) for client in clients) // ANSWER_TOKENS
    sys.stdout.write(
        f"{size:.1f} MB: publish to first token {mine:.3f} s ({min(swaps):.3f} to {max(swaps):.3f}; last: {phases}), "
        f"publish in all {statistics.median(one.whole for one in played):.3f} s; "
        f"disk {disk:.3f} s ({size / disk:.0f} MB/s), ratio {ratio:.2f}; loopback {loopback:.3f} s "
        f"({size / loopback:.0f} MB/s), ratio {network:.2f}; {sum(client.failed for client in clients)} of {answers} "
        f"requests failed; longest wait for a token {statistics.median(one.stall for one in played):.3f} s, usually "
        f"{usual:.3f} s; forcing it to the disk would add {forcing:.3f} s (ratio {durable:.2f})"
    )
    if peer is not None:
        gloo = statistics.median(one.gloo for one in played)
        sys.stdout.write(f"; gloo alone {gloo:.3f} s ({size / gloo:.0f} MB/s), ratio {over(mine, gloo):.2f}")
    sys.stdout.write("\n")
    sys.stdout.flush()
    return ratio


def over(seconds: float, limit: float) -> float:
    """How many times the limit, the allowance taken off."""
    return max(0.0, seconds - ALLOWANCE_SECONDS) / limit


def play(
    version: int, publisher: WeightPublisher, policy: Policy, clients: Sequence[Client], peer: Side | None
) -> Round:
    """One swap, then the same bytes to the disk and through a connection."""
    for tensor in policy.weights().values():
        tensor.mul_(1.001)
    os.sync()
    started = time.perf_counter()
    publisher.publish(policy, version)
    whole = time.perf_counter() - started
    ours = first_token(clients, f"{JOB}:{version}") - started
    assert publisher.swapper.served is not None
    files = sorted(publisher.swapper.served.landing.place.glob("*.safetensors"))
    forcing = forcing_seconds(files)
    data = memoryview(b"".join(file.read_bytes() for file in files))
    during = [gap for client in clients for at, gap in client.gaps if started <= at <= started + ours + 1]
    disk, loopback = disk_seconds(data, publisher.data_root), loopback_seconds(data)
    gloo = peer.round() if peer is not None else 0.0
    return Round(ours, whole, forcing, disk, loopback, max(during, default=0.0), gloo)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--route", choices=sorted(ROUTES), default="shared_directory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ratios = {size: measure(size, arguments.rounds, ROUTES[arguments.route]()) for size in arguments.megabytes}
    worst = max(ratios, key=lambda size: ratios[size])
    sys.stdout.write(
        f"hot_swap: ratio {ratios[worst]:.2f} (goal {GOAL}), against bytes / disk bandwidth plus "
        f"{ALLOWANCE_SECONDS * 1000:.0f} ms, the worst at {worst} MB, {arguments.route}\n"
    )


if __name__ == "__main__":
    main()
