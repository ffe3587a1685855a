"""The learning rules annotate tokens; every job's method is registered."""

import json
import math
import random
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from contracts.episodes import Failure
from contracts.methods import GRPO, RLOO, SDPO, Method, MethodSpec, ReinforcePP, ReinforcePPBaseline, SocraticPO
from trainer.batch import Batch, assemble
from trainer.crew import SOLO
from trainer.diagnostics import UpdateReport
from trainer.failures import JobFailure
from trainer.lesson import build
from trainer.methods import METHODS, annotate
from trainer.step_record import attempt_stats, record_of

from .makers import episode, episodes_of_step, spec_of

RNG = random.Random(0)
KINDS: tuple[type[MethodSpec], ...] = get_args(get_args(Method)[0])
SPECS = [
    *(kind() for kind in KINDS),
    *(ReinforcePP(normalisation=name) for name in ("group_row", "token")),
    *(GRPO(scale=name) for name in ("batch", "none")),
    GRPO(aggregation="answer"),
    SocraticPO(decay="geometric", gamma=0.5),
    SocraticPO(decay="floor", floor=0.1),
    SocraticPO(decay="ema", ema_rate=0.3),
]


def test_every_method_of_the_contract_is_registered() -> None:
    assert {kind.model_fields["name"].default for kind in KINDS} == set(METHODS)


def test_only_student_tokens_carry_advantages_and_each_those_of_its_attempt() -> None:
    batch = assemble(1, [episode(RNG, [0.0, 1.0]), episode(RNG, [1.0], sample=1), episode(RNG, [0.0, 0.0], sample=2)])
    annotation = annotate(batch, SocraticPO())
    for trajectory, advantages in zip(batch.trajectories, annotation.advantages_RT, strict=True):
        attempt = np.asarray(trajectory.attempt_T)
        assert not advantages[attempt == 0].any()
        for k in range(1, max(attempt) + 1):
            assert len(set(advantages[attempt == k])) == 1
    rows = np.array([1 / 3, 1.0, 0, 0, 0])  # mu_1 = 1/3
    expected = (rows - rows.mean()) / (rows.std() + 1e-6)
    assert annotation.factors[1] == 1 / 3
    assert annotation.advantages_RT[0][-1] == pytest.approx(expected[0], rel=1e-12)
    assert annotation.advantages_RT[1][-1] == pytest.approx(expected[1], rel=1e-12)
    assert annotation.advantages_RT[2][-1] == pytest.approx(expected[2], rel=1e-12)


def test_ablation_without_decay_pays_late_successes_in_full() -> None:
    batch = assemble(1, [episode(RNG, [0.0, 1.0]), episode(RNG, [1.0], sample=1)])
    advantages = annotate(batch, SocraticPO(decay="none")).advantages_RT
    assert advantages[0][-1] == advantages[1][-1] > 0


@pytest.mark.parametrize(
    ("decay", "factors"),
    [
        ({"decay": "geometric", "gamma": 0.7}, [1.0, 0.7, 0.7**2]),
        ({"decay": "floor", "floor": 0.6}, [1.0, 0.6, 0.6]),
        ({"decay": "ema", "ema_rate": 0.2}, [1.0, 0.8 * 0.9 + 0.2 * 0.5, 0.5]),
        ({"decay": "batch_mean"}, [1.0, 0.5, 0.5]),
        ({"decay": "none"}, [1.0, 1.0, 1.0]),
    ],
    ids=str,
)
def test_each_decay_takes_its_setting(decay: dict[str, object], factors: list[float]) -> None:
    """One right, then the other: mu_1 = 1/2, mu_2 = 1.5/3; the step before had left mu_1 = 0.9."""
    batch = assemble(1, [episode(RNG, [1.0]), episode(RNG, [0.0, 1.0], sample=1)])
    found = annotate(batch, SocraticPO.model_validate(decay), {"factors": [1.0, 0.9]})
    assert found.factors == pytest.approx(factors, rel=1e-12)
    assert found.rewards_RK[1, 1] == pytest.approx(factors[1], rel=1e-12)


def test_an_ema_remembers_from_step_to_step() -> None:
    """The second batch is cold by itself; half of the first one's mu_1 = 0.5 stays."""
    spec = SocraticPO(decay="ema", ema_rate=0.5)
    first = annotate(assemble(1, [episode(RNG, [1.0]), episode(RNG, [0.0, 1.0], sample=1)]), spec)
    second = annotate(assemble(2, [episode(RNG, [0.0, 1.0], sample=sample) for sample in range(2)]), spec, first.state)
    assert (first.factors[1], second.factors[1]) == (0.5, 0.25)
    assert second.rewards_RK.tolist() == [[0, 0.25], [0, 0.25]]
    assert json.loads(json.dumps(second.state)) == second.state
    assert annotate(assemble(2, episodes_of_step(2)), SocraticPO()).state == {}


@pytest.mark.parametrize(("shape", "cold"), [([0.0, 0.0], True), ([0.0, 1.0], True), ([1.0], False)])
def test_batches_without_gradient_say_so(shape: list[float], cold: bool) -> None:
    batch = assemble(1, [episode(RNG, shape, sample=sample) for sample in range(3)])
    annotation = annotate(batch, SocraticPO())
    assert annotation.zero_gradient
    assert annotation.cold is cold


def test_a_normal_batch_has_a_gradient() -> None:
    annotation = annotate(assemble(1, episodes_of_step(1)), SocraticPO())
    assert not annotation.zero_gradient
    assert not annotation.cold


def test_recorded_failures_are_counted_and_left_out() -> None:
    broken = episode(RNG, [], sample=1, failure=Failure(code="deadline", detail="too late"))
    batch = assemble(1, [episode(RNG, [1.0]), broken])
    assert (len(batch.episodes), batch.failed_episodes) == (1, 1)
    with pytest.raises(JobFailure, match="all 1 episodes of step 1 failed; deadline: too late"):
        assemble(1, [broken])


def first_attempts(rewards: list[float], per_question: int) -> Batch:
    """A batch of single attempts."""
    questions = [f"q{index // per_question}" for index in range(len(rewards))]
    shapes = enumerate(zip(questions, rewards, strict=True))
    return assemble(1, [episode(RNG, [reward], question=question, sample=n) for n, (question, reward) in shapes])


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_method_keeps_to_the_rules(spec: MethodSpec) -> None:
    batch = first_attempts([1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0], per_question=4)
    annotation = annotate(batch, spec)
    right = batch.rows.raw_RK[:, 0] > 0
    by_row = np.array([advantages[-1] for advantages in annotation.advantages_RT])
    for trajectory, advantages in zip(batch.trajectories, annotation.advantages_RT, strict=True):
        assert advantages.shape == (len(trajectory.token_ids_T),)
        assert not advantages[np.asarray(trajectory.attempt_T) == 0].any()
    assert not annotation.zero_gradient
    if annotation.distillation is None:
        assert (by_row[right] > 0).all()
        assert (by_row[~right] <= 0).all()
        assert abs(by_row.sum()) < 1e-9 or getattr(spec, "normalisation", "") == "token"


@pytest.mark.parametrize("reward", [0.0, 1.0])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_method_gives_exactly_nothing_to_equals(spec: MethodSpec, reward: float) -> None:
    annotation = annotate(first_attempts([reward] * 6, per_question=3), spec)
    assert annotation.zero_gradient is not (isinstance(spec, SDPO) and reward == 1)  # right answers teach each other
    assert annotation.cold is (reward == 0)


@pytest.mark.parametrize(
    ("spec", "mean_advantage"),
    [
        (SocraticPO(), 0.5 / 0.5),
        (ReinforcePP(), 0.5 / 0.5),
        (ReinforcePPBaseline(), 0.375 / math.sqrt(0.1875)),
        (GRPO(), 0.375 / 0.5),
        (GRPO(scale="batch"), 0.375 / math.sqrt(2 / 7)),
        (GRPO(scale="none"), 0.375),
        (RLOO(), 0.5),
    ],
    ids=str,
)
def test_the_step_record_shows_the_mean_advantage(spec: Method, mean_advantage: float) -> None:
    """One of four right, then three of four: by hand, right answers lie 0.75 and 3 x 0.25 above their group's mean."""
    batch = first_attempts([1, 0, 0, 0, 1, 1, 1, 0], per_question=4)
    (line,) = attempt_stats(batch, annotate(batch, spec))
    assert (line.rows, line.correct, line.decay_factor) == (8, 4, 1.0)
    assert line.mean_advantage_correct == pytest.approx(mean_advantage, rel=3e-6)
    assert line.mean_advantage_wrong == pytest.approx(-mean_advantage, rel=3e-6)


@pytest.mark.parametrize("spec", [GRPO(), GRPO(scale="none"), RLOO(), ReinforcePPBaseline()], ids=str)
def test_an_episode_left_alone_by_failures_teaches_nothing(spec: Method) -> None:
    broken = episode(RNG, [], sample=1, failure=Failure(code="deadline", detail="too late"))
    others = [episode(RNG, [reward], question="q1", sample=n) for n, reward in enumerate([1.0, 0.0])]
    annotation = annotate(assemble(1, [episode(RNG, [1.0]), broken, *others]), spec)
    assert not annotation.advantages_RT[0].any()
    assert annotation.advantages_RT[1].any()


@pytest.mark.parametrize(
    "spec",
    [
        *SPECS,
        ReinforcePP(kl_in_reward=0.1),
        RLOO(kl_in_reward=0.1),
        GRPO(aggregation="constant", constant_tokens=9),
    ],
    ids=str,
)
def test_every_method_teaches_the_student(spec: Method, student: Path) -> None:
    """What it says reaches the weights, with its reference and its token weights."""
    report = first_lesson(student, spec, [1, 0, 0, 0, 1, 1, 1, 0])
    assert report.updates == 1
    assert report.gradient_norm > 0
    assert math.isfinite(report.loss)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_no_method_moves_the_weights_on_a_batch_without_gradient(spec: Method, student: Path) -> None:
    """And its step record says that there was none, which the event and the counter are made of."""
    report = first_lesson(student, spec, [0] * 8)
    assert (report.updates, report.gradient_norm) == (0, 0.0)
    batch = first_attempts([0] * 8, per_question=4)
    record = record_of(batch, annotate(batch, spec), report)
    assert (record.zero_gradient, record.cold) == (True, True)


def first_lesson(student: Path, spec: Method, rewards: list[float]) -> UpdateReport:
    """What comes of one batch, with all that the method asks for."""
    job = spec_of(student).model_copy(update={"method": spec})
    learner = build(job, student, SOLO)
    batch = learner.with_reference(first_attempts(rewards, per_question=4))
    return learner.update(batch, annotate(batch, spec))
