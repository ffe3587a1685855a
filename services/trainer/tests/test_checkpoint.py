"""Checkpoints: exact to the bit, whole or absent, refused when damaged."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from contracts.methods import SocraticPO
from contracts.policies import checkpoint_directory, checkpoint_steps, policy_directory
from contracts.records import StepRecord
from safetensors.torch import save
from trainer import checkpoint
from trainer.batch import assemble
from trainer.checkpoint import Checkpoint, CheckpointState, DamagedCheckpoint
from trainer.durable import whole_directory, write_whole
from trainer.failures import JobFailure
from trainer.methods import annotate
from trainer.policies import collect_old, write_policy
from trainer.policy import Policy
from trainer.step_record import record_of
from trainer.students import find_student
from trainer.update import Learner
from transformers import AutoModelForCausalLM

from .makers import JOB, episodes_of_step, make_student, spec_of


def learner_of(student: Path) -> Learner:
    return Learner(Policy.load(student, 1.0), spec_of(student, minibatches=2).training)


def train(learner: Learner, step: int) -> StepRecord:
    batch = assemble(step, episodes_of_step(step))
    annotation = annotate(batch, SocraticPO())
    return record_of(batch, annotation, learner.update(batch, annotation))


def snapshot(learner: Learner, record: StepRecord) -> Checkpoint:
    state = CheckpointState(
        job_id=JOB,
        step=record.step,
        updates=learner.optimizer.updates,
        consumed={record.step: ["a"]},
        record=record,
        opened_at=1.0,
    )
    return Checkpoint(state, *learner.state(), torch.get_rng_state())


def bits(learner: Learner) -> bytes:
    weights, rest = learner.state()
    return save(weights | rest)


def write_steps(student: Path, data_root: Path, steps: int) -> Learner:
    learner = learner_of(student)
    for step in range(1, steps + 1):
        checkpoint.save(data_root, snapshot(learner, train(learner, step)))
    return learner


def test_a_restored_run_goes_on_bit_for_bit(student: Path, tmp_path: Path) -> None:
    unbroken = write_steps(student, tmp_path, 2)
    noise = torch.rand(3)
    found = checkpoint.newest(tmp_path, JOB)
    assert found is not None
    resumed = learner_of(student)
    resumed.restore(found.weights, found.optimizer, found.random_state, found.state.updates)
    assert bits(resumed) == bits(unbroken)
    assert torch.equal(torch.rand(3), noise)
    assert train(resumed, 3) == train(unbroken, 3)
    assert bits(resumed) == bits(unbroken)
    assert found.state.consumed == {2: ["a"]}


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used(
    student: Path, tmp_path: Path, name: str, damage: str
) -> None:
    write_steps(student, tmp_path, 2)
    path = checkpoint_directory(tmp_path, JOB, 2) / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if damage == "flip" else data[: len(data) // 3])
    with pytest.raises(DamagedCheckpoint, match="step-000002"):
        checkpoint.load(checkpoint_directory(tmp_path, JOB, 2))
    found = checkpoint.newest(tmp_path, JOB)
    assert found is not None
    assert found.state.step == 1


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path, JOB) is None


def test_pruning_leaves_what_is_kept_and_no_leftovers(student: Path, tmp_path: Path) -> None:
    write_steps(student, tmp_path, 4)
    parent = checkpoint_directory(tmp_path, JOB, 0).parent
    (parent / ".unfinished-step-000007").mkdir()
    checkpoint.prune(tmp_path, JOB, kept=[1, 4])
    assert sorted(path.name for path in parent.iterdir()) == ["step-000001", "step-000004"]


def test_damage_is_told_with_what_is_used_instead(student: Path, tmp_path: Path) -> None:
    write_steps(student, tmp_path, 3)
    for step in (2, 3):
        (checkpoint_directory(tmp_path, JOB, step) / "state.json").write_text("{}")
    told: list[tuple[int, str, int]] = []
    found = checkpoint.newest(tmp_path, JOB, lambda *damage: told.append(damage))
    assert found is not None
    assert [(step, used) for step, _, used in told] == [(3, 1), (2, 1)]
    assert "step-000003: state.json differs from its checksum" in told[0][1]


def test_only_damaged_checkpoints_are_a_failure_by_name_and_no_silent_start(student: Path, tmp_path: Path) -> None:
    write_steps(student, tmp_path, 1)
    (checkpoint_directory(tmp_path, JOB, 1) / "model.safetensors").unlink()
    with pytest.raises(JobFailure, match=r"no whole checkpoint .* step-000001") as failure:
        checkpoint.newest(tmp_path, JOB)
    assert failure.value.code == "checkpoint_damaged"


def test_a_checkpoint_of_another_student_is_a_named_failure(student: Path, tmp_path: Path) -> None:
    write_steps(student, tmp_path, 1)
    found = checkpoint.newest(tmp_path, JOB)
    assert found is not None
    del found.optimizer["step/model.norm.weight"]
    with pytest.raises(JobFailure, match="does not fit the student"):
        learner_of(student).restore(found.weights, found.optimizer, found.random_state, found.state.updates)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "step"
    with whole_directory(target) as directory:
        (directory / "file").write_text("old")

    def fill_until_the_disk_is_full() -> None:
        with whole_directory(target) as directory:
            (directory / "file").write_text("new")
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        fill_until_the_disk_is_full()
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["step"]


def test_a_crash_before_the_rename_is_not_seen(student: Path, tmp_path: Path) -> None:
    write_steps(student, tmp_path, 1)
    whole = checkpoint_directory(tmp_path, JOB, 1)
    shutil.copytree(whole, whole.parent / ".unfinished-step-000002")
    found = checkpoint.newest(tmp_path, JOB)
    assert found is not None
    assert found.state.step == 1
    checkpoint.save(tmp_path, found)
    checkpoint.save(tmp_path, replace(found, state=found.state.model_copy(update={"step": 2})))
    assert checkpoint_steps(tmp_path, JOB) == [1, 2]


def test_a_single_file_is_replaced_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "file", b"one")
    write_whole(tmp_path / "deep" / "file", b"two")
    assert (tmp_path / "deep" / "file").read_bytes() == b"two"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_sha256sum_itself_can_check_a_checkpoint(student: Path, tmp_path: Path) -> None:
    write_steps(student, tmp_path, 1)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    subprocess.run(command, cwd=checkpoint_directory(tmp_path, JOB, 1), check=True, capture_output=True)


def test_a_pruned_checkpoint_takes_its_policy_along(student: Path, tmp_path: Path) -> None:
    """Any tool loads the policy of a kept checkpoint; those of the others go, but for the newest few."""
    learner = write_steps(student, tmp_path, 6)
    for version in range(7):
        write_policy(learner.policy, student, policy_directory(tmp_path, JOB, version))
    checkpoint.prune(tmp_path, JOB, kept=[2, 6])
    parent = policy_directory(tmp_path, JOB, 0).parent
    (parent / ".unfinished-v000007").mkdir()
    collect_old(parent, kept=checkpoint_steps(tmp_path, JOB))
    assert sorted(path.name for path in parent.iterdir()) == ["v000002", "v000004", "v000005", "v000006"]
    kept = find_student(f"jobs/{JOB}/checkpoints/step-000002", [tmp_path])
    assert kept == policy_directory(tmp_path, JOB, 2)
    loaded = AutoModelForCausalLM.from_pretrained(kept, dtype=torch.float32).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in learner.policy.weights().items())


def test_two_students_differ(student: Path, tmp_path: Path) -> None:
    """So that the bit-for-bit comparisons above compare something."""
    other = make_student(tmp_path / "other", seed=1)
    assert bits(learner_of(student)) != bits(learner_of(other))
