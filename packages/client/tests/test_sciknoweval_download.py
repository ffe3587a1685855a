"""The download against a local server; the questions are made up in the source's format."""

import json
from pathlib import Path

import pytest
from contracts.errors import Problem
from socratic import sciknoweval
from socratic.sciknoweval import convert, download, rows, take_apart

PLAIN = "What is 2 + 2?\n\nA: 3\nB: 4\nPlease reason step by step."
# An option-like line inside the question, white space of the source's own, and an option of two lines.
HARD = "Given:\nA: a cube\nWhich?\n\n\n\nA: 1 cm\n\nB: 2 cm,\nroughly\n\nPlease reason step by step."


def source_row(number: int, prompt: str = PLAIN, answer: str = "B") -> dict[str, object]:
    members = {"idx": number, "kind": "mcq", "dataset": "sciknoweval", "elo": 1500, "tests": "-", "embedding": []}
    return members | {"prompt": prompt, "answer": answer, "system": "choose", "description": prompt}


@pytest.fixture
def small_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sciknoweval, "COUNTS", {"physics": (2, 1)})


def serve(orchestrator, answer, train: list[dict[str, object]]) -> None:
    for split, found in (("train", train), ("test", [source_row(9)])):
        body = "".join(json.dumps(row) + "\n" for row in found).encode()
        orchestrator.on(f"/physics/{split}.json", answer(body, kind="text/plain"))


def test_files_are_written_as_the_task_reads_them(orchestrator, answer, small_split: None, tmp_path: Path) -> None:
    serve(orchestrator, answer, [source_row(1), source_row(2, HARD)])
    out = tmp_path / "new" / "sciknoweval"
    assert list(download(out, orchestrator.url)) == [
        (out / "physics_train.jsonl", 2),
        (out / "physics_test.jsonl", 1),
    ]
    first = json.loads((out / "physics_train.jsonl").read_text().splitlines()[0])
    assert first == {
        "id": "physics-1",
        "domain": "physics",
        "split": "train",
        "question": "What is 2 + 2?",
        "options": {"A": "3", "B": "4"},
        "answer": "B",
    }


def test_a_question_may_have_lines_like_options_and_keeps_its_white_space() -> None:
    question, options = take_apart(HARD)
    assert question == "Given:\nA: a cube\nWhich?\n\n"
    assert options == {"A": "1 cm\n", "B": "2 cm,\nroughly\n"}


def test_another_number_of_questions_is_refused_and_nothing_is_written(
    orchestrator, answer, small_split: None, tmp_path: Path
) -> None:
    serve(orchestrator, answer, [source_row(1)])
    with pytest.raises(Problem, match="1 questions instead of 2"):
        list(download(tmp_path, orchestrator.url))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_how_to_go_on(orchestrator, answer, small_split: None, tmp_path: Path) -> None:
    orchestrator.on("/physics/train.json", answer({}, 404))
    with pytest.raises(Problem, match=r"HTTP 404.*--source"):
        list(download(tmp_path, orchestrator.url))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"idx": 1, "answer": "A"}, "no 'prompt'"),
        (source_row(1, answer="D"), "physics-1: the answer 'D' is none of"),
        (source_row(1, prompt="no options"), "none of the options"),
    ],
)
def test_rows_of_another_format_are_refused(row: dict[str, object], message: str) -> None:
    with pytest.raises(Problem, match=message):
        convert(row, "physics", "train")


def test_a_broken_line_is_named() -> None:
    with pytest.raises(Problem, match=r"train\.json: line 2 is no JSON"):
        list(rows('{"idx": 1}\n{"idx"', "train.json"))


@pytest.mark.real_data
def test_the_documented_counts_are_those_of_the_data() -> None:
    folder = Path(__file__).parents[4] / "shared" / "data" / "sciknoweval"
    if not folder.is_dir():
        pytest.skip("SciKnowEval is not here; get it by `socratic data sciknoweval`")
    for domain, counts in sciknoweval.COUNTS.items():
        for split, expected in zip(sciknoweval.SPLITS, counts, strict=True):
            assert len((folder / f"{domain}_{split}.jsonl").read_text().splitlines()) == expected
