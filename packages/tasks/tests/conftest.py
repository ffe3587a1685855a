"""A data folder of our own making in SciKnowEval's format, and where the real one lies."""

import json
import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


def item(number: int, split: str, **changes: object) -> dict[str, object]:
    """One good line."""
    options = {"A": "1 m", "B": "2 m", "C": "3 m", "D": "4 m"}
    question = f"A rod of 1 m grows by {number} percent of nothing. How long is it in {split}?"
    line = {"id": f"{split}-{number}", "domain": "physics", "split": split, "question": question}
    return line | {"options": options, "answer": "A"} | changes


def write_lines(file: Path, items: list[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in items), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five training and three test questions; the last training question has two options."""
    train = [item(number, "train") for number in range(4)]
    train.append(item(4, "train", options={"A": "yes", "B": "no"}, answer="B"))
    write_lines(tmp_path / "physics_train.jsonl", train)
    write_lines(tmp_path / "physics_test.jsonl", [item(number, "test") for number in range(3)])
    return tmp_path


@pytest.fixture
def real_data() -> Path:
    folder = Path(os.environ.get("SCIKNOWEVAL_DIR", REPOSITORY.parent / "shared" / "data" / "sciknoweval"))
    if not folder.is_dir():
        pytest.skip("SciKnowEval is absent: run `socratic data sciknoweval` and set SCIKNOWEVAL_DIR to its folder")
    return folder
