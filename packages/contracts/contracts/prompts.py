"""The teacher prompt as text with placeholders: no template language that runs anything.

A prompt is paragraphs. `$name` stands for a value. A paragraph may begin with the line `[when name]` or
`[unless name]`: it is kept only when that value is given, or only when it is not.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

# What a prompt may name: what the student was asked, what was said, and what only the teacher may know.
NAMES = frozenset({"question", "dialogue", "latest_answer", "reference_solution", "ground_truth"})
LONGEST_PROMPT = 20_000
NOTHING_SHOWN = dict.fromkeys(NAMES, "")
CONDITION = re.compile(r"\[(when|unless) (\w+)\]\n")
SECTION_TAG = re.compile(rf"<(?=/?(?:{'|'.join(sorted(NAMES))})>)")


@dataclass(frozen=True)
class Paragraph:
    """A format (`%(name)s`); kept when `name` is given (or not given, for `unless`)."""

    text: str
    condition: str | None
    name: str | None

    def applies(self, values: Mapping[str, str]) -> bool:
        return self.condition is None or (self.name in values) == (self.condition == "when")


@dataclass(frozen=True)
class PromptTemplate:
    """A template whose every name is known."""

    version: str
    text: str
    paragraphs: tuple[Paragraph, ...]
    formats: dict[tuple[str, ...], str] = field(default_factory=dict, repr=False, compare=False)

    def render(self, values: Mapping[str, str]) -> str:
        """The prompt. Values are inserted once and never looked into; section tags inside them are defused.

        A name without a value stands for nothing; put its paragraph under `[when name]`.
        """
        shown = {name: SECTION_TAG.sub("&lt;", value) if "<" in value else value for name, value in values.items()}
        given = tuple(shown)
        if given not in self.formats:
            self.formats[given] = "\n\n".join(part.text for part in self.paragraphs if part.applies(shown))
        return self.formats[given] % {**NOTHING_SHOWN, **shown}


def parse_template(version: str, text: str) -> PromptTemplate:
    """Raises ValueError for an unknown name, a stray `$`, and a prompt that shows nothing of what the student said."""
    paragraphs = tuple(_parse_paragraph(version, part) for part in text.strip().split("\n\n"))
    if not {"latest_answer", "dialogue"}.intersection(Template(text).get_identifiers()):
        raise ValueError(
            f"prompt {version}: names neither $latest_answer nor $dialogue; guidance must be on one of them"
        )
    return PromptTemplate(version, text, paragraphs)


def parse_own(text: str) -> PromptTemplate:
    """A job's own prompt; its version is its hash, so that records and cassettes tell it from every other."""
    return parse_template(f"own-{hashlib.sha256(text.encode()).hexdigest()[:12]}", text)


def _parse_paragraph(version: str, text: str) -> Paragraph:
    found = CONDITION.match(text)
    template = Template((text[found.end() :] if found else text).replace("%", "%%"))
    if not template.is_valid():
        raise ValueError(f"prompt {version}: a `$` that begins no name; write `$$` for the sign itself")
    condition, name = (found[1], found[2]) if found else (None, None)
    unknown = ({*template.get_identifiers(), *([name] if name else [])}) - NAMES
    if unknown:
        raise ValueError(f"prompt {version}: unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(NAMES))}")
    return Paragraph(template.substitute({name: format_of(name) for name in NAMES}), condition, name)


def format_of(name: str) -> str:
    """Where the value of this name is put: several times faster than by a Template."""
    return f"%({name})s"
