"""The checks of an answer, by name. Each reads the last answer that the text gives."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

from tasks.base import Question, Verdict

VerifierName = Literal["tolerant_letter", "strict_letter", "numeric", "exact"]
LetterVerifierName = Literal["tolerant_letter", "strict_letter"]
Verifier = Callable[[Question, str], Verdict]

STRICT_ANSWER = re.compile(r"<answer>\n([^<\n]*)\n</answer>")
# Bounded, so that no answer makes a number whose arithmetic takes longer than reading it.
DIGITS = r"\d{1,60}"
NUMBER = re.compile(rf"([+-]?)({DIGITS}(?:\.{DIGITS})?|\.{DIGITS})(?:/({DIGITS}))?")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
UNITS = "$€£%"


def tolerant_letter(question: Question, answer_text: str) -> Verdict:
    """SDPO's check: what follows the last `<answer>`, up to `</answer>` if there is one, stripped and compared."""
    return _letter(last_answer(answer_text), question)


def strict_letter(question: Question, answer_text: str) -> Verdict:
    r"""SocraticPO's check: the last `<answer>\nX\n</answer>`, its tags on lines of their own."""
    found = STRICT_ANSWER.findall(answer_text)
    return _letter(found[-1] if found else None, question)


def numeric(question: Question, answer_text: str) -> Verdict:
    """A number after the last `<answer>`, or after GSM8K's last `####`, equal to the right one as a fraction."""
    given = last_answer(answer_text)
    if given is None and "####" in answer_text:
        given = answer_text.rpartition("####")[2]
    value = None if given is None else number(given)
    return Verdict("malformed") if value is None else _compared(value == number(question.answer))


def exact(question: Question, answer_text: str) -> Verdict:
    """The text after the last `<answer>` is the right one; white space counts as one blank."""
    given = last_answer(answer_text)
    return Verdict("malformed") if not given else _compared(given.split() == question.answer.split())


def last_answer(answer_text: str) -> str | None:
    """What follows the last `<answer>`, up to `</answer>` if there is one, stripped; None without the tag."""
    _, tag, tail = answer_text.rpartition("<answer>")
    return tail.partition("</answer>")[0].strip() if tag else None


def number(text: str) -> Fraction | None:
    """The one number that `text` is, currency, per cent sign, thousands separators and a final stop aside."""
    bare = THOUSANDS.sub("", text.strip().removesuffix(".").strip(UNITS + " "))
    found = NUMBER.fullmatch(bare.replace(" ", ""))
    if found is None or (found[3] is not None and not int(found[3])):
        return None
    return Fraction(found[1] + found[2]) / int(found[3] or 1)


def _letter(given: str | None, question: Question) -> Verdict:
    if given is None or given not in question.options:
        return Verdict("malformed")
    return _compared(given == question.answer)


def _compared(equal: bool) -> Verdict:
    return Verdict("correct" if equal else "wrong")


VERIFIERS: dict[VerifierName, Verifier] = {
    "tolerant_letter": tolerant_letter,
    "strict_letter": strict_letter,
    "numeric": numeric,
    "exact": exact,
}
