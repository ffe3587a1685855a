"""A task is made from checked options, or refused with a field and a fix."""

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
