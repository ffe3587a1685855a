"""The teacher prompt (paper Appendix B.2): a versioned text file, filled in without any executable template language.

A file is paragraphs. `$name` stands for a value. A paragraph may begin with the line `[when name]` or `[unless name]`:
it is kept only when that value is given, or only when it is not.
"""

import re
from dataclasses import dataclass, fields
from importlib.resources import files
from string import Template

from contracts.errors import invalid
from contracts.guidance import GuidanceRequest, Turn

DEFAULT_VERSION = "socratic-v1"
NOT_PROVIDED = "Not provided."
CONDITION = re.compile(r"\[(when|unless) (\w+)\]\n")
SPEAKERS = {"system": "Instructions", "user": "Teacher", "assistant": "Student"}


@dataclass(frozen=True)
class PromptValues:
    """What a template may name."""

    question: str
    dialogue: str | None
    latest_answer: str
    reference_solution: str
    ground_truth: str | None


NAMES = frozenset(field.name for field in fields(PromptValues))
SECTION_TAG = re.compile(rf"<(?=/?(?:{'|'.join(sorted(NAMES))})>)")


@dataclass(frozen=True)
class Paragraph:
    """Text with placeholders; kept when `name` is given (or not given, for `unless`)."""

    template: Template
    condition: str | None
    name: str | None

    def applies(self, values: dict[str, str]) -> bool:
        return self.condition is None or (self.name in values) == (self.condition == "when")


@dataclass(frozen=True)
class PromptTemplate:
    """A template whose every name is known."""

    version: str
    paragraphs: tuple[Paragraph, ...]

    def render(self, values: PromptValues) -> str:
        """The prompt. Values are inserted once and never looked into; section tags inside them are defused."""
        given = {name: value for name in NAMES if (value := getattr(values, name)) is not None}
        shown = {name: SECTION_TAG.sub("&lt;", value) for name, value in given.items()}
        return "\n\n".join(part.template.substitute(shown) for part in self.paragraphs if part.applies(shown))


def parse_template(version: str, text: str) -> PromptTemplate:
    """Raises ValueError for an unknown name or a stray `$`, so that a bad template stops the gateway at its start."""
    return PromptTemplate(version, tuple(_parse_paragraph(version, part) for part in text.strip().split("\n\n")))


def load_template(version: str = DEFAULT_VERSION) -> PromptTemplate:
    """The template that ships under this version. Raises FileNotFoundError for an unknown one."""
    return parse_template(version, (files("teacher_gateway") / "prompts" / f"{version}.txt").read_text("utf-8"))


def values_of(request: GuidanceRequest) -> PromptValues:
    """What this request lets the teacher see. Raises a 422 when it promises a ground truth and holds none."""
    teacher = request.teacher
    if teacher.ground_truth and request.ground_truth is None:
        raise invalid("ground_truth", "missing; teacher.ground_truth is true, so send it or switch that off")
    return PromptValues(
        question=request.question,
        dialogue=_dialogue_text(request.dialogue) if teacher.view == "dialogue" else None,
        latest_answer=request.latest_answer,
        reference_solution=request.reference_solution or NOT_PROVIDED,
        # The job's switch decides, not the mere presence of the answer: a caller that sends too much reveals nothing.
        ground_truth=request.ground_truth if teacher.ground_truth else None,
    )


def _parse_paragraph(version: str, text: str) -> Paragraph:
    found = CONDITION.match(text)
    template = Template(text[found.end() :] if found else text)
    if not template.is_valid():
        raise ValueError(f"prompt {version}: a `$` that begins no name; write `$$` for the sign itself")
    condition, name = (found[1], found[2]) if found else (None, None)
    unknown = ({*template.get_identifiers(), *([name] if name else [])}) - NAMES
    if unknown:
        raise ValueError(f"prompt {version}: unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(NAMES))}")
    return Paragraph(template, condition, name)


def _dialogue_text(dialogue: list[Turn]) -> str:
    """c(k) of paper eq. 9: every turn before the latest answer, which has a section of its own."""
    turns = dialogue[:-1] if dialogue and dialogue[-1].role == "assistant" else dialogue
    asked = next((index for index, turn in enumerate(turns) if turn.role == "user"), None)
    return "\n\n".join(
        f"{'Question' if index == asked else SPEAKERS[turn.role]}: {turn.content}" for index, turn in enumerate(turns)
    )
