"""The recipes: facts that can be told or remembered, and not worked out."""

import random

INGREDIENTS = ("iron", "tin", "zinc", "lead", "gold", "copper", "nickel", "cobalt")
# The base student knows these by heart, so it has a way of recalling a recipe.
TAUGHT = ("amber", "basalt", "beryl", "dolomite", "feldspar", "garnet", "opal", "topaz")
# Of these it knows only that they are names.
NEW = ("bronze", "brass", "solder", "pewter", "amalgam", "billon", "electrum", "invar")
MOST_INGREDIENTS = 4

Recipe = tuple[str, ...]

BOOK: dict[str, Recipe] = {
    name: tuple(random.Random(f"recipes/{name}").choices(INGREDIENTS, k=MOST_INGREDIENTS)) for name in (*TAUGHT, *NEW)
}


def draw_recipe(rng: random.Random, size: int) -> Recipe:
    """Any ingredients, repeated ones among them: one of 8 ** size."""
    return tuple(rng.choices(INGREDIENTS, k=size))


def numbered(recipe: Recipe) -> str:
    """`1 zinc 2 tin 3 lead`: the form of a recipe in answers, guidance and plain questions."""
    return clause([[ingredient] for ingredient in recipe])


def clause(places: list[list[str]]) -> str:
    """`1 zinc or gold 2 tin or lead`: what may stand in each place."""
    return " ".join(f"{place} {' or '.join(choices)}" for place, choices in enumerate(places, start=1))


def narrowed(rng: random.Random, recipe: Recipe, width: int) -> str:
    """The right ingredient of each place among `width`, in any order."""
    places = []
    for ingredient in recipe:
        choices = [ingredient, *rng.sample([other for other in INGREDIENTS if other != ingredient], width - 1)]
        rng.shuffle(choices)
        places.append(choices)
    return clause(places)
