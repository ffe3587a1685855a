"""The letter rule: guidance that singles out the right option by its letter or by its place in the list."""

import re
from functools import lru_cache

from teacher_gateway.leaks.answer import RightAnswer
from teacher_gateway.leaks.texts import plain

# `A` begins many a harmless sentence: as a letter it is followed by one of these, by a mark, or by nothing.
AFTER_A = (
    r"(?=\s+(?:is|was|has|fits|it|and|or|because|since|as|alone|here|would|should|must|not|instead|rather|again|in|"
    r"next|then|satisfies|matches|remains|works|\d)\b|\s*[^\w\s=^*/+]|\s*$)"
)
# C may be degrees or coulombs after a number, and any letter a symbol beside an operator or an atom in a formula.
BEFORE_LETTER = r"(?<![\w'’^*/+=-])(?<!\d\s)(?<![=^*/+]\s)"
AFTER_LETTER = r"(?![\w'’^*/+=-])(?!\s*[=^*/+<>]|\s+(?:atoms?|bonds?|chains?|rings?|fields?|groups?)\b)"
NAMING = r"(?:option|choice|letter|answer|statement|material|item|alternative|possibility)"
VERDICT = r"(?:answer|option|choice|solution|response|letter|one|result|correct)"
# `B, not A` speaks for B alone.
SET_ASIDE = re.compile(rf"(?i:\b(?:not|instead of|rather than)\s+(?:{NAMING}\s+)?)[A-Z]\b")
PRAISE = "(?:correct|right|true|best)"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
# Letters whose patterns are kept compiled; re's own cache would look them up by their long text each time.
MOST_LETTERS = 64
CARDINALS = ("one", "two", "three", "four", "five", "six")
LISTED = r"(?:option|choice|answer|one|statement|letter|alternative|possibility|entry|item)"


def mentions_letter(sentence: str, letter: str) -> bool:
    """The sentence speaks of the option with this letter."""
    if not stands_alone(letter).search(sentence):
        return False
    alone, named = mentions_of(letter)
    return bool((letter in sentence and alone.search(sentence)) or named.search(sentence))


@lru_cache(MOST_LETTERS)
def stands_alone(letter: str) -> re.Pattern[str]:
    """A letter within no word, in either case: what every mention holds and most sentences do not, found fast."""
    first = re.escape(letter[0])
    return re.compile(rf"[{first.upper()}{first.lower()}](?<!\w.)(?i:{re.escape(letter[1:])})(?!\w)")


@lru_cache(MOST_LETTERS)
def mentions_of(letter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """How a sentence can speak of the option with this letter."""
    mark = re.escape(letter)
    after = AFTER_LETTER + (AFTER_A if letter == "A" else "")
    named = rf"\b{NAMING}s?\s+[(\"'*]*{mark}\b|\(\s*{mark}\s*\)"
    alone = re.compile(rf"{BEFORE_LETTER}{mark}{after}")
    return alone, re.compile(named, re.IGNORECASE if letter != "A" else re.NOFLAG)


def asserts_letter(sentence: str, letter: str) -> bool:
    """It says outright that this letter is the answer, whatever other letters it names."""
    return letter in sentence and any(pattern.search(sentence) for pattern in assertions_of(letter))


@lru_cache(MOST_LETTERS)
def assertions_of(letter: str) -> tuple[re.Pattern[str], ...]:
    """How a sentence can say that this letter is the answer."""
    mark = rf"[(\"'*\s]*(?:{NAMING}\s+)?[(\"'*]*{re.escape(letter)}(?![\w'’])"
    said = rf"(?i:\b{VERDICT}(?:\s+you\s+\w+(?:\s+\w+)?)?\s*(?:is|was|be|must be|should be|should have been|=|:)){mark}"
    taken = rf"(?i:\b(?:choose|choosing|pick(?:ed)?|select|mark|tick|circle|write|go (?:with|for))){mark}"
    judged = rf"{BEFORE_LETTER}{re.escape(letter)}\W+(?i:(?:is|was|would be|must be)\s+(?:\w+\s+)?{PRAISE})"
    boxed = rf"(?:<answer>|boxed\{{)\s*{re.escape(letter)}\b"
    return tuple(re.compile(pattern) for pattern in (said, taken, judged, boxed))


def names_place(sentence: str, answer: RightAnswer) -> bool:
    """The second option; option two; the last one; the letter after A."""
    if answer.letter is None or answer.position < 0:
        return False
    position, count, lower = answer.position, len(answer.options), sentence.lower()
    worth_a_look = any(word in lower for word in words_of_place(position, count))
    if worth_a_look and place_of(position, count).search(lower) is not None:
        return True
    return "letter" in lower and names_neighbour(sentence, answer.letter)


@lru_cache(MOST_LETTERS)
def words_of_place(position: int, count: int) -> tuple[str, ...]:
    """One of them stands in all that `place_of` can find, and in few other sentences: looked for far faster."""
    if position < 0:
        return ()
    counted = (f"{position + 1}{ending}" for ending in ("st", "nd", "rd", "th"))
    ends = ("last", "final") if position == count - 1 else ()
    return ("option", "choice", *ends, *ORDINALS[position : position + 1], *counted)


@lru_cache(MOST_LETTERS)
def place_of(position: int, count: int) -> re.Pattern[str]:
    """How a sentence in lower case can speak of the option at this position (from 0) of `count`."""
    named = []
    if position < len(ORDINALS):
        ordinal, number = ORDINALS[position], position + 1
        named.append(rf"(?:{ordinal}|{number}(?:st|nd|rd|th))\s+(?:{LISTED}\b|(?:in|of) the (?:list|alphabet)\b)")
        named.append(rf"(?:option|choice)\s+(?:number\s+)?(?:{CARDINALS[position]}|{number})\b")
    if position == count - 1 and count > 1:
        named.append(rf"(?:last|final)\s+{LISTED}\b(?!\s*:)")
    return re.compile(rf"\b(?:{'|'.join(named)})" if named else r"(?!)")


def names_neighbour(sentence: str, letter: str) -> bool:
    """The letter after A; the letter that precedes C."""
    after, before = re.escape(chr(ord(letter[0]) - 1)), re.escape(chr(ord(letter[0]) + 1))
    beside = rf"(?i:\b(?:after|follows))\s+{after}(?!\w)|(?i:\b(?:before|precedes))\s+{before}(?!\w)"
    return re.search(beside, sentence) is not None


def letter_leaks(sentence: str, answer: RightAnswer) -> bool:
    """The right letter outright, or named while no wrong one is: a sentence about one option singles it out."""
    if answer.letter is None:
        return False
    shown = plain(sentence) if "boxed" not in sentence else sentence
    if asserts_letter(shown, answer.letter) or names_place(shown, answer):
        return True
    if not stands_alone(answer.letter).search(shown):
        return False
    affirmed = SET_ASIDE.sub("", shown)
    if not mentions_letter(affirmed, answer.letter):
        return False
    return not any(mentions_letter(affirmed, letter) for letter in answer.wrong)
