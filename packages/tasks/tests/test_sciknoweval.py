"""Reading the files, the prompt, and what bad data says."""

from pathlib import Path

import pytest
from contracts.errors import Problem
from tasks.base import Task
from tasks.registry import create_task

PHYSICS = {"path": ".", "domain": "physics"}


def physics(folder: Path, **options: object) -> Task:
    return create_task("sciknoweval", PHYSICS | options, [folder])


def spoil(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")


def test_the_prompt_lists_the_options_and_asks_for_the_form(data: Path) -> None:
    task = physics(data)
    system, user = task.messages(task.test_questions()[0])
    assert system["role"] == "system"
    assert "<reasoning>\n...\n</reasoning>\n<answer>\nX\n</answer>" in system["content"]
    assert user["role"] == "user"
    question, options, request = user["content"].split("\n\n")
    assert question.startswith("A rod of 1 m")
    assert options == "A: 1 m\nB: 2 m\nC: 3 m\nD: 4 m"
    assert "step by step" in request


def test_two_option_items(data: Path) -> None:
    task = physics(data)
    question = task.train_questions()[-1]
    assert "A: yes\nB: no\n\n" in task.messages(question)[1]["content"]
    assert task.verify(question, "<answer>B</answer>").outcome == "correct"
    assert task.verify(question, "<answer>C</answer>").outcome == "malformed"


def test_limits_and_verifier(data: Path) -> None:
    task = physics(data, train_limit=2, test_limit=1, verifier="strict_letter")
    assert [q.id for q in task.train_questions()] == ["train-0", "train-1"]
    assert [q.id for q in task.test_questions()] == ["test-0"]
    assert task.verify(task.test_questions()[0], "<answer>A</answer>").outcome == "malformed"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "physics_train.jsonl, line 6: Invalid JSON"),
        ("", "physics_train.jsonl, line 6: Invalid JSON"),
        ('{"id": "x", "question": "q", "options": {"A": "1", "B": "2"}}', "line 6: answer: Field required"),
        ('{"id": "x", "question": "q", "options": {"A": "1", "B": "2"}, "answer": "C"}', "none of the options A, B"),
        ('{"id": "x", "question": "q", "options": {"A": "1"}, "answer": "A"}', "line 6: options:"),
        ('{"id": "x", "question": "q", "options": {"a": "1", "B": "2"}, "answer": "B"}', "line 6: options.a"),
        ('{"id": "train-0", "question": "q", "options": {"A": "1", "B": "2"}, "answer": "B"}', "occurs twice"),
    ],
)
def test_a_bad_line_is_named(data: Path, line: str, said: str) -> None:
    spoil(data / "physics_train.jsonl", line)
    with pytest.raises(Problem, match=said) as caught:
        physics(data)
    assert caught.value.status == 422
    assert caught.value.field == "task.options.path"


def test_bytes_that_are_no_text_are_named(data: Path) -> None:
    with (data / "physics_test.jsonl").open("ab") as lines:
        lines.write(b"\xff\xfe\n")
    with pytest.raises(Problem, match=r"physics_test\.jsonl, line 4"):
        physics(data)


@pytest.mark.parametrize("name", ["physics_train.jsonl", "physics_test.jsonl"])
def test_an_absent_or_empty_file_says_how_to_get_it(data: Path, name: str) -> None:
    (data / name).write_text("")
    with pytest.raises(Problem, match=f"{name} is empty; get the files with `socratic data sciknoweval`"):
        physics(data)
    (data / name).unlink()
    with pytest.raises(Problem, match=f"{name} is not in the folder; get the files with `socratic data sciknoweval`"):
        physics(data)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("domain", "train", "test"),
    [("chemistry", 1890, 210), ("physics", 720, 80), ("biology", 450, 50), ("material", 841, 94)],
)
def test_the_real_sets_have_the_published_sizes(real_data: Path, domain: str, train: int, test: int) -> None:
    """Sizes of the SDPO split."""
    task = create_task("sciknoweval", {"path": str(real_data), "domain": domain}, [real_data])
    assert len(task.train_questions()) == train
    assert len(task.test_questions()) == test
