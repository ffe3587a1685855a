"""What a local stack consists of: a pure function from a request to processes with command, environment and port."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from socratic.stack.redis import redis_command

REDIS, TUTOR, LOCAL_TEACHER, GATEWAY, STUDENT, TRAINER, ORCHESTRATOR = (
    "redis",
    "tutor",
    "local-teacher",
    "teacher-gateway",
    "student-inference",
    "trainer",
    "orchestrator",
)


@dataclass(frozen=True)
class Service:
    """How a kind of process is started: `python -m module`, settings under a prefix, and where it says it is ready."""

    module: str
    prefix: str
    ready_path: str
    port_setting: str = "PORT"


ENGINE = Service("student_inference", "STUDENT_INFERENCE", "/health")
SERVICES = {
    TUTOR: Service("tutor", "TUTOR", "/readyz"),
    LOCAL_TEACHER: ENGINE,
    GATEWAY: Service("teacher_gateway", "TEACHER_GATEWAY", "/readyz"),
    STUDENT: ENGINE,
    TRAINER: Service("trainer", "TRAINER", "/readyz"),
    ORCHESTRATOR: Service("orchestrator", "ORCHESTRATOR", "/readyz"),
}
ROLLOUT_WORKER = Service("orchestrator.worker", "ORCHESTRATOR", "/metrics", "WORKER_PORT")


class StackRequest(BaseModel):
    """A stack that somebody wants. Paths are absolute."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(description="State directory: redis/, logs/, data/, stack.json.")
    working_directory: Path = Field(description="Relative student and data paths of jobs start here.")
    student: Path = Field(description="Hugging Face directory that the engine serves first.")
    local_teacher: Path | None = Field(
        None, description="Hugging Face directory that a second CPU engine serves: the gateway's teacher `local`."
    )
    workers: int = Field(1, ge=1, le=64, description="Rollout worker processes.")
    engines: int = Field(1, ge=1, le=64, description="Replicas of the CPU engine.")
    port: int = Field(0, ge=0, le=65535, description="Port of the orchestrator; 0 takes a free one.")
    redis_url: str | None = Field(None, description="A Redis that already runs.")
    redis_executable: str = Field("redis-server", description="What to start when there is no redis_url.")
    settings: dict[str, dict[str, str]] = Field({}, description="Environment of single processes, by name; it wins.")

    @property
    def data_root(self) -> Path:
        """Policies, checkpoints and batches of all jobs."""
        return self.home / "data"

    @property
    def log_directory(self) -> Path:
        return self.home / "logs"


@dataclass(frozen=True)
class ProcessPlan:
    """One process. `ready_url` answers (HTTP 200, or PONG for redis://) once it can take work."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    ready_url: str


def worker_names(request: StackRequest) -> list[str]:
    return [f"rollout-worker-{number}" for number in range(1, request.workers + 1)]


def engine_names(request: StackRequest) -> list[str]:
    """The first has the plain name."""
    return [STUDENT, *(f"{STUDENT}-{number}" for number in range(2, request.engines + 1))]


def services_of(request: StackRequest) -> dict[str, Service]:
    """Every Python service but the workers, by process name, in the order in which they are started."""
    replicas = {STUDENT: engine_names(request), LOCAL_TEACHER: [LOCAL_TEACHER] if request.local_teacher else []}
    return {each: service for name, service in SERVICES.items() for each in replicas.get(name, [name])}


def process_names(request: StackRequest) -> list[str]:
    """Every process of the stack, Redis first where it is ours."""
    own_redis = [] if request.redis_url else [REDIS]
    return [*own_redis, *services_of(request), *worker_names(request)]


def plan_stack(request: StackRequest, ports: Mapping[str, int]) -> list[ProcessPlan]:
    """The processes in the order in which they are started; `ports` has one for each of `process_names`."""
    redis_url = request.redis_url or f"redis://127.0.0.1:{ports[REDIS]}/0"
    url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    plans = []
    if not request.redis_url:
        command = redis_command(request.redis_executable, ports[REDIS], request.home / "redis")
        plans.append(ProcessPlan(REDIS, command, {}, redis_url, redis_url))
    settings = service_settings(request, redis_url, url)
    for name, service in services_of(request).items():
        plans.append(plan_service(name, service, ports[name], {**settings[name], **request.settings.get(name, {})}))
    for name in worker_names(request):
        plans.append(
            plan_service(
                name, ROLLOUT_WORKER, ports[name], {**settings[ORCHESTRATOR], **request.settings.get(name, {})}
            )
        )
    return plans


def plan_service(name: str, service: Service, port: int, settings: Mapping[str, str]) -> ProcessPlan:
    """A Python process on loopback."""
    listen = {f"{service.prefix}_HOST": "127.0.0.1", f"{service.prefix}_{service.port_setting}": str(port)}
    environment = {**COMMON_ENVIRONMENT, **settings, **listen}
    url = f"http://127.0.0.1:{port}"
    return ProcessPlan(name, (sys.executable, "-P", "-m", service.module), environment, url, url + service.ready_path)


# One thread each: the processes share the cores, and torch on two busy cores is slower with two threads than with one.
# Offline: every model is a local directory, and a look-up on the network would only delay the start.
COMMON_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}


def service_settings(request: StackRequest, redis_url: str, url: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Environment of each service: neighbours and allowed directories."""
    model_roots = [request.working_directory, request.student.parent, request.data_root]
    data_roots = [request.working_directory, request.working_directory.parent / "shared"]
    local_teacher = {"TEACHER_GATEWAY_LOCAL_TEACHER_URL": url[LOCAL_TEACHER]} if request.local_teacher else {}
    student_urls = json.dumps([url[name] for name in engine_names(request)])
    return {
        TUTOR: {},
        LOCAL_TEACHER: {"STUDENT_INFERENCE_MODEL_PATH": str(request.local_teacher)},
        GATEWAY: {
            "TEACHER_GATEWAY_TUTOR_URL": url[TUTOR],
            "TEACHER_GATEWAY_STUDENT_URL": url[STUDENT],
            "TEACHER_GATEWAY_REDIS_URL": redis_url,
            "TEACHER_GATEWAY_CASSETTE_ROOT": str(request.home / "cassettes"),
            **local_teacher,
        },
        **{name: engine_settings(request, model_roots) for name in engine_names(request)},
        TRAINER: {
            "TRAINER_REDIS_URL": redis_url,
            "TRAINER_STUDENT_URLS": student_urls,
            "TRAINER_GATEWAY_URL": url[GATEWAY],
            "TRAINER_DATA_ROOT": str(request.data_root),
            "TRAINER_MODEL_ROOTS": json_list(model_roots),
        },
        ORCHESTRATOR: {
            "ORCHESTRATOR_REDIS_URL": redis_url,
            "ORCHESTRATOR_STUDENT_URLS": student_urls,
            "ORCHESTRATOR_GATEWAY_URL": url[GATEWAY],
            "ORCHESTRATOR_DATA_ROOT": str(request.data_root),
            "ORCHESTRATOR_MODEL_ROOTS": json_list(model_roots),
            "ORCHESTRATOR_DATA_ROOTS": json_list(data_roots),
        },
    }


def engine_settings(request: StackRequest, model_roots: list[Path]) -> dict[str, str]:
    """Environment of one replica."""
    return {
        "STUDENT_INFERENCE_MODEL_PATH": str(request.student),
        "STUDENT_INFERENCE_ALLOWED_ROOTS": json_list(model_roots),
    }


def json_list(paths: list[Path]) -> str:
    return json.dumps([str(path) for path in paths])
