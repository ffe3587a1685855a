"""How an episode ended, as one character; a batch of them is a string (GET /v1/jobs/{id}/steps/{n}/outcomes)."""

# By attempt: K is 16 at most.
SOLVED_AT = "123456789abcdefg"
NEVER, INCOMPLETE = "0", "x"


def mark_of(attempt: int | None) -> str:
    """attempt: the one at which it was solved, from 1; None for never."""
    return NEVER if attempt is None else SOLVED_AT[attempt - 1]


def attempt_of(mark: str) -> int:
    """The inverse, with 0 for never. Raises ValueError for a mark that means no attempt."""
    return (NEVER + SOLVED_AT).index(mark)
