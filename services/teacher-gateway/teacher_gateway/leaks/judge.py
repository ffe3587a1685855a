"""Does guidance give the answer away? Rules on text, without any model; measured in benchmarks/leak_guard.py."""

import msgspec

from teacher_gateway.leaks.answer import RightAnswer
from teacher_gateway.leaks.glance import Glance
from teacher_gateway.leaks.letters import letter_leaks, mentions_letter
from teacher_gateway.leaks.solutions import copies_solution
from teacher_gateway.leaks.texts import sentences
from teacher_gateway.leaks.values import says, value_leaks

# With two options the student's own wrong answer already tells the other; elimination needs more.
FEWEST_WRONG = 2
# Characters; the longest guidance that a job may ask for has some 40,000. What a broken teacher adds is not read here,
# and does not survive redaction.
MOST_JUDGED = 50_000


class Verdict(msgspec.Struct, frozen=True):
    """Which rules found a leak, and in which sentences (counted from 0)."""

    rules: list[str] = []
    places: frozenset[int] = frozenset()
    lift: float | None = None  # of the probe, where one ran

    @property
    def leaked(self) -> bool:
        return bool(self.rules)


def judge(text: str, answer: RightAnswer) -> Verdict:
    """All rules on all sentences. Rules: letter, value, elimination, solution."""
    text = text[:MOST_JUDGED]
    glance = Glance(text)
    found: dict[str, set[int]] = {}
    if glance.singles_out(answer):
        found["letter"] = {place for place, part in enumerate(sentences(text)) if letter_leaks(part, answer)}
    if glance.says(answer.text, answer.stem):
        found["value"] = {place for place, part in enumerate(sentences(text)) if value_leaks(part, answer)}
    if not any(found.values()):
        found["elimination"] = eliminating(glance, answer)
    if copies_solution(text, answer.solution):
        found["solution"] = set(range(len(sentences(text))))
    rules = [rule for rule, places in found.items() if places]
    return Verdict(rules, frozenset(place for places in found.values() for place in places))


def eliminating(glance: Glance, answer: RightAnswer) -> set[int]:
    """Sentences that together name every option but the right one."""
    wrong = answer.wrong
    if len(wrong) < FEWEST_WRONG or not all(glance.speaks_of(*option, answer.stem) for option in wrong.items()):
        return set()
    named: set[int] = set()
    for letter, text in wrong.items():
        places = {
            place
            for place, part in enumerate(sentences(glance.text))
            if mentions_letter(part, letter) or (text != letter and says(part, text, answer.stem))
        }
        if not places:
            return set()
        named |= places
    return named


def redact(text: str, answer: RightAnswer) -> str | None:
    """The text without the sentences that leak; None when what is left is nothing or still leaks."""
    places = judge(text, answer).places
    kept = " ".join(part for place, part in enumerate(sentences(text[:MOST_JUDGED])) if place not in places).strip()
    return kept if kept and not judge(kept, answer).leaked else None
