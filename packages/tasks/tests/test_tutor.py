"""The tutor names the first mistake of the actual reasoning, and no letter ever."""

import random

import pytest
from contracts.teachers import TutorManner
from hypothesis import given
from hypothesis import strategies as st
from tasks.guiding import Lesson
from tasks.materials import guide, hint
from tasks.materials.dialogues import guided_dialogue, knowing_dialogue
from tasks.materials.prompts import Prompt, draw_asked, parse_prompt
from tasks.materials.slips import SLIPS, draw_slip, misread_value
from tasks.materials.table import LETTERS, draw_table
from tasks.materials.vocabulary import WORDS

QUESTION = "choose the conductor ? density : A 4.3 B 4.1 C 4.5 D 4.8 ; gap : A 1.0 B 1.2 C 4.1 D 3.0 ;"
GAP = "<reasoning> gap : A 1.0 B 1.2 C 4.1 D 3.0 ;"

seeds = st.integers(0, 2**32).map(random.Random)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (f"{GAP} highest C </reasoning> <answer> C </answer>", "conductor means the lowest gap"),
        (
            "<reasoning> density : A 4.3 B 4.1 C 4.5 D 4.8 ; lowest B </reasoning> <answer> B </answer>",
            "you took the lowest density but conductor means the lowest gap",
        ),
        (f"{GAP} lowest B </reasoning> <answer> B </answer>", "that is not the lowest gap"),
        (f"{GAP} lowest A </reasoning> <answer> B </answer>", "differs from your reasoning"),
        (
            "<reasoning> gap : A 1.0 B 1.3 C 4.1 D 3.0 ; highest C </reasoning> <answer> C </answer>",
            "you misread the table",
        ),
        ("C", "write your reasoning first"),
        ("", "write your reasoning first"),
        (f"{GAP} lowest A </reasoning> <answer> A </answer>", "your answer is correct"),
    ],
)
def test_the_first_mistake_is_named(answer: str, named: str) -> None:
    assert named in hint(QUESTION, answer)


def test_a_plain_question_is_not_explained_as_a_term() -> None:
    plain = QUESTION.replace("conductor", "lowest gap")
    said = hint(plain, f"{GAP} highest C </reasoning> <answer> C </answer>")
    assert said == "you took the highest gap but the question wants the lowest gap ."


def test_a_text_without_a_question_is_an_error() -> None:
    with pytest.raises(ValueError, match="no question"):
        hint("what is the time ?", "C")


@given(seeds, st.text())
def test_no_hint_holds_a_letter(rng: random.Random, anything: str) -> None:
    prompt = Prompt(draw_asked(rng), draw_table(rng))
    for answer in (draw_slip(rng, prompt), anything):
        words = hint(str(prompt), answer).split()
        assert set(words).isdisjoint(LETTERS)
        assert set(words) <= set(WORDS)


@given(seeds, st.sampled_from(SLIPS))
def test_every_slip_is_seen(rng: random.Random, slip: object) -> None:
    prompt = Prompt(draw_asked(rng), draw_table(rng))
    assert hint(str(prompt), slip(rng, prompt)) != "your answer is correct ."  # type: ignore[operator]


@given(seeds)
def test_a_dialogue_ends_right_or_at_the_third_attempt(rng: random.Random) -> None:
    turns = guided_dialogue(rng)
    prompt = parse_prompt(turns[0].user)
    said = [hint(str(prompt), turn.assistant) for turn in turns]
    assert all(text != "your answer is correct ." for text in said[:-1])
    assert len(turns) == 3 or said[-1] == "your answer is correct ."


def test_a_teacher_learns_right_answers_alone_also_after_wrong_ones() -> None:
    rng, lengths = random.Random(0), set()
    for _ in range(500):
        turns = knowing_dialogue(rng)
        prompt = parse_prompt(turns[0].user)
        for turn in turns:
            assert turn.learn == (hint(str(prompt), turn.assistant) == "your answer is correct .")
        lengths.add(len(turns))
    assert lengths == {1, 2, 3}


def test_a_misread_value_is_never_the_right_one() -> None:
    rng = random.Random(0)
    prompt = Prompt("lowest gap", draw_table(rng))
    assert all("misread" in hint(str(prompt), misread_value(rng, prompt)) for _ in range(1000))


RIGHT = f"{GAP} lowest A </reasoning> <answer> A </answer>"
WRONG = f"{GAP} highest C </reasoning> <answer> C </answer>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (WRONG, "you misread the question ."),
        (f"{GAP} lowest B </reasoning> <answer> B </answer>", "compare the values again ."),
        (WRONG.replace("1.2", "1.3"), "you misread the table ."),
        (RIGHT, "your answer is correct ."),
    ],
)
def test_a_vague_tutor_names_the_kind_of_mistake_only(answer: str, said: str) -> None:
    assert guide(Lesson(QUESTION, answer, TutorManner(style="vague"))) == said


def test_a_telling_tutor_says_what_it_is_shown_and_needs_it() -> None:
    telling = TutorManner(style="answer")
    assert guide(Lesson(QUESTION, WRONG, telling, ground_truth="A")) == "the answer is A ."
    with pytest.raises(ValueError, match="ground_truth"):
        guide(Lesson(QUESTION, WRONG, telling))


def test_a_fifth_of_the_guidances_is_wrong_and_the_seed_decides_which() -> None:
    """Binomial(2000, 0.2) has a standard deviation of 18."""
    fallible = TutorManner(wrong_share=0.2)
    said = [guide(Lesson(QUESTION, WRONG, fallible, seed)) for seed in range(2000)]
    assert said == [guide(Lesson(QUESTION, WRONG, fallible, seed)) for seed in range(2000)]
    false = [text for text in said if text != hint(QUESTION, WRONG)]
    assert 400 - 4 * 18 < len(false) < 400 + 4 * 18
    # Neither what is right (lowest gap) nor what the student took (highest gap).
    assert {text.partition("means the ")[2] for text in false} == {"highest density .", "lowest density ."}


@given(seeds, st.sampled_from(["precise", "vague", "answer"]), st.floats(0, 1))
def test_every_manner_speaks_the_students_words(rng: random.Random, style: str, wrong_share: float) -> None:
    prompt = Prompt(draw_asked(rng), draw_table(rng))
    manner = TutorManner(style=style, wrong_share=wrong_share)  # type: ignore[arg-type]
    said = guide(Lesson(str(prompt), draw_slip(rng, prompt), manner, rng.randrange(1000), prompt.answer))
    assert set(said.split()) <= set(WORDS)
