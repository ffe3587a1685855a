"""Every word of the recipes, in the order of the student's token ids."""

from tasks.recipes.book import INGREDIENTS, MOST_INGREDIENTS, NEW, TAUGHT
from tasks.recipes.orders import NUMBERS

TAGS = ("<answer>", "</answer>")
MARKS = (":", ";", "?", ".")
PLACES = tuple(str(place) for place in range(1, MOST_INGREDIENTS + 1))
QUESTION_WORDS = ("mix", "batch")
HINT_WORDS = ("it", "means", "or", "your", "answer", "is", "correct", "the")
RETRY_WORDS = ("Your", "incorrect", "Please", "try", "again")

WORDS: tuple[str, ...] = (
    *TAGS,
    *MARKS,
    *PLACES,
    *QUESTION_WORDS,
    *HINT_WORDS,
    *RETRY_WORDS,
    *INGREDIENTS,
    *TAUGHT,
    *NEW,
    *NUMBERS,
)
