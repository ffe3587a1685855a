"""Your own questions from JSON lines: multiple choice, and numbers in GSM8K's format."""

import json
from pathlib import Path
from typing import Any

import pytest
from contracts.errors import Problem
from tasks.base import Task
from tasks.registry import create_task

FILES = {"train": "train.jsonl", "test": "test.jsonl"}
RIVER = {"question": "Which is a river?", "options": {"A": "Elbe", "B": "Alps"}, "answer": "A"}
LAKE = {"question": "Which is a lake?", "options": ["Rhine", "Como", "Etna"], "answer": "B", "domain": "water"}
# From the GSM8K paper (arXiv 2110.14168), figure 1, shortened.
COOKIES = {"question": "Two dozen cookies for 16 people?", "answer": "2 x 12 = 24\n24 / 16 = 1.5\n#### 1.5"}
PAGES = {"question": "How many pages in 3 books of 360?", "answer": "3 x 360 = 1,080 #### 1,080"}


def write(folder: Path, name: str, *lines: Any) -> None:
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def choice(folder: Path, **options: Any) -> Task:
    return create_task("multiple_choice", FILES | options, [folder])


def numbers(folder: Path, **options: Any) -> Task:
    return create_task("numeric", FILES | options, [folder])


def test_multiple_choice(tmp_path: Path) -> None:
    write(tmp_path, "train.jsonl", RIVER | {"id": "river"}, LAKE)
    write(tmp_path, "test.jsonl", {**RIVER, "question": "Which flows?"})
    task = choice(tmp_path, system="Say a letter:")
    river, lake = task.train_questions()
    assert (river.id, river.domain, lake.id, lake.domain) == ("river", "questions", "train-2", "water")
    assert lake.options == {"A": "Rhine", "B": "Como", "C": "Etna"}
    system, user = task.messages(lake)
    assert system["content"].startswith("Say a letter:\n<reasoning>")
    assert user["content"] == "Which is a lake?\n\nA: Rhine\nB: Como\nC: Etna\n\nPlease reason step by step."
    assert task.verify(lake, "<answer>B</answer>").outcome == "correct"
    assert choice(tmp_path, verifier="strict_letter").verify(lake, "<answer>B</answer>").outcome == "malformed"


def test_numbers_in_the_format_of_gsm8k(tmp_path: Path) -> None:
    write(tmp_path, "train.jsonl", COOKIES, PAGES)
    write(tmp_path, "test.jsonl", {"question": "1 + 1?", "answer": "2"})
    task = numbers(tmp_path)
    cookies, pages = task.train_questions()
    assert (cookies.answer, cookies.solution) == ("1.5", "2 x 12 = 24\n24 / 16 = 1.5")
    assert task.test_questions()[0].solution is None
    assert "1.5" not in task.messages(cookies)[1]["content"]
    assert task.verify(cookies, "each has <answer>3/2</answer>").outcome == "correct"
    assert task.verify(pages, "<answer>1080</answer>").outcome == "correct"
    assert task.verify(pages, "<answer>1081</answer>").outcome == "wrong"


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("multiple_choice", {"question": "?", "options": ["a"], "answer": "A"}, "line 2: options"),
        ("multiple_choice", {"question": "?", "options": ["a", "b"], "answer": "C"}, "none of the options A, B"),
        ("multiple_choice", {"question": "", "options": ["a", "b"], "answer": "A"}, "line 2: question"),
        ("multiple_choice", {"id": "first", "question": "?", "options": ["a", "b"], "answer": "A"}, "occurs twice"),
        ("numeric", {"question": "?", "answer": "many"}, "must end in a number behind ####, found 'many'"),
        ("numeric", {"question": "?", "answer": "1 #### one"}, "found 'one'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, line: Any, said: str) -> None:
    good = {"id": "first", "question": "?", "options": ["1", "2"], "answer": "A" if name == "multiple_choice" else "1"}
    write(tmp_path, "train.jsonl", good, line)
    write(tmp_path, "test.jsonl", good)
    with pytest.raises(Problem, match=said) as caught:
        create_task(name, FILES, [tmp_path])
    assert (caught.value.status, caught.value.field) == (422, "task.options.train")


def test_a_file_outside_the_roots_or_absent_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "test.jsonl", RIVER)
    with pytest.raises(Problem, match=r"task\.options\.train: no file 'train\.jsonl'"):
        choice(tmp_path)
    write(tmp_path, "train.jsonl", LAKE)
    with pytest.raises(Problem, match=r"task\.options\.test: '/etc/passwd' lies outside"):
        choice(tmp_path, test="/etc/passwd")
