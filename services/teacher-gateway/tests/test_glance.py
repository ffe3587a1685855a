"""A glance at the whole text overlooks nothing that the rules find in one of its sentences."""

from hypothesis import example, given
from hypothesis import strategies as st
from teacher_gateway.leaks.answer import RightAnswer, stem_of
from teacher_gateway.leaks.glance import Glance
from teacher_gateway.leaks.letters import letter_leaks, mentions_letter
from teacher_gateway.leaks.texts import sentences
from teacher_gateway.leaks.values import says, value_leaks

QUESTION = "Which of these is it, and how far?"
OPTIONS = {"A": "12 km", "B": "bonds", "C": "town hall reactions", "D": "Jane Austen", "E": "cars"}
# What the rules look for, in forms where a letter, a mark of LaTeX or an ending stands in the way.
PIECES = [
    *("A", "b", "C", "D:", "(b)", "$C$", "\\boxed{C}", "\\boxed{b}", "is\\boxed{c}", "the answer isC", "choose B,"),
    *("option b", "the second option", "2nd choice", "the last one", "last entry", "the letter after A", "letter"),
    *("12", "is twelve", "km", "reacts", "reaction", "town", "halls", "bonding", "Austen", "austen's", "Jane", "car"),
    *("\\mathrm{town}", "ha$ll$", "about", "a", "the", "=", "x 10^3", "not A"),
]
texts = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([" ", ". ", "\n", "! ", ""]))).map(
    lambda pairs: "".join(piece + end for piece, end in pairs)
)


@given(texts, st.sampled_from("ABCDEZ"))
@example("It is\\boxed{c}", "C")
@example("It is the letter after A.", "B")
@example("The answer isC", "C")
@example("It is twelve.", "A")
@example("Look at the bonding.", "B")
@example("Was it a car?", "E")
@example("x$C$y", "A")
@example("Take the last one.", "E")
@example("Who but Austen?", "D")
def test_what_a_sentence_holds_is_seen(text: str, letter: str) -> None:
    answer = RightAnswer(letter, OPTIONS.get(letter, letter), OPTIONS, stem_of(QUESTION, tuple(OPTIONS)), "")
    glance, parts = Glance(text), sentences(text)
    assert glance.singles_out(answer) >= any(letter_leaks(part, answer) for part in parts)
    assert glance.says(answer.text, answer.stem) >= any(value_leaks(part, answer) for part in parts)
    for named, option in OPTIONS.items():
        spoken = any(mentions_letter(part, named) or says(part, option, answer.stem) for part in parts)
        assert glance.speaks_of(named, option, answer.stem) >= spoken


def test_harmless_guidance_is_seen_at_once() -> None:
    answer = RightAnswer("C", OPTIONS["C"], OPTIONS, stem_of(QUESTION, tuple(OPTIONS)), "")
    glance = Glance("You mixed up speed and distance. Look at its last line again, and then decide.")
    assert not glance.singles_out(answer)
    assert not glance.says(answer.text, answer.stem)
    assert not glance.speaks_of("D", OPTIONS["D"], answer.stem)
