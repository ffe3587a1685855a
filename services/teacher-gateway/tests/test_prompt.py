"""The teacher prompt: golden texts written by hand, the switches, and texts that try to break out of their section."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest
from contracts.prompts import NAMES, parse_own, parse_template
from hypothesis import given
from hypothesis import strategies as st
from teacher_gateway.prompt import load_template, values_of

from .conftest import StartGateway, StartTeacher
from .scripted import chat_completion, compatible, guidance_request, http_answer

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
    teacher = {"view": "latest_answer", "ground_truth": True, "reference_solution": True}
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


def test_only_a_dollar_begins_a_name() -> None:
    template = parse_own("100 % of ${latest_answer}s and %(dialogue)s for $$5 %%")
    assert template.render({"latest_answer": "%s", "dialogue": "D"}) == "100 % of %ss and %(dialogue)s for $5 %%"
    with pytest.raises(ValueError, match=r"neither \$latest_answer nor \$dialogue"):
        parse_own("%(dialogue)s")


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


OWN = "Help with this:\n$latest_answer\n\n[when question]\nAsked: $question\n\n[unless ground_truth]\nReveal nothing."


async def test_a_jobs_own_prompt_takes_the_place_of_the_shipped_one(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(http_answer(200, chat_completion("Look.")))
    gateway = await start_gateway()
    body = guidance_request(compatible(teacher.base_url, prompt=OWN))
    given = (await gateway.post("/v1/guidance", json=body)).json()
    (seen,) = teacher.seen
    assert seen.body["messages"][0]["content"] == (
        "Help with this:\n<answer>6</answer>\n\nAsked: What is 2 + 3?\n\nReveal nothing."
    )
    # The version is `printf OWN | sha256sum | head -c 12`.
    assert given["prompt_version"] == f"own-{hashlib.sha256(OWN.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize(
    ("prompt", "cause"),
    [
        ("Mind $anwser and $latest_answer", "unknown anwser"),
        ("Just guess.", "names neither"),
        ("$latest_answer $", "`$$`"),
    ],
)
async def test_a_bad_prompt_is_refused_with_its_field(start_gateway: StartGateway, prompt: str, cause: str) -> None:
    gateway = await start_gateway()
    answer = await gateway.post("/v1/guidance", json=guidance_request({"provider": "retry", "prompt": prompt}))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "teacher.prompt"
    assert cause in error["message"]
    with pytest.raises(ValueError, match="prompt"):
        parse_own(prompt)


def test_each_switch_hides_its_part() -> None:
    whole = {"question": True, "reference_solution": True, "view": "dialogue", "ground_truth": True}
    shown = {"reference_solution": "318 Earth masses", "ground_truth": "B is it"}
    every = rendered(whole, **shown)
    assert all(part in every for part in ("largest", "318 Earth masses", "B is it", "Give a letter, not a name."))
    assert "largest" not in rendered({**whole, "question": False}, **shown)
    assert "318" not in rendered({**whole, "reference_solution": False}, **shown)
    assert "B is it" not in rendered({**whole, "ground_truth": False}, **shown)
    assert "Give a letter" not in rendered({**whole, "view": "latest_answer"}, **shown)


async def test_the_api_shows_the_prompts(start_gateway: StartGateway) -> None:
    found = (await (await start_gateway()).get("/v1/prompts")).json()
    assert found["names"] == sorted(NAMES)
    (shipped,) = found["data"]
    assert (shipped["version"], shipped["default"]) == ("socratic-v1", True)
    assert "$latest_answer" in shipped["text"]
