"""A task is made from checked options, or refused with a field and a fix."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contracts.errors import Problem
from tasks.registry import create_task, describe_tasks


@pytest.mark.parametrize(
    ("name", "options", "field", "said"),
    [
        ("chess", {}, "task.name", "known: materials, recipes, sciknoweval, multiple_choice, numeric"),
        ("materials", {"seed": -1}, "task.options.seed", "greater than or equal to 0"),
        ("materials", {"sede": 1}, "task.options.sede", "options of materials: seed, train_questions, test_questions"),
        ("sciknoweval", {"domain": "physics"}, "task.options.path", "Field required"),
        ("sciknoweval", {"path": ".", "domain": "alchemy"}, "task.options.domain", "'physics'"),
        (
            "sciknoweval",
            {"path": ".", "domain": "physics", "verifier": "vibes"},
            "task.options.verifier",
            "strict_letter",
        ),
        ("sciknoweval", {"path": "absent", "domain": "physics"}, "task.options.path", "socratic data sciknoweval"),
        ("sciknoweval", {"path": "..", "domain": "physics"}, "task.options.path", "outside the data roots"),
        ("sciknoweval", {"path": "/", "domain": "physics"}, "task.options.path", "outside the data roots"),
    ],
)
def test_refused(data: Path, name: str, options: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        create_task(name, options, [data])
    assert (caught.value.status, caught.value.field) == (422, field)
    assert said in caught.value.detail


def test_every_bad_option_is_listed() -> None:
    with pytest.raises(Problem) as caught:
        create_task("materials", {"seed": -1, "test_questions": 0}, [])
    assert [error["field"] for error in caught.value.errors] == ["task.options.seed", "task.options.test_questions"]


def test_a_link_out_of_the_roots_is_refused(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "link").symlink_to(data)
    with pytest.raises(Problem, match="outside the data roots"):
        create_task("sciknoweval", {"path": "link", "domain": "physics"}, [root])


def test_the_second_root_is_looked_at_too(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    task = create_task("sciknoweval", {"path": data.name, "domain": "physics"}, [data, data.parent])
    assert len(task.test_questions()) == 3


def test_every_task_describes_its_options() -> None:
    described = {task["name"]: task for task in describe_tasks()}
    assert described.keys() == {"materials", "recipes", "sciknoweval", "multiple_choice", "numeric"}
    assert described["sciknoweval"]["options"]["required"] == ["path", "domain"]
    for task in described.values():
        assert task["summary"]
        assert task["options"]["additionalProperties"] is False
        assert all("description" in option for option in task["options"]["properties"].values())


def test_tasks_import_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'fastapi', 'redis', 'celery'}"
    code = f"import sys, tasks.registry; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


MODULE = """
from pydantic import BaseModel
from tasks.registry import TaskKind
KIND = TaskKind("numeric", "Another task of that name.", BaseModel, lambda options, roots: None)
"""


@pytest.mark.parametrize(
    ("target", "said"),
    [("offered:KIND", "'numeric' exists already"), ("offered:MISSING", "MISSING"), ("offered:__name__", "it is a str")],
)
def test_an_installed_task_that_cannot_be_used_is_named(tmp_path: Path, target: str, said: str) -> None:
    """In a process of its own, for entry points and tasks are looked up once."""
    (tmp_path / "offered.py").write_text(MODULE)
    metadata = tmp_path / "broken_tasks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-tasks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[socratic.tasks]\nmine = {target}\n")
    code = "from tasks.registry import Problem, kinds\ntry: kinds()\nexcept Problem as problem: print(problem.detail)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert told.startswith(f"The task 'mine' of broken-tasks ({target}) cannot be used")
    assert said in told
