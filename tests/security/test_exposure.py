"""No service listens beyond this machine, nor opens its routes, unless it is told to."""

import os
import subprocess
import sys

import pytest
from contracts.guidance import GuidanceRequest, Turn
from contracts.teachers import TeacherSpec
from httpx2 import ASGITransport, AsyncClient
from orchestrator.app import build_app
from orchestrator.settings import OrchestratorSettings
from orchestrator.worker.settings import WorkerSettings
from pydantic_settings import BaseSettings
from servicekit.guard import OPEN_PATHS
from servicekit.openapi import Service
from servicekit.settings import is_loopback
from servicekit.shortcut import Shortcut
from student_inference.settings import InferenceSettings
from teacher_gateway.app import create_app as create_gateway
from teacher_gateway.settings import GatewaySettings
from trainer.settings import TrainerSettings
from tutor.app import create_app as create_tutor
from tutor.settings import TutorSettings

ALL = [OrchestratorSettings, WorkerSettings, InferenceSettings, GatewaySettings, TrainerSettings, TutorSettings]


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: settings.__name__)
def test_every_service_listens_on_loopback_by_default(settings: type[BaseSettings]) -> None:
    assert is_loopback(settings.model_fields["host"].default)


@pytest.mark.parametrize(
    ("module", "prefix"),
    [
        ("orchestrator", "ORCHESTRATOR"),
        ("teacher_gateway", "TEACHER_GATEWAY"),
        ("tutor", "TUTOR"),
        ("student_inference", "STUDENT_INFERENCE"),
    ],
)
def test_services_with_routes_do_not_start_elsewhere_without_a_key(module: str, prefix: str) -> None:
    environment = {name: value for name, value in os.environ.items() if "KEY" not in name}
    environment |= {f"{prefix}_HOST": "0.0.0.0", f"{prefix}_PORT": "0", "STUDENT_INFERENCE_MODEL_PATH": "x"}
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert f"{prefix}_HOST: 0.0.0.0 is not loopback" in done.stderr


KEY = "a-key-of-all-services"
# A body that the one route which is not FastAPI's to serve would take.
GUIDANCE = GuidanceRequest(
    job_id="job-1",
    episode_id="job-1/train/1/q/0",
    attempt=1,
    teacher=TeacherSpec(),
    question="choose",
    dialogue=[Turn(role="user", content="choose")],
    latest_answer="A",
).model_dump_json()
GUARDED = {
    "orchestrator": lambda: build_app(OrchestratorSettings(service_key=KEY)),
    "teacher_gateway": lambda: create_gateway(GatewaySettings(service_key=KEY)),
    "tutor": lambda: create_tutor(TutorSettings(service_key=KEY)),
}


@pytest.mark.parametrize("service", GUARDED)
async def test_where_there_are_keys_every_operation_asks_for_one(service: str) -> None:
    """By each way into the service. Refused before anything is looked at, so that nothing has to run behind the app."""
    app: Service = GUARDED[service]()
    app.middleware_stack = app.build_middleware_stack()  # as its lifespan does
    paths: dict[str, dict[str, object]] = app.openapi()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods if path not in OPEN_PATHS]
    assert asked
    for way in (app, Shortcut(app, app)):
        async with AsyncClient(transport=ASGITransport(way), base_url="http://here") as client:
            for method, path in asked:
                answer = await client.request(
                    method, path, content=GUIDANCE, headers={"Content-Type": "application/json"}
                )
                assert answer.status_code == 401, (method, path)
