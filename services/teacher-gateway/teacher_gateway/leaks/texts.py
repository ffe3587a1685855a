"""Texts as the leak rules read them: sentences, words, numbers."""

import re
from collections.abc import Iterator
from functools import lru_cache

from teacher_gateway.leaks.vocabulary import NUMBER_WORDS, PART_WORDS, STOP_WORDS

# Each of these begins with a set of characters, which re looks for far faster than for a look-behind or a choice.
SENTENCE_END = re.compile(r"\s(?:(?<=[.!?;]\s)\s*|(?<=\n)\n*)")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?")
LATEX_MARK = re.compile(r"[\\${}~]")
LATEX = re.compile(r"\\(?:mathrm|text|boxed|mathbf|left|right|,|~|!)|[${}~]")
FRACTION = re.compile(r"(?<![\w.^/])(\d+)\s*/\s*(\d+)(?![\w/]|\.\d)")
NUMBER = re.compile(
    r"(?<![\w.^])\d+(?:,\d{3})*(?:\.\d+)?(?:\s*(?:e|x\s*10\^|\*\s*10\^|×\s*10\^)\s*\{?(-?\d+)\}?)?(?!\w*\^)"
)
# Texts whose words are remembered: a few guidances in flight, their questions and options, and still little memory.
REMEMBERED = 512
# Of one text at a time is asked, by rule after rule.
JUDGED_AT_ONCE = 4
SPELLED = re.compile(rf"\b({'|'.join(NUMBER_WORDS)})\b(?:[ -]({'|'.join(PART_WORDS)})s?\b)?", re.IGNORECASE)


@lru_cache(JUDGED_AT_ONCE)
def sentences(text: str) -> tuple[str, ...]:
    """The text in sentences, whose decimal points do not divide it."""
    return tuple(part for part in SENTENCE_END.split(text) if part.strip())


def plain(text: str) -> str:
    """Without LaTeX and with one kind of minus sign."""
    bare = LATEX.sub("", text) if LATEX_MARK.search(text) else text
    return bare.replace("−", "-").replace("–", "-")


@lru_cache(REMEMBERED)
def words(text: str) -> tuple[str, ...]:
    """Lower-case words and numbers in their order."""
    return tuple(WORD.findall(plain(text).lower()))


def content_words(text: str) -> tuple[str, ...]:
    """The words that carry meaning; all of them where none would be left."""
    found = words(text)
    return tuple(word for word in found if word not in STOP_WORDS) or found


@lru_cache(REMEMBERED)
def vocabulary(text: str) -> frozenset[str]:
    """Its different words."""
    return frozenset(words(text))


@lru_cache(8 * REMEMBERED)
def akin_to_any(word: str, others: frozenset[str]) -> bool:
    """One of the others is the same word up to its ending."""
    return word in others or any(akin(word, other) for other in others)


def akin(one: str, other: str) -> bool:
    """The same word up to its ending: bonds and bonding, condenses and condensation."""
    if one == other:
        return True
    shorter = min(len(one), len(other))
    if shorter < 5 or abs(len(one) - len(other)) > 4 or not (one.isalpha() and other.isalpha()):
        return one.rstrip("s") == other.rstrip("s") and shorter > 2
    common = shorter - 2 if shorter < 7 else max(5, shorter - 3)
    return one[:common] == other[:common]


Number = tuple[float, str, int, int]


@lru_cache(REMEMBERED)
def numbers(text: str) -> tuple[Number, ...]:
    """(value, as written, start, end) of every number: decimals, powers of ten, fractions and spelled ones."""
    return tuple(_numbers(text))


def _numbers(text: str) -> Iterator[Number]:
    shown = plain(text)
    for found in FRACTION.finditer(shown):
        if int(found[2]):
            yield int(found[1]) / int(found[2]), found[0], found.start(), found.end()
    for found in NUMBER.finditer(shown):
        digits = re.match(r"[\d,.]+", found[0])
        assert digits
        mantissa = float(digits[0].replace(",", "").rstrip("."))
        yield mantissa * 10.0 ** min(int(found[1] or 0), 300), digits[0].rstrip("."), found.start(), found.end()
    for found in SPELLED.finditer(shown):
        value = NUMBER_WORDS[found[1].lower()] / PART_WORDS.get((found[2] or "").lower(), 1)
        yield value, found[0], found.start(), found.end()
