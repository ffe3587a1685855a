"""The leak probe: the student answers from the guidance alone; what beats chance and the control was given away."""

from typing import Any

import pytest
from contracts.guidance import RETRY_TEXT

from .conftest import StartGateway, StartTeacher
from .scripted import STALL, chat_completion, compatible, guidance_request, http_answer

QUESTION = "Which of these conductors is the lightest? A: copper B: aluminium C: gold D: silver"
OPTIONS = {"A": "copper", "B": "aluminium", "C": "gold", "D": "silver"}
# No rule of the text knows what foil is made of.
HINT = "Think of what kitchen foil is made of."
TEACHER = http_answer(200, chat_completion(HINT))


def students(*letters: str) -> bytes:
    """n answers at once, in OpenAI's shape."""
    answer = chat_completion(None)
    message = answer["choices"][0]
    choices = [
        {**message, "index": place, "message": {"role": "assistant", "content": f"I say <answer> {letter} </answer>"}}
        for place, letter in enumerate(letters)
    ]
    return http_answer(200, {**answer, "choices": choices})


def probed(base_url: str, action: str = "reject", **probe: Any) -> dict[str, Any]:
    spec = compatible(base_url, leak_guard=action, leak_probe={"samples": 4, "lift": 0.5, **probe})
    return guidance_request(spec, question=QUESTION, options=OPTIONS, answer="B")


@pytest.mark.parametrize(
    ("told", "control", "lift", "text"),
    [
        ("BBBB", "ABCD", 0.75, RETRY_TEXT),  # 4 of 4 against a chance of 1 in 4
        ("BBBA", "ACDA", 0.5, RETRY_TEXT),  # chance counts even where the control has less
        ("BBAA", "ACDA", 0.25, HINT),
        ("BBBB", "BBBB", 0.0, HINT),  # says B to anything
        ("ACDA", "ABCD", -0.25, HINT),
    ],
)
async def test_lift_over_chance_and_control(
    start_gateway: StartGateway, start_teacher: StartTeacher, told: str, control: str, lift: float, text: str
) -> None:
    teacher, student = await start_teacher(TEACHER), await start_teacher(students(*told), students(*control))
    gateway = await start_gateway(student_url=student.base_url.removesuffix("/v1"))
    given = (await gateway.post("/v1/guidance", json=probed(teacher.base_url))).json()
    leaked = lift >= 0.5
    assert given["text"] == text
    action = "reject" if leaked else "allow"
    assert given["leak"] == {"leaked": leaked, "rules": ["probe"] * leaked, "action": action, "lift": lift}
    first, second = (seen.body for seen in student.seen)
    assert (first["n"], first["temperature"]) == (4, 1.0)
    said = first["messages"][0]["content"]
    assert HINT in said
    assert "B: aluminium" in said
    assert "lightest" not in str(first) + str(second)  # never the question
    assert RETRY_TEXT in second["messages"][0]["content"]


async def test_an_engine_with_a_key_is_asked_with_it(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher, student = await start_teacher(TEACHER), await start_teacher(students(*"ABCD"))
    address = student.base_url.removesuffix("/v1")
    gateway = await start_gateway(student_url=address, student_api_key="student-key")
    await gateway.post("/v1/guidance", json=probed(teacher.base_url))
    assert [seen.headers.get("authorization") for seen in student.seen] == ["Bearer student-key"] * 2
    assert "student-key" not in str([seen.headers for seen in teacher.seen])


async def test_what_the_rules_found_is_not_probed(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    leaky = http_answer(200, chat_completion("The answer is B."))
    teacher, student = await start_teacher(leaky), await start_teacher(students("B"))
    gateway = await start_gateway(student_url=student.base_url.removesuffix("/v1"))
    given = (await gateway.post("/v1/guidance", json=probed(teacher.base_url))).json()
    assert (given["leak"]["rules"], student.seen) == (["letter"], [])


async def test_redaction_of_what_only_the_probe_found_leaves_nothing(
    start_gateway: StartGateway, start_teacher: StartTeacher
) -> None:
    teacher, student = await start_teacher(TEACHER), await start_teacher(students(*"BBBB"), students(*"ABCD"))
    gateway = await start_gateway(student_url=student.base_url.removesuffix("/v1"))
    given = (await gateway.post("/v1/guidance", json=probed(teacher.base_url, "redact"))).json()
    assert (given["text"], given["leak"]["action"]) == (RETRY_TEXT, "reject")


@pytest.mark.parametrize(
    "answer", [http_answer(500, {}), http_answer(200, b"<html>"), b""], ids=["500", "html", "stall"]
)
async def test_a_student_that_does_not_answer_leaves_the_verdict_to_the_rules(
    start_gateway: StartGateway, start_teacher: StartTeacher, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer == STALL:
        monkeypatch.setattr("teacher_gateway.leaks.probe.PROBE_SECONDS", 0.2)
    teacher, student = await start_teacher(TEACHER), await start_teacher(answer)
    gateway = await start_gateway(student_url=student.base_url.removesuffix("/v1"))
    given = (await gateway.post("/v1/guidance", json=probed(teacher.base_url))).json()
    assert (given["text"], given["leak"]["lift"]) == (HINT, None)
    metrics = (await gateway.get("/metrics")).text
    assert 'socratic_leak_probes_failed_total{rung="openai_compatible"} 1.0' in metrics


async def test_without_a_student_nobody_is_asked(start_gateway: StartGateway, start_teacher: StartTeacher) -> None:
    teacher = await start_teacher(TEACHER)
    answer = await (await start_gateway()).post("/v1/guidance", json=probed(teacher.base_url))
    assert (answer.status_code, answer.json()["code"]) == (422, "leak_probe_unavailable")
    assert teacher.seen == []
