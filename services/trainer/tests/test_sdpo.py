"""SDPO against closed forms and against a plain implementation of its definition over all logits."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from contracts.jobs import JobSpec
from contracts.methods import SDPO
from safetensors.torch import save
from trainer.batch import Batch, assemble
from trainer.crew import SOLO
from trainer.distillation import distilled, divergence
from trainer.failures import JobFailure
from trainer.lesson import build, learn
from trainer.methods import annotate
from trainer.reprompt import Reprompt
from trainer.step_record import record_of
from trainer.update import Learner
from transformers import AutoModelForCausalLM

from .makers import CLOSING, VOCAB, episode, spec_of

TEMPERATURE, TOP, RATE = 0.8, 5, 0.05
SPEC = SDPO(top_tokens=TOP)


def logs(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log()


@pytest.mark.parametrize("listed", [1, 2])
def test_jensen_shannon_by_hand(listed: int) -> None:
    """(3/4, 1/4) and (1/4, 3/4) are both KL((3/4, 1/4) || (1/2, 1/2)) from the middle; the tail is one outcome."""
    by_hand = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    found = divergence(logs(0.25, 0.75)[:, :listed], logs(0.75, 0.25)[:, :listed], 0.5)
    assert found.item() == pytest.approx(by_hand, abs=1e-6)
    assert divergence(logs(1 - 1e-9), logs(1e-9), 0.5).item() == pytest.approx(math.log(2), abs=1e-5)
    assert divergence(logs(0.3, 0.2), logs(0.3, 0.2), 0.3).item() == pytest.approx(0, abs=1e-12)


def test_alpha_weighs_the_teacher() -> None:
    """M = 0.2 T + 0.8 S: with T = (1/2, 1/4, 1/4) and S = (1/4, 1/4, 1/2), M = (0.3, 0.25, 0.45)."""
    from_teacher = 0.5 * math.log(0.5 / 0.3) + 0.25 * math.log(0.25 / 0.45)
    from_student = 0.25 * math.log(0.25 / 0.3) + 0.5 * math.log(0.5 / 0.45)
    found = divergence(logs(0.25, 0.25), logs(0.5, 0.25), alpha=0.2)
    assert found.item() == pytest.approx(0.2 * from_teacher + 0.8 * from_student, abs=1e-12)


def test_the_ratio_is_capped_and_carries_no_gradient() -> None:
    logprobs = torch.tensor([0.5, 1.0, 8.0]).log().requires_grad_()
    loss = distilled(torch.ones(3), logprobs, torch.zeros(3), cap=2.0)
    assert loss.loss_N.tolist() == pytest.approx([0.5, 1.0, 2.0])
    assert loss.clipped_N.tolist() == [False, False, True]
    assert not loss.loss_N.requires_grad


def groups(rewards: list[list[float]], seed: int = 0, step: int = 1) -> Batch:
    rng = random.Random(seed)
    return assemble(
        step,
        [
            episode(rng, [reward], question=f"q{question}", sample=sample, step=step)
            for question, group in enumerate(rewards)
            for sample, reward in enumerate(group)
        ],
    )


def test_each_rollout_is_shown_another_right_one() -> None:
    """A question with two right answers, one with one (which has nobody to learn from), one with none."""
    annotation = annotate(groups([[1, 0, 1, 0], [0, 1], [0, 0]]), SPEC)
    assert annotation.distillation is not None
    assert annotation.distillation.demonstrations_R == [2, 2, 0, 0, 5, None, None, None]
    assert annotation.masked_episodes == 3
    assert annotation.weights_RT is not None
    assert sum(weights_T.sum() for weights_T in annotation.weights_RT) == pytest.approx(1)
    assert not any(weights_T.any() for weights_T in annotation.weights_RT[5:])


def job(student: Path, **training: object) -> JobSpec:
    spec = spec_of(student, gradient_clip=1e9, learning_rate=1e-2, **training)
    rollout = spec.rollout.model_copy(update={"temperature": TEMPERATURE, "max_attempts": 1})
    return spec.model_copy(update={"method": SPEC, "rollout": rollout})


def log_softmax(model: Any, context: list[int], answer: list[int]) -> torch.Tensor:
    logits = model(torch.tensor([context + answer])).logits[0, len(context) - 1 : -1]
    return torch.log_softmax(logits / TEMPERATURE, dim=-1)


def plainly(student: Any, teacher: Any, reprompt: Reprompt, batch: Batch, shown_R: list[int | None]) -> torch.Tensor:
    """The mean over tokens, from the definition: KL to the mixture over the top tokens and all others as one."""
    terms = []
    for item, shown in zip(batch.episodes, shown_R, strict=True):
        if shown is None:
            continue
        prompt, answer = item.prompt_token_ids, item.attempts[0].token_ids
        question, hint = prompt[: -len(CLOSING)], batch.episodes[shown].attempts[0].token_ids
        context = question + reprompt.before + hint + reprompt.after + CLOSING
        ours = log_softmax(student, prompt, answer)
        with torch.no_grad():
            theirs = log_softmax(teacher, context, answer)
        for position, token in enumerate(answer):
            top = ours[position].topk(TOP).indices
            s, t = ours[position][top].exp(), theirs[position][top].exp()
            s, t = torch.cat([s, 1 - s.sum()[None]]), torch.cat([t, 1 - t.sum()[None]])
            middle = (s + t) / 2
            apart = 0.5 * (t * (t / middle).log()).sum() + 0.5 * (s * (s / middle).log()).sum()
            ratio = math.exp(ours[position][token].item() - item.attempts[0].logprobs[position])
            terms.append(min(ratio, 2.0) * apart)
    return torch.stack(terms).mean()


@pytest.mark.parametrize("budget", [64, 16384])
def test_the_second_step_equals_the_definition(student: Path, budget: int) -> None:
    """In the second step the teacher is neither the base nor the student."""
    learner = build(job(student, tokens_per_microbatch=budget), student, SOLO)
    shapes = [[1.0, 0, 1, 0], [0, 1.0], [0, 0]]
    first, second = groups(shapes), groups(shapes, seed=1, step=2)
    learner.update(first, annotate(first, SPEC))
    moved = {name: tensor.clone() for name, tensor in learner.policy.weights().items()}

    base = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)
    ours, teacher = (AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32) for _ in range(2))
    ours.load_state_dict(moved, strict=False)
    averaged = {name: 0.95 * tensor + RATE * moved[name] for name, tensor in base.state_dict().items() if name in moved}
    teacher.load_state_dict(averaged, strict=False)
    annotation = annotate(second, SPEC)
    assert annotation.distillation is not None
    shown_R = list(annotation.distillation.demonstrations_R)
    expected = plainly(ours, teacher, Reprompt.load(student), second, shown_R)
    expected.backward()

    report = learner.update(second, annotation)
    assert report.loss == pytest.approx(expected.item(), rel=1e-5)
    assert 0 < report.clip_fraction < 1  # some ratios were capped
    theirs = dict(ours.named_parameters())
    for name, parameter in learner.optimizer.parameters.items():
        assert parameter.grad is not None
        assert (parameter.grad - theirs[name].grad).norm() < 1e-4 * theirs[name].grad.norm()


def bits(learner: Learner) -> bytes:
    weights, rest = learner.state()
    assert any(name.startswith("self_teacher/") for name in rest)
    return save(weights | rest)


def test_the_teacher_survives_a_checkpoint_to_the_bit(student: Path) -> None:
    spec = job(student)
    unbroken, resumed = build(spec, student, SOLO), build(spec, student, SOLO)
    learn(unbroken, SPEC, 1, groups([[1.0, 0, 1, 0]]).episodes, {})
    weights, rest = ({name: tensor.clone() for name, tensor in part.items()} for part in unbroken.state())
    resumed.restore(weights, rest, torch.get_rng_state(), unbroken.optimizer.updates)
    assert bits(resumed) == bits(unbroken)
    for learner in (unbroken, resumed):
        learn(learner, SPEC, 2, groups([[1.0, 0, 1, 0]], seed=1, step=2).episodes, {})
    assert bits(resumed) == bits(unbroken)
    del rest["self_teacher/model.norm.weight"]
    with pytest.raises(JobFailure, match=r"self_teacher/model\.norm\.weight is missing"):
        resumed.restore(weights, rest, torch.get_rng_state(), 1)


def test_without_a_demonstration_the_teacher_stays_and_the_record_says_so(student: Path) -> None:
    learner = build(job(student), student, SOLO)
    before, batch = bits(learner), groups([[0.0, 0], [1, 0]])
    learn(learner, SPEC, 1, groups([[0.0, 0, 0]]).episodes, {})
    assert bits(learner) == before
    annotation = annotate(batch, SPEC)
    record = record_of(batch, annotation, learner.update(batch, annotation))
    assert (record.masked_episodes, record.zero_gradient) == (3, False)


def test_the_prompt_grows_inside_the_users_turn(student: Path) -> None:
    """w2 question <end> w3 becomes w2 question (words) answer (words) <end> w3; the answer's own end goes."""
    reprompt = Reprompt.load(student)
    assert reprompt.closing == CLOSING
    found = reprompt.context([2, 9, *CLOSING], [20, 21, 1])
    assert found == [2, 9, *reprompt.before, 20, 21, *reprompt.after, *CLOSING]
    assert reprompt.context([2, 9, *CLOSING], [20, 21]) == found
    with pytest.raises(JobFailure, match="does not end as the chat template"):
        reprompt.context([2, 9], [20])


def test_a_student_without_a_template_is_refused(student: Path, tmp_path: Path) -> None:
    for file in student.iterdir():
        if "template" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(JobFailure, match="chat template"):
        Reprompt.load(tmp_path)


def test_what_is_asked_about_is_chosen_by_the_student(student: Path) -> None:
    """Every token of a small vocabulary: then the tail is empty, and nothing changes when more are asked for."""
    losses = []
    for top in (VOCAB, 1000):
        spec = SDPO(top_tokens=top)
        learner = build(job(student).model_copy(update={"method": spec}), student, SOLO)
        batch = groups([[1.0, 0, 1, 0]])
        losses.append(learner.update(batch, annotate(batch, spec)).loss)
    assert losses[0] == losses[1] > 0
