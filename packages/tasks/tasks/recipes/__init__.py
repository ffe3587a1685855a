"""Recipes: a built-in task whose answers are next to never found by luck, made to see where guidance matters."""

from tasks.recipes.task import RecipesOptions, RecipesTask
from tasks.recipes.tutor import guide

__all__ = ["RecipesOptions", "RecipesTask", "guide"]
