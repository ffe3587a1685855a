"""Which cells run, and what becomes of those that fail. The orchestrator is a stand-in that speaks the real HTTP."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from contracts.clones import merge_patch
from contracts.errors import Problem
from contracts.jobs import JobSpec
from contracts.records import AttemptStats, EvaluationRecord, StepRecord
from contracts.views import Job, Page, Progress
from socratic import watch
from socratic.client import Client
from study.plan import ModelPlan, Plan
from study.records import CellResult
from study.runner import Choice, Study, run_study

from .test_plan import CONTENT, plan_of

# Job names that the stand-in refuses, and those whose job fails.
REFUSED, FAILING = "refused", "failing"


def step_record(step: int) -> StepRecord:
    attempts = [
        AttemptStats(
            attempt=attempt,
            rows=rows,
            correct=rows - 1,
            decay_factor=1,
            mean_advantage_correct=1,
            mean_advantage_wrong=-1,
        )
        for attempt, rows in ((1, 6), (2, 2))
    ]
    numbers = dict.fromkeys(StepRecord.model_fields, 0) | {"step": step, "student_tokens": 10 * step}
    return StepRecord.model_validate(
        numbers | {"attempts": attempts, "phase_seconds": {}, "cold": False, "zero_gradient": False}
    )


def evaluation_record(step: int) -> EvaluationRecord:
    numbers = dict.fromkeys(EvaluationRecord.model_fields, 0) | {"step": step, "policy_version": step, "questions": 4}
    intervals = {"unassisted_interval": (0, 1), "guided_interval": (0, 1)}
    parts = {"domains": {}, "splits": {}, "pass_at": {}, "greedy_accuracy": None}
    return EvaluationRecord.model_validate(numbers | intervals | parts | {"unassisted_accuracy": 0.25 * step})


class Orchestrator:
    """Ends every job at once."""

    def __init__(self) -> None:
        self.jobs: list[JobSpec] = []
        self.broken = False
        standin = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                spec = JobSpec.model_validate_json(self.rfile.read(int(self.headers["content-length"])))
                if REFUSED in spec.name:
                    return self.answer(422, {"code": "invalid", "detail": "no such student", "status": 422})
                standin.jobs.append(spec)
                return self.answer(201, standin.job(len(standin.jobs) - 1))

            def do_GET(self) -> None:
                if standin.broken:
                    return self.answer(503, {"code": "gone", "detail": "nobody there", "status": 503})
                _, _, _, index, *rest = self.path.partition("?")[0].split("/")
                return self.answer(200, standin.look(int(index), rest))

            def answer(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json" if status < 400 else "application/problem+json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def job(self, index: int) -> Any:
        spec = self.jobs[index]
        failed = FAILING in spec.name
        error = {"error": {"detail": "no reward"}} if failed else {}
        job = Job(
            id=str(index),
            name=spec.name,
            status="failed" if failed else "succeeded",
            created_at=0.0,
            progress=Progress(steps=spec.training.steps),
            spec=spec,
            **error,
        )
        return job.model_dump(mode="json")

    def look(self, index: int, rest: list[str]) -> Any:
        steps = range(1, self.jobs[index].training.steps + 1)
        match rest:
            case []:
                return self.job(index)
            case ["steps"]:
                return page([step_record(step) for step in steps])
            case ["evaluations"]:
                return page([evaluation_record(step) for step in (0, *steps)])
            case ["steps", step, "outcomes"]:
                return {"outcomes": step * 4}
        raise ValueError(rest)


def page(records: list[Any]) -> Any:
    data = [record.model_dump(mode="json") for record in records]
    return Page(data=data, has_more=False, first_id=None, last_id=None).model_dump(mode="json")


class Lane:
    """A stack that is there already."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def client_for(self, student: Path, local_teacher: Path | None) -> Client:
        self.served = student, local_teacher
        return self.client


class Quiet:
    """Watches nothing."""

    def tell(self, text: str) -> None: ...

    def job(self, cell: Any, job: Job) -> None: ...

    def finished(self, result: CellResult, study: Study) -> None: ...


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    standin = Orchestrator()
    thread = Thread(target=standin.server.serve_forever, daemon=True)
    thread.start()
    yield standin
    standin.server.shutdown()
    standin.server.server_close()
    thread.join()


@pytest.fixture
def lane(orchestrator: Orchestrator) -> Iterator[Lane]:
    with Client(orchestrator.url) as client:
        yield Lane(client)


def go(directory: Path, lane: Lane, plan: Plan | None = None, **choice: Any) -> list[str]:
    done = run_study(Study(plan or plan_of(), directory), [lane], Choice(**choice), Quiet())
    return [result.cell for result in done]


@pytest.fixture(autouse=True)
def students(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directories that the plan names."""
    root = tmp_path_factory.mktemp("repository")
    monkeypatch.chdir(root)
    for name in ("a", "b"):
        (root / "models" / name).mkdir(parents=True)
        (root / "models" / name / "config.json").write_text("{}")


def arms(**patch: Any) -> Plan:
    """The plan with another set of arms of `main`, which has one seed and student and fixes its rate itself."""
    main, _ = CONTENT["experiments"]
    small = {"rates_from": None, "compare_with": None, "students": ["base-0"], "seeds": [0]}
    return plan_of(experiments=[merge_patch(main, small | {"arms": {"socratic_po": None, "late": None, **patch}})])


ARM = {"label": "an arm", "job": {"method": {"name": "socratic_po"}}}


def test_a_limit_stops_and_the_next_run_goes_on_with_the_chosen_rate(tmp_path, lane, orchestrator):
    assert go(tmp_path, lane, limit=1) == ["search/socratic_po@0.0002/base-0/seed-100"]
    assert go(tmp_path, lane, limit=2) == [
        "search/socratic_po@0.0004/base-0/seed-100",
        "main/socratic_po/base-0/seed-0",
    ]
    # Equal curves: the rule takes the lower rate.
    assert orchestrator.jobs[-1].training.learning_rate == 2e-4
    assert len(go(tmp_path, lane)) == 7
    assert go(tmp_path, lane) == []
    assert len(orchestrator.jobs) == 10


def test_an_experiment_that_awaits_its_rates_does_not_run(tmp_path, lane):
    assert go(tmp_path, lane, only=("main",)) == []


def test_a_result_holds_what_the_records_say(tmp_path, lane):
    go(tmp_path, lane, arms(one=ARM))
    (result,) = Study(arms(one=ARM), tmp_path).results.values()
    assert [step.student_tokens for step in result.steps] == [10, 30, 60]
    assert [step.prompts for step in result.steps] == [24, 48, 72]
    first = result.steps[0]
    assert (first.share_first_attempts, first.solved_first, first.solved_guided) == (0.75, 5, 1)
    assert [(point.prompts, point.student_tokens) for point in result.evaluations] == [
        (0, 0),
        (24, 10),
        (48, 30),
        (72, 60),
    ]
    assert [point.unassisted for point in result.evaluations] == [0, 0.25, 0.5, 0.75]
    assert result.outcomes == ["1111", "2222", "3333"]


def test_failed_cells_are_recorded_with_their_reason_and_run_again_only_when_asked(tmp_path, lane, orchestrator):
    plan = arms(refused=ARM, failing=merge_patch(ARM, {"job": {"training": {"steps": 2}}}))
    assert len(go(tmp_path, lane, plan)) == 2
    assert {each.reason for each in Study(plan, tmp_path).results.values()} == {"no such student", "no reward"}
    assert go(tmp_path, lane, plan) == []
    assert len(go(tmp_path, lane, plan, retry_failed=True)) == 2
    assert len((tmp_path / "main.jsonl").read_text().splitlines()) == 4


def test_a_lost_orchestrator_is_no_result_of_the_cell(tmp_path, lane, orchestrator, monkeypatch):
    monkeypatch.setattr(watch, "SILENCE_SECONDS", 0.0)
    orchestrator.broken = True
    with pytest.raises(Problem, match="nobody there"):
        go(tmp_path, lane, arms(one=ARM))
    assert list(tmp_path.glob("*.jsonl")) == []
    orchestrator.broken = False
    assert len(go(tmp_path, lane, arms(one=ARM))) == 1


def test_the_same_work_is_run_once(tmp_path, lane, orchestrator):
    assert go(tmp_path, lane, arms(one=ARM, two=ARM)) == ["main/one/base-0/seed-0"]
    results = Study(arms(one=ARM, two=ARM), tmp_path).results
    assert results["main/two/base-0/seed-0"].same_as == "main/one/base-0/seed-0"
    assert len(orchestrator.jobs) == 1


def test_an_experiment_without_its_data_is_skipped(tmp_path, lane):
    plan = arms(one=ARM)
    missing = plan.model_copy(update={"experiments": (plan.experiments[0].model_copy(update={"needs": ("no/file",)}),)})
    assert Study(missing, tmp_path).missing == {"main": ["no/file"]}
    assert go(tmp_path, lane, missing) == []


def test_a_student_that_is_missing_and_cannot_be_made_is_named(tmp_path, lane):
    plan = arms(one=ARM)
    gone = plan.model_copy(update={"students": {"base-0": ModelPlan(model="models/gone")}})
    with pytest.raises(Problem, match="base-0: there is no model directory models/gone, and the plan does not"):
        go(tmp_path, lane, gone)
    broken = gone.model_copy(update={"students": {"base-0": ModelPlan(model="models/gone", make=("nothing",))}})
    with pytest.raises(Problem, match=r"(?s)base-0 could not be made: .*No such command 'nothing'"):
        go(tmp_path, lane, broken)


def test_a_local_teacher_is_served_beside_the_student(tmp_path, lane):
    plan = arms(one=ARM)
    taught = plan.experiments[0].model_copy(update={"local_teacher": "wise"})
    wise = {"wise": ModelPlan(model="models/b")}
    go(tmp_path, lane, plan.model_copy(update={"teachers": wise, "experiments": (taught,)}))
    assert lane.served == (Path("models/a"), Path("models/b"))


def test_a_student_is_not_needed_before_its_first_cell(tmp_path, lane):
    plan = plan_of(students={"base-1": {"model": "models/gone"}})
    assert len(go(tmp_path, lane, plan, limit=4)) == 4
    with pytest.raises(Problem, match="models/gone"):
        go(tmp_path, lane, plan, limit=1)


def test_lanes_run_side_by_side_and_none_does_the_same_work_as_another(tmp_path, orchestrator):
    plan = arms(one=ARM, two=ARM, other=merge_patch(ARM, {"job": {"training": {"steps": 2}}}))
    with Client(orchestrator.url) as left, Client(orchestrator.url) as right:
        done = run_study(Study(plan, tmp_path), [Lane(left), Lane(right)], Choice(), Quiet())
    assert sorted(result.cell for result in done) == ["main/one/base-0/seed-0", "main/other/base-0/seed-0"]
    assert len(Study(plan, tmp_path).results) == 3
