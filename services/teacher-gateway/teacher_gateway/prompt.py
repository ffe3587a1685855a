"""The teacher prompt of a request (paper Appendix B.2): a versioned text file, or the job's own."""

from functools import lru_cache
from importlib.resources import files

from contracts.errors import invalid
from contracts.guidance import GuidanceRequest, Turn
from contracts.prompts import PromptTemplate, parse_own, parse_template

DEFAULT_VERSION = "socratic-v1"
NOT_PROVIDED = "Not provided."
SPEAKERS = {"system": "Instructions", "user": "Teacher", "assistant": "Student"}
# Prompts of jobs that run at the same time.
KEPT_PROMPTS = 64


@lru_cache(KEPT_PROMPTS)
def load_template(version: str = DEFAULT_VERSION) -> PromptTemplate:
    """The template that ships under this version. Raises FileNotFoundError for an unknown one."""
    return parse_template(version, (files("teacher_gateway") / "prompts" / f"{version}.txt").read_text("utf-8"))


def shipped_templates() -> list[PromptTemplate]:
    """Every template that ships, by version."""
    names = [entry.name for entry in (files("teacher_gateway") / "prompts").iterdir() if entry.name.endswith(".txt")]
    return [load_template(name.removesuffix(".txt")) for name in sorted(names)]


def template_of(request: GuidanceRequest, default: PromptTemplate) -> PromptTemplate:
    """The job's own prompt, else the default. Raises a 422 Problem for one that is none."""
    if request.teacher.prompt is None:
        return default
    try:
        return own_template(request.teacher.prompt)
    except ValueError as error:  # the contract has checked it; a request that skipped validation has not
        raise invalid("teacher.prompt", str(error)) from None


@lru_cache(KEPT_PROMPTS)
def own_template(text: str) -> PromptTemplate:
    """Parsed once for all requests of a job."""
    return parse_own(text)


def values_of(request: GuidanceRequest) -> dict[str, str]:
    """What this request lets the teacher see. Raises a 422 when it promises a ground truth and holds none.

    The job's switches decide, not the mere presence of a value: a caller that sends too much reveals nothing.
    """
    teacher = request.teacher
    if teacher.ground_truth and request.ground_truth is None:
        raise invalid("ground_truth", "missing; teacher.ground_truth is true, so send it or switch that off")
    solution = request.reference_solution if teacher.reference_solution else None
    values = {
        "question": request.question if teacher.question else None,
        "dialogue": _dialogue_text(request.dialogue, teacher.question) if teacher.view == "dialogue" else None,
        "latest_answer": request.latest_answer,
        "reference_solution": solution or NOT_PROVIDED,
        "ground_truth": request.ground_truth if teacher.ground_truth else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _dialogue_text(dialogue: list[Turn], with_question: bool) -> str:
    """c(k) of paper eq. 9: every turn before the latest answer, which has a section of its own."""
    turns = dialogue[:-1] if dialogue and dialogue[-1].role == "assistant" else dialogue
    asked = next((index for index, turn in enumerate(turns) if turn.role == "user"), None)
    return "\n\n".join(
        f"{'Question' if index == asked else SPEAKERS[turn.role]}: {turn.content}"
        for index, turn in enumerate(turns)
        if with_question or index != asked
    )
