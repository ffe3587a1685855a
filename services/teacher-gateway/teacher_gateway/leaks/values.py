"""The value rule: guidance that holds the text or the number of the right option."""

import re
from functools import lru_cache

from teacher_gateway.leaks.answer import RightAnswer
from teacher_gateway.leaks.texts import REMEMBERED, akin_to_any, content_words, numbers, plain, vocabulary, words

# Share of an option's words that a sentence must hold to say the option.
SAID_SHARE = 0.8
# A sentence that names the right option among at least so many wrong ones compares, and gives nothing away.
COMPARED = 2
ASSERTED = re.compile(
    r"(?:\b(?:is|are|be|equals?|gives?|makes?|gets?|become|becomes|as|means|to)|[=:≈])\s*(?:about|roughly|exactly|then)?\s*$",
    re.IGNORECASE,
)


def value_leaks(sentence: str, answer: RightAnswer) -> bool:
    """The right option is said, in words or as a number, and not merely as one of several."""
    if answer.text == answer.letter or not says(sentence, answer.text, answer.stem):
        return False
    return sum(says(sentence, text, answer.stem) for text in answer.wrong.values()) < COMPARED


def says(sentence: str, option: str, stem: str) -> bool:
    """A number is said by an equal number, a text by most of its words."""
    value = single_number(option)
    return says_words(sentence, option, stem) if value is None else says_number(sentence, value, stem)


@lru_cache(REMEMBERED)
def single_number(option: str) -> float | None:
    """The number of an option such as `56 pC` or `1/6`; None for a text, even one with numbers in it."""
    found = [value for value, written, _, _ in numbers(option) if not written.isalpha()]
    fraction = "/" in option and len(found) >= 1 and re.match(r"\s*\d+\s*/\s*\d+", option)
    long_text = sum(word.isalpha() and len(word) > 2 for word in words(option)) > 3
    return found[0] if found and not long_text and (len(found) == 1 or fraction) else None


def says_number(sentence: str, value: float, stem: str) -> bool:
    """An equal number. One of a single digit, or one that the question holds, must also be stated as a result."""
    known = any(equal(value, given, written) for given, written, _, _ in numbers(stem))
    for found, written, start, _ in numbers(sentence):
        if equal(value, found, written):
            digits = sum(character.isdigit() for character in written.lstrip("0."))
            if (digits > 1 and not known) or ASSERTED.search(plain(sentence)[:start]):
                return True
    return False


def equal(value: float, found: float, written: str) -> bool:
    """Equal, or equal after rounding to the digits that are written, at least two of them."""
    if abs(value - found) <= 1e-9 * max(abs(value), 1e-30):
        return True
    decimals = len(written.partition(".")[2])
    digits = sum(character.isdigit() for character in written.strip("0."))
    return found < 1e6 and decimals > 0 and digits >= 2 and abs(value - found) <= 0.5001 * 10.0**-decimals


def says_words(sentence: str, option: str, stem: str) -> bool:
    """Most of the option's words, one at least that the question does not hold; of a name the last word is enough."""
    wanted, new = words_of_option(option, stem)
    given = vocabulary(sentence)
    said = [word for word in wanted if akin_to_any(word, given)]
    if not any(word in said for word in new):
        return False
    if is_name(option) and wanted[-1] in said:
        return True
    return len(said) >= SAID_SHARE * len(wanted)


@lru_cache(REMEMBERED)
def words_of_option(option: str, stem: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Its words, and those of them that the question does not hold."""
    wanted = content_words(re.sub(r"\bO\((.*)\)", r"\1", option))
    known = vocabulary(stem)
    return wanted, frozenset(word for word in wanted if not akin_to_any(word, known))


def is_name(option: str) -> bool:
    """Two or three capitalised words: a person or a place."""
    parts = option.split()
    return len(parts) in (2, 3) and all(part[0].isupper() and part[1:].islower() for part in parts)
