"""What held-out accuracy is worth: intervals and pass@n. Pure."""

from collections.abc import Sequence
from math import comb, sqrt

# Two-sided 95 % of the normal distribution.
Z = 1.959964


def pass_at(n: int, samples: int, right: int) -> float:
    """Chance that one of n samples is right, unbiased from `right` of `samples` (Chen et al., arXiv 2107.03374, eq. 1).

    Raises ValueError where n exceeds the samples.
    """
    if n > samples:
        raise ValueError(f"pass@{n} needs {n} samples or more, not {samples}")
    return 1.0 - comb(samples - right, n) / comb(samples, n)


def accuracy_interval(shares: Sequence[float], samples: int) -> tuple[float, float]:
    """95 % interval of the mean of the questions' shares of right answers, each from `samples` answers.

    Wilson's interval (1927) at the effective number of answers (Kish 1965): answers to one question resemble each
    other, so that 16 answers to each of 80 questions are worth less than 1,280. With one answer it is plain Wilson.
    """
    if not shares:
        return (0.0, 1.0)
    questions = len(shares)
    mean = sum(shares) / questions
    variance = sum((share - mean) ** 2 for share in shares) / questions**2
    size = mean * (1 - mean) / variance if variance > 0 else questions * samples
    return wilson(mean, min(size, questions * samples))


def wilson(mean: float, size: float) -> tuple[float, float]:
    """Wilson's score interval of a share `mean` from `size` independent answers."""
    middle = mean + Z * Z / (2 * size)
    half = Z * sqrt(mean * (1 - mean) / size + Z * Z / (4 * size * size))
    scale = 1 + Z * Z / size
    return (max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))
