"""Python client of the orchestrator's REST API."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from contracts.episode_views import EpisodeAttempts
from contracts.errors import Problem
from contracts.events import Event, StatusChanged, decode_event
from contracts.jobs import JobSpec
from contracts.records import EvaluationRecord, StepRecord
from contracts.statuses import TERMINAL, JobStatus
from contracts.system_views import StepView
from contracts.trials import EpisodeRequest
from contracts.views import Checkpoint, Job, MetricSeries, Model, Page, Series
from pydantic import TypeAdapter

from socratic.problems import raise_for_problem, unreachable
from socratic.sse import messages

# Creating a job reads its data and loads a tokenizer; everything else is quicker.
REQUEST_SECONDS = 60.0
# The longest deadline of a trial, and the time to load a tokenizer before it.
TRIAL_SECONDS = 360.0
# The stream sends a comment at least every 15 s (fastapi.sse); silence beyond that is a dead connection.
STREAM_SILENCE_SECONDS = 25.0
# An orchestrator that was killed is back within seconds.
RECONNECT_SECONDS = 60.0
RECONNECT_PAUSE_SECONDS = 0.5
# The largest pages that every list of the API allows.
PAGE_LIMIT = 100

Item = TypeVar("Item")


@dataclass(frozen=True)
class JobEvent:
    """An event and its id; pass the id as `after` to go on behind it."""

    id: str
    event: Event


class Client:
    """One orchestrator. Every method raises contracts.errors.Problem, with the server's field and fix."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        # A proxy of the environment is for the outer world, not for the stack next door.
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, spec: JobSpec, idempotency_key: str | None = None) -> Job:
        """Create a job. The same key never makes a second one, so that a lost answer can be asked for again."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return Job.model_validate(self._post("/v1/jobs", spec.model_dump(mode="json"), headers=headers))

    def check(self, spec: JobSpec) -> dict[str, Any]:
        """What the server found out about a job that it would accept; nothing is created (`?dry_run=true`)."""
        return self._rehearse(spec.model_dump(mode="json"))

    def check_clone(self, source_job_id: str, overrides: dict[str, Any]) -> dict[str, Any]:
        """The same about the job that `clone` would make."""
        return self._rehearse({"source_job_id": source_job_id, "overrides": overrides})

    def get(self, job_id: str) -> Job:
        """The job as it stands."""
        return Job.model_validate(self._get(f"/v1/jobs/{job_id}"))

    def jobs(self, status: JobStatus | None = None, limit: int = 20) -> list[Job]:
        """The newest jobs, newest first, at most 100."""
        params = {"limit": str(limit)} | ({"status": str(status)} if status else {})
        return Page[Job].model_validate(self._get("/v1/jobs", params)).data

    def cancel(self, job_id: str) -> Job:
        """End a job; a 409 Problem when it has ended by itself."""
        return Job.model_validate(self._post(f"/v1/jobs/{job_id}/cancel"))

    def clone(self, source_job_id: str, overrides: dict[str, Any], idempotency_key: str | None = None) -> Job:
        """A new job of another one's spec; `overrides` is a JSON merge patch of it: {"training": {"steps": 200}}."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"source_job_id": source_job_id, "overrides": overrides}
        return Job.model_validate(self._post("/v1/jobs", body, headers=headers))

    def pause(self, job_id: str) -> Job:
        """Stop a running job at its next clean point; a 409 Problem when it does not run."""
        return Job.model_validate(self._post(f"/v1/jobs/{job_id}/pause"))

    def resume(self, job_id: str) -> Job:
        """Queue a paused job again, exactly where it stopped; a 409 Problem when it has ended."""
        return Job.model_validate(self._post(f"/v1/jobs/{job_id}/resume"))

    def steps(self, job_id: str) -> list[StepRecord]:
        """Every trained step, in order."""
        return self._all(f"/v1/jobs/{job_id}/steps", StepRecord)

    def step(self, job_id: str, step: int) -> StepView:
        """One step: its manifest, how many episodes arrived, its record once it is trained."""
        return StepView.model_validate(self._get(f"/v1/jobs/{job_id}/steps/{step}"))

    def attempts(self, job_id: str, step: int) -> list[EpisodeAttempts]:
        """Every episode of a step with the outcome, rewards and advantage of its attempts, in the manifest's order."""
        return self._all(f"/v1/jobs/{job_id}/steps/{step}/attempts", EpisodeAttempts)

    def outcomes(self, job_id: str, step: int) -> str:
        """How each episode of a step ended, in the manifest's order: solved at attempt 1 to 9, a to g; 0; x."""
        return str(self._get(f"/v1/jobs/{job_id}/steps/{step}/outcomes")["outcomes"])

    def evaluations(self, job_id: str) -> list[EvaluationRecord]:
        """Every finished evaluation, in order."""
        return self._all(f"/v1/jobs/{job_id}/evaluations", EvaluationRecord)

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """What the trainer keeps on disk, oldest first, damaged ones too."""
        return self._all(f"/v1/jobs/{job_id}/checkpoints", Checkpoint)

    def delete_checkpoint(self, job_id: str, step: int) -> Checkpoint:
        """Ask the trainer to delete one, and its policy unless that is the newest. 409 when a live job needs it."""
        path = f"/v1/jobs/{job_id}/checkpoints/{step}"
        return Checkpoint.model_validate(self._answer(lambda: self._http.delete(path)))

    def episodes(self, job_id: str, limit: int = PAGE_LIMIT, **filters: str | int) -> list[dict[str, Any]]:
        """Episodes in short, in order of arrival. Filters: purpose, step, outcome, after (an episode id)."""
        params = {"limit": str(limit)} | {name: str(value) for name, value in filters.items()}
        page = Page[dict[str, Any]].model_validate(self._get(f"/v1/jobs/{job_id}/episodes", params))
        return page.data

    def episode(self, episode_id: str) -> dict[str, Any]:
        """One episode: its question, its dialogue, and every attempt with tokens and policy versions."""
        found: dict[str, Any] = self._get(f"/v1/episodes/{episode_id}")
        return found

    def try_episode(self, request: EpisodeRequest) -> dict[str, Any]:
        """One episode now, in the shape of `episode`; nothing of it is kept."""
        found: dict[str, Any] = self._post("/v1/episodes", request.model_dump(mode="json"), timeout=TRIAL_SECONDS)
        return found

    def metrics(self, job_id: str, names: Sequence[str] = (), points: int = 1000) -> dict[str, Series]:
        """Curves by name, such as `unassisted_accuracy` or `evaluation.guided_accuracy`; default: all."""
        params = {"points": str(points)} | ({"names": ",".join(names)} if names else {})
        return MetricSeries.model_validate(self._get(f"/v1/jobs/{job_id}/metrics", params)).series

    def models(self) -> list[Model]:
        """The students that a job can name."""
        return self._all("/v1/models", Model)

    def teachers(self) -> list[dict[str, Any]]:
        """The teachers that a job can name, each with whether it is available."""
        found: list[dict[str, Any]] = self._get("/v1/teachers")["data"]
        return found

    def tasks(self) -> list[dict[str, Any]]:
        """The tasks that a job can name, each with the schema of its options."""
        found: list[dict[str, Any]] = self._get("/v1/tasks")["data"]
        return found

    def events(self, job_id: str, after: str | None = None) -> list[JobEvent]:
        """What has happened so far, behind the event `after`."""
        found: list[JobEvent] = []
        for page in self._pages(f"/v1/jobs/{job_id}/events", after):
            found += [job_event(item) for item in page.data]
        return found

    def stream(self, job_id: str, after: str | None = None) -> Iterator[JobEvent]:
        """Events as they happen, until the job has ended. A broken connection is resumed where it broke.

        Raises Problem when the job is unknown, or when nobody answers for RECONNECT_SECONDS.
        """
        answered = time.monotonic()
        while True:
            try:
                for item in self._stream_once(job_id, after):
                    answered, after = time.monotonic(), item.id
                    yield item
                    if ended(item.event):
                        return
                answered = time.monotonic()
                if self.get(job_id).status in TERMINAL and not self.events(job_id, after):
                    return
            except httpx2.TransportError as error:
                if time.monotonic() - answered > RECONNECT_SECONDS:
                    raise unreachable(self.url, error) from None
            except Problem as problem:
                if problem.status < 500 or time.monotonic() - answered > RECONNECT_SECONDS:
                    raise
            time.sleep(RECONNECT_PAUSE_SECONDS)

    def _stream_once(self, job_id: str, after: str | None) -> Iterator[JobEvent]:
        headers = {"Last-Event-ID": after} if after else {}
        timeout = httpx2.Timeout(REQUEST_SECONDS, read=STREAM_SILENCE_SECONDS)
        path = f"/v1/jobs/{job_id}/events/stream"
        with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if response.is_error:
                response.read()
            raise_for_problem(response)
            for message in messages(response.iter_lines()):
                yield job_event(json.loads(message.data))

    def _all(self, path: str, kind: type[Item]) -> list[Item]:
        adapter: TypeAdapter[Item] = TypeAdapter(kind)
        return [adapter.validate_python(item) for page in self._pages(path) for item in page.data]

    def _pages(self, path: str, after: str | None = None) -> Iterator[Page[dict[str, Any]]]:
        while True:
            params = {"limit": str(PAGE_LIMIT)} | ({"after": after} if after else {})
            page = Page[dict[str, Any]].model_validate(self._get(path, params))
            yield page
            if not page.has_more:
                return
            after = page.last_id

    def _get(self, path: str, params: dict[str, str] | None = None) -> Any:
        return self._answer(lambda: self._http.get(path, params=params))

    def _post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self._answer(lambda: self._http.post(path, json=body, **options))

    def _rehearse(self, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._post("/v1/jobs", body, params={"dry_run": "true"})
        return found

    def _answer(self, ask: Callable[[], httpx2.Response]) -> Any:
        try:
            response = ask()
        except httpx2.TransportError as error:
            raise unreachable(self.url, error) from None
        raise_for_problem(response)
        return response.json()


def job_event(item: dict[str, Any]) -> JobEvent:
    """An item of the API: the contract's event with its id beside its fields."""
    fields = {name: value for name, value in item.items() if name != "id"}
    return JobEvent(item["id"], decode_event(json.dumps(fields)))


def ended(event: Event) -> bool:
    """True for the last event of a job."""
    return isinstance(event, StatusChanged) and event.status in TERMINAL
