"""The commands around a job, against an orchestrator that answers by script: what is asked, and what is shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from contracts.views import Progress
from socratic.commands.checkpoints import copy_whole

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples" / "materials.yaml"


def page_of(*items: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": False, "first_id": None, "last_id": None}


def checkpoint(step: int, **members: Any) -> dict[str, Any]:
    whole = {"job_id": "job-1", "step": step, "status": "whole", "sha256": "0" * 64, "bytes": 9, "created_at": 0.0}
    rest = {"kept_by": ["last"], "unassisted_accuracy": 0.5, "student_model": f"jobs/job-1/policies/{step}"}
    return {**whole, **rest, **members}


def test_a_clone_sends_what_differs_and_prints_the_new_id(run, orchestrator, answer, make_job) -> None:
    orchestrator.on("/v1/jobs", answer(make_job(id="job-2").model_dump(mode="json"), 201))
    options = ["--set", "training.steps=200", "--set", "name=longer", "--idempotency-key", "k"]
    result = run("clone", "job-1", *options, "--url", orchestrator.url)
    assert (result.exit_code, result.stdout) == (0, "job-2\n")
    _, _, headers, body = orchestrator.asked[0]
    assert json.loads(body) == {"source_job_id": "job-1", "overrides": {"training": {"steps": 200}, "name": "longer"}}
    assert headers["idempotency-key"] == "k"


def test_a_clone_can_be_rehearsed(run, orchestrator, answer) -> None:
    warning = {"code": "letter_bias", "text": "B is right in 41 % of the questions", "figures": {}}
    orchestrator.on("/v1/jobs", answer({"train_questions": 20, "warnings": [warning]}))
    result = run("clone", "job-1", "--dry-run", "--url", orchestrator.url)
    assert "the clone of job-1 would be accepted: train_questions 20" in result.stdout
    assert "warning: B is right in 41 %" in result.stdout
    assert orchestrator.asked[0][1].endswith("?dry_run=true")


def test_a_priority_replaces_the_files(run, orchestrator, answer, make_job) -> None:
    orchestrator.on("/v1/jobs", answer(make_job(status="queued").model_dump(mode="json"), 201))
    assert run("submit", DEMO, "--priority", "10", "--url", orchestrator.url).exit_code == 0
    assert json.loads(orchestrator.asked[0][3])["priority"] == 10
    assert run("submit", DEMO, "--priority", "101", "--url", orchestrator.url).exit_code == 2


def test_checkpoints_are_listed_with_what_is_wrong(run, orchestrator, answer) -> None:
    damaged = checkpoint(2, status="damaged", damage="model.safetensors differs", student_model=None, kept_by=[])
    orchestrator.on("/v1/jobs/job-1/checkpoints", answer(page_of(checkpoint(1), damaged)))
    _, first, second = run("checkpoints", "list", "job-1", "--url", orchestrator.url).stdout.splitlines()
    assert [cell.strip() for cell in first.split("  ") if cell][3:] == ["0.50", "last", "jobs/job-1/policies/1"]
    assert "damaged: model.safetensors differs" in second


def test_the_newest_whole_checkpoint_is_exported(run, orchestrator, answer, tmp_path) -> None:
    found = [checkpoint(1), checkpoint(2), checkpoint(3, status="damaged", damage="short")]
    orchestrator.on("/v1/jobs/job-1/checkpoints", answer(page_of(*found)))
    for step in (1, 2):
        policy = tmp_path / f"data/jobs/job-1/policies/{step}"
        policy.mkdir(parents=True)
        (policy / "config.json").write_text(str(step))
    command = ["checkpoints", "export", "job-1", "--data-root", "data", "--url", orchestrator.url]
    assert run(*command, "--out", "newest").exit_code == 0
    assert (tmp_path / "newest/config.json").read_text() == "2"
    assert run(*command, "--out", "older", "--step", "1").exit_code == 0
    assert (tmp_path / "older/config.json").read_text() == "1"
    refused = run(*command, "--out", "newest")
    assert (refused.exit_code, "exists already" in refused.stderr) == (2, True)
    missing = run(*command, "--out", "none", "--step", "3")
    assert (missing.exit_code, "whole ones: 1, 2" in missing.stderr) == (2, True)
    elsewhere = run("checkpoints", "export", "job-1", "--out", "none", "--url", orchestrator.url)
    assert (elsewhere.exit_code, "--data-root" in elsewhere.stderr) == (2, True)
    assert not (tmp_path / "none").exists()


def test_a_copy_that_breaks_leaves_nothing(tmp_path, monkeypatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").symlink_to(tmp_path / "gone")
    with pytest.raises(Exception, match="could not be written"):
        copy_whole(tmp_path / "model", tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_curves_are_shown_and_written_as_csv(run, orchestrator, answer) -> None:
    series = {"loss": {"steps": [1, 2], "values": [0.5, 0.25]}}
    orchestrator.on("/v1/jobs/job-1/metrics", answer({"object": "metrics", "job_id": "job-1", "series": series}))
    _, row = run("metrics", "job-1", "loss", "--url", orchestrator.url).stdout.splitlines()
    assert row.split() == ["loss", "█▁", "0.25", "0.5", "0.25"]
    assert run("metrics", "job-1", "--csv", "--url", orchestrator.url).stdout == "step,loss\n1,0.5\n2,0.25\n"
    assert [path for _, path, _, _ in orchestrator.asked] == [
        "/v1/jobs/job-1/metrics?points=1000&names=loss",
        "/v1/jobs/job-1/metrics?points=1000",
    ]


def test_models_and_teachers_are_listed(run, orchestrator, answer) -> None:
    model = {"id": "models/materials-base", "kind": "base", "model_type": "qwen3", "bytes": 2**21, "served": True}
    orchestrator.on("/v1/models", answer(page_of(model)))
    _, row = run("models", "--url", orchestrator.url).stdout.splitlines()
    assert row.split() == ["models/materials-base", "base", "qwen3", "2.0", "MiB", "yes"]
    tutor = {"provider": "tutor", "name": None, "model": None, "available": True, "detail": ""}
    named = {"provider": "named", "name": "frontier", "model": "m", "available": False, "detail": "no key is set"}
    orchestrator.on("/v1/teachers", answer(page_of(tutor, named)))
    _, first, second = run("teachers", "list", "--url", orchestrator.url).stdout.splitlines()
    assert first.split() == ["tutor", "-", "available"]
    assert " ".join(second.split()) == "frontier m not available no key is set"


def test_an_episode_is_tried_with_the_jobs_own_settings_and_what_differs(run, orchestrator, answer) -> None:
    turns = [
        {"role": "user", "content": "2 + 2 ?"},
        {"role": "assistant", "content": "4", "attempt": 1, "outcome": "correct", "reward": 1.0},
    ]
    episode = {"episode_id": "trial/1", "outcome": "correct", "dialogue": turns, "question": {"answer": "4"}}
    orchestrator.on("/v1/episodes", answer(episode))
    options = ["--question", "2 + 2 ?", "--answer", "4", "--set", "seed=7", "--set", "teacher.provider=retry"]
    result = run("episodes", "try", DEMO, *options, "--url", orchestrator.url)
    assert "-- student, attempt 1: correct, reward 1\n4" in result.stdout
    asked = json.loads(orchestrator.asked[0][3])
    assert (asked["task"]["name"], asked["student"]["model"]) == ("materials", "models/materials-base")
    assert (asked["seed"], asked["teacher"]["provider"]) == (7, "retry")
    assert asked["question"] == {"text": "2 + 2 ?", "answer": "4", "options": {}}
    refused = run("episodes", "try", DEMO, "--set", "max_attempts=99", "--url", orchestrator.url)
    assert (refused.exit_code, "max_attempts" in refused.stderr) == (2, True)


def test_episodes_are_filtered(run, orchestrator, answer) -> None:
    orchestrator.on("/v1/jobs/job-1/episodes", answer(page_of()))
    options = ["--step", "3", "--outcome", "wrong", "--attempts", "2", "--limit", "7"]
    assert run("episodes", "list", "job-1", *options, "--url", orchestrator.url).exit_code == 0
    query = orchestrator.asked[0][1].partition("?")[2]
    assert set(query.split("&")) == {"limit=7", "purpose=train", "step=3", "outcome=wrong", "attempts=2"}


def test_a_checkpoint_is_deleted_and_waited_for(run, orchestrator, answer) -> None:
    lists = [answer(page_of(checkpoint(1, deleting=True), checkpoint(2))), answer(page_of(checkpoint(2)))]
    orchestrator.on("/v1/jobs/job-1/checkpoints/1", answer(checkpoint(1, deleting=True), 202))
    orchestrator.on("/v1/jobs/job-1/checkpoints", *lists)
    result = run("checkpoints", "delete", "job-1", "1", "--url", orchestrator.url)
    assert (result.exit_code, result.stdout) == (0, "job-1: step 1 deleted\n")
    assert [asked[0] for asked in orchestrator.asked] == ["DELETE", "GET", "GET"]


def test_a_checkpoint_that_the_disk_or_a_job_keeps(run, orchestrator, answer, monkeypatch) -> None:
    orchestrator.on("/v1/jobs/job-1/checkpoints/1", answer(checkpoint(1, deleting=True), 202))
    orchestrator.on("/v1/jobs/job-1/checkpoints", answer(page_of(checkpoint(1))))
    failed = run("checkpoints", "delete", "job-1", "1", "--url", orchestrator.url)
    assert (failed.exit_code, "socratic events job-1" in failed.stderr) == (1, True)
    monkeypatch.setattr("socratic.commands.checkpoints.DELETED_WITHIN_SECONDS", 0.0)
    orchestrator.on("/v1/jobs/job-1/checkpoints", answer(page_of(checkpoint(1, deleting=True))))
    waiting = run("checkpoints", "delete", "job-1", "1", "--url", orchestrator.url)
    assert (waiting.exit_code, waiting.stdout) == (0, "job-1: step 1 is deleted as soon as the trainer runs\n")
    needed = {"status": 409, "code": "checkpoint_needed", "detail": "step 1: job-1 would go on from it"}
    orchestrator.on("/v1/jobs/job-1/checkpoints/1", answer(needed, 409, "application/problem+json"))
    refused = run("checkpoints", "delete", "job-1", "1", "--url", orchestrator.url)
    assert (refused.exit_code, "would go on from it" in refused.stderr) == (2, True)


def test_a_step_is_shown_episode_by_episode(run, orchestrator, answer, step_records) -> None:
    entry = {"episode_id": "job-1/train/1/q/0", "question_id": "q", "sample": 0, "seed": 1}
    manifest = {"version": 1, "job_id": "job-1", "purpose": "train", "step": 1, "policy_version": 0}
    shown = {"step": 1, "record": step_records[0].model_dump(mode="json"), "episodes_arrived": 1}
    orchestrator.on("/v1/jobs/job-1/steps/1", answer(shown | {"manifest": manifest | {"entries": [entry]}}))
    wrong = {"outcome": "wrong", "reward": 0.0, "reward_decayed": 0.0, "advantage": -0.5, "tokens": 3}
    right = {"outcome": "correct", "reward": 1.0, "reward_decayed": 0.4, "advantage": 0.25, "tokens": 3}
    made = {"episode_id": "e", "question_id": "q7", "sample": 2, "arrived": True, "failure": None}
    lost = {"episode_id": "f", "question_id": "q8", "sample": 0, "arrived": False, "failure": None, "attempts": []}
    broken = lost | {"sample": 1, "arrived": True, "failure": "deadline"}
    rows = page_of(made | {"attempts": [wrong, right]}, lost, broken)
    orchestrator.on("/v1/jobs/job-1/steps/1/attempts", answer(rows))
    head, _, first, second, third = run("step", "job-1", "1", "--url", orchestrator.url).stdout.splitlines()
    assert head == "step 1: 1 of 3 episodes, decay factor 0.300"
    assert [cell.strip() for cell in first.split("  ") if cell] == [
        "q7",
        "2",
        "wrong, 0 → 0.00, -0.50 · correct, 1 → 0.40, +0.25",
    ]
    assert "not arrived" in second
    assert "failed: deadline" in third


def test_a_job_that_the_server_cannot_read_is_listed_with_the_reason(run, orchestrator, answer, make_job) -> None:
    reason = {"detail": "training.gone: Extra inputs are not permitted", "errors": [], "stored": "{}"}
    old = make_job(spec=None, unreadable_spec=reason, status="paused", progress=Progress(step=5, steps=None))
    orchestrator.on("/v1/jobs", answer(page_of(old.model_dump(mode="json"), make_job().model_dump(mode="json"))))
    _, first, second = run("jobs", "--url", orchestrator.url).stdout.splitlines()
    assert [cell.strip() for cell in first.split("  ") if cell][2:] == ["paused", "5/-", "-", reason["detail"]]
    assert "0/3" in second
    orchestrator.on("/v1/jobs/job-1/pause", answer(old.model_dump(mode="json"), 202))
    assert run("pause", "job-1", "--url", orchestrator.url).stdout == "job-1: paused\n"
