"""The canary: a fixed token sequence whose log-probabilities tell one policy version from another."""

from collections.abc import Sequence

# fp32 engine and trainer differ by their order of summation, seen below 1e-5; one update moves the canary further.
TOLERANCE = 1e-4
# bf16 keeps 8 bits of every product: log-probabilities of some ten nats differ by hundredths, at times by tenths.
TOLERANCES = {"fp32": TOLERANCE, "bf16": 0.25}
# A fifth of the tolerance is twice the rounding: below it two versions look alike, and the tolerance alone decides.
RESOLUTION = TOLERANCE / 5
LENGTH = 24
# Odd and coprime to common vocabulary sizes, so that the sequence visits ids all over the vocabulary.
STRIDE = 7919


def canary_ids(vocab_size: int) -> list[int]:
    """LENGTH ids below `vocab_size`, the same for every version of a student."""
    return [(index + 1) * STRIDE % vocab_size for index in range(LENGTH)]


def largest_gap(found: Sequence[float], expected: Sequence[float]) -> float:
    """Largest absolute difference, nats. A number that is not finite counts as infinitely far away."""
    gaps = [abs(a - b) for a, b in zip(found, expected, strict=True)]
    return max((gap if gap == gap else float("inf") for gap in gaps), default=0.0)


def complaint_about(
    found: Sequence[float], new: Sequence[float], old: Sequence[float] | None, tolerance: float = TOLERANCE
) -> str | None:
    """Why the engine's answer is not that of the new weights, or None. `old`: what the version before would answer.

    An update smaller than `tolerance` is still told from a swap that did not happen: the answer must lie nearer to the
    new version than to the old one.
    """
    gap = largest_gap(found, new)
    if gap > tolerance:
        return f"its canary log-probabilities are {gap:.2e} nats from the trainer's (tolerance {tolerance:.0e})"
    if old is not None and largest_gap(new, old) > tolerance / 5 and largest_gap(found, old) <= gap:
        return "its canary log-probabilities are those of the version before"
    return None
