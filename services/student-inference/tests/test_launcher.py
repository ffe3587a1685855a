"""The launcher with a stand-in for SGLang: a program that answers /health, starts a child, and fails on demand."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from student_inference.config import ModelError
from student_inference.launch_plan import (
    LauncherSettings,
    TeacherLauncherSettings,
    backoff_seconds,
    sglang_command,
    vllm_command,
    vllm_environment,
)
from student_inference.launcher import until_failure
from student_inference.supervised import Supervised, healthy

from .test_prepared_weights import free_port

# Two Python starts; a loaded machine needs seconds for each.
WAIT_SECONDS = 60.0
RECORDER = """
import json, os, sys, time
with open(sys.argv[1] + ".part", "w") as file:
    json.dump(dict(os.environ), file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""
STAND_IN = """
import http.server, os, subprocess, sys
directory, port = sys.argv[1], int(sys.argv[sys.argv.index("--port") + 1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Answer(http.server.BaseHTTPRequestHandler):
    status = 503 if "--sick" in sys.argv else 200
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path == "/sicken":  # it goes on running
            Answer.status = 503
        self.send_response(Answer.status)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", port), Answer)
with open(f"{directory}/starts", "a") as starts:
    starts.write(f"{os.getpid()} {child.pid}\\n")
server.serve_forever()
"""


def settings(**changes: object) -> LauncherSettings:
    return LauncherSettings(model_path=Path("/models/student"), python="python", **changes)  # type: ignore[arg-type]


def test_the_command_says_what_the_machine_and_model_need() -> None:
    values = {"tensor_parallel": 2, "data_parallel": 4, "memory_fraction": 0.7}
    command = sglang_command(settings(**values, admin_api_key="secret", port=31000))
    line = " ".join(command)
    assert line.startswith("python -m sglang.launch_server --model-path /models/student --host 127.0.0.1 --port 31000 ")
    for part in (
        "--tp-size 2",
        "--dp-size 4",
        "--mem-fraction-static 0.7",
        "--admin-api-key secret",
        "--dtype bfloat16",
    ):
        assert part in line
    assert command.count("--enable-deterministic-inference") == 1
    for absent in ("--api-key ", "--context-length", "--sleep-on-idle", "speculative"):
        assert absent not in line.replace("--admin-api-key ", "")
    assert "--enable-deterministic-inference" not in sglang_command(settings(deterministic=False))
    on_cpu = sglang_command(settings(device="cpu", context_length=512, extra=["--attention-backend", "torch_native"]))
    assert on_cpu[-3:] == ["--sleep-on-idle", "--attention-backend", "torch_native"]
    assert "--mem-fraction-static" not in on_cpu
    assert "--enable-deterministic-inference" not in on_cpu


def test_a_teachers_command_names_the_model_and_hides_the_key() -> None:
    sizes = {"tensor_parallel": 2, "data_parallel": 3, "memory_fraction": 0.7, "context_length": 4096}
    names = {"served_model_name": "coach", "api_key": "secret"}
    teacher = TeacherLauncherSettings(model_path=Path("/models/teacher"), python="python", **sizes, **names)  # type: ignore[arg-type]
    line = " ".join(vllm_command(teacher))
    assert line.startswith("python -m vllm.entrypoints.openai.api_server --model /models/teacher ")
    for part in ("--served-model-name coach", "--port 8100", "--tensor-parallel-size 2", "--data-parallel-size 3"):
        assert part in line
    for part in ("--max-model-len 4096", "--gpu-memory-utilization 0.7"):
        assert part in line
    assert "secret" not in line
    assert vllm_environment(teacher)["VLLM_API_KEY"] == "secret"
    on_cpu = vllm_command(teacher.model_copy(update={"device": "cpu", "context_length": 0}))
    assert not {"--gpu-memory-utilization", "--max-model-len"} & set(on_cpu)


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Puts a driver's tool before all others that tells of GPUs with these GiB."""

    def pretend(gibibytes: list[int]) -> None:
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\n" + "".join(f"echo {size * 1024}\n" for size in gibibytes))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")

    return pretend


def big_model(directory: Path, gibibytes: int, heads: int) -> Path:
    """A directory whose weights look that large; the file is sparse."""
    (directory / "config.json").write_text(f'{{"num_attention_heads": {heads}}}')
    with (directory / "model.safetensors").open("wb") as file:
        file.truncate(gibibytes * 2**30)
    return directory


@pytest.mark.parametrize(
    ("heads", "sizes", "expected"),
    [
        (32, [80], (1, 1)),
        (32, [80] * 8, (1, 8)),
        (32, [24] * 8, (4, 2)),
        (28, [24] * 7, (4, 1)),
        (14, [24] * 8, (7, 1)),
    ],
)
def test_a_model_takes_as_few_gpus_as_hold_it_and_fills_the_machine_with_copies(
    tmp_path: Path, gpus: Callable[[list[int]], None], heads: int, sizes: list[int], expected: tuple[int, int]
) -> None:
    gpus(sizes)
    model = big_model(tmp_path, 46, heads)
    decided = LauncherSettings(model_path=model, memory_fraction=0.85).for_this_machine()
    assert (decided.tensor_parallel, decided.data_parallel) == expected
    set_by_hand = LauncherSettings(model_path=model, tensor_parallel=2, data_parallel=3).for_this_machine()
    assert (set_by_hand.tensor_parallel, set_by_hand.data_parallel) == (2, 3)


def test_a_model_that_does_not_fit_is_refused_and_a_cpu_has_one_copy(
    tmp_path: Path, gpus: Callable[[list[int]], None]
) -> None:
    gpus([24, 24])
    model = big_model(tmp_path, 46, 32)
    with pytest.raises(ModelError, match=r"46\.0 GiB of weights do not fit on 2 GPUs, 15\.3 GiB on each"):
        LauncherSettings(model_path=model).for_this_machine()
    decided = LauncherSettings(model_path=model, device="cpu").for_this_machine()
    assert (decided.tensor_parallel, decided.data_parallel) == (1, 1)


def test_restarts_wait_longer_each_time_up_to_a_minute() -> None:
    assert [backoff_seconds(failures) for failures in (1, 2, 3, 6, 7, 2000)] == [1, 2, 4, 32, 60, 60]


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A running launcher of the stand-in: (process, URL, the file with the pids of every start)."""
    port = free_port()
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    environment = {
        "SGLANG_LAUNCHER_MODEL_PATH": str(tmp_path),
        "SGLANG_LAUNCHER_PORT": str(port),
        "SGLANG_LAUNCHER_PROGRAM": f'["{tmp_path}/stand_in.py", "{tmp_path}"]',
        "SGLANG_LAUNCHER_HEALTH_EVERY_SECONDS": "0.05",
    }
    command = [sys.executable, "-m", "student_inference.launcher"]
    with (tmp_path / "log").open("wb") as log:
        launcher = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: healthy(url, 1))
    yield launcher, url, tmp_path / "starts"
    launcher.kill()
    launcher.wait()


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def started(starts: Path) -> list[list[int]]:
    return [[int(pid) for pid in line.split()] for line in starts.read_text().splitlines()]


def test_an_engine_that_ends_is_started_anew_without_its_old_children(
    launched: tuple[subprocess.Popen[bytes], str, Path],
) -> None:
    _, url, starts = launched
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{url}/die", timeout=10)
    eventually(lambda: len(started(starts)) == 2)
    eventually(lambda: healthy(url, 1))
    first, second = started(starts)
    assert not any(map(alive, first))
    assert all(map(alive, second))


def test_an_engine_that_serves_nothing_is_started_anew_and_each_failure_in_a_row_costs_a_longer_pause(
    launched: tuple[subprocess.Popen[bytes], str, Path],
) -> None:
    _, url, starts = launched
    log = starts.with_name("log")
    for number, fault in enumerate(("sicken", "die"), 1):
        eventually(lambda: log.read_text().count("engine_ready") == number)  # noqa: B023
        before = time.monotonic()
        with pytest.raises(OSError):
            urllib.request.urlopen(f"{url}/{fault}", timeout=10)
        eventually(lambda: len(started(starts)) == number + 1)  # noqa: B023
        assert time.monotonic() - before >= backoff_seconds(number)
        assert not any(map(alive, started(starts)[number - 1]))


def test_an_engine_that_never_becomes_healthy_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    program = [str(tmp_path / "stand_in.py"), str(tmp_path), "--sick"]
    patience = {"start_seconds": 0.2, "health_every_seconds": 0.05, "port": free_port()}
    never = settings(**patience)
    with Supervised([sys.executable, *program, "--port", str(never.port)], {}) as engine:
        assert until_failure(engine, never, threading.Event()) == "not healthy 0 s after its start"


@pytest.mark.parametrize(
    ("module", "prefix", "expected"),
    [
        ("launcher", "SGLANG_LAUNCHER", {"HF_HUB_OFFLINE": "1"}),
        ("teacher_launcher", "VLLM_LAUNCHER", {"HF_HUB_OFFLINE": "1", "VLLM_API_KEY": "secret", "DO_NOT_TRACK": "1"}),
    ],
)
def test_the_engine_is_started_with_the_environment_that_it_needs(
    tmp_path: Path, module: str, prefix: str, expected: dict[str, str]
) -> None:
    (tmp_path / "recorder.py").write_text(RECORDER)
    program = [str(tmp_path / "recorder.py"), str(tmp_path / "environment")]
    values = {"MODEL_PATH": str(tmp_path), "PROGRAM": json.dumps(program), "API_KEY": "secret", "DEVICE": "cpu"}
    environment = {f"{prefix}_{name}": value for name, value in values.items()}
    launcher = subprocess.Popen([sys.executable, "-m", f"student_inference.{module}"], env=os.environ | environment)
    try:
        eventually((tmp_path / "environment").exists)
        told = json.loads((tmp_path / "environment").read_text())
        assert told.items() >= expected.items()
    finally:
        launcher.terminate()
        launcher.wait(WAIT_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_launcher_ends(
    launched: tuple[subprocess.Popen[bytes], str, Path], number: signal.Signals
) -> None:
    launcher, _, starts = launched
    [pids] = started(starts)
    assert all(map(alive, pids))
    launcher.send_signal(number)
    assert launcher.wait(WAIT_SECONDS) == (0 if number == signal.SIGTERM else -number)
    eventually(lambda: not any(map(alive, pids)))
