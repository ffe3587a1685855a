"""Several processes learn what one does, and read one another's checkpoints."""

from pathlib import Path

import pytest
import torch
from contracts.jobs import JobSpec
from contracts.methods import RLOO, SDPO, SocraticPO
from contracts.policies import checkpoint_steps, job_directory
from safetensors.torch import load_file
from trainer.batch import assemble
from trainer.microbatches import deal, pack

from .crew_work import Reports, train_on
from .makers import JOB, episodes_of_step, spec_of

WATCHED = ("loss", "gradient_norm", "entropy", "clip_fraction", "approximate_kl", "logprob_gap_max", "logprob_gap_mean")
KINDS = ("regularised", "distilled", "adapters", "penalised")
FIRST, NEXT = range(1, 3), range(3, 4)


def job(student: Path, kind: str) -> JobSpec:
    """Each kind needs something else of the other processes."""
    options: dict[str, dict[str, object]] = {
        "regularised": {"kl_coefficient": 0.1, "entropy_coefficient": 0.01, "importance": "truncated", "epochs": 2},
        "distilled": {"minibatches": 2},
        "adapters": {"lora": {"rank": 3}, "activation_checkpointing": True},
        "penalised": {},
    }
    methods = {"distilled": SDPO(), "penalised": RLOO(kl_in_reward=0.1)}
    spec = spec_of(student.name, tokens_per_microbatch=64, **options[kind])
    if kind not in methods:
        return spec.model_copy(update={"method": SocraticPO()})
    rollout = spec.rollout.model_copy(update={"max_attempts": 1})
    return spec.model_copy(update={"method": methods[kind], "rollout": rollout})


def weights_of(data_root: Path) -> dict[str, torch.Tensor]:
    """What a checkpoint kept, moments included, and what was published."""
    directory = job_directory(data_root, JOB)
    [step] = checkpoint_steps(data_root, JOB)
    kept = directory / "checkpoints" / f"step-{step:06d}"
    published = torch.load(directory / "published.pt", weights_only=True)
    named = {f"published/{name}": tensor for name, tensor in published.items()}
    return load_file(kept / "model.safetensors") | load_file(kept / "optimizer.safetensors") | named


def agree(found: Reports, expected: Reports, tolerance: float) -> None:
    """AdamW's first steps make of rounding in a gradient near 0 a step of its own, which the next gradient shows."""
    for kind, reports in expected.items():
        for ours, theirs in zip(found[kind], reports, strict=True):
            for name in WATCHED:
                rounding = tolerance if name == "loss" else 10 * tolerance
                assert ours[name] == pytest.approx(theirs[name], rel=rounding, abs=1e-6), (kind, name)


def test_several_processes_learn_what_one_does(student: Path, tmp_path: Path) -> None:
    """The loss to 1e-5, the gradient norm, and the weights; then every crew goes on from another crew's checkpoints."""
    jobs, sizes = {kind: job(student, kind) for kind in KINDS}, (1, 2, 3)
    roots = {size: tmp_path / str(size) for size in sizes}
    reports = {size: train_on(size, student, jobs, root, FIRST) for size, root in roots.items()}
    for size in (2, 3):
        agree(reports[size], reports[1], 1e-5)
        for kind in jobs:
            shared, alone = weights_of(roots[size] / kind), weights_of(roots[1] / kind)
            assert shared.keys() == alone.keys()
            for name in alone.keys() - {"random/torch"}:
                assert torch.allclose(shared[name], alone[name], rtol=1e-3, atol=1e-5), (kind, name)
    on_one = train_on(1, student, jobs, roots[3], NEXT)
    for size, other in ((2, 1), (3, 2)):
        agree(train_on(size, student, jobs, roots[other], NEXT), on_one, 1e-4)


@pytest.mark.parametrize("size", [2, 3, 50])
def test_a_deal_gives_everyone_as_many_passes_and_every_token_once(size: int) -> None:
    batch = assemble(1, episodes_of_step(1))
    zeros = [torch.zeros(len(item.token_ids_T)).numpy() for item in batch.trajectories]
    micros = pack(batch.trajectories, zeros, 64)
    hands = [deal(micros, rank, size) for rank in range(size)]
    assert {len(hand) for hand in hands} == {-(-len(micros) // size)}
    dealt = [target for hand in hands for micro in hand for target in micro.targets_N.tolist()]
    assert sorted(dealt) == sorted(target for micro in micros for target in micro.targets_N.tolist())
