"""Which questions make a training batch: epochs in shuffled order, no question twice in a batch. Pure."""

import random
from collections.abc import Iterator
from itertools import count, islice
from math import gcd


def questions_of_step(questions: int, per_step: int, seed: int, step: int) -> list[int]:
    """Indices of the `per_step` different questions of training step `step` (from 1), of a pool of `questions`.

    Every epoch asks each question once; where a batch spans two epochs, the second gives questions that the batch does
    not have yet. Raises ValueError when the pool is smaller than a batch.
    """
    if per_step > questions:
        raise ValueError(f"a batch of {per_step} different questions cannot be drawn from {questions}")
    # After this many epochs a batch ends exactly with an epoch, so that counting can start there instead of at step 1.
    epochs_per_cycle = per_step // gcd(questions, per_step)
    steps_per_cycle = questions // gcd(questions, per_step)
    cycle, position = divmod(step - 1, steps_per_cycle)
    batches = _batches(questions, per_step, seed, cycle * epochs_per_cycle)
    return next(islice(batches, position, None))


def _batches(questions: int, per_step: int, seed: int, first_epoch: int) -> Iterator[list[int]]:
    left: list[int] = []
    for epoch in count(first_epoch):
        while len(left) >= per_step:
            batch, left = left[:per_step], left[per_step:]
            yield batch
        order = shuffled(questions, seed, epoch)
        if left:
            held = set(left)
            fresh = [index for index in order if index not in held][: per_step - len(left)]
            yield left + fresh
            taken = set(fresh)
            order = [index for index in order if index not in taken]
        left = order


def shuffled(questions: int, seed: int, epoch: int) -> list[int]:
    """The order of one epoch."""
    order = list(range(questions))
    random.Random(f"question order/{seed}/{epoch}").shuffle(order)
    return order
