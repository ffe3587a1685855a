"""What a whole text does not hold, none of its sentences does: one look, where a look at each would cost more.

All answers here mean "perhaps": the rules on sentences decide.
"""

from functools import lru_cache

from teacher_gateway.leaks.answer import RightAnswer
from teacher_gateway.leaks.letters import stands_alone, words_of_place
from teacher_gateway.leaks.texts import REMEMBERED, plain
from teacher_gateway.leaks.values import single_number, words_of_option


class Glance:
    """At one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.shown = plain(text)
        self.lower = self.shown.lower()

    def singles_out(self, answer: RightAnswer) -> bool:
        """Perhaps a sentence names the right letter or its place."""
        if answer.letter is None:
            return False
        if answer.letter in self.text or self._stands_alone(answer.letter) or "letter" in self.lower:
            return True
        places = words_of_place(answer.position, len(answer.options))
        return any(map(self.lower.__contains__, places))

    def says(self, option: str, stem: str) -> bool:
        """Perhaps a sentence says this option. Numbers are looked for in each."""
        return single_number(option) is not None or any(map(self.lower.__contains__, starts_of(option, stem)))

    def speaks_of(self, letter: str, option: str, stem: str) -> bool:
        """Perhaps a sentence names this option by its letter or says it."""
        return self._stands_alone(letter) or (option != letter and self.says(option, stem))

    def _stands_alone(self, letter: str) -> bool:
        pattern = stands_alone(letter)
        return bool(pattern.search(self.shown)) or (self.shown != self.text and bool(pattern.search(self.text)))


@lru_cache(REMEMBERED)
def starts_of(option: str, stem: str) -> tuple[str, ...]:
    """How all words begin that are akin to one of the option: of long ones `akin` compares three letters at least."""
    _, new = words_of_option(option, stem)
    return tuple(word[:3] if len(word) > 4 else word.rstrip("s") for word in new)
