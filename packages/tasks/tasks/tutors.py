"""The rule-based teachers by task; the tutor service speaks for all of them."""

from collections.abc import Callable

from tasks import materials, recipes
from tasks.guiding import Lesson
from tasks.recipes.orders import asks_for_order

TUTORS: dict[str, Callable[[Lesson], str]] = {"materials": materials.guide, "recipes": recipes.guide}


def guide(lesson: Lesson) -> str:
    """Guidance of the tutor whose question this is. Raises ValueError for a question of neither."""
    return TUTORS["recipes" if asks_for_order(lesson.question_text) else "materials"](lesson)
