"""Ways to lay a student out: bf16 over fp32 masters, recomputed layers, adapters merged for publishing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from contracts.jobs import JobSpec
from contracts.methods import SocraticPO
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file, save
from torch import distributed
from trainer.batch import assemble
from trainer.crew import SOLO
from trainer.diagnostics import UpdateReport
from trainer.lesson import build, learn
from trainer.methods import annotate
from trainer.microbatches import MicroBatch, pack
from trainer.policies import write_policy
from trainer.policy import Policy, Shape
from trainer.sharding import share_of, whole
from trainer.update import Learner
from transformers import AutoModelForCausalLM

from .makers import episodes_of_step, spec_of

LORA = {"rank": 3, "alpha": 6}
LORA_BF16 = {"precision": "bf16", "lora": LORA}
# peft 0.21 still asks transformers by a name that it will lose.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(autouse=True)
def no_group_stays() -> Iterator[None]:
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


def step_of(learner: Learner, step: int) -> UpdateReport:
    return learn(learner, SocraticPO(), step, episodes_of_step(step), {}).report


def job(student: Path, **training: object) -> JobSpec:
    return spec_of(student, gradient_clip=1e9, **training)


def flat(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.float().flatten() for _, tensor in sorted(tensors.items())])


def gradient(learner: Learner) -> torch.Tensor:
    return flat(
        {name: whole(item.grad) for name, item in learner.optimizer.parameters.items() if item.grad is not None}
    )


def test_recomputed_layers_train_to_the_same_bits_and_keep_less(student: Path) -> None:
    learners = [build(job(student, activation_checkpointing=on), student, SOLO) for on in (False, True)]
    for step in (1, 2):
        plain, recomputed = (step_of(learner, step) for learner in learners)
        assert recomputed == plain
    assert save(learners[1].policy.weights()) == save(learners[0].policy.weights())
    kept = [saved_elements(learner.policy, a_micro()) for learner in learners]
    assert kept[1] < 0.6 * kept[0]


def a_micro() -> MicroBatch:
    batch = assemble(1, episodes_of_step(1))
    return pack(batch.trajectories, annotate(batch, SocraticPO()).advantages_RT, 16384)[0]


def saved_elements(policy: Policy, micro: MicroBatch) -> int:
    """How many numbers the forward pass keeps for the backward pass, the weights left out."""
    weights = {parameter.data_ptr() for parameter in policy.model.parameters()}
    kept: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        found = policy.logprobs(micro)
    assert found[0].requires_grad
    return sum(kept.values())


def test_bf16_computes_in_bf16_and_learns_in_fp32(student: Path) -> None:
    """Tiny updates vanish in bf16 weights, whose steps are 2 ** -8 of their value; the masters take them."""
    exact, rounded = (build(job(student, precision=name), student, SOLO) for name in ("fp32", "bf16"))
    micro = a_micro()
    with torch.no_grad():
        exact_N, rounded_N = (learner.policy.logprobs(micro)[0] for learner in (exact, rounded))
    assert rounded_N.dtype == torch.float32
    assert 1e-4 < (exact_N - rounded_N).abs().max() < 0.3
    reports = [step_of(learner, 1) for learner in (exact, rounded)]
    assert reports[1].loss == pytest.approx(reports[0].loss, rel=0.05)
    assert torch.cosine_similarity(gradient(exact), gradient(rounded), dim=0) > 0.99
    masters = {name: tensor.clone() for name, tensor in rounded.state()[0].items()}
    assert {tensor.dtype for tensor in masters.values()} == {torch.float32}
    assert {share_of(item).dtype for item in rounded.optimizer.parameters.values()} == {torch.float32}
    published = rounded.policy.weights()
    assert {tensor.dtype for tensor in published.values()} == {torch.bfloat16}
    rounded.optimizer.spec = rounded.spec.model_copy(update={"learning_rate": 3e-7, "warmup_steps": 0})
    rounded.optimizer.apply()
    assert (flat(rounded.policy.weights()) == flat(published)).float().mean() > 0.97
    assert (flat(rounded.state()[0]) == flat(masters)).float().mean() < 0.2


@pytest.mark.parametrize("training", [{"precision": "bf16"}, {"lora": LORA}, LORA_BF16], ids=str)
def test_every_shape_resumes_to_the_bit(student: Path, training: dict[str, object]) -> None:
    spec = job(student, minibatches=2, activation_checkpointing=True, **training)
    unbroken, resumed = build(spec, student, SOLO), build(spec, student, SOLO)
    step_of(unbroken, 1)
    kept = [{name: tensor.clone() for name, tensor in part.items()} for part in unbroken.state()]
    resumed.restore(kept[0], kept[1], torch.get_rng_state(), unbroken.optimizer.updates)
    assert [save(part) for part in resumed.state()] == [save(part) for part in kept]
    assert step_of(resumed, 2) == step_of(unbroken, 2)
    assert [save(part) for part in resumed.state()] == [save(part) for part in unbroken.state()]
    assert save(resumed.policy.weights()) == save(unbroken.policy.weights())


def by_peft(student: Path, adapters: dict[str, torch.Tensor]) -> Any:
    """The same adapters in peft's own model."""
    model = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)
    config = LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules="all-linear", lora_dropout=0.0)
    wrapped = get_peft_model(model, config)
    named = {f"base_model.model.{name.replace('.default.', '.')}": tensor for name, tensor in adapters.items()}
    loaded = set_peft_model_state_dict(wrapped, named)
    assert not loaded.unexpected_keys
    return wrapped


def test_lora_trains_adapters_only_and_publishes_plain_weights(student: Path, tmp_path: Path) -> None:
    """The published directory is what peft merges, has the base's own names, and computes what the trainer does."""
    learner = build(job(student, lora=LORA, learning_rate=0.05), student, SOLO)
    base = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32).state_dict()
    untouched = learner.policy.weights()
    assert all(torch.equal(untouched[name], base[name]) for name in untouched)
    for step in (1, 2):
        step_of(learner, step)
    adapters, moments = learner.state()
    assert set(adapters) == set(learner.optimizer.parameters)
    assert all(".lora_" in name for name in adapters | moments)
    assert len([name for name in adapters if name.startswith("model.layers.0.")]) == 2 * 7

    write_policy(learner.policy, student, tmp_path / "v2")
    published = load_file(tmp_path / "v2" / "model.safetensors")
    merged = by_peft(student, adapters).merge_and_unload().state_dict()
    assert published.keys() == load_file(student / "model.safetensors").keys()
    assert all(torch.allclose(published[name], merged[name], atol=1e-6) for name in published)
    assert any(not torch.equal(published[name], base[name]) for name in published)

    loaded = Policy.load(tmp_path / "v2", 1.0)
    tokens = [2, 7, 1, 8, 2, 8]
    assert loaded.prompt_logprobs(tokens) == pytest.approx(learner.policy.prompt_logprobs(tokens), abs=1e-5)


def test_lora_gradients_are_those_of_peft(student: Path) -> None:
    learner = build(job(student, lora=LORA, learning_rate=0.05), student, SOLO)
    step_of(learner, 1)
    adapters = {name: tensor.clone() for name, tensor in learner.state()[0].items()}
    policy = Policy(by_peft(student, adapters).base_model.model, 1.0)
    theirs = Learner(policy, learner.spec)
    step_of(theirs, 2)
    step_of(learner, 2)
    assert (gradient(learner) - gradient(theirs)).norm() < 1e-6 * gradient(theirs).norm()


def test_a_student_without_the_named_layers_is_refused(student: Path) -> None:
    from trainer.failures import JobFailure

    with pytest.raises(JobFailure, match="target_modules"):
        build(job(student, lora={"target_modules": ["nowhere"]}), student, SOLO)


def test_the_base_may_be_the_reference_of_adapters(student: Path) -> None:
    """A frozen reference has no adapters: where nothing was learned yet the divergence is exactly zero."""
    learner = build(job(student, lora=LORA, kl_coefficient=0.1), student, SOLO)
    assert Shape.of(learner.spec).lora is not None
    batch = learner.with_reference(assemble(1, episodes_of_step(1)))
    assert learner.update(batch, annotate(batch, SocraticPO())).reference_kl == pytest.approx(0, abs=1e-9)
