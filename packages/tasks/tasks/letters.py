"""The two answer checkers of the field, by name. Both read the last answer that the text gives."""

import re
from collections.abc import Callable, Iterable
from typing import Literal

from tasks.base import Verdict

CheckerName = Literal["tolerant_letter", "strict_letter"]
Checker = Callable[[str, str, Iterable[str]], Verdict]

STRICT_ANSWER = re.compile(r"<answer>\n([^<\n]*)\n</answer>")


def tolerant_letter(answer_text: str, right_letter: str, letters: Iterable[str]) -> Verdict:
    """SDPO's check: what follows the last `<answer>`, up to `</answer>` if there is one, stripped and compared."""
    _, tag, tail = answer_text.rpartition("<answer>")
    given = tail.partition("</answer>")[0].strip() if tag else None
    return _verdict(given, right_letter, letters)


def strict_letter(answer_text: str, right_letter: str, letters: Iterable[str]) -> Verdict:
    r"""SocraticPO's check: the last `<answer>\nX\n</answer>`, its tags on lines of their own."""
    found = STRICT_ANSWER.findall(answer_text)
    return _verdict(found[-1] if found else None, right_letter, letters)


def _verdict(given: str | None, right_letter: str, letters: Iterable[str]) -> Verdict:
    if given is None or given not in set(letters):
        return Verdict("malformed")
    return Verdict("correct" if given == right_letter else "wrong")


CHECKERS: dict[CheckerName, Checker] = {"tolerant_letter": tolerant_letter, "strict_letter": strict_letter}
