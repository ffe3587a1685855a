"""The launcher with real SGLang (SGLANG_PYTHON; tools/sglang/test.sh sets it)."""

import json
import os
from pathlib import Path

import pytest

from ..engine_contract.engines import free_port
from ..stacks import REPOSITORY
from .launching import launch, restarts_and_leaves_nothing

pytestmark = pytest.mark.skipif("SGLANG_PYTHON" not in os.environ, reason="needs real SGLang: make test-sglang")


def test_a_killed_sglang_is_started_anew_and_none_outlives_its_launcher(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    settings = {
        "MODEL_PATH": str(REPOSITORY / "models/materials-base"),
        "PORT": str(port),
        "PYTHON": os.environ["SGLANG_PYTHON"],
        "PROGRAM": json.dumps([str(REPOSITORY / "tools/sglang/serve.py")]),
        "DEVICE": "cpu",
        "DTYPE": "float32",
        "CONTEXT_LENGTH": "512",
        "HEALTH_EVERY_SECONDS": "1",
        "EXTRA": json.dumps(["--attention-backend", "torch_native", "--max-total-tokens", "4096"]),
    }
    environment = {f"SGLANG_LAUNCHER_{name}": value for name, value in settings.items()}
    machine = {"OMP_NUM_THREADS": "1", "SGLANG_USE_CPU_ENGINE": "0"}
    with launch("student_inference.launcher", port, environment | machine, log) as launched:
        assert len(launched.descendants()) >= 3
        restarts_and_leaves_nothing(launched, log)
