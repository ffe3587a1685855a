"""The teacher prompt: golden texts written by hand, the switches, and texts that try to break out of their section."""

from pathlib import Path
from typing import Any

import pytest
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest
from hypothesis import given
from hypothesis import strategies as st
from teacher_gateway.prompt import load_template, parse_template, values_of

from .scripted import guidance_request

GOLDEN = Path(__file__).parent / "golden"
PLANETS = "Which planet is the largest?\nA: Mars\nB: Jupiter"
SECTIONS = ("question", "dialogue", "latest_answer", "reference_solution", "ground_truth")


def request(teacher: dict[str, Any], **changes: Any) -> GuidanceRequest:
    dialogue = [
        {"role": "system", "content": "Answer with one letter."},
        {"role": "user", "content": PLANETS},
        {"role": "assistant", "content": "<answer>Mars</answer>"},
        {"role": "user", "content": "Give a letter, not a name."},
        {"role": "assistant", "content": "<answer>A</answer>"},
    ]
    fields = {"question": PLANETS, "dialogue": dialogue, "latest_answer": "<answer>A</answer>", "attempt": 2, **changes}
    return GuidanceRequest.model_validate(guidance_request(teacher, **fields))


def rendered(teacher: dict[str, Any], **changes: Any) -> str:
    return load_template().render(values_of(request(teacher, **changes)))


def test_golden_with_the_whole_dialogue() -> None:
    assert rendered({}) + "\n" == (GOLDEN / "dialogue.txt").read_text()


def test_golden_with_the_latest_answer_and_the_ground_truth() -> None:
    teacher = {"view": "latest_answer", "ground_truth": True}
    text = rendered(teacher, ground_truth="B", reference_solution="Jupiter has 318 Earth masses, Mars 0.1.")
    assert text + "\n" == (GOLDEN / "latest_answer_with_ground_truth.txt").read_text()


def test_the_switch_decides_on_the_ground_truth_not_its_presence() -> None:
    text = rendered({"ground_truth": False}, ground_truth="B")
    assert "ground_truth" not in text
    assert "Do not directly reveal the final answer" in text


def test_a_ground_truth_that_is_promised_must_be_sent() -> None:
    with pytest.raises(Problem) as caught:
        values_of(request({"ground_truth": True}))
    assert (caught.value.status, caught.value.field) == (422, "ground_truth")


def test_the_first_attempt_shows_the_question_as_the_dialogue() -> None:
    text = rendered({}, dialogue=[{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "5"}])
    assert "<dialogue>\nQuestion: 2 + 2?\n</dialogue>" in text


TAGS = [tag for name in SECTIONS for tag in (f"<{name}>", f"</{name}>")]


@given(st.lists(st.sampled_from([*TAGS, "$", "<", "x"])).map("".join))
def test_no_student_text_opens_or_closes_a_section(answer: str) -> None:
    dialogue = [{"role": "user", "content": answer}, {"role": "assistant", "content": answer}]
    text = rendered({}, latest_answer=answer, question=answer, dialogue=dialogue)
    for name in ("question", "dialogue", "latest_answer", "reference_solution"):
        assert (text.count(f"<{name}>"), text.count(f"</{name}>")) == (1, 1)
    assert "<ground_truth>" not in text


def test_names_inside_values_are_text() -> None:
    text = rendered({}, latest_answer="$question ${ground_truth} {question} %s $$")
    assert "<latest_answer>\n$question ${ground_truth} {question} %s $$\n</latest_answer>" in text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Hello $answer_key", "unknown answer_key; known: dialogue, ground_truth"),
        ("[when solved]\nWell done.", "unknown solved"),
        ("It costs $ 5.", r"write `\$\$`"),
    ],
)
def test_a_template_with_an_unknown_name_is_refused_when_loaded(text: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse_template("draft", text)


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(FileNotFoundError):
        load_template("socratic-v0")
