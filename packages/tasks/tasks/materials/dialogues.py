"""Supervised dialogues: the skill, a base student with misconceptions that takes guidance, and a teacher."""

import random
from dataclasses import replace

from contracts.guidance import RETRY_TEXT

from tasks.materials.prompts import MISCONCEPTIONS, PLAIN, Prompt, draw_asked
from tasks.materials.reasoning import first_mistake, parse_reasoning, reason
from tasks.materials.slips import draw_slip
from tasks.materials.table import READINGS, Reading, Table, draw_table
from tasks.materials.tutor import hint
from tasks.supervision import Turn

ATTEMPTS = 3
# The rest goes evenly to the other readings: still the most likely one, so greedy answers are wrong, yet RL samples the
# right one often enough to find it (with 0.85 some terms were never found).
HELD_SHARE = 0.5
RETRY_SHARE = 0.2
# A student told only "try again" mostly repeats itself.
REPEAT_SHARE = 0.7
# After a hint it seldom keeps to what it took, so sampled second attempts leave something to learn.
STUBBORN_SHARE = 0.1
SLIP_SHARE = 0.15
# Of a teacher, which has to be right alone and must read attempts that are wrong.
AT_ONCE_SHARE = 0.5


def skill_dialogue(rng: random.Random, exclude: frozenset[Table] = frozenset()) -> list[Turn]:
    """A plain question and its right answer: copy a column, find its largest or smallest value."""
    return _right_at_once(Prompt(rng.choice(list(PLAIN)), _fresh_table(rng, exclude)))


def guided_dialogue(rng: random.Random, exclude: frozenset[Table] = frozenset()) -> list[Turn]:
    """Up to three attempts of a student that holds the MISCONCEPTIONS, with hints or with the retry text between."""
    return _guided(rng, Prompt(draw_asked(rng), _fresh_table(rng, exclude)))


def knowing_dialogue(rng: random.Random, exclude: frozenset[Table] = frozenset()) -> list[Turn]:
    """Right answers only, to the question or after somebody's wrong attempts: what a teacher would have said."""
    prompt = Prompt(draw_asked(rng), _fresh_table(rng, exclude))
    if rng.random() < AT_ONCE_SHARE:
        return _right_at_once(prompt)
    turns = _guided(rng, prompt)
    return [replace(turn, learn=first_mistake(prompt, turn.assistant) is None) for turn in turns]


def _right_at_once(prompt: Prompt) -> list[Turn]:
    return [Turn(str(prompt), str(reason(prompt, prompt.reading)))]


def _guided(rng: random.Random, prompt: Prompt) -> list[Turn]:
    next_turn = _retried if rng.random() < RETRY_SHARE else _hinted
    turns = [_attempt(rng, prompt, str(prompt), _untaught_reading(rng, prompt))]
    while len(turns) < ATTEMPTS and first_mistake(prompt, turns[-1].assistant):
        turns.append(next_turn(rng, prompt, turns[-1].assistant))
    return turns


def _fresh_table(rng: random.Random, exclude: frozenset[Table]) -> Table:
    while (table := draw_table(rng)) in exclude:
        pass
    return table


def _attempt(rng: random.Random, prompt: Prompt, user: str, reading: Reading) -> Turn:
    if rng.random() < SLIP_SHARE:
        return Turn(user, draw_slip(rng, prompt), learn=False)
    return Turn(user, str(reason(prompt, reading)))


def _untaught_reading(rng: random.Random, prompt: Prompt) -> Reading:
    """What the base student takes the question for before anybody told it anything."""
    if prompt.is_plain:
        return prompt.reading
    held = MISCONCEPTIONS[prompt.asked]
    return held if rng.random() < HELD_SHARE else _another(rng, held)


def _hinted(rng: random.Random, prompt: Prompt, last_answer: str) -> Turn:
    last = parse_reasoning(last_answer)
    reading = last.reading if last and rng.random() < STUBBORN_SHARE else prompt.reading
    return _attempt(rng, prompt, hint(str(prompt), last_answer), reading)


def _retried(rng: random.Random, prompt: Prompt, last_answer: str) -> Turn:
    last = parse_reasoning(last_answer)
    if last is None or prompt.is_plain:
        return _attempt(rng, prompt, RETRY_TEXT, _untaught_reading(rng, prompt))
    reading = last.reading if rng.random() < REPEAT_SHARE else _another(rng, last.reading)
    return _attempt(rng, prompt, RETRY_TEXT, reading)


def _another(rng: random.Random, taken: Reading) -> Reading:
    return rng.choice([reading for reading in READINGS if reading != taken])
