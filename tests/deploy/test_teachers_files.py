"""The teachers files that we ship are ones that the gateway reads."""

from pathlib import Path

import pytest
import yaml
from teacher_gateway.providers.registry import check_kinds
from teacher_gateway.teachers_file import load_teachers

from ..stacks import REPOSITORY

PATHS = sorted((REPOSITORY / "deploy").rglob("teachers.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_the_gateway_reads_it(path: Path) -> None:
    file = load_teachers(path)
    check_kinds(file)
    assert {"frontier", "self"} <= set(file.teachers)


@pytest.mark.parametrize(
    ("teachers", "gateway"),
    [
        ("deploy/docker/teachers.yaml", "docker-compose.yml"),
        ("deploy/kubernetes/base/teachers.yaml", "deploy/kubernetes/base/teacher-gateway.yaml"),
    ],
)
def test_the_gateway_is_given_every_key_that_its_file_names(teachers: str, gateway: str) -> None:
    """The student's among them: without its key the engine refuses it as its own teacher."""
    providers = load_teachers(REPOSITORY / teachers).providers
    named = {provider.api_key_env for provider in providers.values() if provider.api_key_env}
    assert providers["student"].api_key_env in named
    assert named <= gateway_environment(REPOSITORY / gateway)


def gateway_environment(path: Path) -> set[str]:
    """Variables of the teacher gateway's container."""
    documents = list(yaml.safe_load_all(path.read_text()))
    if "services" in documents[0]:
        return set(documents[0]["services"]["teacher-gateway"]["environment"])
    deployment = next(item for item in documents if item["kind"] == "Deployment")
    return {item["name"] for item in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
