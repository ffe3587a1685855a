"""The launcher with real SGLang (SGLANG_PYTHON; tools/sglang/test.sh sets it)."""

import json
import os
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers
from student_inference.auth import BearerKeys

from ..engine_contract.engines import free_port
from ..stacks import REPOSITORY
from .launching import launch, restarts_and_leaves_nothing

pytestmark = pytest.mark.skipif("SGLANG_PYTHON" not in os.environ, reason="needs real SGLang: make test-sglang")


# Method and path; none of them changes anything when it is let through with an empty object.
GUARDED = [
    ("POST", "/generate"),
    ("POST", "/v1/completions"),
    ("GET", "/v1/models"),
    ("GET", "/model_info"),
    ("GET", "/server_info"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("POST", "/flush_cache"),
    ("POST", "/abort_request"),
    ("POST", "/continue_generation"),
    ("POST", "/update_weights_from_disk"),
    ("POST", "/update_weights_from_distributed"),
    ("POST", "/init_weights_update_group"),
    ("POST", "/destroy_weights_update_group"),
]


def keys_open_what_they_open_on_the_cpu_engine(url: str) -> None:
    ours = BearerKeys(lambda *_: None, "normal", "admin")  # type: ignore[arg-type, return-value]
    for method, path in GUARDED:
        for key in ("normal", "admin", "wrong", ""):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            body = {} if method == "POST" else None
            answer = httpx2.request(method, url + path, json=body, headers=headers, timeout=60, trust_env=False)
            opened = answer.status_code not in (401, 403)
            assert opened == ours.admits(path, Headers(headers)), f"{path} with {key!r}: {answer.status_code}"


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
        "API_KEY": "normal",
        "ADMIN_API_KEY": "admin",
        "EXTRA": json.dumps(["--attention-backend", "torch_native", "--max-total-tokens", "4096"]),
    }
    environment = {f"SGLANG_LAUNCHER_{name}": value for name, value in settings.items()}
    machine = {"OMP_NUM_THREADS": "1", "SGLANG_USE_CPU_ENGINE": "0"}
    with launch("student_inference.launcher", port, environment | machine, log) as launched:
        assert len(launched.descendants()) >= 3
        keys_open_what_they_open_on_the_cpu_engine(launched.url)
        restarts_and_leaves_nothing(launched, log)
