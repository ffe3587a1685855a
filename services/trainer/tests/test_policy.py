"""The policy against transformers' own forward pass, attempt by attempt."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from contracts.episodes import Episode
from contracts.methods import SocraticPO
from trainer.batch import assemble
from trainer.failures import JobFailure
from trainer.methods import annotate
from trainer.microbatches import pack
from trainer.policies import write_policy
from trainer.policy import Policy
from trainer.update import Learner
from transformers import AutoModelForCausalLM, GraniteConfig, GraniteForCausalLM

from .makers import VOCAB, episodes_of_step, spec_of

TEMPERATURE = 0.7


def oracle(student: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)


def separate_passes(model: Any, episode: Episode) -> list[torch.Tensor]:
    """Log-probabilities of each attempt, from a pass of its own over its own context."""
    context, found = list(episode.prompt_token_ids), []
    for index, attempt in enumerate(episode.attempts):
        logits = model(torch.tensor([context + attempt.token_ids])).logits[0, len(context) - 1 : -1]
        logprobs = torch.log_softmax(logits / TEMPERATURE, dim=-1)
        found.append(logprobs.gather(1, torch.tensor(attempt.token_ids)[:, None]).squeeze(1))
        context += attempt.token_ids
        context += episode.guidances[index].token_ids if index < len(episode.guidances) else []
    return found


def nearly_on_policy(model: Any, episode: Episode) -> Episode:
    """The log-probabilities of an engine that is a little off, so that some ratios are clipped and none explodes."""
    rng = random.Random(episode.episode_id)
    with torch.no_grad():
        found = separate_passes(model, episode)
    attempts = [
        msgspec.structs.replace(attempt, logprobs=[value + rng.uniform(-0.3, 0.3) for value in values.tolist()])
        for attempt, values in zip(episode.attempts, found, strict=True)
    ]
    return msgspec.structs.replace(episode, attempts=attempts)


def test_one_pass_equals_separate_passes(student: Path) -> None:
    """Loss and gradient of whole padded trajectories against an independent loop over attempts.

    The gradient is compared in fp64: in fp32 two orders of summation differ by about 1e-6 on some processors.
    """
    model = oracle(student)
    batch = assemble(1, [nearly_on_policy(model, item) for item in episodes_of_step(1)])
    model.double()
    annotation = annotate(batch, SocraticPO())
    losses, logprobs = [], []
    for episode, advantages_T, trajectory in zip(
        batch.episodes, annotation.advantages_RT, batch.trajectories, strict=True
    ):
        for k, found in enumerate(separate_passes(model, episode)):
            attempt = episode.attempts[k]
            advantage = advantages_T[trajectory.attempt_T.index(k + 1)]
            ratio = (found - torch.tensor(attempt.logprobs)).exp()
            losses.append(-torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage))
            logprobs += list(zip(attempt.token_ids, attempt.logprobs, found.tolist(), strict=True))
    expected = torch.cat(losses).mean()
    expected.backward()

    learner = Learner(Policy.load(student, TEMPERATURE), spec_of(student, learning_rate=1e-30).training)
    seen = []
    for micro in pack(batch.trajectories, annotation.advantages_RT, 256):
        values = learner.policy.logprobs(micro)[0]
        columns = (micro.targets_N, micro.sampling_logprobs_N, values)
        seen += list(zip(*(column.tolist() for column in columns), strict=True))
    assert torch.allclose(torch.tensor(sorted(seen)), torch.tensor(sorted(logprobs)), rtol=0, atol=1e-5)

    learner.policy.model.double()
    learner.optimizer.spec = learner.spec.model_copy(update={"gradient_clip": 1e9})
    report = learner.update(batch, annotation)
    assert report.loss == pytest.approx(expected.item(), rel=1e-5)
    theirs = dict(model.named_parameters())
    ours = learner.optimizer.parameters
    difference = sum(float((ours[name].grad - theirs[name].grad).double().square().sum()) for name in theirs)  # type: ignore[operator]
    norm = sum(float(parameter.grad.double().square().sum()) for parameter in theirs.values())
    assert (difference / norm) ** 0.5 < 1e-6
    assert report.gradient_norm == pytest.approx(norm**0.5, rel=1e-5)


def test_entropy_by_definition(student: Path) -> None:
    batch = assemble(1, episodes_of_step(1)[:1])
    policy, model = Policy.load(student, TEMPERATURE), oracle(student)
    [micro] = pack(batch.trajectories, annotate(batch, SocraticPO()).advantages_RT, 4096)
    logits = model(micro.token_ids_U[None]).logits[0, micro.places_N]
    expected = torch.distributions.Categorical(logits=logits / TEMPERATURE).entropy()
    assert torch.allclose(policy.logprobs(micro)[1], expected, atol=1e-5)


def test_a_directory_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=r"student\.model .*") as error:
        Policy.load(tmp_path, 1.0)
    assert error.value.code == "student_unreadable"


def test_logits_changed_after_the_head_are_refused(tmp_path: Path) -> None:
    """Granite divides its logits: without that, log-probabilities would silently differ from the engine's."""
    torch.manual_seed(0)
    config = GraniteConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        logits_scaling=2.0,
    )
    GraniteForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(JobFailure, match="after the head") as error:
        Policy.load(tmp_path, 1.0)
    assert error.value.code == "student_unsupported"


def test_weights_load_back_as_a_hugging_face_model(student: Path, tmp_path: Path) -> None:
    policy = Policy.load(student, 1.0)
    write_policy(policy, student, tmp_path / "v1")
    ours, theirs = oracle(student).state_dict(), oracle(tmp_path / "v1").state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (tmp_path / "v1" / "tokenizer_config.json").exists()
