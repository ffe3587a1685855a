"""Recipes: questions, check, tutor, and the words of the base student."""

import random

import pytest
from contracts.teachers import TutorManner
from hypothesis import given
from hypothesis import strategies as st
from tasks.guiding import Lesson
from tasks.recipes import RecipesOptions, RecipesTask
from tasks.recipes.book import BOOK, INGREDIENTS, NEW, TAUGHT, draw_recipe
from tasks.recipes.dialogues import recalled_dialogue, spelt_dialogue
from tasks.recipes.orders import answer_text, draw_order, parse_order
from tasks.recipes.vocabulary import WORDS
from tasks.tutors import guide

ASKED = "mix 3 : bronze ? batch 2.4 1.1 ;"
BRONZE = BOOK["bronze"][:3]
WRONG = answer_text(tuple(INGREDIENTS[INGREDIENTS.index(right) - 1] for right in BRONZE))

seeds = st.integers(0, 2**32).map(random.Random)
sizes = st.integers(1, 4)


@given(seeds, sizes, st.text(alphabet="xyz :\n", max_size=20))
def test_an_order_is_found_in_a_longer_text(rng: random.Random, size: int, around: str) -> None:
    order = draw_order(rng, size, 0.5, held_out=True)
    assert parse_order(f"{around} {order} {around}") == order


@pytest.mark.parametrize("text", ["mix 3 : gravel ? batch 2.4 1.1 ;", "mix 5 : bronze ? batch 2.4 1.1 ;", "mix 3"])
def test_a_text_without_an_order_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no question of the recipes"):
        parse_order(text)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_only_every_ingredient_in_its_place_is_right(size: int) -> None:
    task = RecipesTask(RecipesOptions(ingredients=size, train_questions=50, test_questions=50))
    for question in task.train_questions() + task.test_questions():
        recipe = BOOK[parse_order(question.text).name][:size]
        assert task.verify(question, answer_text(recipe)).correct
        for place in range(size):
            other = next(one for one in INGREDIENTS if one != recipe[place])
            assert not task.verify(question, answer_text((*recipe[:place], other, *recipe[place + 1 :]))).correct


def test_luck_is_rare() -> None:
    """Of 8^3 = 512 equally likely guesses one is right: 20,000 of them give 39 on average, with a deviation of 6.2."""
    rng = random.Random(0)
    lucky = sum(draw_recipe(rng, 3) == BRONZE for _ in range(20_000))
    assert 39 - 4 * 6.2 < lucky < 39 + 4 * 6.2


def test_held_out_batches_are_new_and_shares_are_as_set() -> None:
    task = RecipesTask(RecipesOptions(taught_share=0.0, train_questions=500, test_questions=300))
    train, test = task.train_questions(), task.test_questions()
    assert {parse_order(one.text).batch for one in train}.isdisjoint({parse_order(one.text).batch for one in test})
    assert {one.domain for one in train} == {"new"}
    assert 0.25 < sum(one.domain == "taught" for one in test) / len(test) < 0.42
    assert len({one.id for one in train + test}) == 800
    assert {parse_order(one.text).name for one in test} == {*TAUGHT, *NEW}


def test_a_precise_tutor_tells_the_recipe() -> None:
    assert guide(Lesson(ASKED, WRONG)) == f"it means 1 {BRONZE[0]} 2 {BRONZE[1]} 3 {BRONZE[2]} ."
    assert guide(Lesson(ASKED, answer_text(BRONZE))) == "your answer is correct ."


def test_a_vague_tutor_leaves_two_ingredients_of_which_one_is_right() -> None:
    """The company and the order of the right one change with the seed, so that copying a place is right by half."""
    said = [guide(Lesson(ASKED, WRONG, TutorManner(style="vague"), seed)).split() for seed in range(400)]
    for place, right in enumerate(BRONZE, start=1):
        pairs = [(words[words.index(str(place)) + 1], words[words.index(str(place)) + 3]) for words in said]
        assert all(right in pair and len(set(pair)) == 2 for pair in pairs)
        assert 160 < sum(pair[0] == right for pair in pairs) < 240
        assert {word for pair in pairs for word in pair} == set(INGREDIENTS)


def test_a_wrong_tutor_is_wrong_in_every_place() -> None:
    for seed in range(50):
        said = guide(Lesson(ASKED, WRONG, TutorManner(wrong_share=1.0), seed)).split()
        assert all(said[said.index(str(place)) + 1] != right for place, right in enumerate(BRONZE, start=1))


@given(seeds, sizes)
def test_everything_said_is_in_the_vocabulary(rng: random.Random, size: int) -> None:
    texts = [turn for turns in (spelt_dialogue(rng), recalled_dialogue(rng)) for turn in turns]
    words = " ".join(f"{turn.user} {turn.assistant}" for turn in texts).replace("incorrect.", "incorrect .")
    order = draw_order(rng, size, 0.5, held_out=False)
    words += " " + guide(Lesson(str(order), "?", TutorManner(style="answer"), 0, "1 tin"))
    assert set(words.replace("again.", "again .").split()) <= set(WORDS)
