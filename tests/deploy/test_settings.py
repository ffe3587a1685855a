"""Every setting that compose and Kubernetes give to a service is one that it reads: a wrong name would do nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from orchestrator.settings import OrchestratorSettings
from orchestrator.worker.settings import WorkerSettings
from pydantic_settings import BaseSettings
from student_inference.settings import InferenceSettings
from teacher_gateway.settings import GatewaySettings
from trainer.settings import TrainerSettings
from tutor.settings import TutorSettings

from ..stacks import REPOSITORY

SETTINGS: dict[str, list[type[BaseSettings]]] = {
    "ORCHESTRATOR_": [OrchestratorSettings, WorkerSettings],
    "STUDENT_INFERENCE_": [InferenceSettings],
    "TEACHER_GATEWAY_": [GatewaySettings],
    "TRAINER_": [TrainerSettings],
    "TUTOR_": [TutorSettings],
}


def known(prefix: str) -> set[str]:
    return {prefix + field.upper() for settings in SETTINGS[prefix] for field in settings.model_fields}


def given() -> Iterator[tuple[str, str]]:
    """(where, variable) of every setting."""
    compose: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    for name, service in compose["services"].items():
        yield from ((f"compose {name}", variable) for variable in service.get("environment", {}))
    for path in sorted((REPOSITORY / "deploy/kubernetes").rglob("*.yaml")):
        for item in yaml.safe_load_all(path.read_text()):
            pod = item.get("spec", {}).get("template", {}).get("spec", {}) if isinstance(item, dict) else {}
            for container in pod.get("containers", []):
                yield from ((f"kubernetes {path.stem}", variable["name"]) for variable in container.get("env", []))


@pytest.mark.parametrize("prefix", sorted(SETTINGS))
def test_every_setting_is_known(prefix: str) -> None:
    found = {(where, variable) for where, variable in given() if variable.startswith(prefix)}
    assert found
    assert {(where, variable) for where, variable in found if variable not in known(prefix)} == set()
