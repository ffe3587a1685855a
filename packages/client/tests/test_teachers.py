"""`teachers check` against a stand-in gateway."""

import json

from .test_cli import Run

CHECK = {
    "name": "frontier",
    "code": "ok",
    "detail": "Check the\ncarry.",
    "model": "m-1",
    "seconds": 1.25,
    "completion_tokens": 5,
    "price_usd": 0.002,
}


def test_each_teacher_is_a_line(run: Run, orchestrator, answer) -> None:
    orchestrator.on("/v1/teachers/check", answer({"data": [CHECK]}))
    result = run("teachers", "check", "frontier", "--gateway", orchestrator.url)
    assert result.exit_code == 0
    assert [word.strip() for word in result.stdout.splitlines()[1].split("  ") if word] == [
        "frontier",
        "ok",
        "m-1",
        "1.2 s",
        "0.00200 USD",
        "Check the carry.",
    ]
    assert result.stdout.splitlines()[-1] == "teachers: 1 of 1 answer"
    assert json.loads(orchestrator.asked[0][3]) == {"names": ["frontier"]}


def test_one_that_fails_makes_the_command_fail(run: Run, orchestrator, answer) -> None:
    failed = {**CHECK, "name": "local", "code": "teacher_unreachable", "detail": "No answer"}
    orchestrator.on("/v1/teachers/check", answer({"data": [CHECK, failed]}))
    result = run("teachers", "check", "--gateway", orchestrator.url)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "teachers: 1 of 2 answer"


def test_without_named_teachers_the_setting_is_told(run: Run, orchestrator, answer) -> None:
    orchestrator.on("/v1/teachers/check", answer({"data": []}))
    result = run("teachers", "check", "--gateway", orchestrator.url)
    assert result.exit_code == 2
    assert "TEACHER_GATEWAY_TEACHERS_FILE" in result.stderr


def test_without_a_stack_the_next_step_is_told(run: Run) -> None:
    result = run("teachers", "check")
    assert result.exit_code == 2
    assert "socratic up" in result.stderr
