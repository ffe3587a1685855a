"""The rule-based teacher of the recipes: it tells the recipe, or narrows it down."""

import random

from tasks.guiding import Lesson
from tasks.recipes.book import INGREDIENTS, Recipe, narrowed, numbered
from tasks.recipes.orders import answer_text, parse_order

# Vague guidance leaves the student so many ingredients for each place.
CHOICES = 2


def guide(lesson: Lesson) -> str:
    """Guidance in the lesson's manner, in the student's own vocabulary.

    `precise` tells the recipe, `vague` the right ingredient of each place beside another one. Raises ValueError if the
    lesson holds no question of the recipes, or not what its manner needs.
    """
    order = parse_order(lesson.question_text)
    if lesson.answer_text.split() == answer_text(order.recipe).split():
        return "your answer is correct ."
    dice = lesson.dice()
    if dice.random() < lesson.manner.wrong_share:
        return f"it means {numbered(_false_recipe(dice, order.recipe))} ."
    match lesson.manner.style:
        case "precise":
            return f"it means {numbered(order.recipe)} ."
        case "vague":
            return f"it means {narrowed(dice, order.recipe, CHOICES)} ."
        case "answer":
            return lesson.told_answer()


def _false_recipe(dice: random.Random, recipe: Recipe) -> Recipe:
    return tuple(dice.choice([other for other in INGREDIENTS if other != right]) for right in recipe)
