"""The solution rule: guidance that copies the reference solution."""

from teacher_gateway.leaks.texts import words

# Words in a row: shorter runs are formulas and phrases that any hint on the question shares.
COPIED_WORDS = 8
Run = tuple[str, ...]


def copies_solution(text: str, solution: str) -> bool:
    """A run of words of the reference solution, longer than chance and common phrases make it."""
    wanted = runs(solution)
    return bool(wanted) and not runs(text).isdisjoint(wanted)


def runs(text: str) -> set[Run]:
    """Every run of COPIED_WORDS words."""
    found = words(text)
    return {tuple(found[start : start + COPIED_WORDS]) for start in range(len(found) - COPIED_WORDS + 1)}
