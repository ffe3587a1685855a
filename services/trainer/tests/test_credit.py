"""What people are shown of a batch's rewards and advantages."""

import random

import numpy as np
import pytest
import redis
from contracts import keys
from contracts.credit import EpisodeCredit, decode_credit
from contracts.methods import SocraticPO
from trainer.batch import Batch, assemble
from trainer.credit import credits_of, shortened
from trainer.methods import annotate
from trainer.store import Store

from .makers import JOB, episode


def batch_of(rewards: list[list[float]]) -> Batch:
    rng = random.Random(0)
    return assemble(1, [episode(rng, row, sample=sample) for sample, row in enumerate(rewards)])


def credited(rewards: list[list[float]]) -> list[EpisodeCredit]:
    batch = batch_of(rewards)
    found = credits_of(batch, annotate(batch, SocraticPO()))
    return [found[item.episode_id] for item in batch.episodes]


def test_figure_2_attempt_by_attempt() -> None:
    """A right answer earns 1, mu_1 = 1/4 or mu_2 = 1.25/7; advantages are (r - mean) / (std + 1e-6) over nine rows."""
    found = credited([[0, 1], [0, 0, 1], [1], [0, 0, 1]])
    earned = [[it.reward_decayed for it in credit.attempts] for credit in found]
    third = 1.25 / 7
    assert earned == [[0, 0.25], [0, 0, pytest.approx(third)], [1], [0, 0, pytest.approx(third)]]
    rows = np.array([0, 0.25, 0, 0, third, 1, 0, 0, third])
    wanted = (rows - rows.mean()) / (rows.std() + 1e-6)
    shown = [it.advantages for credit in found for it in credit.attempts]
    assert shown == [[pytest.approx(value)] for value in wanted]


def test_tokens_that_differ_are_told_one_by_one() -> None:
    assert shortened(np.array([0.5, 0.5, 0.5])) == [0.5]
    assert shortened(np.array([0.5, -0.5, 0.5])) == [0.5, -0.5, 0.5]
    assert shortened(np.array([])) == []


def test_they_are_kept_by_episode_and_writing_again_changes_nothing(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    batch = batch_of([[1.0], [0.0, 1.0]])
    wanted = credits_of(batch, annotate(batch, SocraticPO()))
    for _ in range(2):
        Store(client).keep_credits(JOB, 1, wanted)
    found = {name.decode(): decode_credit(data) for name, data in client.hgetall(keys.credits(JOB, 1)).items()}
    assert found == wanted
    client.close()
