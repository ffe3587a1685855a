"""The leak guard: its rules on sentences, what it does in each mode, and what it counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teacher_gateway.leaks.answer import RightAnswer, stem_of
from teacher_gateway.leaks.judge import judge, redact

from .conftest import StartGateway, StartTeacher
from .scripted import chat_completion, chat_error, compatible, guidance_request, http_answer

RETRY_TEXT = "Your answer is incorrect. Please try again."
QUESTION = "How far is it, in 3 steps?\n\nA: 12 km\nB: 15 km\nC: the town hall\nD: Jane Austen"
OPTIONS = {"A": "12 km", "B": "15 km", "C": "the town hall", "D": "Jane Austen"}


def answer(letter: str = "B", solution: str = "") -> RightAnswer:
    return RightAnswer(letter, OPTIONS[letter], OPTIONS, stem_of(QUESTION, tuple(OPTIONS)), solution)


@pytest.mark.parametrize(
    ("text", "letter", "rules"),
    [
        ("The answer is B.", "B", ["letter"]),
        ("It is option b, not A.", "B", ["letter"]),
        ("The answer is B, not A.", "B", ["letter"]),
        ("Compare A and B again.", "B", []),
        ("Take the second option.", "B", ["letter"]),
        ("It is the letter after A.", "B", ["letter"]),
        ("Take the last one.", "D", ["letter"]),
        ("A good start is to draw it.", "A", []),
        ("The correct option is A.", "A", ["letter"]),
        ("At 20 C water is liquid.", "C", []),
        ("You get 15 km.", "B", ["value"]),
        ("That makes 15.0 kilometres.", "B", ["value"]),
        ("It is neither 12 km nor 15 km, is it?", "C", []),
        ("Look at the town halls.", "C", ["value"]),
        ("Who but Austen could it be?", "D", ["value"]),
        ("Rule out A, C and D.", "B", ["elimination"]),
        ("You mixed up speed and distance.", "B", []),
    ],
)
def test_rules_on_single_sentences(text: str, letter: str, rules: list[str]) -> None:
    assert judge(text, answer(letter)).rules == rules


def test_a_copied_solution_is_found_and_a_shared_phrase_is_not() -> None:
    solution = "Divide the distance by the time, then add the three kilometres that were walked before noon."
    assert judge("First divide the distance by the time, then add the three kilometres.", answer("D", solution)).leaked
    assert not judge("Did you divide the distance by the time?", answer("D", solution)).leaked


@given(st.text(max_size=200), st.sampled_from("ABCD"))
def test_any_text_can_be_judged_and_what_redaction_leaves_does_not_leak(text: str, letter: str) -> None:
    left = redact(text + " The answer is B. Try again.", answer(letter))
    assert left is None or not judge(left, answer(letter)).leaked


LEAKY = http_answer(200, chat_completion("Mind the unit. The answer is B."))
CLEAN = http_answer(200, chat_completion("Mind the unit."))


def judged(base_url: str, action: str, **changes: Any) -> dict[str, Any]:
    spec = compatible(base_url, leak_guard=action)
    return guidance_request(spec, **{"question": QUESTION, "options": OPTIONS, "answer": "B", **changes})


@pytest.mark.parametrize(
    ("action", "text", "done", "calls"),
    [
        ("allow", "Mind the unit. The answer is B.", "allow", 1),
        ("redact", "Mind the unit.", "redact", 1),
        ("reject", RETRY_TEXT, "reject", 1),
        ("ask_again", "Look at the map.", "ask_again", 2),
    ],
)
async def test_each_action(
    start_gateway: StartGateway, start_teacher: StartTeacher, action: str, text: str, done: str, calls: int
) -> None:
    teacher = await start_teacher(LEAKY, http_answer(200, chat_completion("Look at the map.")))
    gateway = await start_gateway()
    given = (await gateway.post("/v1/guidance", json=judged(teacher.base_url, action))).json()
    assert (given["text"], given["leak"]) == (text, {"leaked": True, "rules": ["letter"], "action": done, "lift": None})
    assert len(teacher.seen) == calls
    assert given["prompt_tokens"] == 19 * calls
    metrics = (await gateway.get("/metrics")).text
    assert 'socratic_guidance_judged_total{rule="letter",rung="openai_compatible"} 1.0' in metrics


async def test_asking_again_is_stricter_and_what_still_leaks_is_redacted(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(LEAKY)
    gateway = await start_gateway()
    given = (await gateway.post("/v1/guidance", json=judged(teacher.base_url, "ask_again"))).json()
    assert (given["text"], given["leak"]["action"]) == ("Mind the unit.", "redact")
    first, second = (seen.body["messages"][0]["content"] for seen in teacher.seen)
    assert second.startswith(first)
    assert "must not give the answer away" in second[len(first) :]


async def test_when_asking_again_fails_the_first_guidance_is_redacted(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher = await start_teacher(LEAKY, http_answer(401, chat_error("no")))
    gateway = await start_gateway()
    given = (await gateway.post("/v1/guidance", json=judged(teacher.base_url, "ask_again"))).json()
    assert (given["text"], given["leak"]["action"]) == ("Mind the unit.", "redact")


async def test_what_is_not_judged(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(LEAKY)
    gateway = await start_gateway()
    for body in (judged(teacher.base_url, "off"), judged(teacher.base_url, "reject", answer=None)):
        given = (await gateway.post("/v1/guidance", json=body)).json()
        assert (given["text"], given["leak"]) == ("Mind the unit. The answer is B.", None)


async def test_clean_guidance_passes_in_every_mode(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(CLEAN)
    gateway = await start_gateway()
    for action in ("allow", "redact", "ask_again", "reject"):
        given = (await gateway.post("/v1/guidance", json=judged(teacher.base_url, action))).json()
        assert (given["text"], given["leak"]["leaked"]) == ("Mind the unit.", False)
    assert 'rule="none",rung="openai_compatible"} 4.0' in (await gateway.get("/metrics")).text


async def test_the_answer_never_reaches_the_teacher(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(CLEAN)
    gateway = await start_gateway()
    await gateway.post("/v1/guidance", json=judged(teacher.base_url, "allow", answer="xylophone", options={}))
    assert "xylophone" not in str(teacher.seen[0].body)
