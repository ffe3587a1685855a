"""The Kubernetes overlays render, fit the schemas, and agree with each other in names. No cluster runs here."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from contracts import keys
from orchestrator.rollout.dispatch import queue_key

from ..stacks import REPOSITORY

COMMAND_SECONDS = 60
KUBERNETES = REPOSITORY / "deploy/kubernetes"
# The newest minor version that kubectl and the schemas know together; every kind below has been stable for years.
API_VERSION = "1.33"
OVERLAYS = ("cpu", "gpu")
# KEDA's kinds are no part of Kubernetes' own schemas.
CUSTOM_KINDS = ("ScaledObject", "TriggerAuthentication")
WORKLOADS = ("Deployment", "StatefulSet", "Job")
SECRET = "socratic"

Object = dict[str, Any]


def render(directory: Path) -> list[Object]:
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", directory], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@cache
def overlay(name: str) -> list[Object]:
    return render(KUBERNETES / "overlays" / name)


def workloads(name: str) -> list[Object]:
    return [item for item in overlay(name) if item["kind"] in WORKLOADS]


def pod_of(workload: Object) -> Object:
    pod: Object = workload["spec"]["template"]["spec"]
    return pod


def name_of(item: Object) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_fits_the_schema(name: str) -> None:
    for item in overlay(name):
        if item["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(item, API_VERSION, strict=True)


def test_the_schema_refuses_what_is_wrong() -> None:
    """That is, it is looked at."""
    broken = {**workloads("cpu")[0], "spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, API_VERSION, strict=True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_everything_is_in_the_namespace(name: str) -> None:
    for item in overlay(name):
        assert item["kind"] == "Namespace" or item["metadata"]["namespace"] == "socratic", name_of(item)


@pytest.mark.parametrize("name", OVERLAYS)
def test_workloads_are_probed_bounded_and_may_do_nothing_more(name: str) -> None:
    for workload in workloads(name):
        pod, (container,) = pod_of(workload), pod_of(workload)["containers"]
        assert pod["automountServiceAccountToken"] is False, name_of(workload)
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name_of(workload)
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"], name_of(workload)
        assert "memory" in container["resources"]["limits"], name_of(workload)
        # torchrun watches its ranks itself; only rank 0 answers HTTP.
        if workload["kind"] != "Job":
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name_of(workload)
        if container["image"].startswith("socratic/"):
            assert pod["securityContext"]["runAsNonRoot"] is True, name_of(workload)
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name_of(workload)


@pytest.mark.parametrize("name", OVERLAYS)
def test_secrets_are_referred_to_and_never_there(name: str) -> None:
    assert not [item for item in overlay(name) if item["kind"] == "Secret"]
    for workload in workloads(name):
        for variable in pod_of(workload)["containers"][0].get("env", []):
            if "KEY" in variable["name"] or "PASSWORD" in variable["name"] or "REDIS_URL" in variable["name"]:
                assert variable["valueFrom"]["secretKeyRef"]["name"] == SECRET, variable["name"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_services_budgets_and_policies_select_pods_that_exist(name: str) -> None:
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in workloads(name)]

    def selects_some(selector: dict[str, str]) -> bool:
        return any(selector.items() <= pod.items() for pod in labels)

    for item in overlay(name):
        spec = item.get("spec", {})
        if item["kind"] == "Service":
            assert selects_some(spec["selector"]), name_of(item)
        if item["kind"] == "PodDisruptionBudget":
            assert selects_some(spec["selector"]["matchLabels"]), name_of(item)
        if item["kind"] == "NetworkPolicy":
            assert selects_some(spec["podSelector"].get("matchLabels", {})), name_of(item)


@pytest.mark.parametrize("name", OVERLAYS)
def test_addresses_name_services_of_the_same_overlay(name: str) -> None:
    services = {item["metadata"]["name"] for item in overlay(name) if item["kind"] == "Service"}
    for workload in workloads(name):
        container = pod_of(workload)["containers"][0]
        texts = [variable.get("value", "") for variable in container.get("env", [])] + container.get("args", [])
        for host in (part.split(":", 1)[0] for text in texts for part in text.split("http://")[1:]):
            assert host.split(".")[-1] in services, (name_of(workload), host)


@pytest.mark.parametrize("name", OVERLAYS)
def test_claims_and_config_maps_that_pods_mount_exist(name: str) -> None:
    there = {(item["kind"], item["metadata"]["name"]) for item in overlay(name)}
    for workload in workloads(name):
        for volume in pod_of(workload).get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                assert ("PersistentVolumeClaim", claim["claimName"]) in there
            if generated := volume.get("configMap"):
                assert ("ConfigMap", generated["name"]) in there


def test_the_trainer_reaches_every_replica_of_the_engine_and_the_router_too() -> None:
    found = {name_of(item): item for item in overlay("gpu")}
    replicas = found["StatefulSet/student-inference"]["spec"]["replicas"]
    urls = [f"http://student-inference-{number}.student-inference:30000" for number in range(replicas)]
    environment = {item["name"]: item for item in pod_of(found["Job/trainer"])["containers"][0]["env"]}
    assert yaml.safe_load(environment["TRAINER_STUDENT_URLS"]["value"]) == urls
    assert pod_of(found["Deployment/student-router"])["containers"][0]["args"][-replicas:] == urls


def test_the_torchrun_group_has_as_many_nodes_and_ranks_as_the_job_has_pods_and_gpus() -> None:
    job = next(item for item in overlay("gpu") if name_of(item) == "Job/trainer")
    container = pod_of(job)["containers"][0]
    assert job["spec"]["parallelism"] == job["spec"]["completions"]
    assert f"--nnodes={job['spec']['completions']}" in container["args"]
    assert f"--nproc-per-node={container['resources']['limits']['nvidia.com/gpu']}" in container["args"]
    assert pod_of(job)["subdomain"] in {
        item["metadata"]["name"] for item in overlay("gpu") if item["kind"] == "Service"
    }


def test_workers_are_scaled_by_the_queue_that_they_take_from() -> None:
    scaled = next(item for item in overlay("gpu") if item["kind"] == "ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] in {
        item["metadata"]["name"] for item in overlay("gpu") if item["kind"] == "Deployment"
    }
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "redis"
    assert trigger["metadata"]["listName"] == queue_key()
    assert queue_key().startswith(keys.PREFIX)


def test_an_external_redis_takes_the_place_of_ours(tmp_path: Path) -> None:
    there = Path(*(".." for _ in tmp_path.resolve().parts[1:])) / KUBERNETES.resolve().relative_to("/")
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {"resources": [str(there / "overlays/cpu")], "components": [str(there / "components/external-redis")]}
        )
    )
    left = [name_of(item) for item in render(tmp_path)]
    assert not [name for name in left if name.endswith("/redis")]
    assert "NetworkPolicy/outwards-to-redis" in left
    assert len(left) == len(overlay("cpu")) - 4 + 1
