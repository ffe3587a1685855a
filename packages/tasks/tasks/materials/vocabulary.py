"""Every word of the materials table, in the order of the student's token ids."""

from tasks.materials.prompts import TERMS
from tasks.materials.table import LETTERS, NUMBERS, PROPERTIES, RANKS

TAGS = ("<reasoning>", "</reasoning>", "<answer>", "</answer>")
MARKS = (":", ";", "?", ".", ",")
QUESTION_WORDS = ("choose", "the")
# fmt: off
HINT_WORDS = (
    "write", "your", "reasoning", "first", "then", "give", "one", "letter", "as", "answer", "you", "misread", "table",
    "copy", "values", "again", "took", "but", "question", "wants", "means", "compare", "that", "is", "not", "differs",
    "from", "correct",
)
# fmt: on
RETRY_WORDS = ("Your", "incorrect", "Please", "try")

WORDS: tuple[str, ...] = (
    *TAGS,
    *MARKS,
    *LETTERS,
    *PROPERTIES,
    *RANKS,
    *TERMS,
    *QUESTION_WORDS,
    *HINT_WORDS,
    *RETRY_WORDS,
    *NUMBERS,
)
