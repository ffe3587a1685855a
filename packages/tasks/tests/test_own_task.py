"""The documented example of a task of one's own: installed as a package, found, made, and used by a judge."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "own-task"
# pip builds a wheel of one module; on a busy machine that takes a while.
INSTALL_SECONDS = 110
CODE = """
from tasks.registry import create_task
task = create_task("addition", {"largest": 3}, [])
print(len(task.train_questions()), len(task.test_questions()), task.messages(task.test_questions()[1])[0]["content"])
"""
REQUEST = {
    "task": json.dumps({"name": "addition"}),
    "question": {"id": "2+3", "domain": "sums", "text": "What is 2 + 3?", "answer": "5"},
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example is installed."""
    target, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source")
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True, timeout=INSTALL_SECONDS)
    return {**os.environ, "PYTHONPATH": str(target)}


def test_the_installed_task_is_made_and_shown(environment: dict[str, str]) -> None:
    made = subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, capture_output=True, timeout=60)
    assert made.stdout.decode().strip() == "12 4 What is 1 + 1? Answer in this form: <answer>7</answer>"


def test_a_judge_checks_its_answers(environment: dict[str, str]) -> None:
    answers = ["it is <answer>5</answer>", "<answer>6</answer>", "five"]
    line = json.dumps([{**REQUEST, "answer_text": answer} for answer in answers]) + "\n"
    judge = [sys.executable, "-P", "-m", "tasks.judge"]
    done = subprocess.run(judge, env=environment, input=line, check=True, capture_output=True, text=True, timeout=60)
    assert [verdict["outcome"] for verdict in json.loads(done.stdout)] == ["correct", "wrong", "malformed"]


def test_it_is_short() -> None:
    assert len((EXAMPLE / "addition_task.py").read_text().splitlines()) < 40
