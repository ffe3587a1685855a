"""A policy in several files, which engines follow while it is written."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import xxhash
from contracts.policies import policy_directory
from trainer.landing import Landing, NotLanded
from trainer.policies import write_policy
from trainer.policy import Policy
from trainer.publisher import WeightPublisher
from trainer.release import PHASE_SECONDS
from trainer.shards import LARGEST_BYTES, SMALLEST_BYTES, cut, shard_bytes
from trainer.weight_routes.shared_directory import SharedDirectory
from transformers import AutoModelForCausalLM

from .makers import JOB
from .standin_engine import StandInEngine
from .test_publisher import publisher, told

__all__ = ["publisher", "told"]
SECONDS = 60.0


def test_hugging_face_reads_a_policy_of_several_files_to_the_bit(student: Path, tmp_path: Path) -> None:
    policy = Policy.load(student, 1.0)
    write_policy(policy, student, tmp_path / "v1", limit=8192)
    files = sorted((tmp_path / "v1").glob("*.safetensors"))
    assert len(files) > 2
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "v1", dtype=torch.float32).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in policy.weights().items())
    listed = dict(reversed(line.split("  ")) for line in (tmp_path / "v1" / "XXH128SUMS").read_text().splitlines())
    expected = {path.name for path in (tmp_path / "v1").iterdir()} - {"XXH128SUMS"}
    assert listed.keys() == expected
    for name, digest in listed.items():
        assert xxhash.xxh3_128_hexdigest((tmp_path / "v1" / name).read_bytes()) == digest


def test_a_policy_is_cut_at_the_limit_and_nothing_is_lost() -> None:
    tensors = {str(number): torch.zeros(size) for number, size in enumerate((1, 1, 5, 9, 1, 1, 1))}
    shards = cut(tensors, limit=4 * 4)
    assert [list(part) for part in shards.values()] == [["0", "1"], ["2"], ["3"], ["4", "5", "6"]]
    assert next(iter(shards)) == "model-00001-of-00004.safetensors"
    assert list(cut(tensors, None)) == ["model.safetensors"]


def test_shards_are_a_sixteenth_between_two_bounds() -> None:
    assert shard_bytes(2**20) == SMALLEST_BYTES
    assert shard_bytes(2**33) == 2**29
    assert shard_bytes(2**40) == LARGEST_BYTES


def test_each_file_is_heard_of_before_the_next_is_written(tmp_path: Path) -> None:
    landing = Landing(tmp_path, {})
    following = landing.follow(SECONDS)
    with ThreadPoolExecutor(1) as beside:
        for name in ("a", "b"):
            next_one = beside.submit(next, following)
            assert not next_one.done()
            landing.land(name, name.upper())
            assert next_one.result(SECONDS) == (name, name.upper())
        rest = beside.submit(list, following)
        landing.end(whole=True)
        assert rest.result(SECONDS) == []
    assert landing.wait(SECONDS) == {"a": "A", "b": "B"}, "who comes later hears of all at once"


@pytest.mark.parametrize(("end", "message"), [(True, "gave up"), (False, "no shard within")])
def test_nobody_waits_for_ever_for_files_that_do_not_come(tmp_path: Path, end: bool, message: str) -> None:
    landing = Landing(tmp_path, {})
    landing.land("a", "A")
    if end:
        landing.end(whole=False)
    with pytest.raises(NotLanded, match=message):
        landing.wait(0.01)


def test_a_write_that_fails_between_two_files_leaves_no_directory_and_no_waiting_replica(
    publisher: WeightPublisher, student: Path, engine: StandInEngine, tmp_path: Path
) -> None:
    policy, limit = Policy.load(student, 1.0), 8192
    publisher.swapper.route = SharedDirectory(limit)
    publisher.publish(policy, 0)
    whole_base = publisher.base
    publisher.base = Path(shutil.copytree(student, tmp_path / "base"))
    _, second, *_ = cut(policy.weights(), limit)
    (publisher.base / second).mkdir()  # a directory of that name: the file cannot be opened
    (publisher.base / second / "file").touch()
    with pytest.raises(OSError, match=second):
        publisher.publish(policy, 1)
    policies = policy_directory(tmp_path, JOB, 1).parent
    assert [path.name for path in policies.iterdir()] == ["v000000"]
    # Sooner than it would give up by itself.
    assert publisher.swapper.replicas[0].submit(lambda: "free").result(PHASE_SECONDS / 2) == "free"
    assert engine.version == f"{JOB}:0"
    publisher.base = whole_base
    publisher.publish(policy, 1)
    assert engine.version == f"{JOB}:1"
