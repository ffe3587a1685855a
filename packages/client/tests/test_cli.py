"""The command line as its users meet it: help that teaches, refusals that say the next step, exit statuses."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from contracts.errors import Problem
from socratic.cli import app
from typer.testing import Result

ROOT = Path(__file__).parents[3]
DEMO = str(ROOT / "examples" / "materials.yaml")
Run = Callable[..., Result]

# Every command of issue 6 and of the README, so that none is lost from the discovered ones.
COMMANDS = ["demo", "run", "up", "down", "status", "submit", "jobs", "watch", "cancel", "events", "tasks"]
COMMANDS += ["pause", "resume", "clone", "metrics", "models", "eval"]
GROUPED = ["checkpoints list", "checkpoints export", "episodes list", "episodes show", "episodes try"]
GROUPED += ["teachers list", "teachers check", "data sciknoweval", "student make-base materials"]


def commands_of(group: click.Group, names: tuple[str, ...] = ()) -> list[str]:
    """All that the command line can be told, with its groups' names."""
    found = []
    for name, command in group.commands.items():
        path = (*names, name)
        found += commands_of(command, path) if hasattr(command, "commands") else [" ".join(path)]
    return found


ALL = commands_of(typer.main.get_group(app))


def test_no_command_is_lost() -> None:
    assert set(COMMANDS) | set(GROUPED) <= set(ALL)


@pytest.mark.parametrize("command", ALL)
def test_help_explains_every_command_and_each_of_its_options(run: Run, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    found: Any = typer.main.get_group(app)
    for name in command.split():
        found = found.commands[name]
    assert [each.name for each in found.params if not getattr(each, "help", "") and each.name != "help"] == []


def test_help_lists_every_command_and_the_exit_statuses(run: Run) -> None:
    text = run("--help").stdout
    for command in {name.split()[0] for name in ALL}:
        assert re.search(rf"^\W*{command} ", text, re.MULTILINE)
    assert "130 Ctrl-C" in text


@pytest.mark.parametrize("command", [name for name in ALL if name != "demo"])
def test_help_shows_an_example(run: Run, command: str) -> None:
    text = run(*command.split(), "--help").stdout.replace("│", " ")
    assert f"socratic {command}" in " ".join(text.partition("Example")[2].split())


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("socratic.cli", ["torch", "transformers", "matplotlib"]),
        ("socratic.stack.__main__", ["typer", "rich", "httpx2", "yaml"]),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize("command", ["jobs", "tasks", "status", "watch job-1"])
def test_without_a_stack_the_next_step_is_told(run: Run, command: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 2
    assert "socratic up" in result.stderr


def test_down_without_a_stack_is_no_error(run: Run) -> None:
    assert run("down").exit_code == 0


def test_up_with_a_student_that_is_none_is_refused_and_starts_nothing(run: Run, tmp_path: Path) -> None:
    result = run("up", "--student", "missing")
    assert result.exit_code == 2
    assert "socratic student make-base" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_demo_elsewhere_says_where_to_go(run: Run) -> None:
    result = run("demo")
    assert result.exit_code == 2
    assert "root directory" in result.stderr


def test_a_wrong_job_file_is_refused_with_its_fields(run: Run, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("name: x\ntraining: {steps: -1}\n")
    result = run("submit", "job.yaml")
    assert result.exit_code == 2
    for field in ("student", "task", "training.steps"):
        assert re.search(rf"^  {field}: ", result.stderr, re.MULTILINE)


def test_an_unknown_option_is_a_usage_error(run: Run) -> None:
    assert run("up", "--students", "x").exit_code == 2


def test_a_refusal_of_the_server_is_shown_with_its_field(run: Run, orchestrator, answer) -> None:
    problem = Problem(422, "invalid_request", "teacher.provider: no tutor for this task", field="teacher.provider")
    orchestrator.on("/v1/jobs", answer(problem.as_dict(), 422, "application/problem+json"))
    result = run("submit", DEMO, "--url", orchestrator.url)
    assert result.exit_code == 2
    assert "teacher.provider: no tutor for this task" in result.stderr


def test_a_dry_run_tells_what_was_found_and_creates_nothing(run: Run, orchestrator, answer) -> None:
    ranges = {unit: {"low": 1200.0, "high": 3400.0} for unit in ("requests", "tokens")}
    forecast = {**ranges, "usd": {"low": 0.1, "high": 2.345}}
    findings = {"object": "job.validation", "train_questions": 2000, "teacher_forecast": forecast, "spec": {}}
    orchestrator.on("/v1/jobs", answer(findings))
    result = run("submit", DEMO, "--dry-run", "--url", orchestrator.url)
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert "teacher: 1,200 to 3,400 requests, 1,200 to 3,400 tokens, 0.10 to 2.35 USD" in told
    assert "train_questions 2000" in result.stdout
    assert orchestrator.asked[0][1].endswith("?dry_run=true")


@pytest.mark.parametrize(
    ("status", "exit_code", "text"),
    [
        ("succeeded", 0, "job-1 succeeded"),
        ("failed", 1, "job-1 failed: no trainer is alive"),
        ("cancelled", 1, "cancelled"),
    ],
)
def test_submit_and_watch_end_like_the_job(
    run: Run, orchestrator, answer, make_job, status: str, exit_code: int, text: str
) -> None:
    error = {"detail": "no trainer is alive"} if status == "failed" else None
    ended = make_job(status=status, finished_at=9.0, error=error)
    orchestrator.on("/v1/jobs", answer(make_job(status="queued").model_dump(mode="json"), 201))
    orchestrator.on("/v1/jobs/job-1", answer(make_job().model_dump(mode="json")), answer(ended.model_dump(mode="json")))
    result = run("submit", DEMO, "--watch", "--url", orchestrator.url)
    assert result.exit_code == exit_code
    assert result.stdout.startswith("job-1\n")
    assert text in result.stdout


def test_events_are_one_line_each(run: Run, orchestrator, answer) -> None:
    event = {"id": "1-0", "type": "job.status", "at": 1.0, "status": "running", "reason": ""}
    page = {"object": "list", "data": [event], "has_more": False, "first_id": "1-0", "last_id": "1-0"}
    orchestrator.on("/v1/jobs/job-1/events", answer(page))
    assert run("events", "job-1", "--url", orchestrator.url).stdout == "1-0  job.status  status=running\n"


def test_an_episode_is_shown_as_a_dialogue(run: Run, orchestrator, answer) -> None:
    turns = [
        {"role": "user", "content": "choose the conductor ?"},
        {"role": "assistant", "content": "C", "attempt": 1, "outcome": "wrong", "reward": 0.0},
        {"role": "user", "content": "conductor means lowest gap .", "provider": "tutor"},
        {"role": "assistant", "content": "A", "attempt": 2, "outcome": "correct", "reward": 1.0},
    ]
    episode = {"episode_id": "job-1/train/1/q/0", "outcome": "correct", "dialogue": turns, "question": {"answer": "A"}}
    orchestrator.on("/v1/episodes/job-1/train/1/q/0", answer(episode))
    text = run("episodes", "show", "job-1/train/1/q/0", "--url", orchestrator.url).stdout
    blocks = text.strip().split("\n\n")
    assert blocks == [
        "job-1/train/1/q/0  (correct)",
        "-- user\nchoose the conductor ?",
        "-- student, attempt 1: wrong, reward 0\nC",
        "-- teacher (tutor)\nconductor means lowest gap .",
        "-- student, attempt 2: correct, reward 1\nA",
        "-- right answer\nA",
    ]


def test_jobs_and_tasks_are_listed(run: Run, orchestrator, answer, make_job) -> None:
    job = make_job(wait_reason="trainer: updating on step 2").model_dump(mode="json")
    orchestrator.on(
        "/v1/jobs", answer({"object": "list", "data": [job], "has_more": False, "first_id": "", "last_id": ""})
    )
    options = {"properties": {"seed": {"description": "Draws the questions.", "default": 0}}}
    task = {"name": "materials", "summary": "A table.", "options": options}
    orchestrator.on("/v1/tasks", answer({"data": [task]}))
    heading, row = run("jobs", "--url", orchestrator.url).stdout.splitlines()
    assert heading.split("  ")[0] == "id"
    assert [cell.strip() for cell in row.split("  ") if cell] == [
        "job-1",
        "small",
        "running",
        "0/3",
        "-",
        "trainer: updating on step 2",
    ]
    assert "seed: Draws the questions. (default 0)" in run("tasks", "--url", orchestrator.url).stdout


@pytest.mark.parametrize(("command", "status"), [("cancel", "cancelling"), ("pause", "pausing"), ("resume", "queued")])
def test_the_new_status_is_shown(run: Run, orchestrator, answer, make_job, command: str, status: str) -> None:
    orchestrator.on(f"/v1/jobs/job-1/{command}", answer(make_job(status=status).model_dump(mode="json"), 202))
    assert run(command, "job-1", "--url", orchestrator.url).stdout == f"job-1: {status}\n"


def test_a_stack_that_failed_is_remembered(run: Run, tmp_path: Path) -> None:
    state = {"version": 1, "status": "failed", "reason": "trainer exited", "pid": os.getpid(), "started": 1}
    home = tmp_path / ".socratic"
    home.mkdir()
    (home / "stack.json").write_text(
        json.dumps(state | {"student": "s", "orchestrator_url": "http://x", "processes": []})
    )
    result = run("status")
    assert result.exit_code == 2
    assert "The last one failed: trainer exited" in result.stderr
